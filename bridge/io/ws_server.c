#include "io/ws_server.h"

#include "base/clock.h"
#include "base/log.h"
#include "io/client.h"
#include "io/http.h"
#include "io/http_headers.h"
#include "io/listener.h"
#include "io/tls_pair.h"
#include "io/ws_socket.h"

#include <ev.h>
#include <libwebsockets.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SERVICE_BUFFER = 16 * 1024, /* bytes read at a time; one for the process, not per socket */
    HTTP_TIMEOUT_S = 10,
    CLOSE_TIMEOUT_S = 3, /* for a peer that does not let us write our Close */
    WRITES_PER_TURN = 32,
    NEWCOMERS_MAX = 256, /* TCP connections that are no WebSockets, or not yet */
    ORIGIN_SIZE = 512,
    HOST_SIZE = 512
};

#define SUBPROTOCOL  "sigbridge.v1"
#define HEARTBEAT_US 200000 /* lws' libev timers can be late; they never are by more than this */
#define PING_CHECK_S 1.

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
    struct ws_server_stats stats;
    lws_sorted_usec_list_t heartbeat;
    ev_timer ping_check;
};

/* libwebsockets' per-connection memory: at rest a WebSocket costs one pointer of ours in it. */
struct connection {
    struct ws_socket *socket;
};

static struct ws_server *server_of(struct lws *wsi)
{
    return lws_context_user(lws_get_context(wsi));
}

static struct client *client_of(struct lws *wsi)
{
    return lws_get_opaque_user_data(wsi);
}

static void restart_ping(struct ws_socket *s)
{
    list_remove(&s->ping);
    list_add(&s->server->pings, &s->ping);
    s->ping_at_us = clock_mono_us() + s->server->o.ping_interval_us;
    s->ping_due = false;
}

static void log_refusal(struct ws_server *w, const struct client *c, const char *event,
                        struct text what)
{
    uint64_t unsaid;
    char address[VISITOR_TEXT_MAX];
    if (log_budget_take(&w->refusals, clock_mono_us(), &unsaid))
        log_line(LOG_WARN, event, LOG_S("address", visitor_format(c->visitor, address)),
                 LOG_T("what", what.p, text_len(&what)), LOG_I("unsaid", unsaid), LOG_END);
}

void ws_socket_close(void *socket, int code, const char *reason)
{
    struct ws_socket *s = socket;
    if (s->close_code)
        return;
    s->close_code = code;
    s->close_reason = reason;
    lws_set_timeout(s->wsi, PENDING_TIMEOUT_USER_OK, CLOSE_TIMEOUT_S);
    lws_callback_on_writable(s->wsi);
}

/* Closes without writing what waits. word: what the owner hears as the reason. */
static void cut(struct ws_socket *s, int code, const char *reason, const char *word)
{
    ws_queue_clear(s);
    ws_socket_close(s, code, reason);
    s->ended = word;
}

/* Writes what the socket takes. lws has no queue of its own: once the pipe chokes, the rest waits
 * for the next turn. False: the connection broke. */
static bool write_queue(struct ws_socket *s, int count_max)
{
    for (int i = 0; s->first && i < count_max && !lws_send_pipe_choked(s->wsi); i++) {
        struct ws_frame *f = s->first;
        int written = lws_write(s->wsi, f->bytes + LWS_PRE, f->len, LWS_WRITE_TEXT);
        if (written < (int)f->len)
            return false;
        ws_queue_pop(s);
    }
    return true;
}

void ws_socket_send(void *socket, struct text head, struct text tail)
{
    struct ws_socket *s = socket;
    struct ws_server *w = s->server;
    if (s->close_code)
        return;
    bool taken = ws_queue_add(s, head, tail, w->o.queue_messages, w->o.queue_bytes);
    if (!taken) {
        /* Much came in one turn of the loop. Slow is only who does not take it now. */
        if (!write_queue(s, INT_MAX)) {
            cut(s, 1011, "the connection broke", "closed");
            return;
        }
        taken = ws_queue_add(s, head, tail, w->o.queue_messages, w->o.queue_bytes);
    }
    if (taken) {
        lws_callback_on_writable(s->wsi);
        return;
    }
    w->stats.slow_readers++;
    log_refusal(w, s->client, "slow-reader", text_of_str("the send queue is full"));
    cut(s, 1013, "too slow: the send queue is full", "slow");
}

