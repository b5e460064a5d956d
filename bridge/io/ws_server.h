/* The HTTP and WebSocket listener, on libwebsockets, driven by the loop.
 *
 * Sockets are accepted here and adopted by libwebsockets, so that port 0, several addresses and a
 * clean stop work. Each WebSocket has a bounded send queue; one whose reader is too slow is closed
 * with 1013. permessage-deflate is never negotiated: in libwebsockets 4.1.6 a client can abort the
 * process with it.
 *
 * Closing is marked, then done when the socket is writable; the owner hears `closed` from the loop,
 * never from within a call. Threads: the loop's. */
#ifndef SIGBRIDGE_IO_WS_SERVER_H
#define SIGBRIDGE_IO_WS_SERVER_H

#include "base/buf.h"
#include "base/problem.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ev_loop;
struct ws_server;
struct ws_socket;

struct ws_server_options {
    const char *host; /* numeric */
    bool ipv6;
    int port;           /* 0: any */
    const char *web;    /* directory, or NULL */
    size_t message_max; /* bytes of one message after reassembly; more closes with 1009 */
    size_t queue_messages, queue_bytes; /* of one socket's send queue */
    size_t sockets_max;
    int64_t ping_interval_us, ping_timeout_us;
};

/* `context` is the owner's, per socket. Called from the loop. */
struct ws_server_events {
    void *(*opened)(void *arg, struct ws_socket *s); /* the context; NULL refuses with 1013 */
    void (*message)(void *arg, void *context, const char *bytes, size_t len);
    void (*closed)(void *arg, void *context, const char *reason);
    /* Answers GET on a path that is no file: fills body and type, returns the HTTP status; 0: 404.
     */
    int (*page)(void *arg, const char *path, struct buf *body, const char **type);
    void *arg;
};

struct ws_server_stats {
    size_t sockets;
    uint64_t accepted, refused_full, slow_readers, ping_timeouts, too_large;
};

/* STATUS_IO or STATUS_BAD_CONFIG with a sentence that names address and remedy. */
enum status ws_server_start(struct ws_server **out, struct ev_loop *loop,
                            const struct ws_server_options *o, const struct ws_server_events *e,
                            struct problem *why);
int ws_server_port(const struct ws_server *w); /* the real one */
void ws_server_stats(const struct ws_server *w, struct ws_server_stats *out);

/* The functions of struct socket_ops. */
void ws_socket_send(void *socket, struct text head, struct text tail);
void ws_socket_close(void *socket, int code, const char *reason);

void ws_server_stop_listening(struct ws_server *w);
bool ws_server_empty(const struct ws_server *w); /* no WebSocket is open */
/* Cuts what is still open (`closed` is called for each) and frees. NULL is fine. */
void ws_server_stop(struct ws_server *w);

#endif
