/* One WebSocket's buffers, apart from libwebsockets' callbacks: frames that wait to be written, and
 * the message that is being put together. Private to ws_server. */
#ifndef SIGBRIDGE_IO_WS_SOCKET_H
#define SIGBRIDGE_IO_WS_SOCKET_H

#include "base/buf.h"
#include "base/list.h"
#include "base/text.h"
#include "core/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lws;
struct ws_server;

enum { CLOSE_REASON_MAX = 123 }; /* RFC 6455 section 5.5 */

struct ws_socket {
    struct ws_server *server;
    struct lws *wsi;
    void *context; /* the owner's; NULL once it was told that the socket is closed */
    struct link in_all;
    struct link ping;    /* in the server's list of sockets to ping, or of those that owe a pong */
    struct link writing; /* in the server's, when the end of the turn has something to write */
    int64_t ping_at_us;
    uint64_t mark;      /* of what was written last (core/frame.h) */
    uint64_t ping_mark; /* of what was written in front of the ping */
    struct frame *first, *last;
    uint32_t count, bytes;     /* of these */
    struct buf *in;            /* pieces of a message; NULL at rest */
    const char *close_reason;  /* static */
    const char *ended;         /* why, for the owner */
    uint32_t unasked;          /* bytes written since the kernel was asked whether it has room */
    uint16_t close_code;       /* 0: open */
    unsigned char ping_number; /* what the last one carries: its pong carries it, too */
    bool ping_due;             /* a ping is to be written, because nothing was heard for long, */
    bool confirm_due;          /* or to learn what was read */
    bool ping_out;             /* its pong has not come */
    bool silent;               /* it broke, or is given up because it answers no ping */
    bool peer_ended;           /* its Close came first, */
    bool said_goodbye;         /* and says that it meant to: 1000, 1001, no code */
};

/* Holds the frame. False: the queue is full, nothing was added. */
bool ws_queue_add(struct ws_socket *s, struct frame *f, size_t count_max, size_t bytes_max);
void ws_queue_pop(struct ws_socket *s);
void ws_queue_clear(struct ws_socket *s);

#endif