static int on_established(struct ws_server *w, struct lws *wsi, struct connection *c)
{
    struct ws_socket *s = calloc(1, sizeof *s);
    if (!s)
        return -1;
    s->server = w;
    s->wsi = wsi;
    s->ended = "closed";
    list_init(&s->in_all);
    list_init(&s->ping);
    buf_init(&s->in, w->o.message_max);
    c->socket = s;
    list_add(&w->sockets, &s->in_all);
    w->stats.sockets++;
    w->stats.accepted++;
    s->client = client_of(wsi);
    restart_ping(s);
    if (w->stats.sockets > w->o.sockets_max) {
        w->stats.refused_full++;
        ws_socket_close(s, 1013, "the bridge is full");
        return 0;
    }
    struct ws_visit visit = {s->client->visitor, http_token(wsi, w->scratch)};
    s->context = w->events.opened(w->events.arg, s, &visit);
    explicit_bzero(w->scratch, sizeof w->scratch);
    if (!s->context)
        ws_socket_close(s, 1013, "out of memory");
    return 0;
}

/* lws ends a connection by itself for what is no WebSocket: reserved bits, opcodes, fragments out
 * of order, text that is no UTF-8. What it has put into its Close frame tells. */
static void tell_violation(struct ws_server *w, struct lws *wsi, const struct ws_socket *s)
{
    int len = lws_get_close_length(wsi);
    const unsigned char *close = lws_get_close_payload(wsi);
    int code = len >= 2 && !s->close_code && !s->peer_ended ? close[0] << 8 | close[1] : 0;
    if (code == LWS_CLOSE_STATUS_PROTOCOL_ERR || code == LWS_CLOSE_STATUS_INVALID_PAYLOAD) {
        w->stats.violations++;
        log_refusal(w, s->client, "protocol-violation",
                    text_of((const char *)close + 2, (size_t)len - 2));
    } else if (s->close_code == LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE ||
               s->close_code == LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE) {
        log_refusal(w, s->client, "socket-cut", text_of_str(s->close_reason));
    }
}

static void on_closed(struct ws_server *w, struct lws *wsi, struct connection *c)
{
    struct ws_socket *s = c->socket;
    void *context = s ? s->context : NULL;
    if (!s)
        return;
    tell_violation(w, wsi, s);
    c->socket = NULL;
    s->context = NULL;
    if (!s->close_code)
        s->close_code = 1006; /* nothing is sent any more */
    if (context)
        w->events.closed(w->events.arg, context, s->ended);
    list_remove(&s->in_all);
    list_remove(&s->ping);
    ws_queue_clear(s);
    buf_release(&s->in);
    w->stats.sockets--;
    free(s);
}

static void hand_over(struct ws_server *w, struct ws_socket *s, const char *bytes, size_t len)
{
    if (s->context)
        w->events.message(w->events.arg, s->context, bytes, len);
}

static int on_receive(struct ws_server *w, struct lws *wsi, struct ws_socket *s, const char *bytes,
                      size_t len)
{
    bool whole = lws_is_final_fragment(wsi);
    if (!s || s->close_code)
        return 0; /* what a socket says after its end is not heard */
    restart_ping(s);
    if (lws_frame_is_binary(wsi)) {
        ws_socket_close(s, 1003, "text frames only");
        return 0;
    }
    if (s->in.len + len > w->o.message_max) {
        w->stats.too_large++;
        ws_socket_close(s, 1009, "the message is too large");
        buf_release(&s->in);
        return 0;
    }
    if (whole && s->in.len == 0) {
        hand_over(w, s, bytes, len); /* the common case: nothing to put together */
        return 0;
    }
    buf_add(&s->in, bytes, len);
    if (!buf_ok(&s->in))
        return -1;
    if (whole) {
        struct buf in = s->in;
        buf_init(&s->in, w->o.message_max);
        hand_over(w, s, in.data, in.len);
        buf_release(&in);
    }
    return 0;
}

