#include "io/ws_server.h"

#include "base/clock.h"
#include "base/log.h"
#include "io/listener.h"
#include "io/tls_pair.h"
#include "io/ws_memory.h"
#include "io/ws_parts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SERVICE_BUFFER = 16 * 1024, /* bytes read at a time; one for the process, not per socket */
    WRITE_MAX = 64 * 1024,      /* bytes written at a time */
    HTTP_TIMEOUT_S = 10,
    NEWCOMERS_MAX = 256 /* TCP connections that are no WebSockets, or not yet */
};

#define HEARTBEAT_US 200000 /* lws' libev timers can be late; they never are by more than this */
#define PING_CHECK_S 1.

/* Within lws_create_vhost(), which returns NULL when this fails. */
static int on_tls_context(struct ws_server *w, void *ssl_ctx)
{
    return tls_pair_attach(ssl_ctx, (struct tls_pair *const *)&w->pair, &w->tls_problem) !=
           STATUS_OK;
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len)
{
    struct connection *c = user;
    switch (reason) {
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return ws_request_upgrade(ws_server_of(wsi), wsi);
    case LWS_CALLBACK_ESTABLISHED:
        return ws_traffic_opened(ws_server_of(wsi), wsi, c);
    case LWS_CALLBACK_RECEIVE:
        return ws_traffic_received(ws_server_of(wsi), wsi, c->socket, in, len);
    case LWS_CALLBACK_RECEIVE_PONG:
        if (c->socket)
            ws_traffic_pong(ws_server_of(wsi), c->socket, in, len);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return ws_write_writable(wsi, c->socket);
    case LWS_CALLBACK_CLOSED:
        ws_traffic_closed(ws_server_of(wsi), wsi, c);
        return 0;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        if (c->socket)
            ws_traffic_goodbye(c->socket, in, len);
        return 0;
    case LWS_CALLBACK_FILTER_HTTP_CONNECTION:
        return ws_request_filter(ws_server_of(wsi), wsi, in);
    case LWS_CALLBACK_HTTP:
        return ws_request_page(ws_server_of(wsi), wsi, in);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return 0;
    case LWS_CALLBACK_HTTP_FILE_COMPLETION:
        return ws_client_of(wsi) && !ws_client_of(wsi)->by_proxy &&
                       !lws_http_transaction_completed(wsi)
                   ? 0
                   : -1;
    case LWS_CALLBACK_RAW_ADOPT:
        return -1; /* what lws makes of CONNECT: a connection without a time limit */
    case LWS_CALLBACK_WSI_DESTROY:
        client_gone(ws_client_of(wsi));
        lws_set_opaque_user_data(wsi, NULL);
        return 0;
    case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:
        return on_tls_context(ws_server_of(wsi), user);
    default:
        return lws_callback_http_dummy(wsi, reason, user, in, len);
    }
}

/* One protocol, so that clients which offer no subprotocol are bound to it too. */
static const struct lws_protocols protocols[] = {
    {WS_SUBPROTOCOL, callback, sizeof(struct connection), SERVICE_BUFFER, 0, NULL, WRITE_MAX},
    {NULL, NULL, 0, 0, 0, NULL, 0}};

/* We ping by ourselves. By its own policy libwebsockets would keep a timer for each WebSocket, in
 * one sorted list that is walked for each new one and each pong. */
static const lws_retry_bo_t no_pings = {0};

static void on_heartbeat(lws_sorted_usec_list_t *sul)
{
    struct ws_server *w = lws_container_of(sul, struct ws_server, heartbeat);
    lws_sul_schedule(w->context, 0, &w->heartbeat, on_heartbeat, HEARTBEAT_US);
}

static void on_ping_check(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    ws_traffic_ping(timer->data);
}

static void on_accepted(void *arg, int fd, const uint8_t ip[16])
{
    struct door *d = arg;
    struct ws_server *w = d->server;
    struct client *c = client_accept(&w->clients, ip, d->tls);
    if (!c) {
        close(fd);
        return;
    }
    struct lws *wsi =
        lws_adopt_socket_vhost(d->tls ? w->secure : w->plain, fd); /* closes it, too */
    if (wsi)
        lws_set_opaque_user_data(wsi, c);
    else
        client_gone(c);
}

