#include "core/session_state.h"

#include "core/admission.h"
#include "core/talk.h"

static void put_call(void *arg, struct text peer, struct text call, unsigned waiting)
{
    struct buf *b = arg;
    if (b->len && b->data[b->len - 1] != '[')
        buf_char(b, ',');
    buf_char(b, '[');
    json_put_text(b, peer);
    buf_char(b, ',');
    json_put_text(b, call);
    buf_char(b, ',');
    buf_uint(b, waiting);
    buf_char(b, ']');
}

void session_state_put_digests(struct buf *b, const char *name, const uint64_t *digests,
                               size_t count)
{
    size_t n = 0;
    buf_str(b, ",\"");
    buf_str(b, name);
    buf_str(b, "\":[");
    for (size_t i = 0; i < count; i++) {
        if (!digests[i])
            continue;
        if (n++)
            buf_char(b, ',');
        talk_put_digest(b, digests[i]);
    }
    buf_char(b, ']');
}

/* Ids that failed have been forgotten, none is pending: all of them were acknowledged. */
static void put_ids(struct buf *b, const struct session *s)
{
    struct recent_id ids[RECENT_MAX];
    uint64_t digests[RECENT_MAX];
    size_t count = recent_list(&s->recent, ids);
    for (size_t i = 0; i < count; i++)
        digests[i] = ids[i].hash;
    session_state_put_digests(b, "ids", digests, count);
}

static void put_access(struct buf *b, const struct session *s)
{
    if (!s->access)
        return;
    buf_str(b, ",\"expires\":");
    buf_int(b, access_expires_ms(s->access));
    buf_str(b, ",\"claims\":");
    access_put_claims(b, s->access);
}

void session_state_put(struct router *r, const struct session *s)
{
    uint64_t seen[TALK_DIGESTS];
    struct buf *b = &r->out;
    buf_str(b, ",\"seq\":");
    buf_uint(b, s->seq);
    buf_str(b, ",\"sent\":");
    buf_uint(b, s->sent_ms);
    buf_str(b, ",\"since\":");
    buf_int(b, s->since_ms);
    if (s->meta) {
        buf_str(b, ",\"meta\":");
        buf_add(b, s->meta, s->meta_len);
    }
    buf_str(b, ",\"calls\":[");
    calls_each(&s->calls, put_call, b);
    buf_char(b, ']');
    put_ids(b, s);
    session_state_put_digests(b, "seen", seen, seen_list(&s->seen, seen, TALK_DIGESTS));
    put_access(b, s);
}

static bool read_calls(struct session *s, struct json_span calls)
{
    struct json_span items[CALL_MAX], one[3];
    size_t count = 0, n;
    uint64_t waiting;
    if (calls.type != JSON_ARRAY ||
        json_array(calls.p, calls.len, items, CALL_MAX, &count, NULL) != STATUS_OK)
        return false;
    while (count--) { /* they come with the newest in front */
        char call[NAME_MAX_BYTES];
        size_t len;
        struct json_span v = items[count];
        if (v.type != JSON_ARRAY || json_array(v.p, v.len, one, 3, &n, NULL) != STATUS_OK ||
            n != 3 || one[0].type != JSON_STRING || !name_ok(one[0].p, one[0].len) ||
            one[1].type != JSON_STRING || !json_decode(one[1], call, sizeof call, &len) ||
            !json_uint(one[2], 3, &waiting))
            return false;
        for (unsigned way = CALL_OUT; way <= CALL_IN; way++)
            if (waiting & way && calls_offer(&s->calls, text_of(one[0].p, one[0].len),
                                             text_of(call, len), (enum call_direction)way))
                return false;
    }
    return true;
}

static bool read_access(struct router *r, struct session *s, const struct json_member *m, size_t n)
{
    struct json_member claims[8];
    size_t count;
    uint64_t expires;
    struct access *access = NULL;
    struct json_span v = talk_field(m, n, "claims");
    if (v.type == JSON_NONE)
        return r->o.keys == NULL;
    if (v.type != JSON_OBJECT || !talk_uint(m, n, "expires", &expires) ||
        json_object(v.p, v.len, claims, 8, &count, NULL) != STATUS_OK ||
        access_create(claims, count, (int64_t)expires, &access, NULL) != STATUS_OK)
        return false;
    admission_bring(r, s, access);
    return true;
}

bool session_state_read(struct router *r, struct session *s, const struct json_member *m, size_t n)
{
    uint64_t seq, since, digests[TALK_DIGESTS];
    struct json_span meta = talk_field(m, n, "meta");
    if (!talk_uint(m, n, "seq", &seq) || !talk_uint(m, n, "sent", &s->sent_ms) ||
        !talk_uint(m, n, "since", &since) || since > INT64_MAX ||
        !read_calls(s, talk_field(m, n, "calls")) || !read_access(r, s, m, n))
        return false;
    s->since_ms = (int64_t)since;
    if (meta.type == JSON_OBJECT && !session_set_meta(s, text_of(meta.p, meta.len)))
        return false;
    size_t count = talk_digests(talk_field(m, n, "ids"), digests, RECENT_MAX);
    for (size_t i = 0; i < count; i++)
        recent_restore(&s->recent, (struct recent_id){digests[i], RECENT_DONE});
    count = talk_digests(talk_field(m, n, "seen"), digests, TALK_DIGESTS);
    while (count--) /* they come with the last in front */
        (void)seen_before(&s->seen, digests[count], r->now.mono_us);
    return s->seq == seq; /* all that was missed is here */
}
