/* What the files of the WebSocket server share: its state, and which of them does what.
 * ws_server.c: listeners, virtual hosts, the callback of libwebsockets. ws_request.c: what a
 * request must be to be served. ws_traffic.c: a WebSocket from its opening to its end, and what it
 * says. ws_write.c: what it is told. Private to
 * them; threads: the loop's. */
#ifndef SIGBRIDGE_IO_WS_PARTS_H
#define SIGBRIDGE_IO_WS_PARTS_H

#include "io/client.h"
#include "io/http.h"
#include "io/http_headers.h"
#include "io/ws_server.h"
#include "io/ws_socket.h"

#include <ev.h>
#include <libwebsockets.h>

#define WS_SUBPROTOCOL "sigbridge.v1"

enum { WS_GATHER_BYTES = 16 * 1024 }; /* of frames that are written together */

struct listener;
struct tls_pair;

struct ws_server {
    struct ws_server_options o;
    struct ws_server_events events;
    struct ev_loop *loop;
    struct lws_context *context;
    struct lws_vhost *plain, *secure; /* NULL: no listener of the kind */
    struct tls_pair *pair;            /* of the handshakes that come */
    struct problem tls_problem;       /* why `secure` could not be made */
    struct door {
        struct ws_server *server;
        struct listener *listener;
        bool tls;
    } doors[WS_LISTENERS_MAX];
    struct clients clients;
    struct http http;
    struct lws_http_mount mount;
    struct log_budget refusals;
    char scratch[HTTP_HEADERS_MAX]; /* for a header or token of the request being looked at */
    struct link sockets;
    /* By ping_at_us: each list has one interval of its own, so appending keeps it sorted. */
    struct link pings; /* sockets to be pinged */
    struct link pongs; /* sockets that owe an answer */
    struct link writing;
    unsigned char gather[WS_GATHER_BYTES];
    struct ws_server_stats stats;
    lws_sorted_usec_list_t heartbeat;
    ev_timer ping_check;
};

/* libwebsockets' per-connection memory: at rest a WebSocket costs one pointer of ours in it. */
struct connection {
    struct ws_socket *socket;
};

static inline struct ws_server *ws_server_of(struct lws *wsi)
{
    return lws_context_user(lws_get_context(wsi));
}

static inline struct client *ws_client_of(struct lws *wsi)
{
    return lws_get_opaque_user_data(wsi);
}

/* ws_request.c. 0, or what libwebsockets is to get when the request was refused. */
int ws_request_filter(struct ws_server *w, struct lws *wsi, const char *path); /* before any file */
int ws_request_page(struct ws_server *w, struct lws *wsi, const char *path);
int ws_request_upgrade(struct ws_server *w, struct lws *wsi);

/* One line for what a stranger did; of a flood only some. what: from the network, or a sentence. */
void ws_log_refusal(struct ws_server *w, const struct client *c, const char *event,
                    struct text what);

/* ws_traffic.c. As libwebsockets tells it; socket may be NULL. */
int ws_traffic_opened(struct ws_server *w, struct lws *wsi, struct connection *c);
int ws_traffic_received(struct ws_server *w, struct lws *wsi, struct ws_socket *s,
                        const char *bytes, size_t len);
void ws_traffic_closed(struct ws_server *w, struct lws *wsi, struct connection *c);
void ws_traffic_pong(struct ws_server *w, struct ws_socket *s, const unsigned char *bytes,
                     size_t len);
void ws_traffic_goodbye(struct ws_socket *s, const unsigned char *close, size_t len);
void ws_traffic_ping(struct ws_server *w); /* pings who is due, ends who owes an answer */
/* Pings come so much later, ends for want of an answer so much: lists keep their order. */
void ws_traffic_shift(struct ws_server *w, int64_t pings_us, int64_t pongs_us);

/* ws_write.c. */
void ws_write_later(struct ws_socket *s); /* at the end of this turn */
int ws_write_writable(struct lws *wsi, struct ws_socket *s);
/* Closes without writing what waits. word: what the owner hears as the reason. */
void ws_write_cut(struct ws_socket *s, int code, const char *reason, const char *word);

#endif
