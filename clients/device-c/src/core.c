#include "core.h"

#include <string.h>

_Static_assert(SIGDEV_META_MAX == ENVELOPE_META_MAX, "meta");
_Static_assert(SIGDEV_EXT_MAX == ENVELOPE_EXT_MAX, "ext");
_Static_assert(SIGDEV_DATA_MAX == ENVELOPE_DATA_MAX, "data");
_Static_assert(SIGDEV_SEALED_MAX == ENVELOPE_SEALED_MAX, "sealed");
_Static_assert(SIGDEV_REASON_MAX == ENVELOPE_REASON_MAX, "reason");
_Static_assert(SIGDEV_BUNDLE_MAX == ENVELOPE_CANDIDATES_MAX, "bundle");

struct sigdev_text sigdev_str(const char *str)
{
    return (struct sigdev_text){str, str ? strlen(str) : 0};
}

bool core_begin(struct buf *b, char *out, size_t size)
{
    if (!out || size == 0)
        return false;
    buf_init_fixed(b, out, size - 1);
    return true;
}

enum sigdev_error core_finish(struct buf *b, size_t *len)
{
    if (!buf_ok(b))
        return SIGDEV_ERR_SPACE;
    b->data[b->len] = '\0';
    if (len)
        *len = b->len;
    return SIGDEV_OK;
}

enum sigdev_error core_refuse(enum sigdev_error e, const char *text, char *why, size_t why_size)
{
    if (why && why_size) {
        size_t len = strlen(text);
        if (len >= why_size)
            len = why_size - 1;
        memcpy(why, text, len);
        why[len] = '\0';
    }
    return e;
}

enum sigdev_error core_refused(const struct problem *p, char *why, size_t why_size)
{
    enum sigdev_error e = p->status == STATUS_INVALID_JSON ? SIGDEV_ERR_JSON
                          : p->status == STATUS_TOO_LARGE  ? SIGDEV_ERR_TOO_LARGE
                                                           : SIGDEV_ERR_MESSAGE;
    return core_refuse(e, p->text, why, why_size);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct sigdev_text core_trim(struct sigdev_text t)
{
    while (t.len && is_space(t.p[0])) {
        t.p++;
        t.len--;
    }
    while (t.len && is_space(t.p[t.len - 1]))
        t.len--;
    return t;
}

bool core_is_whole(struct json_span value, struct sigdev_text given)
{
    size_t quotes = value.type == JSON_STRING ? 2 : 0;
    return value.len + quotes == given.len;
}

/* Spans are const; what they point into is the caller's mutable payload. */
static char *mutable(char *payload, const char *p)
{
    return payload + (p - payload);
}

struct sigdev_text core_take_string(char *payload, struct json_span v)
{
    if (v.type != JSON_STRING)
        return (struct sigdev_text){0};
    char *p = mutable(payload, v.p);
    size_t len = 0;
    json_decode(v, p, v.len, &len);
    p[len] = '\0';
    return (struct sigdev_text){p, len};
}

struct sigdev_text core_take_text(char *payload, struct text t)
{
    if (!t.p)
        return (struct sigdev_text){0};
    *mutable(payload, t.end) = '\0';
    return (struct sigdev_text){t.p, text_len(&t)};
}

struct sigdev_text core_take_raw(char *payload, struct json_span v)
{
    if (v.type == JSON_NONE)
        return (struct sigdev_text){0};
    size_t quote = v.type == JSON_STRING;
    const char *p = v.p - quote;
    size_t len = v.len + 2 * quote;
    *mutable(payload, p + len) = '\0';
    return (struct sigdev_text){p, len};
}

void core_take_candidate(char *payload, const struct candidate_init *c,
                         struct sigdev_candidate *out)
{
    uint64_t index;
    *out = (struct sigdev_candidate){.end = c->end};
    out->has_mline = json_uint(c->index, UINT16_MAX, &index);
    if (out->has_mline)
        out->mline = (uint16_t)index;
    out->candidate = core_take_string(payload, c->line);
    out->mid = core_take_string(payload, c->mid);
    out->ufrag = core_take_string(payload, c->ufrag);
}
