/* The bridge's one MQTT 5 connection, on libmosquitto, driven by the loop.
 *
 * What is published waits in one queue, in order: so many messages are with the broker at a time as
 * mqtt_queue.h says, and while the broker is away everything waits. Clients' messages may fill it
 * up to outage_bytes and wait up to outage_age, also for a broker that is only slow; the bridge's
 * own messages have a bound of their own. It reconnects by itself, with jittered exponential
 * backoff, and gives up connections that lead nowhere: see mqtt_alive.h.
 *
 * Each message from the broker is reported once, though QoS 1 may bring it twice: see mqtt_again.h.
 *
 * A name in the broker's address is resolved beside the loop, again for each attempt. With TLS
 * libmosquitto resolves it once more, in the loop, because it compares the name with the
 * certificate: then a name server that takes seconds to answer keeps everybody waiting for as long.
 *
 * Threads: the loop's. */
#ifndef SIGBRIDGE_IO_MQTT_LINK_H
#define SIGBRIDGE_IO_MQTT_LINK_H

#include "base/problem.h"
#include "core/ports.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ev_loop;
struct mqtt_link;

enum {
    MQTT_LINK_SESSION_EXPIRY = 60, /* seconds the broker keeps our subscriptions for us */
    MQTT_LINK_BACKOFF_MIN_MS = 50,
    MQTT_LINK_BACKOFF_MAX_MS = 5000,
    MQTT_LINK_CONNECT_S = 10,     /* from the first packet to CONNACK */
    MQTT_LINK_REFUSED_MIN_S = 30, /* until refused subscriptions are tried again, doubling */
    MQTT_LINK_REFUSED_MAX_S = 600
};

/* Strings are the caller's and outlive the link. */
struct mqtt_link_options {
    const char *host; /* or the path of a Unix socket, with port 0 */
    int port;
    bool tls;
    const char *ca, *cert, *key; /* NULL: the system's CAs, no client certificate */
    const char *username, *password;
    const char *client_id;
    int keepalive_s;
    const char *will_topic;
    const char *will_payload;
    size_t outage_bytes;
    int64_t outage_age_us;
};

/* All are called from the loop, never from within a call into the link except mqtt_link_stop(). */
struct mqtt_link_events {
    /* Connected: subscribe now, that goes out before anything queued. kept: the broker has our
     * session of before, so that nothing that came meanwhile is missing. */
    void (*up)(void *arg, bool kept);
    void (*down)(void *arg);
    void (*message)(void *arg, const char *topic, struct text payload, bool retained,
                    struct text reason);
    /* found: with STATUS_OK, somebody subscribes to the topic; with STATUS_UNAVAILABLE, the broker
     * has had the message without acknowledging it, so that it may have arrived all the same. */
    void (*published)(void *arg, struct delivery *d, enum status status, bool found);
    /* Once for each filter and connection; it is tried again by itself. */
    void (*refused)(void *arg, const char *filter);
    void *arg;
};

struct mqtt_link_stats {
    size_t queued, queued_bytes, in_flight;
    size_t subscriptions_refused;
    uint64_t connects, expired, refused_full, refused_ours;
    uint64_t sessions_lost; /* of those that the broker was to keep for us */
    uint64_t repeated;      /* messages that came again and were passed over */
    uint64_t given_up;      /* connections on which the broker did not answer */
};

/* Makes the link and begins to connect; `up` follows. STATUS_BAD_CONFIG with a sentence when the
 * TLS files cannot be used. */
enum status mqtt_link_start(struct mqtt_link **out, struct ev_loop *loop,
                            const struct mqtt_link_options *o, const struct mqtt_link_events *e,
                            struct problem *why);

/* The functions of struct bus_ops; `bus` is the link. */
enum status mqtt_link_publish(void *bus, const struct publication *p);
void mqtt_link_subscribe(void *bus, const char *const *filters, size_t count);
void mqtt_link_unsubscribe(void *bus, const char *filter);
void mqtt_link_hold(void *bus, bool on);

bool mqtt_link_connected(const struct mqtt_link *l);
const char *mqtt_link_trouble(const struct mqtt_link *l); /* why not, as a sentence; never NULL */
bool mqtt_link_idle(const struct mqtt_link *l);           /* everything published has its PUBACK */
void mqtt_link_stats(const struct mqtt_link *l, struct mqtt_link_stats *out);
void mqtt_link_hurry(struct mqtt_link *l); /* the broker is back: try now */
/* Takes over the login, for the next connection, and the bounds of what waits. The rest of *o is
 * not looked at. */
void mqtt_link_change(struct mqtt_link *l, const struct mqtt_link_options *o);

/* Says DISCONNECT, so that the will stays unsent, ends what waits with STATUS_UNAVAILABLE, frees.
 */
void mqtt_link_stop(struct mqtt_link *l);

#endif
