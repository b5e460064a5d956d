/* One WebSocket's buffers, apart from libwebsockets' callbacks: frames that wait to be written, and
 * the message that is being put together. Private to ws_server. */
#ifndef SIGBRIDGE_IO_WS_SOCKET_H
#define SIGBRIDGE_IO_WS_SOCKET_H

#include "base/buf.h"
#include "base/list.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lws;
struct ws_server;

enum { CLOSE_REASON_MAX = 123 }; /* RFC 6455 section 5.5 */

struct ws_frame {
    struct ws_frame *next;
    size_t len;
    unsigned char bytes[]; /* LWS_PRE of headroom, then the frame */
};

struct ws_socket {
    struct ws_server *server;
    struct lws *wsi;
    struct client *client;
    void *context; /* the owner's; NULL once it was told that the socket is closed */
    struct link in_all;
    struct link ping; /* in the server's list of sockets to ping, or of those that owe a pong */
    int64_t ping_at_us;
    bool ping_due;   /* a ping is to be written */
    bool peer_ended; /* its Close came first */
    struct ws_frame *first, *last;
    size_t count, bytes;
    struct buf in;            /* pieces of a message; empty at rest */
    int close_code;           /* 0: open */
    const char *close_reason; /* static */
    const char *ended;        /* why, for the owner */
};

/* False: the queue is full or memory is short, nothing was added. */
bool ws_queue_add(struct ws_socket *s, struct text head, struct text tail, size_t count_max,
                  size_t bytes_max);
void ws_queue_pop(struct ws_socket *s);
void ws_queue_clear(struct ws_socket *s);

#endif
