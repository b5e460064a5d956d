#include "core.h"

static void put_number(struct buf *b, const char *key, uint64_t n)
{
    buf_str(b, key);
    buf_uint(b, n);
}

static void put_limits(struct buf *b, const struct sigdev_presence *p)
{
    const struct {
        const char *key;
        uint32_t n;
    } limits[] = {{"\"sdp\":", p->limit_sdp},
                  {"\"line\":", p->limit_line},
                  {"\"candidates\":", p->limit_candidates}};
    const char *before = ",\"limits\":{";
    for (size_t i = 0; i < 3; i++) {
        if (!limits[i].n)
            continue;
        buf_str(b, before);
        put_number(b, limits[i].key, limits[i].n);
        before = ",";
    }
    if (before[1] == '\0')
        buf_char(b, '}');
}

static void put_presence(struct buf *b, const struct sigdev_presence *p, struct sigdev_text meta)
{
    /* `bundle` comes first and always, so that every later member may begin with a comma. */
    buf_str(b, p->bundle ? "{\"bundle\":true" : "{\"bundle\":false");
    if (p->kind.p) {
        buf_str(b, ",\"kind\":");
        json_put_string(b, p->kind.p, p->kind.len);
    }
    if (meta.p) {
        buf_str(b, ",\"meta\":");
        buf_add(b, meta.p, meta.len);
    }
    if (p->since_ms > 0)
        put_number(b, ",\"since\":", (uint64_t)p->since_ms);
    if (p->ttl_s)
        put_number(b, ",\"ttl\":", p->ttl_s);
    put_limits(b, p);
    buf_char(b, '}');
}

enum sigdev_error sigdev_write_presence(const struct sigdev_presence *p, char *out, size_t size,
                                        size_t *len)
{
    struct buf b;
    struct presence read;
    struct sigdev_text meta = core_trim(p->meta);
    if (meta.len > SIGDEV_META_MAX)
        return SIGDEV_ERR_TOO_LARGE;
    if (!core_begin(&b, out, size))
        return SIGDEV_ERR_SPACE;
    put_presence(&b, p, meta);
    enum sigdev_error e = core_finish(&b, len);
    if (e != SIGDEV_OK)
        return e;
    bool ok = presence_parse(b.data, b.len, &read, NULL) == STATUS_OK &&
              (!meta.p || core_is_whole(read.meta, meta)) &&
              (!p->kind.p || read.kind.type == JSON_STRING);
    return ok ? SIGDEV_OK : SIGDEV_ERR_ARGUMENT;
}

enum sigdev_error sigdev_parse_presence(char *payload, size_t len, struct sigdev_presence *out,
                                        char *why, size_t why_size)
{
    struct problem problem = {.status = STATUS_OK};
    struct presence p;
    *out = (struct sigdev_presence){0};
    if (len == 0) {
        out->gone = true;
        return SIGDEV_OK;
    }
    if (len > SIGDEV_PAYLOAD_MAX)
        return core_refuse(SIGDEV_ERR_TOO_LARGE, "the payload is too long", why, why_size);
    if (presence_parse(payload, len, &p, &problem) != STATUS_OK)
        return core_refused(&problem, why, why_size);
    out->kind = core_take_string(payload, p.kind);
    out->meta = core_take_raw(payload, p.meta);
    out->via = core_take_text(payload, p.via);
    out->sid = core_take_text(payload, p.sid);
    out->since_ms = (int64_t)p.since_ms;
    out->ttl_s = (uint32_t)p.ttl_s;
    out->bundle = p.bundle;
    out->limit_sdp = (uint32_t)p.max_sdp;
    out->limit_line = (uint32_t)p.max_line;
    out->limit_candidates = (uint32_t)p.max_candidates;
    return SIGDEV_OK;
}
