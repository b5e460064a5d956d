/* What the core needs from outside, as tables of functions that app fills in. The core calls them;
 * none of them calls back into the core before it returns. */
#ifndef SIGBRIDGE_CORE_PORTS_H
#define SIGBRIDGE_CORE_PORTS_H

#include "base/buf.h"
#include "base/status.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct delivery;
struct session;
struct frame;

/* How a session's socket is reached. `socket` is what router_open() was given. */
struct socket_ops {
    /* Queues one text frame and holds it until it is written. A socket whose queue is full marks
     * itself for closing (1013) and drops the frame; router_close() follows from the loop. */
    void (*send)(void *socket, struct frame *frame);
    /* Marks the socket for closing after what is queued; router_close() follows from the loop.
     * reason: a static sentence of up to 123 bytes. */
    void (*close)(void *socket, int code, const char *reason);
    /* What comes from it from now on is for this session, which router_open() did not give. */
    void (*bind)(void *socket, struct session *session);
    /* It is nobody's any more: nothing that comes from it is heard, router_close() does not follow.
     * It is closed, and what is queued is written before only with `flush`. */
    void (*part)(void *socket, int code, const char *reason, bool flush);
    /* Asks the client for a sign of life behind what was sent: router_confirmed() follows. */
    void (*confirm)(void *socket);
};

/* One message to the broker, QoS 1. All of it is copied. */
struct publication {
    const char *topic;
    struct text payload;
    bool retain;
    uint32_t expiry_s;         /* MQTT 5 message expiry; 0: none */
    bool ours;                 /* the bridge's own: not counted against the outage buffer */
    const char *reason;        /* user property `reason` of a cleared presence; or NULL */
    struct delivery *delivery; /* told the outcome by router_published(); NULL: nobody asks */
};

struct bus_ops {
    /* STATUS_OK: the outcome follows, once, even if the broker never answers. STATUS_UNAVAILABLE:
     * the outage buffer is full; STATUS_TOO_LARGE, STATUS_NO_MEMORY: nothing follows. */
    enum status (*publish)(void *bus, const struct publication *p);
    /* QoS 1. While the broker is away these do nothing: router_bus_up() subscribes again. A filter
     * that the broker refuses comes back through router_refused(). */
    void (*subscribe)(void *bus, const char *const *filters, size_t count);
    void (*unsubscribe)(void *bus, const char *filter);
    /* While on, what is not `ours` waits as if the broker were away. */
    void (*hold)(void *bus, bool on);
};

/* The ICE servers as a JSON array, with credentials for `peer` that begin to count now. */
struct ice_ops {
    void (*put_servers)(void *ice, struct buf *b, struct text peer, int64_t now_ms);
};

/* One change of who is present, for the history. Texts are copied. */
enum record_what { RECORD_JOINED, RECORD_UPDATED, RECORD_LEFT, RECORD_SWEEP };

struct record {
    enum record_what what;
    struct text room, peer, kind, bridge, transport, sid, meta, reason;
    int64_t since_ms;
    int64_t at_ms;
};

struct recorder_ops {
    void (*record)(void *recorder, const struct record *r); /* never waits */
};

#endif
