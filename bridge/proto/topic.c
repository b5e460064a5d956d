#include "proto/topic.h"

#include "proto/names.h"

#include <string.h>

static bool take_name(struct text *t, bool bridge_too, struct text *out)
{
    if (!text_until(t, '/', NAME_MAX_BYTES, out))
        return false;
    return name_ok(out->p, text_len(out)) || (bridge_too && text_equals(*out, NAME_BRIDGE));
}

static bool parse_peer(struct text *t, struct topic *out)
{
    if (!take_name(t, true, &out->peer))
        return false;
    if (text_literal(t, "/presence")) {
        out->kind = TOPIC_PRESENCE;
        return text_end(t) && !text_equals(out->peer, NAME_BRIDGE);
    }
    out->kind = TOPIC_INBOX;
    return text_literal(t, "/in/") && take_name(t, true, &out->from) && text_end(t);
}

static bool parse_room(struct text *t, struct topic *out)
{
    if (!take_name(t, false, &out->room))
        return false;
    if (text_literal(t, "/peers/"))
        return parse_peer(t, out);
    out->kind = TOPIC_ALL;
    return text_literal(t, "/all/") && take_name(t, false, &out->from) && text_end(t);
}

static bool parse_bridge(struct text *t, struct topic *out)
{
    if (!take_name(t, false, &out->peer))
        return false;
    if (text_literal(t, "/status")) {
        out->kind = TOPIC_BRIDGE_STATUS;
        return text_end(t);
    }
    out->kind = TOPIC_BRIDGE_INBOX;
    return text_literal(t, "/in/") && take_name(t, false, &out->from) && text_end(t);
}

bool topic_parse(const char *prefix, const char *topic, size_t len, struct topic *out)
{
    struct text t = text_of(topic, len);
    *out = (struct topic){0};
    if (!text_literal(&t, prefix))
        return false;
    if (text_literal(&t, "/rooms/"))
        return parse_room(&t, out);
    return text_literal(&t, "/bridges/") && parse_bridge(&t, out);
}

static void put(struct buf *b, const char *words, struct text name)
{
    buf_str(b, words);
    buf_add(b, name.p, text_len(&name));
}

void topic_presence(struct buf *b, const char *prefix, struct text room, struct text peer)
{
    buf_str(b, prefix);
    put(b, "/rooms/", room);
    put(b, "/peers/", peer);
    buf_str(b, "/presence");
}

void topic_inbox(struct buf *b, const char *prefix, struct text room, struct text to,
                 struct text from)
{
    buf_str(b, prefix);
    put(b, "/rooms/", room);
    put(b, "/peers/", to);
    put(b, "/in/", from);
}

void topic_all(struct buf *b, const char *prefix, struct text room, struct text from)
{
    buf_str(b, prefix);
    put(b, "/rooms/", room);
    put(b, "/all/", from);
}

void topic_bridge_status(struct buf *b, const char *prefix, struct text bridge)
{
    buf_str(b, prefix);
    put(b, "/bridges/", bridge);
    buf_str(b, "/status");
}

void topic_bridge_inbox(struct buf *b, const char *prefix, struct text bridge, struct text from)
{
    buf_str(b, prefix);
    put(b, "/bridges/", bridge);
    put(b, "/in/", from);
}