static void log_lws(int level, const char *line)
{
    size_t len = strcspn(line, "\n");
    log_line(level & LLL_ERR ? LOG_WARN : LOG_DEBUG, "libwebsockets", LOG_T("line", line, len),
             LOG_END);
}

static void describe(struct ws_server *w, struct lws_context_creation_info *info, bool tls)
{
    /* Neither listens. The numbers differ, because lws takes every request to the first virtual
     * host of the same one. */
    *info = (struct lws_context_creation_info){
        .port = tls ? CONTEXT_PORT_NO_LISTEN_SERVER : CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .user = w,
        .mounts = w->o.web ? &w->mount : NULL,
        .headers = http_headers(tls),
        .pt_serv_buf_size = SERVICE_BUFFER,
        .retry_and_idle_policy = &no_pings,
        .max_http_header_data = HTTP_HEADERS_MAX,
        .timeout_secs = HTTP_TIMEOUT_S,
        .options = LWS_SERVER_OPTION_LIBEV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
    };
    if (!tls)
        return;
    info->alpn = "http/1.1"; /* WebSockets over HTTP/2 hang in this version */
    info->options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX |
                     LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS;
}

static bool has_tls(const struct ws_server_options *o)
{
    for (size_t i = 0; i < o->listen_count; i++)
        if (o->listen[i].tls)
            return true;
    return false;
}

static enum status make_context(struct ws_server *w, struct problem *why)
{
    void *loops[1] = {w->loop};
    struct lws_context_creation_info info;
    describe(w, &info, false);
    info.foreign_loops = loops;
    if (has_tls(&w->o))
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    lws_set_log_level(LLL_ERR, log_lws);
    ws_memory_save();
    w->context = lws_create_context(&info);
    if (!w->context)
        return problem_set(why, STATUS_IO, 0, "lws",
                           "libwebsockets cannot run on libev: apt-get install "
                           "libwebsockets-evlib-ev");
    lws_sul_schedule(w->context, 0, &w->heartbeat, on_heartbeat, HEARTBEAT_US);
    return STATUS_OK;
}

static enum status make_vhost(struct ws_server *w, bool tls, struct problem *why)
{
    struct lws_context_creation_info info;
    struct lws_vhost **vhost = tls ? &w->secure : &w->plain;
    if (*vhost)
        return STATUS_OK;
    describe(w, &info, tls);
    info.vhost_name = tls ? "secure" : "plain";
    *vhost = lws_create_vhost(w->context, &info);
    if (*vhost)
        return STATUS_OK;
    if (!w->tls_problem.text[0])
        return problem_set(why, STATUS_IO, 0, "lws", "libwebsockets made no virtual host");
    *why = w->tls_problem;
    return STATUS_BAD_CONFIG;
}

/* The pair for the handshakes to come; the connections that are there keep the one they have. */
static enum status load_pair(struct ws_server *w, const char *cert, const char *key,
                             struct problem *why)
{
    struct tls_pair *fresh;
    int64_t now = clock_wall_ms();
    enum status s = tls_pair_load(&fresh, cert, key, now, why);
    if (s != STATUS_OK)
        return s;
    tls_pair_destroy(w->pair);
    w->pair = fresh;
    w->o.cert = cert;
    w->o.key = key;
    bool early = now < tls_pair_begins_ms(fresh);
    if (tls_pair_expired(fresh))
        log_line(LOG_WARN, "certificate-out-of-date", LOG_S("cert", w->o.cert),
                 LOG_S("why", early ? "it is not valid yet" : "it has expired"),
                 LOG_S("remedy", early ? "look at this machine's clock"
                                       : "put a new one in its place and send SIGHUP"),
                 LOG_END);
    return STATUS_OK;
}

enum status ws_server_reload_tls(struct ws_server *w, const char *cert, const char *key,
                                 struct problem *why)
{
    return w->pair ? load_pair(w, cert, key, why) : STATUS_OK;
}