/* Not empty: lws does not tell of an empty pong. */
static int write_ping(struct ws_socket *s)
{
    unsigned char bytes[LWS_PRE + 1];
    bytes[LWS_PRE] = '?';
    s->ping_due = false;
    return lws_write(s->wsi, bytes + LWS_PRE, 1, LWS_WRITE_PING) < 0 ? -1 : 0;
}

static int on_writable(struct lws *wsi, struct ws_socket *s)
{
    if (!s)
        return 0;
    if (s->ping_due && !s->close_code && write_ping(s) < 0)
        return -1;
    if (!write_queue(s, WRITES_PER_TURN))
        return -1;
    if (s->first) {
        lws_callback_on_writable(wsi);
        return 0;
    }
    if (!s->close_code)
        return 0;
    unsigned char reason[CLOSE_REASON_MAX];
    size_t len = strnlen(s->close_reason, sizeof reason);
    memcpy(reason, s->close_reason, len);
    lws_close_reason(wsi, (enum lws_close_status)s->close_code, reason, len);
    return -1;
}

static bool offers_only_unknown(struct lws *wsi)
{
    char offered[128];
    int len = lws_hdr_copy(wsi, offered, sizeof offered, WSI_TOKEN_PROTOCOL);
    if (len == 0)
        return false; /* none offered is taken as v1 */
    struct text t = {offered, offered + (len > 0 ? len : 0)}, word;
    while (text_until(&t, ',', sizeof offered, &word)) {
        while (word.p < word.end && *word.p == ' ')
            word.p++;
        while (word.p < word.end && word.end[-1] == ' ')
            word.end--;
        if (text_equals(word, SUBPROTOCOL))
            return false;
        (void)text_char(&t, ',');
    }
    return true;
}

/* lws does not look at it; RFC 6455 section 4.2.1 does. */
static bool is_version_13(struct lws *wsi)
{
    char version[8];
    return lws_hdr_copy(wsi, version, sizeof version, WSI_TOKEN_VERSION) > 0 &&
           strcmp(version, "13") == 0;
}

/* Who asks, and do we answer to that name? 0, or what lws is to get.
 *
 * A listed proxy gets one answer from each connection. lws overlooks a header behind one whose name
 * is the beginning of a name that it knows ("X-A: b"): with a Content-Length there, a stranger's
 * body would be the proxy's next request, in anybody's name, and the answers would go to the wrong
 * people. */
static int check_client(struct ws_server *w, struct lws *wsi, struct client *c)
{
    if (c->by_proxy && c->served)
        return -1;
    c->served = true;
    char proto_bytes[32], host_bytes[HOST_SIZE];
    struct text forwarded =
        http_header(wsi, WSI_TOKEN_X_FORWARDED_FOR, w->scratch, sizeof w->scratch);
    int len = lws_hdr_custom_copy(wsi, proto_bytes, sizeof proto_bytes, "x-forwarded-proto:", 18);
    struct text proto = text_of(proto_bytes, len > 0 ? (size_t)len : 0);
    if (!client_identify(c, forwarded, proto))
        return http_refuse(wsi, 429, "too many connections of this address: try again later");
    struct text host = http_header(wsi, WSI_TOKEN_HOST, host_bytes, sizeof host_bytes);
    if (w->o.local_names_only && !origin_host_is_local(host)) {
        log_refusal(w, c, "host-refused", host);
        return http_refuse(wsi, HTTP_STATUS_FORBIDDEN,
                           "in development mode this bridge answers to localhost only");
    }
    return 0;
}

