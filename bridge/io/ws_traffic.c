#include "base/clock.h"
#include "io/ws_parts.h"

#include <stdlib.h>
#include <string.h>

static void heard(struct ws_socket *s)
{
    list_remove(&s->ping);
    list_add(&s->server->pings, &s->ping);
    s->ping_at_us = clock_mono_us() + s->server->o.ping_interval_us;
    s->ping_due = false;
}

void ws_traffic_pong(struct ws_server *w, struct ws_socket *s, const unsigned char *bytes,
                     size_t len)
{
    heard(s);
    if (!s->ping_out || len != 1 || bytes[0] != s->ping_number)
        return;
    s->ping_out = false;
    if (s->confirm_due)
        ws_write_later(s);
    if (s->context)
        w->events.confirmed(w->events.arg, s->context, s->ping_mark);
}

/* RFC 6455 section 7.4.1: 1000 is a normal closure, 1001 a page that is left, and no code at all is
 * what a page's close() sends. Another one may be a client that gives up a socket to open a better
 * one. */
void ws_traffic_goodbye(struct ws_socket *s, const unsigned char *close, size_t len)
{
    int code = len >= 2 ? close[0] << 8 | close[1] : 0;
    s->peer_ended = true;
    s->said_goodbye = len == 0 || code == 1000 || code == 1001;
}

void ws_socket_bind(void *socket, struct session *context)
{
    struct ws_socket *s = socket;
    s->context = context;
    s->mark = s->ping_mark = 0; /* those are another session's */
}

int ws_traffic_opened(struct ws_server *w, struct lws *wsi, struct connection *c)
{
    struct ws_socket *s = calloc(1, sizeof *s);
    if (!s)
        return -1;
    s->server = w;
    s->wsi = wsi;
    s->ended = "closed";
    list_init(&s->in_all);
    list_init(&s->ping);
    list_init(&s->writing);
    c->socket = s;
    list_add(&w->sockets, &s->in_all);
    w->stats.sockets++;
    w->stats.accepted++;
    heard(s);
    if (w->stats.sockets > w->o.sockets_max) {
        w->stats.refused_full++;
        ws_socket_close(s, 1013, "the bridge is full");
        return 0;
    }
    struct ws_visit visit = {ws_client_of(wsi)->visitor, http_token(wsi, w->scratch)};
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
        ws_log_refusal(w, ws_client_of(wsi), "protocol-violation",
                       text_of((const char *)close + 2, (size_t)len - 2));
    } else if (s->close_code == LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE ||
               s->close_code == LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE) {
        ws_log_refusal(w, ws_client_of(wsi), "socket-cut", text_of_str(s->close_reason));
    }
}

static void drop(struct buf *pieces)
{
    if (pieces)
        buf_release(pieces);
    free(pieces);
}

static void drop_pieces(struct ws_socket *s)
{
    drop(s->in);
    s->in = NULL;
}

void ws_traffic_closed(struct ws_server *w, struct lws *wsi, struct connection *c)
{
    struct ws_socket *s = c->socket;
    void *context = s ? s->context : NULL;
    if (!s)
        return;
    tell_violation(w, wsi, s);
    c->socket = NULL;
    s->context = NULL;
    bool lost = s->silent || (!s->close_code && !s->said_goodbye);
    if (!s->close_code)
        s->close_code = 1006; /* nothing is sent any more */
    if (context)
        w->events.closed(w->events.arg, context, s->ended, lost);
    list_remove(&s->in_all);
    list_remove(&s->ping);
    list_remove(&s->writing);
    ws_queue_clear(s);
    drop_pieces(s);
    w->stats.sockets--;
    free(s);
}

static bool add_piece(struct ws_socket *s, const char *bytes, size_t len)
{
    if (!s->in) {
        s->in = malloc(sizeof *s->in);
        if (!s->in)
            return false;
        buf_init(s->in, s->server->o.message_max);
    }
    buf_add(s->in, bytes, len);
    return buf_ok(s->in);
}

static void hand_over(struct ws_server *w, struct ws_socket *s, const char *bytes, size_t len)
{
    if (s->context)
        w->events.message(w->events.arg, s->context, bytes, len);
}

int ws_traffic_received(struct ws_server *w, struct lws *wsi, struct ws_socket *s,
                        const char *bytes, size_t len)
{
    bool whole = lws_is_final_fragment(wsi);
    if (!s || s->close_code)
        return 0; /* what a socket says after its end is not heard */
    heard(s);
    if (lws_frame_is_binary(wsi)) {
        ws_socket_close(s, 1003, "text frames only");
        return 0;
    }
    if ((s->in ? s->in->len : 0) + len > w->o.message_max) {
        w->stats.too_large++;
        ws_socket_close(s, 1009, "the message is too large");
        drop_pieces(s);
        return 0;
    }
    if (whole && !s->in) {
        hand_over(w, s, bytes, len); /* the common case: nothing to put together */
        return 0;
    }
    if (!add_piece(s, bytes, len))
        return -1;
    if (whole) {
        struct buf *in = s->in;
        s->in = NULL;
        hand_over(w, s, in->data, in->len);
        drop(in);
    }
    return 0;
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

void ws_traffic_ping(struct ws_server *w)
{
    int64_t now = clock_mono_us();
    struct ws_socket *s;
    while ((s = take_due(&w->pongs, now))) {
        w->stats.ping_timeouts++;
        s->silent = true;
        ws_write_cut(s, 1001, "no answer to ping", "timeout");
        lws_set_timeout(s->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
    }
    while ((s = take_due(&w->pings, now))) {
        s->ping_due = true;
        s->ping_at_us = now + w->o.ping_timeout_us;
        list_add(&w->pongs, &s->ping);
        ws_write_later(s);
    }
}

static void shift(struct link *list, int64_t by_us)
{
    LIST_EACH(l, list)
    LIST_ITEM(l, struct ws_socket, ping)->ping_at_us += by_us;
}

void ws_traffic_shift(struct ws_server *w, int64_t pings_us, int64_t pongs_us)
{
    shift(&w->pings, pings_us);
    shift(&w->pongs, pongs_us);
}
