/* What a candidate speaks. A protocol is some functions; a driver_*.c holds one protocol and knows
 * nothing of modes. It reports what it hears through the world_* functions of world.h. */
#ifndef LOAD_DRIVER_H
#define LOAD_DRIVER_H

#include "payload.h"

struct session;

struct message {
    enum kind kind;
    const struct session *to; /* NULL: everyone else in the room */
    uint32_t number;          /* of its lane, which is the sender's index */
};

struct protocol {
    void (*opened)(struct session *s); /* the TCP connection is there: say hello */
    /* Bytes came; returns how many were used up. */
    size_t (*bytes)(struct session *s, unsigned char *bytes, size_t len);
    void (*join)(struct session *s); /* called after world_is_open() */
    void (*send)(struct session *s, const struct message *message);
    void (*leave)(struct session *s);   /* says that it goes, for good */
    void (*beat)(struct session *s);    /* every BEAT_SECONDS; NULL where nothing is needed */
    void (*release)(struct session *s); /* frees what the protocol keeps; NULL: nothing */
};

enum { BEAT_SECONDS = 20 };

/* What a candidate does not have. */
enum {
    LACKS_PRESENCE = 1,
    LACKS_BROADCAST = 2,
    LACKS_TARGETS = 4, /* everything goes to everyone in the room */
};

struct candidate {
    const char *kind;
    const struct protocol *caller, *callee; /* of sessions with even and with odd numbers */
    unsigned lacks;
    const char *subprotocol; /* of the WebSocket; NULL: none */
    bool acknowledges;       /* answers messages that have an id */
    bool numbers;            /* `seq` in what a session must not miss, from 1 in steps of 1 */
    bool shares_broker;      /* several on one broker are one server: --second-port */
    int qos;                 /* of MQTT */
    bool no_bridge;          /* clients are straight on the broker, and watch presence there */
    bool callees_first;      /* they must be there before callers join */
    bool callees_on_mqtt;    /* over TCP, on --mqtt-port */
    bool callers_on_mqtt;
};

const struct candidate *driver_find(const char *kind); /* NULL: unknown */

#endif
