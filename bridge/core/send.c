/* What goes to a session's socket, and what is kept of it where there is none. */
#include "core/admission.h"
#include "core/away.h"
#include "core/router.h"
#include "proto/message.h"

void router_close_socket(struct router *r, struct session *s, int code, const char *reason)
{
    if (s->socket)
        r->socket_ops.close(s->socket, code, reason);
}

void router_part(struct router *r, struct session *s, int code, const char *reason, bool flush)
{
    if (!s->socket)
        return;
    r->socket_ops.part(s->socket, code, reason, flush);
    s->socket = NULL;
    if (!s->away)
        s->visitor = NULL;
    r->session_count--;
}

static void send(struct router *r, struct session *s, uint64_t mark)
{
    if (!s->socket)
        return;
    struct frame *f = buf_ok(&r->out)
                          ? frame_make(text_of(r->out.data, r->out.len), text_of_str(""), mark)
                          : NULL;
    if (f)
        r->socket_ops.send(s->socket, f);
    else
        r->socket_ops.close(s->socket, 1011, "out of memory");
    frame_release(f);
}

void router_send(struct router *r, struct session *s)
{
    send(r, s, 0);
}

/* Asks at once whether it arrived: until then the client has nothing to come back with. */
void router_send_marked(struct router *r, struct session *s)
{
    send(r, s, s->replay.before + 1); /* what was missed follows, and may not arrive */
    if (s->socket && r->o.resume_window_us)
        r->socket_ops.confirm(s->socket);
}

void router_tell(struct router *r, struct session *s)
{
    if (s->socket || s->state != SESSION_JOINED) {
        router_send(r, s);
    } else if (buf_ok(&r->out)) {
        r->out.len--; /* the brace */
        router_send_numbered(r, s);
    }
}

void router_send_numbered(struct router *r, struct session *s)
{
    char bytes[40];
    struct buf tail;
    buf_init_fixed(&tail, bytes, sizeof bytes);
    buf_str(&tail, ",\"seq\":");
    buf_uint(&tail, ++s->seq);
    buf_char(&tail, '}');
    struct frame *f = buf_ok(&r->out) ? frame_make(text_of(r->out.data, r->out.len),
                                                   text_of(tail.data, tail.len), s->seq + 1)
                                      : NULL;
    if (!f) { /* it has missed something for good */
        away_broken(s);
        router_close_socket(r, s, 1011, "out of memory");
        return;
    }
    away_keep(r, s, f);
    if (s->socket)
        r->socket_ops.send(s->socket, f);
    frame_release(f);
}

void router_send_error(struct router *r, struct session *s, const struct problem *p, struct text id,
                       struct text to)
{
    buf_clear(&r->out);
    message_put_error(&r->out, p, id, to);
    if (text_end(&id))
        router_tell(r, s);
    else
        router_send(r, s); /* who comes back asks again */
}

void router_put_session_means(struct router *r, const struct session *s, struct buf *b)
{
    int64_t left = admission_seconds_left(r, s);
    buf_str(b, ",\"iceServers\":");
    r->ice_ops.put_servers(r->ice, b, peer_name(s->peer), r->now.wall_ms);
    if (left >= 0) {
        buf_str(b, ",\"tokenExpiresIn\":");
        buf_int(b, left);
    }
}

void router_ack(struct router *r, struct session *s, struct text id, bool with_ice_servers)
{
    if (text_end(&id))
        return;
    buf_clear(&r->out);
    buf_str(&r->out, "{\"type\":\"ack\",\"id\":");
    json_put_text(&r->out, id);
    if (with_ice_servers)
        router_put_session_means(r, s, &r->out);
    buf_char(&r->out, '}');
    r->metrics.acks++;
    router_send(r, s);
}
