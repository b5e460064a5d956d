/* A session over WebSocket: the request that opens it, frames, pings. For drivers. */
#ifndef LOAD_WS_LINK_H
#define LOAD_WS_LINK_H

#include "world.h"
#include "ws.h"

/* Sends the request for this target. */
void ws_link_open(struct session *s, const char *target);

struct ws_link_handlers {
    void (*up)(struct session *s, const void *context); /* the request was answered */
    /* Of a text or binary frame. */
    void (*payload)(struct session *s, struct span bytes, const void *context);
    const void *context;
};

size_t ws_link_bytes(struct session *s, unsigned char *bytes, size_t len,
                     const struct ws_link_handlers *handlers);

/* Closes with 1000. */
void ws_link_leave(struct session *s);

#endif