static int check_origin(struct ws_server *w, struct lws *wsi, struct client *c)
{
    char origin_bytes[ORIGIN_SIZE], host_bytes[HOST_SIZE];
    struct text origin = http_header(wsi, WSI_TOKEN_ORIGIN, origin_bytes, sizeof origin_bytes);
    struct text host = http_header(wsi, WSI_TOKEN_HOST, host_bytes, sizeof host_bytes);
    if (text_end(&origin) && lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN) > 0)
        origin = text_of_str("too long");
    if (origin_allowed(&w->o.origins, origin, host, c->tls))
        return 0;
    w->stats.origins_refused++;
    log_refusal(w, c, "origin-refused", origin);
    return http_refuse(
        wsi, HTTP_STATUS_FORBIDDEN,
        "pages of this origin may not connect: the bridge's option `origin` lists who may, and"
        " behind a proxy with TLS the proxy belongs into `trusted_proxy`");
}

/* Refused here, a client still gets an HTTP answer; after the upgrade lws only drops connections.
 * Not 1 but -1: with 1 lws may go on with the connection, and read a body as the next request. */
static int on_upgrade(struct ws_server *w, struct lws *wsi)
{
    char path[16], kind[16];
    int len = lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI);
    struct client *c = client_of(wsi);
    if (!c || lws_hdr_copy(wsi, kind, sizeof kind, WSI_TOKEN_UPGRADE) <= 0)
        return -1; /* lws has refused it already, and asks all the same */
    if (strcasecmp(kind, "websocket") != 0)
        return http_refuse(wsi, HTTP_STATUS_BAD_REQUEST, "upgrades go to websocket only");
    if (len <= 0 || strcmp(path, "/ws") != 0)
        return http_refuse(wsi, HTTP_STATUS_NOT_FOUND, "WebSockets are served at /ws");
    if (!http_sound(wsi, path))
        return -1;
    if (!is_version_13(wsi))
        return http_refuse(wsi, HTTP_STATUS_BAD_REQUEST, "only WebSocket version 13 is spoken");
    if (offers_only_unknown(wsi))
        return http_refuse(wsi, HTTP_STATUS_BAD_REQUEST,
                           "unknown subprotocol: offer " SUBPROTOCOL " or none");
    int refused = check_client(w, wsi, c);
    return refused ? refused : check_origin(w, wsi, c);
}

/* Before lws looks for a file. */
static int on_request(struct ws_server *w, struct lws *wsi, const char *path)
{
    struct client *c = client_of(wsi);
    return c && http_sound(wsi, path) && check_client(w, wsi, c) == 0 ? 0 : -1;
}

static int on_http(struct ws_server *w, struct lws *wsi, const char *path)
{
    struct client *c = client_of(wsi);
    if (!c)
        return -1;
    struct http_request q = {
        .path = path,
        .token = http_token(wsi, w->scratch),
        .visitor = c->visitor,
        .loopback = c->local,
        .last = c->by_proxy,
    };
    int result = http_answer(&w->http, wsi, &q);
    explicit_bzero(w->scratch, sizeof w->scratch);
    return result;
}

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
        return on_upgrade(server_of(wsi), wsi);
    case LWS_CALLBACK_ESTABLISHED:
        return on_established(server_of(wsi), wsi, c);
    case LWS_CALLBACK_RECEIVE:
        return on_receive(server_of(wsi), wsi, c->socket, in, len);
    case LWS_CALLBACK_RECEIVE_PONG:
        if (c->socket)
            restart_ping(c->socket);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return on_writable(wsi, c->socket);
    case LWS_CALLBACK_CLOSED:
        on_closed(server_of(wsi), wsi, c);
        return 0;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        if (c->socket)
            c->socket->peer_ended = true;
        return 0;
    case LWS_CALLBACK_FILTER_HTTP_CONNECTION:
        return on_request(server_of(wsi), wsi, in);
    case LWS_CALLBACK_HTTP:
        return on_http(server_of(wsi), wsi, in);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return 0;
    case LWS_CALLBACK_HTTP_FILE_COMPLETION:
        return client_of(wsi) && !client_of(wsi)->by_proxy && !lws_http_transaction_completed(wsi)
                   ? 0
                   : -1;
    case LWS_CALLBACK_RAW_ADOPT:
        return -1; /* what lws makes of CONNECT: a connection without a time limit */
    case LWS_CALLBACK_WSI_DESTROY:
        client_gone(client_of(wsi));
        lws_set_opaque_user_data(wsi, NULL);
        return 0;
    case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:
        return on_tls_context(server_of(wsi), user);
    default:
        return lws_callback_http_dummy(wsi, reason, user, in, len);
    }
}

