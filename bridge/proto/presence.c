#include "proto/envelope.h"
#include "proto/names.h"

#include <string.h>

static enum status bad(struct problem *why, const char *field, const char *want)
{
    return problem_set(why, STATUS_INVALID_MESSAGE, 0, "presence-field",
                       "presence: `%s` must be %s", field, want);
}

static bool known_kind(struct json_span v)
{
    static const char *const kinds[] = {"device", "browser", "sfu", "http"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (json_equals(v, kinds[i]))
            return true;
    return false;
}

static bool take_name(struct json_span v, struct text *out)
{
    if (v.type != JSON_STRING || v.escaped || !name_ok(v.p, v.len))
        return false;
    *out = text_of(v.p, v.len);
    return true;
}

static enum status read_limits(struct json_span v, struct presence *out, struct problem *why)
{
    struct json_member m[16];
    size_t n;
    if (v.type != JSON_OBJECT || json_object(v.p, v.len, m, 16, &n, NULL) != STATUS_OK)
        return bad(why, "limits", "an object of at most 16 members");
    for (size_t i = 0; i < n; i++) {
        uint64_t *to = json_equals(m[i].key, "sdp")          ? &out->max_sdp
                       : json_equals(m[i].key, "line")       ? &out->max_line
                       : json_equals(m[i].key, "candidates") ? &out->max_candidates
                                                             : NULL;
        if (to && (!json_uint(m[i].value, UINT32_MAX, to) || *to == 0))
            return bad(why, "limits", "an object of whole numbers, 1 or more");
    }
    return STATUS_OK;
}

static enum status read_member(struct json_span key, struct json_span v, struct presence *out,
                               struct problem *why)
{
    if (json_equals(key, "kind")) {
        if (v.type != JSON_STRING)
            return bad(why, "kind", "a string");
        if (known_kind(v))
            out->kind = v;
    } else if (json_equals(key, "meta")) {
        if (v.type != JSON_OBJECT || v.len > ENVELOPE_META_MAX)
            return bad(why, "meta", "an object of at most 4096 bytes");
        out->meta = v;
    } else if (json_equals(key, "since")) {
        if (!json_uint(v, (1ULL << 53) - 1, &out->since_ms))
            return bad(why, "since", "a time in milliseconds");
    } else if (json_equals(key, "ttl")) {
        if (!json_uint(v, ENVELOPE_TTL_MAX, &out->ttl_s) || out->ttl_s == 0)
            return bad(why, "ttl", "1 to 86400 seconds");
    } else if (json_equals(key, "via")) {
        if (!take_name(v, &out->via))
            return bad(why, "via", "the name of a bridge");
    } else if (json_equals(key, "sid")) {
        if (!take_name(v, &out->sid))
            return bad(why, "sid", "the name of a session");
    } else if (json_equals(key, "together")) {
        if (v.type != JSON_TRUE && v.type != JSON_FALSE)
            return bad(why, "together", "true or false");
        out->together = v.type == JSON_TRUE;
    } else if (json_equals(key, "bundle")) {
        if (v.type != JSON_TRUE && v.type != JSON_FALSE)
            return bad(why, "bundle", "true or false");
        out->bundle = v.type == JSON_TRUE;
    } else if (json_equals(key, "limits")) {
        return read_limits(v, out, why);
    }
    return STATUS_OK;
}

enum status presence_parse(const char *text, size_t len, struct presence *out, struct problem *why)
{
    struct json_member m[ENVELOPE_MEMBERS];
    size_t n;
    memset(out, 0, sizeof *out);
    enum status s = json_object(text, len, m, ENVELOPE_MEMBERS, &n, why);
    for (size_t i = 0; s == STATUS_OK && i < n; i++)
        s = read_member(m[i].key, m[i].value, out, why);
    return s;
}
