#include "core/talk.h"

#include "core/handover.h"
#include "core/takeover.h"

#include <string.h>

enum { DIGEST_LEN = 16 };

struct json_span talk_field(const struct json_member *members, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (json_equals(members[i].key, name))
            return members[i].value;
    return (struct json_span){0};
}

bool talk_uint(const struct json_member *members, size_t count, const char *name, uint64_t *out)
{
    return json_uint(talk_field(members, count, name), UINT64_MAX, out);
}

struct text talk_text(const struct json_member *members, size_t count, const char *name)
{
    struct json_span v = talk_field(members, count, name);
    return v.type == JSON_STRING && !v.escaped ? text_of(v.p, v.len) : text_of_str("");
}

void talk_put_digest(struct buf *b, uint64_t digest)
{
    static const char digits[] = "0123456789abcdef";
    buf_char(b, '"');
    for (int shift = 60; shift >= 0; shift -= 4)
        buf_char(b, digits[digest >> shift & 15]);
    buf_char(b, '"');
}

static bool read_digest(struct json_span v, uint64_t *out)
{
    *out = 0;
    if (v.type != JSON_STRING || v.len != DIGEST_LEN)
        return false;
    for (size_t i = 0; i < DIGEST_LEN; i++) {
        char c = v.p[i];
        if (c >= '0' && c <= '9')
            *out = *out << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            *out = *out << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    return true;
}

size_t talk_digests(struct json_span array, uint64_t *out, size_t max)
{
    struct json_span items[TALK_DIGESTS];
    size_t count = 0, n = 0;
    if (array.type != JSON_ARRAY ||
        json_array(array.p, array.len, items, TALK_DIGESTS, &count, NULL) != STATUS_OK)
        return 0;
    while (n < count && n < max && read_digest(items[n], &out[n]))
        n++;
    return n;
}

void talk_begin(struct router *r, const char *type, uint64_t ask)
{
    struct buf *b = &r->out;
    buf_clear(b);
    buf_str(b, "{\"type\":\"");
    buf_str(b, type);
    buf_str(b, "\",\"ask\":");
    buf_uint(b, ask);
}

bool talk_send(struct router *r, struct text to)
{
    buf_clear(&r->topic);
    topic_bridge_inbox(&r->topic, r->o.prefix, to, text_of_str(r->o.bridge));
    return router_publish_out(r, false, 0, NULL) == STATUS_OK;
}

void talk_message(struct router *r, struct text from, struct text payload)
{
    struct json_member m[TALK_MEMBERS];
    size_t n, len = text_len(&payload);
    const char *end = len ? memchr(payload.p, '\n', len) : NULL;
    size_t line = end ? (size_t)(end - payload.p) : len;
    struct text rest = end ? text_of(end + 1, len - line - 1) : text_of_str("");
    if (json_object(payload.p, line, m, TALK_MEMBERS, &n, NULL) != STATUS_OK)
        return;
    if (json_equals(talk_field(m, n, "type"), "take"))
        handover_asked(r, from, m, n);
    else if (json_equals(talk_field(m, n, "type"), "forget"))
        handover_given_up(r, from, m, n);
    else
        takeover_answer(r, from, m, n, rest);
}
