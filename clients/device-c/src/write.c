/* Writes messages from plain texts. The field names and every rule about their values stay in
 * proto: what was written is read back by its parser before it leaves. */
#include "core.h"

#include "types.h"

static void put_key(struct buf *b, const char *name)
{
    buf_str(b, ",\"");
    buf_str(b, name);
    buf_str(b, "\":");
}

static void put_string(struct buf *b, enum msg_field f, struct sigdev_text t)
{
    if (!t.p)
        return;
    put_key(b, msg_field_name(f));
    json_put_string(b, t.p, t.len);
}

static void put_raw(struct buf *b, enum msg_field f, struct sigdev_text t)
{
    if (!t.p)
        return;
    put_key(b, msg_field_name(f));
    buf_add(b, t.p, t.len);
}

static void put_candidate(struct buf *b, const struct sigdev_candidate *c)
{
    if (c->end) {
        buf_str(b, "null");
        return;
    }
    buf_str(b, "{\"candidate\":");
    json_put_string(b, c->candidate.p ? c->candidate.p : "", c->candidate.len);
    if (c->mid.p) {
        put_key(b, "sdpMid");
        json_put_string(b, c->mid.p, c->mid.len);
    }
    if (c->has_mline) {
        put_key(b, "sdpMLineIndex");
        buf_uint(b, c->mline);
    }
    if (c->ufrag.p) {
        put_key(b, "usernameFragment");
        json_put_string(b, c->ufrag.p, c->ufrag.len);
    }
    buf_char(b, '}');
}

static void put_media(struct buf *b, const struct sigdev_media *media)
{
    const struct {
        const char *name;
        enum sigdev_want want;
    } kinds[] = {{"audio", media->audio}, {"video", media->video}, {"data", media->data}};
    const char *before = "{\"";
    for (size_t i = 0; i < 3; i++) {
        if (kinds[i].want == SIGDEV_WANT_UNSAID)
            continue;
        if (*before == '{')
            put_key(b, msg_field_name(FIELD_MEDIA));
        buf_str(b, before);
        buf_str(b, kinds[i].name);
        buf_str(b, kinds[i].want == SIGDEV_WANT_YES ? "\":true" : "\":false");
        before = ",\"";
    }
    if (*before == ',')
        buf_char(b, '}');
}

static void put_bundle(struct buf *b, const struct sigdev_message *m)
{
    put_key(b, msg_field_name(FIELD_CANDIDATES));
    buf_char(b, '[');
    for (size_t i = 0; i < m->bundle_len; i++) {
        if (i)
            buf_char(b, ',');
        put_candidate(b, &m->bundle[i]);
    }
    buf_char(b, ']');
}

static void put_body(struct buf *b, const struct sigdev_message *m)
{
    switch (m->type) {
    case SIGDEV_OFFER:
    case SIGDEV_ANSWER:
        put_string(b, FIELD_SDP, m->sdp);
        break;
    case SIGDEV_CANDIDATE:
        put_key(b, msg_field_name(FIELD_CANDIDATE));
        put_candidate(b, &m->candidate);
        break;
    case SIGDEV_CANDIDATES:
        put_bundle(b, m);
        break;
    case SIGDEV_BYE:
        put_string(b, FIELD_REASON, m->reason);
        break;
    case SIGDEV_INVITE:
        put_media(b, &m->media);
        break;
    case SIGDEV_MESSAGE:
        put_raw(b, FIELD_DATA, core_trim(m->data));
        break;
    case SIGDEV_SEALED:
        put_string(b, FIELD_DATA, m->sealed);
        break;
    default:
        break;
    }
}

static void put_message(struct buf *b, const struct sigdev_message *m)
{
    buf_str(b, "{\"type\":\"");
    buf_str(b, sigdev_type_text(m->type));
    buf_char(b, '"');
    put_body(b, m);
    if (m->call.len && m->type != SIGDEV_MESSAGE && m->type != SIGDEV_ICE_SERVERS)
        put_string(b, FIELD_CALL, m->call);
    put_string(b, FIELD_ID, m->id);
    put_raw(b, FIELD_EXT, core_trim(m->ext));
    if (m->sent_ms > 0) {
        put_key(b, msg_field_name(FIELD_SENT));
        buf_uint(b, (uint64_t)m->sent_ms);
    }
    buf_char(b, '}');
}

/* Each candidate of what was written, by the rules of proto. */
static bool candidates_ok(struct envelope *e, char *payload)
{
    struct candidate_init c;
    if (e->type == MSG_CANDIDATE)
        return candidate_init_parse(e->field[FIELD_CANDIDATE], &c, NULL) == STATUS_OK;
    if (e->type != MSG_CANDIDATES)
        return true;
    struct sigdev_list list = core_list(payload, e->field[FIELD_CANDIDATES]);
    struct json_span item;
    while (core_list_next(&list, &item))
        if (candidate_init_parse(item, &c, NULL) != STATUS_OK)
            return false;
    return true;
}

static enum sigdev_error check_written(const struct sigdev_message *m, struct buf *b)
{
    struct envelope e;
    enum msg_side side = m->type == SIGDEV_ICE_SERVERS ? SIDE_ASK : SIDE_PEER;
    enum status s = envelope_parse(b->data, b->len, side, &e, NULL);
    if (s == STATUS_TOO_LARGE)
        return SIGDEV_ERR_TOO_LARGE;
    if (s != STATUS_OK || !candidates_ok(&e, b->data))
        return SIGDEV_ERR_ARGUMENT;
    if (m->type == SIGDEV_MESSAGE && !core_is_whole(e.field[FIELD_DATA], core_trim(m->data)))
        return SIGDEV_ERR_ARGUMENT;
    if (m->ext.p && !core_is_whole(e.field[FIELD_EXT], core_trim(m->ext)))
        return SIGDEV_ERR_ARGUMENT;
    return SIGDEV_OK;
}

enum sigdev_error sigdev_write(const struct sigdev_message *m, char *out, size_t size, size_t *len)
{
    struct buf b;
    enum msg_type type;
    if (!types_to_wire(m->type, &type) || type == MSG_ERROR)
        return SIGDEV_ERR_ARGUMENT;
    if (m->type == SIGDEV_CANDIDATES && (m->bundle_len < 1 || m->bundle_len > SIGDEV_BUNDLE_MAX))
        return SIGDEV_ERR_ARGUMENT;
    if (m->sdp.len > SIGDEV_SDP_MAX)
        return SIGDEV_ERR_TOO_LARGE;
    if (!core_begin(&b, out, size))
        return SIGDEV_ERR_SPACE;
    put_message(&b, m);
    enum sigdev_error e = core_finish(&b, len);
    if (e == SIGDEV_OK && b.len > SIGDEV_PAYLOAD_MAX)
        e = SIGDEV_ERR_TOO_LARGE;
    return e == SIGDEV_OK ? check_written(m, &b) : e;
}