void ws_server_change(struct ws_server *w, const struct ws_server_options *o)
{
    ws_traffic_shift(w, o->ping_interval_us - w->o.ping_interval_us,
                     o->ping_timeout_us - w->o.ping_timeout_us);
    w->o.ping_interval_us = o->ping_interval_us;
    w->o.ping_timeout_us = o->ping_timeout_us;
    w->o.queue_messages = o->queue_messages;
    w->o.queue_bytes = o->queue_bytes;
    w->o.origins = o->origins;
    w->o.proxies = w->clients.proxies = o->proxies;
}

static enum status open_door(struct ws_server *w, size_t i, struct problem *why)
{
    const struct ws_listen *l = &w->o.listen[i];
    struct door *d = &w->doors[i];
    struct listener_options at = {l->host, l->ipv6, w->o.listen_shared, l->port};
    enum status s = make_vhost(w, l->tls, why);
    *d = (struct door){.server = w, .tls = l->tls};
    return s == STATUS_OK ? listener_start(&d->listener, w->loop, &at, on_accepted, d, why) : s;
}

enum status ws_server_start(struct ws_server **out, struct ev_loop *loop,
                            const struct ws_server_options *o, const struct ws_server_events *e,
                            struct problem *why)
{
    struct ws_server *w = calloc(1, sizeof *w);
    if (!w)
        return problem_set(why, STATUS_NO_MEMORY, 0, NULL, "out of memory");
    w->o = *o;
    w->events = *e;
    w->loop = loop;
    w->http = (struct http){e->page, e->arg, &w->o.origins};
    http_mount(&w->mount, o->web);
    clients_init(&w->clients, o->visitors, o->proxies, o->sockets_max + NEWCOMERS_MAX);
    log_budget_init(&w->refusals, clock_mono_us());
    list_init(&w->sockets);
    list_init(&w->pings);
    list_init(&w->pongs);
    list_init(&w->writing);
    ev_timer_init(&w->ping_check, on_ping_check, PING_CHECK_S, PING_CHECK_S);
    w->ping_check.data = w;
    enum status s = has_tls(o) ? load_pair(w, o->cert, o->key, why) : STATUS_OK;
    if (s == STATUS_OK)
        s = make_context(w, why);
    for (size_t i = 0; s == STATUS_OK && i < o->listen_count && i < WS_LISTENERS_MAX; i++)
        s = open_door(w, i, why);
    if (s != STATUS_OK) {
        ws_server_stop(w);
        return s;
    }
    w->o.listen = NULL; /* the caller's, and read */
    ev_timer_start(loop, &w->ping_check);
    *out = w;
    return STATUS_OK;
}

int ws_server_port(const struct ws_server *w, size_t listener)
{
    return listener_port(w->doors[listener].listener);
}

void ws_server_stats(const struct ws_server *w, struct ws_server_stats *out)
{
    *out = w->stats;
    out->connections = w->clients.count;
    out->certificate_ends_ms = w->pair ? tls_pair_ends_ms(w->pair) : 0;
    out->connections_refused_full = w->clients.refused_full;
    out->connections_refused_address = w->clients.refused_address;
    for (size_t i = 0; i < WS_LISTENERS_MAX; i++)
        if (w->doors[i].listener)
            out->descriptor_pauses += listener_pauses(w->doors[i].listener);
}

void ws_server_yield(struct ws_server *w)
{
    for (size_t i = 0; i < WS_LISTENERS_MAX; i++)
        if (w->doors[i].listener)
            listener_yield(w->doors[i].listener);
}

void ws_server_stop_listening(struct ws_server *w)
{
    for (size_t i = 0; i < WS_LISTENERS_MAX; i++) {
        listener_stop(w->doors[i].listener);
        w->doors[i].listener = NULL;
    }
}

bool ws_server_empty(const struct ws_server *w)
{
    return list_empty(&w->sockets);
}

void ws_server_stop(struct ws_server *w)
{
    if (!w)
        return;
    ws_server_stop_listening(w);
    ev_timer_stop(w->loop, &w->ping_check);
    if (w->context)
        lws_context_destroy(w->context);
    tls_pair_destroy(w->pair);
    free(w);
}
