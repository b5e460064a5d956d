/* What goes out of a WebSocket: at the end of each turn of the loop, all that came together for it
 * in one write. */
#include "io/ws_parts.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

enum {
    CLOSE_TIMEOUT_S = 3,               /* for a peer that does not let us write our Close */
    FRAME_ALONE = WS_GATHER_BYTES / 4, /* not copied to be written with others */
    HEADER_MAX = 10,                   /* RFC 6455 section 5.2, unmasked */
    UNASKED_MAX = 16 * 1024,           /* with one more write less than what POLLOUT means */
    UNASKED_WRITE = 1024,              /* what the kernel keeps beside the bytes of a write */
    TEXT = 0x81,
    PING = 0x89 /* FIN and the opcode */
};

_Static_assert((int)FRAME_HEADROOM >= (int)HEADER_MAX, "the header is written in front of a frame");

/* The header in front of a text frame; where it begins. */
static unsigned char *put_header(unsigned char *payload, size_t len)
{
    unsigned char *at = payload;
    int length_bytes = len < 126 ? 0 : len <= 0xffff ? 2 : 8;
    for (int i = 0; i < length_bytes; i++)
        *--at = (unsigned char)(len >> 8 * i);
    *--at = (unsigned char)(length_bytes == 0 ? len : length_bytes == 2 ? 126 : 127);
    *--at = TEXT;
    return at;
}

/* libwebsockets makes each message a write of its own. What is said to be HTTP it passes on as it
 * is, also on a WebSocket; what the kernel does not take it keeps, in front of all that follows. */
static bool write_bytes(struct ws_socket *s, unsigned char *bytes, size_t len)
{
    s->unasked += (uint32_t)len + UNASKED_WRITE;
    return lws_write(s->wsi, bytes, len, LWS_WRITE_HTTP) == (int)len;
}

/* A Close is on its way: ours, or that of libwebsockets for a frame that is against the rules,
 * which does not hold back what we would write behind it. */
static bool is_over(const struct ws_socket *s)
{
    return lws_get_close_length(s->wsi) > 0;
}

static void written(struct ws_socket *s)
{
    if (s->first->mark)
        s->mark = s->first->mark;
    ws_queue_pop(s);
}

static bool write_alone(struct ws_socket *s)
{
    struct frame *f = s->first;
    unsigned char *payload = (unsigned char *)f + offsetof(struct frame, bytes);
    unsigned char *at = put_header(payload, f->len);
    bool ok = write_bytes(s, at, (size_t)(payload - at) + f->len);
    written(s);
    return ok;
}

static bool ping_wanted(const struct ws_socket *s)
{
    /* One at a time: which one a pong answers must be known. */
    return !s->close_code && (s->ping_due || (s->confirm_due && !s->ping_out));
}

/* Not empty: lws does not tell of an empty pong. */
static size_t put_ping(struct ws_socket *s, unsigned char *at)
{
    s->ping_due = s->confirm_due = false;
    s->ping_out = true;
    s->ping_mark = s->mark;
    at[0] = PING;
    at[1] = 1;
    at[2] = ++s->ping_number;
    return 3;
}

/* As many frames as fit, and the ping behind the last one. */
static bool write_together(struct ws_socket *s)
{
    unsigned char *bytes = s->server->gather;
    size_t len = 0;
    while (s->first && len + HEADER_MAX + s->first->len <= WS_GATHER_BYTES) {
        struct frame *f = s->first;
        unsigned char header[HEADER_MAX], *end = header + HEADER_MAX;
        unsigned char *at = put_header(end, f->len);
        memcpy(bytes + len, at, (size_t)(end - at));
        len += (size_t)(end - at);
        memcpy(bytes + len, f->bytes, f->len);
        len += f->len;
        written(s);
    }
    if (!s->first && ping_wanted(s))
        len += put_ping(s, bytes + len);
    return write_bytes(s, bytes, len);
}

/* What the kernel took in part, libwebsockets must send before it can answer a Close: it would cut
 * the connection instead, and whoever said goodbye would count as lost. So the kernel is asked, but
 * not for each message: while it says POLLOUT a third of its buffer is free. */
