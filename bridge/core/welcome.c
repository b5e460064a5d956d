#include "core/welcome.h"

static void put_limits(struct router *r, struct buf *b)
{
    buf_str(b, ",\"limits\":{\"message\":");
    buf_uint(b, r->o.message_max);
    buf_str(b, ",\"meta\":");
    buf_uint(b, ENVELOPE_META_MAX);
    buf_str(b, ",\"data\":");
    buf_uint(b, ENVELOPE_DATA_MAX);
    buf_str(b, ",\"sealed\":");
    buf_uint(b, ENVELOPE_SEALED_MAX);
    buf_str(b, ",\"ext\":");
    buf_uint(b, ENVELOPE_EXT_MAX);
    buf_char(b, '}');
}

static void put_peers(struct buf *b, const struct session *s)
{
    size_t at = 0, count = 0;
    const struct peer *p;
    buf_str(b, ",\"peers\":[");
    while ((p = map_next(&s->peer->room->peers, &at))) {
        if (p == s->peer || !p->info)
            continue;
        struct text json = info_json(p->info);
        if (count++)
            buf_char(b, ',');
        buf_add(b, json.p, text_len(&json));
    }
    buf_char(b, ']');
}

static void put(struct router *r, struct session *s, const char *type)
{
    struct buf *b = &r->out;
    buf_clear(b);
    buf_str(b, "{\"type\":\"");
    buf_str(b, type);
    buf_str(b, "\",\"room\":");
    json_put_text(b, room_name(s->peer->room));
    buf_str(b, ",\"peer\":");
    json_put_text(b, peer_name(s->peer));
    buf_str(b, ",\"session\":\"");
    buf_str(b, r->o.bridge);
    buf_char(b, '.');
    buf_str(b, s->sid);
    buf_str(b, "\",\"secret\":");
    json_put_str(b, s->secret);
    put_peers(b, s);
    router_put_session_means(r, s, b);
    buf_str(b, ",\"resumeWindow\":");
    buf_int(b, r->o.resume_window_us / 1000000);
    put_limits(r, b);
}

static void send(struct router *r, struct session *s)
{
    buf_char(&r->out, '}');
    if (buf_ok(&r->out))
        router_send_marked(r, s);
    else
        router_close_socket(r, s, 1013, "the room is too large to be described");
}

void welcome_joined(struct router *r, struct session *s)
{
    put(r, s, "joined");
    send(r, s);
}

void welcome_resumed(struct router *r, struct session *s)
{
    put(r, s, "resumed");
    buf_str(&r->out, ",\"seq\":");
    buf_uint(&r->out, s->seq);
    send(r, s);
    for (struct frame *f = s->replay.first; f && s->socket; f = f->next_kept)
        r->socket_ops.send(s->socket, f);
}