/* One protocol, so that clients which offer no subprotocol are bound to it too. */
static const struct lws_protocols protocols[] = {
    {SUBPROTOCOL, callback, sizeof(struct connection), SERVICE_BUFFER, 0, NULL, 0},
    {NULL, NULL, 0, 0, 0, NULL, 0}};

static void on_heartbeat(lws_sorted_usec_list_t *sul)
{
    struct ws_server *w = lws_container_of(sul, struct ws_server, heartbeat);
    lws_sul_schedule(w->context, 0, &w->heartbeat, on_heartbeat, HEARTBEAT_US);
}

/* The first socket of the list when its time has come, out of the list. */
static struct ws_socket *take_due(struct link *list, int64_t now)
{
    struct link *l = list_first(list);
    struct ws_socket *s = l ? LIST_ITEM(l, struct ws_socket, ping) : NULL;
    if (!s || s->ping_at_us > now)
        return NULL;
    list_remove(l);
    return s;
}

static void on_ping_check(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct ws_server *w = timer->data;
    int64_t now = clock_mono_us();
    struct ws_socket *s;
    (void)loop;
    (void)events;
    while ((s = take_due(&w->pongs, now))) {
        w->stats.ping_timeouts++;
        cut(s, 1001, "no answer to ping", "timeout");
        lws_set_timeout(s->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
    }
    while ((s = take_due(&w->pings, now))) {
        s->ping_due = true;
        s->ping_at_us = now + w->o.ping_timeout_us;
        list_add(&w->pongs, &s->ping);
        lws_callback_on_writable(s->wsi);
    }
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
static enum status load_pair(struct ws_server *w, struct problem *why)
{
    struct tls_pair *fresh;
    int64_t now = clock_wall_ms();
    enum status s = tls_pair_load(&fresh, w->o.cert, w->o.key, now, why);
    if (s != STATUS_OK)
        return s;
    tls_pair_destroy(w->pair);
    w->pair = fresh;
    bool early = now < tls_pair_begins_ms(fresh);
    if (tls_pair_expired(fresh))
        log_line(LOG_WARN, "certificate-out-of-date", LOG_S("cert", w->o.cert),
                 LOG_S("why", early ? "it is not valid yet" : "it has expired"),
                 LOG_S("remedy", early ? "look at this machine's clock"
                                       : "put a new one in its place and send SIGHUP"),
                 LOG_END);
    return STATUS_OK;
}

enum status ws_server_reload_tls(struct ws_server *w, struct problem *why)
{
    return w->pair ? load_pair(w, why) : STATUS_OK;
}

static enum status open_door(struct ws_server *w, size_t i, struct problem *why)
{
    const struct ws_listen *l = &w->o.listen[i];
    struct door *d = &w->doors[i];
    enum status s = make_vhost(w, l->tls, why);
    *d = (struct door){.server = w, .tls = l->tls};
    return s == STATUS_OK ? listener_start(&d->listener, w->loop, l->host, l->ipv6, l->port,
                                           on_accepted, d, why)
                          : s;
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
    ev_timer_init(&w->ping_check, on_ping_check, PING_CHECK_S, PING_CHECK_S);
    w->ping_check.data = w;
    enum status s = has_tls(o) ? load_pair(w, why) : STATUS_OK;
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
    out->connections_refused_full = w->clients.refused_full;
    out->connections_refused_address = w->clients.refused_address;
    for (size_t i = 0; i < WS_LISTENERS_MAX; i++)
        if (w->doors[i].listener)
            out->descriptor_pauses += listener_pauses(w->doors[i].listener);
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