static bool has_room(struct ws_socket *s)
{
    if (s->unasked < UNASKED_MAX)
        return !lws_partial_buffered(s->wsi);
    if (lws_send_pipe_choked(s->wsi))
        return false;
    s->unasked = 0;
    return true;
}

/* Until nothing waits, or the kernel takes no more. False: the connection broke. */
static bool write_all(struct ws_socket *s)
{
    while ((s->first || ping_wanted(s)) && has_room(s)) {
        bool alone = s->first &&
                     (s->first->len > FRAME_ALONE || (!s->first->next_queued && !ping_wanted(s)));
        if (!(alone ? write_alone(s) : write_together(s)))
            return false;
    }
    return true;
}

void ws_write_later(struct ws_socket *s)
{
    if (list_empty(&s->writing))
        list_add(&s->server->writing, &s->writing);
}

void ws_write_cut(struct ws_socket *s, int code, const char *reason, const char *word)
{
    ws_queue_clear(s);
    ws_socket_close(s, code, reason);
    s->ended = word;
}

static void broke(struct ws_socket *s)
{
    s->silent = true; /* nobody meant it to end */
    ws_write_cut(s, 1011, "the connection broke", "closed");
}

void ws_socket_close(void *socket, int code, const char *reason)
{
    struct ws_socket *s = socket;
    if (s->close_code)
        return;
    s->close_code = (uint16_t)code;
    s->close_reason = reason;
    lws_set_timeout(s->wsi, PENDING_TIMEOUT_USER_OK, CLOSE_TIMEOUT_S);
    lws_callback_on_writable(s->wsi);
}

void ws_socket_send(void *socket, struct frame *f)
{
    struct ws_socket *s = socket;
    struct ws_server *w = s->server;
    if (s->close_code || is_over(s))
        return;
    bool taken = ws_queue_add(s, f, w->o.queue_messages, w->o.queue_bytes);
    if (!taken) {
        /* Much came in one turn of the loop. Slow is only who does not take it now. */
        if (!write_all(s)) {
            broke(s);
            return;
        }
        taken = ws_queue_add(s, f, w->o.queue_messages, w->o.queue_bytes);
    }
    if (taken) {
        ws_write_later(s);
        return;
    }
    w->stats.slow_readers++;
    ws_log_refusal(w, ws_client_of(s->wsi), "slow-reader", text_of_str("the send queue is full"));
    ws_write_cut(s, 1013, "too slow: the send queue is full", "slow");
}

void ws_socket_part(void *socket, int code, const char *reason, bool flush)
{
    struct ws_socket *s = socket;
    s->context = NULL;
    if (!flush)
        ws_queue_clear(s);
    ws_socket_close(s, code, reason);
}

void ws_socket_confirm(void *socket)
{
    struct ws_socket *s = socket;
    if (s->close_code || s->confirm_due || (s->ping_out && s->ping_mark == s->mark && !s->first))
        return;
    s->confirm_due = true;
    ws_write_later(s);
}

/* What closes is left to libwebsockets, which calls ws_write_writable() for it. */
void ws_server_flush(struct ws_server *w)
{
    struct link *l;
    while ((l = list_first(&w->writing))) {
        struct ws_socket *s = LIST_ITEM(l, struct ws_socket, writing);
        list_remove(l);
        if (s->close_code || s->peer_ended || is_over(s))
            continue;
        if (!write_all(s)) {
            broke(s);
            lws_set_timeout(s->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
        } else if (s->first || ping_wanted(s)) {
            lws_callback_on_writable(s->wsi);
        }
    }
}

int ws_write_writable(struct lws *wsi, struct ws_socket *s)
{
    if (!s)
        return 0;
    if (is_over(s))
        return s->close_code ? -1 : 0;
    s->unasked = 0;
    if (!write_all(s))
        return -1;
    /* What was taken in part must be gone: libwebsockets would end without a Close behind it. */
    if (s->first || ping_wanted(s) || (s->close_code && lws_partial_buffered(wsi))) {
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
