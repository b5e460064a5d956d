/* The libmosquitto client of a link: how it is set up, and what it calls back. Private to
 * mqtt_link. Threads: the loop's. */
#ifndef SIGBRIDGE_IO_MQTT_CLIENT_H
#define SIGBRIDGE_IO_MQTT_CLIENT_H

#include "io/mqtt_again.h"
#include "io/mqtt_alive.h"
#include "io/mqtt_link.h"
#include "io/mqtt_queue.h"
#include "io/mqtt_resolve.h"
#include "io/mqtt_subs.h"

#include <ev.h>
#include <mosquitto.h>

struct mqtt_link {
    struct mqtt_link_options o;
    struct mqtt_link_events events;
    struct ev_loop *loop;
    struct mosquitto *mosq;
    struct mqtt_queue queue;
    struct mqtt_link_stats stats;
    struct mqtt_subs subs;
    struct mqtt_again again;
    struct mqtt_alive alive;
    struct mqtt_resolve resolve;
    int64_t asked_us; /* since when the broker's name is being resolved; -1: it is not */
    ev_io readable, writable;
    ev_timer second;
    ev_timer rest; /* more is to be read, though the socket may not say so */
    ev_timer retry;
    int attempts; /* since the last connection */
    int brief;    /* connections since the last that held for STEADY_US */
    int64_t connected_us;
    int64_t attempt_us;       /* when the attempt that is under way began; -1: none is */
    int64_t refused_again_us; /* when refused subscriptions are tried again */
    int refused_wait_s;
    bool connected;
    bool had_session; /* the broker let us in before, and was to keep what it knows of us */
    bool gave_up;     /* this connection: it is about to end */
    bool refused;     /* in this attempt, with a reason that says more than the end that follows */
    bool tried;
    bool renew; /* before the next attempt: libmosquitto still holds what we sent */
    char trouble[300];
    char tls_trouble[160]; /* of this attempt: what the TLS library found wrong; "": nothing */
};

/* Options, will, login, TLS and callbacks of l->mosq, which was just made. STATUS_BAD_CONFIG with a
 * sentence when the TLS files cannot be used. */
enum status mqtt_client_set_up(struct mqtt_link *l, struct problem *why);

/* In mqtt_link.c, for the callbacks. */
void mqtt_link_unwatch(struct mqtt_link *l);
void mqtt_link_retry_later(struct mqtt_link *l);
void mqtt_link_say_unreachable(struct mqtt_link *l, const char *what, const char *why);
/* Ends an item: out of the queue first, so that whoever hears of it may publish. */
void mqtt_link_finish(struct mqtt_link *l, struct mqtt_item *i, enum status status, bool found);

#endif
