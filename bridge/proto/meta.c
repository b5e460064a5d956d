#include "proto/meta.h"

#include "proto/envelope.h"

#include <string.h>

enum { MEMBERS_MAX = 128 };

struct members {
    struct json_member m[MEMBERS_MAX];
    size_t count;
};

/* Compared after unescaping: `"n\u0061me"` is the same key as `"name"`. */
static bool is_same_key(struct json_span a, struct json_span b)
{
    char x[JSON_MAX_KEY], y[JSON_MAX_KEY];
    size_t x_len, y_len;
    return json_decode(a, x, sizeof x, &x_len) && json_decode(b, y, sizeof y, &y_len) &&
           x_len == y_len && memcmp(x, y, x_len) == 0;
}

static bool is_trusted(const struct members *trusted, struct json_span key)
{
    for (size_t i = 0; i < trusted->count; i++)
        if (is_same_key(trusted->m[i].key, key))
            return true;
    return false;
}

static void put_member(struct buf *b, const struct json_member *m, size_t *count)
{
    buf_char(b, (*count)++ ? ',' : '{');
    json_put_span(b, m->key);
    buf_char(b, ':');
    json_put_span(b, m->value);
}

static enum status too_large(struct problem *why)
{
    return problem_set(why, STATUS_TOO_LARGE, 0, "message-size",
                       "`meta` has more than %d bytes together with the token's",
                       ENVELOPE_META_MAX);
}

enum status meta_merge(struct buf *out, struct json_span asked, struct text trusted,
                       struct problem *why)
{
    struct members theirs = {.count = 0}, ours = {.count = 0};
    size_t start = out->len, count = 0;
    if (text_end(&trusted)) {
        if (asked.type == JSON_OBJECT)
            json_put_span(out, asked);
        return STATUS_OK;
    }
    if (json_object(trusted.p, text_len(&trusted), ours.m, MEMBERS_MAX, &ours.count, why) !=
            STATUS_OK ||
        (asked.type == JSON_OBJECT &&
         json_object(asked.p, asked.len, theirs.m, MEMBERS_MAX, &theirs.count, why) != STATUS_OK))
        return too_large(why);
    for (size_t i = 0; i < ours.count; i++)
        put_member(out, &ours.m[i], &count);
    for (size_t i = 0; i < theirs.count; i++)
        if (!is_trusted(&ours, theirs.m[i].key))
            put_member(out, &theirs.m[i], &count);
    buf_str(out, count ? "}" : "{}");
    return out->len - start > ENVELOPE_META_MAX ? too_large(why) : STATUS_OK;
}
