/* Publications on their way: those that wait, in order, and those that are with the broker.
 *
 * Clients' messages wait up to bytes_max. The bridge's own have a bound that only a fault can
 * reach: of a retained one that nobody asks about and that waits, a later one on its topic takes
 * the place, so that an outage of days costs no more than one of minutes.
 *
 * Threads: the loop's. */
#ifndef SIGBRIDGE_IO_MQTT_QUEUE_H
#define SIGBRIDGE_IO_MQTT_QUEUE_H

#include "base/list.h"
#include "base/map.h"
#include "core/ports.h"

#include <stdint.h>

enum {
    MQTT_QUEUE_OURS_MAX = 32 << 20,   /* bytes of the bridge's own messages that wait */
    MQTT_QUEUE_WINDOW = 100,          /* messages without PUBACK */
    MQTT_QUEUE_WINDOW_BYTES = 4 << 20 /* of those; a single one always fits */
};

struct mqtt_item {
    struct link at; /* in waiting or in_flight */
    struct delivery *delivery;
    int64_t queued_us;
    int64_t sent_us; /* while in flight */
    size_t len;
    size_t size;
    bool counted;     /* in bytes or bytes_ours */
    bool handed;      /* the broker has had it: it may have arrived, whatever becomes of it now */
    bool replaceable; /* in `latest` */
    uint32_t expiry_s;
    int mid;
    bool retain;
    bool ours;
    const char *reason;
    const char *payload; /* behind the topic, in the same allocation */
    char topic[];
};

struct mqtt_queue {
    struct link waiting;
    struct link held; /* clients' messages that wait behind all others, while holding */
    bool holding;
    struct link in_flight;
    size_t waiting_count, in_flight_count; /* waiting: the held ones, too */
    size_t in_flight_bytes;
    size_t bytes; /* of clients' messages that wait */
    size_t bytes_max;
    size_t bytes_ours;
    struct map latest; /* topic -> retained item that waits and may be replaced */
};

void mqtt_queue_init(struct mqtt_queue *q, size_t bytes_max);
void mqtt_queue_release(struct mqtt_queue *q); /* once nothing is in it */
/* Copies the publication to the end of the waiting ones. at_once: it will not wait, so the bound
 * does not count. NULL: *why says UNAVAILABLE for the bound or NO_MEMORY. */
struct mqtt_item *mqtt_queue_add(struct mqtt_queue *q, const struct publication *p, int64_t now_us,
                                 bool at_once, enum status *why);
/* The next to send, or NULL: none waits, or as many as may be are in flight. */
struct mqtt_item *mqtt_queue_next(const struct mqtt_queue *q);
/* Whether a message could be sent this moment without one that waits in front of it. */
bool mqtt_queue_free(const struct mqtt_queue *q, const struct publication *p);
void mqtt_queue_sent(struct mqtt_queue *q, struct mqtt_item *i, int mid, int64_t now_us);
/* Clients' messages are held back, and go out in their order afterwards; ours pass them. */
void mqtt_queue_hold(struct mqtt_queue *q, bool on);
/* The connection broke: what was in flight waits again, in front, and as old as it is. */
void mqtt_queue_return(struct mqtt_queue *q);
/* When the one that has been in flight for longest was sent; -1: none is. */
int64_t mqtt_queue_oldest_us(const struct mqtt_queue *q);
struct mqtt_item *mqtt_queue_by_mid(const struct mqtt_queue *q, int mid); /* in flight, or NULL */
/* The oldest client message that waits since before then, or NULL. */
struct mqtt_item *mqtt_queue_older(const struct mqtt_queue *q, int64_t then_us);
void mqtt_queue_drop(struct mqtt_queue *q, struct mqtt_item *i); /* out of its list, freed */

#endif
