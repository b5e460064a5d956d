/* The HTTP and WebSocket listeners, plain and with TLS, on libwebsockets, driven by the loop.
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
#include "io/http.h"
#include "policy/forwarded.h"
#include "policy/origin.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ev_loop;
struct ws_server;
struct ws_socket;
struct frame;
struct session;

enum { WS_LISTENERS_MAX = 8 };

struct ws_listen {
    const char *host; /* numeric */
    bool ipv6;
    int port; /* 0: any */
    bool tls;
};

struct ws_server_options {
    const struct ws_listen *listen;
    size_t listen_count;           /* 1 to WS_LISTENERS_MAX */
    bool listen_shared;            /* with other processes of this user; see listener.h */
    const char *cert, *key;        /* PEM files, where a listener has TLS */
    struct visitors *visitors;     /* counts by address */
    const struct proxies *proxies; /* whose X-Forwarded-* are believed; NULL: nobody's */
    struct origin_rules origins;   /* pages that may connect, beside our own */
    bool local_names_only;         /* the Host must be a name of this machine: development */
    const char *web;               /* directory, or NULL */
    size_t message_max; /* bytes of one message after reassembly; more closes with 1009 */
    size_t queue_messages, queue_bytes; /* of one socket's send queue */
    size_t sockets_max;
    int64_t ping_interval_us, ping_timeout_us;
};

/* Who opens a WebSocket. The token lives as long as the call, the visitor as long as the socket. */
struct ws_visit {
    struct visitor *visitor;
    struct text token; /* Authorization: Bearer, else ?token=; empty: none */
};

/* `context` is the owner's, per socket. Called from the loop. */
struct ws_server_events {
    /* The context; NULL refuses with 1013. */
    void *(*opened)(void *arg, struct ws_socket *s, const struct ws_visit *visit);
    void (*message)(void *arg, void *context, const char *bytes, size_t len);
    /* lost: neither side meant it to end. */
    void (*closed)(void *arg, void *context, const char *reason, bool lost);
    /* The client has read what bears this mark (core/frame.h). */
    void (*confirmed)(void *arg, void *context, uint64_t mark);
    http_page *page; /* answers GET on a path that is no file */
    void *arg;
};

struct ws_server_stats {
    size_t sockets, connections; /* WebSockets; all of TCP */
    uint64_t accepted, refused_full, slow_readers, ping_timeouts, too_large;
    uint64_t violations; /* of RFC 6455 */
    uint64_t connections_refused_full, connections_refused_address, origins_refused;
    uint64_t descriptor_pauses;  /* a listener waited for descriptors */
    int64_t certificate_ends_ms; /* 0: no TLS */
};

/* STATUS_IO or STATUS_BAD_CONFIG with a sentence that names address or file, and the remedy. */
enum status ws_server_start(struct ws_server **out, struct ev_loop *loop,
                            const struct ws_server_options *o, const struct ws_server_events *e,
                            struct problem *why);
int ws_server_port(const struct ws_server *w, size_t listener); /* the real one */
/* Reads certificate and key, again or from other files, for the handshakes that come from now on.
 * STATUS_BAD_CONFIG: with a sentence, and the old ones stay. STATUS_OK without TLS too. */
enum status ws_server_reload_tls(struct ws_server *w, const char *cert, const char *key,
                                 struct problem *why);
/* Takes over what may change while it runs: proxies, origins, queue_*, ping_*. The rest of *o is
 * not looked at. Open sockets go on under the new numbers. */
void ws_server_change(struct ws_server *w, const struct ws_server_options *o);
void ws_server_stats(const struct ws_server *w, struct ws_server_stats *out);

/* The functions of struct socket_ops. */
void ws_socket_send(void *socket, struct frame *frame);
void ws_socket_close(void *socket, int code, const char *reason);
void ws_socket_bind(void *socket, struct session *context);
void ws_socket_part(void *socket, int code, const char *reason, bool flush);
void ws_socket_confirm(void *socket);

/* Writes what the sockets were given since the last call: at the end of each turn of the loop. */
void ws_server_flush(struct ws_server *w);

/* Leaves new connections to the others at shared ports: a moment before it stops listening. */
void ws_server_yield(struct ws_server *w);
void ws_server_stop_listening(struct ws_server *w);
bool ws_server_empty(const struct ws_server *w); /* no WebSocket is open */
/* Cuts what is still open (`closed` is called for each) and frees. NULL is fine. */
void ws_server_stop(struct ws_server *w);

#endif
