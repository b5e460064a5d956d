#include "proto/envelope.h"

#include "proto/names.h"

#include <string.h>

typedef bool field_check(struct json_span v);

static bool is_name(struct json_span v)
{
    return v.type == JSON_STRING && !v.escaped && name_ok(v.p, v.len);
}

/* Where the other end may be the bridge itself. */
static bool is_peer_or_bridge(struct json_span v)
{
    return is_name(v) || json_equals(v, NAME_BRIDGE);
}

/* `id` and `call` travel as they came, so an escape in them is taken only where JSON demands one.
 */
static bool is_id(struct json_span v)
{
    char plain[NAME_MAX_BYTES];
    size_t len;
    return v.type == JSON_STRING && json_decode(v, plain, sizeof plain, &len) && id_ok(plain, len);
}

static bool is_call(struct json_span v)
{
    return is_id(v) || (v.type == JSON_STRING && v.len == 0);
}

static bool is_string_up_to(struct json_span v, size_t max)
{
    return v.type == JSON_STRING && v.len <= max;
}

static bool is_token(struct json_span v)
{
    return is_string_up_to(v, ENVELOPE_TOKEN_MAX) && v.len > 0;
}

static bool is_secret(struct json_span v)
{
    if (!is_string_up_to(v, ENVELOPE_SECRET_MAX) || v.escaped || v.len == 0)
        return false;
    for (size_t i = 0; i < v.len; i++)
        if (!text_is_printable(v.p[i]))
            return false;
    return true;
}

static bool is_sdp(struct json_span v)
{
    return is_string_up_to(v, ENVELOPE_SDP_MAX) && v.len > 0;
}

static bool is_meta(struct json_span v)
{
    return v.type == JSON_OBJECT && v.len <= ENVELOPE_META_MAX;
}

static bool is_ext(struct json_span v)
{
    return v.type == JSON_OBJECT && v.len <= ENVELOPE_EXT_MAX;
}

static bool is_seq(struct json_span v)
{
    uint64_t n;
    return json_uint(v, (1ULL << 53) - 1, &n);
}

static bool is_any(struct json_span v)
{
    return v.type != JSON_NONE;
}

static bool is_object_or_null(struct json_span v)
{
    return v.type == JSON_OBJECT || v.type == JSON_NULL;
}

static bool is_array(struct json_span v)
{
    return v.type == JSON_ARRAY;
}

static bool is_string(struct json_span v)
{
    return v.type == JSON_STRING;
}

static bool is_media(struct json_span v)
{
    struct json_member m[8];
    size_t n;
    if (v.type != JSON_OBJECT || json_object(v.p, v.len, m, 8, &n, NULL) != STATUS_OK)
        return false;
    for (size_t i = 0; i < n; i++) {
        bool known = json_equals(m[i].key, "audio") || json_equals(m[i].key, "video") ||
                     json_equals(m[i].key, "data");
        if (known && m[i].value.type != JSON_TRUE && m[i].value.type != JSON_FALSE)
            return false;
    }
    return true;
}

static bool is_reason(struct json_span v)
{
    char plain[ENVELOPE_REASON_MAX * 4];
    size_t len, characters = 0;
    if (v.type != JSON_STRING || !json_decode(v, plain, sizeof plain, &len))
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)plain[i];
        if (c < 0x20 || c == 0x7f)
            return false;
        characters += (c & 0xc0) != 0x80; /* bytes that begin a character */
    }
    return characters <= ENVELOPE_REASON_MAX;
}

/* RFC 4648 section 4, padded. */
static bool is_base64(struct json_span v)
{
    if (v.type != JSON_STRING || v.escaped || v.len == 0 || v.len % 4 != 0)
        return false;
    size_t body = v.len;
    while (body > 0 && v.p[body - 1] == '=' && v.len - body < 2)
        body--;
    for (size_t i = 0; i < body; i++)
        if (!text_is_alnum(v.p[i]) && v.p[i] != '+' && v.p[i] != '/')
            return false;
    return true;
}

struct field_rule {
    const char *name;
    size_t name_len;
    field_check *check;
    const char *want; /* continues the sentence "`name` must be …" */
    size_t max; /* bytes as written; beyond it the answer is too-large; 0: the check bounds it */
};

#define N(name) name, sizeof(name) - 1

static const struct field_rule field_rules[FIELD_COUNT] = {
    [FIELD_TYPE] = {N("type"), is_string, "a string", 0},
    [FIELD_ID] = {N("id"), is_id, "1 to 64 printable ASCII characters", 0},
    [FIELD_ROOM] = {N("room"), is_name,
                    "1 to 64 of A-Z a-z 0-9 . _ ~ -, beginning with a letter or digit", 0},
    [FIELD_PEER] = {N("peer"), is_name,
                    "1 to 64 of A-Z a-z 0-9 . _ ~ -, beginning with a letter or digit", 0},
    [FIELD_TOKEN] = {N("token"), is_token, "a string of up to 8192 bytes", 0},
    [FIELD_META] = {N("meta"), is_meta, "an object", ENVELOPE_META_MAX},
    [FIELD_SESSION] = {N("session"), is_secret, "the string that `joined` gave", 0},
    [FIELD_SECRET] = {N("secret"), is_secret, "the string that `joined` gave", 0},
    [FIELD_SEQ] = {N("seq"), is_seq, "a whole number, 0 or more", 0},
    [FIELD_TO] = {N("to"), is_peer_or_bridge, "the name of a peer", 0},
    [FIELD_FROM] = {N("from"), is_peer_or_bridge, "the name of a peer", 0},
    [FIELD_CALL] = {N("call"), is_call, "up to 64 printable ASCII characters", 0},
    [FIELD_MEDIA] = {N("media"), is_media, "an object of booleans: audio, video, data", 0},
    [FIELD_SDP] = {N("sdp"), is_sdp, "a string that is not empty", ENVELOPE_SDP_MAX},
    [FIELD_CANDIDATE] = {N("candidate"), is_object_or_null, "an RTCIceCandidateInit object or null",
                         0},
    [FIELD_CANDIDATES] = {N("candidates"), is_array, "an array of 1 to 64 candidates", 0},
    [FIELD_REASON] = {N("reason"), is_reason,
                      "a string of up to 128 characters without control characters", 0},
    [FIELD_DATA] = {N("data"), is_any, "a JSON value", ENVELOPE_DATA_MAX},
    [FIELD_EXT] = {N("ext"), is_ext, "an object", ENVELOPE_EXT_MAX},
    [FIELD_SENT] = {N("sent"), is_seq, "a time in milliseconds", 0},
    [FIELD_ICE_SERVERS] = {N("iceServers"), is_array, "an array", 0},
    [FIELD_CODE] = {N("code"), is_seq, "a number", 0},
    [FIELD_ERROR] = {N("error"), is_string, "a string", 0},
    [FIELD_MESSAGE] = {N("message"), is_string, "a string", 0},
    [FIELD_RETRY_AFTER] = {N("retryAfter"), is_seq, "a number of milliseconds", 0},
};

#define F(name)   (1u << FIELD_##name)
#define FORWARDED (F(ID) | F(EXT) | F(CALL))

struct type_rule {
    const char *name;
    unsigned sides; /* 1 << enum msg_side */
    uint32_t required;
    uint32_t optional;
};

enum {
    CLIENT = 1 << SIDE_CLIENT,
    PEER = 1 << SIDE_PEER,
    BRIDGE = 1 << SIDE_BRIDGE,
    ASK = 1 << SIDE_ASK,
    BOTH = CLIENT | PEER
};

static const struct type_rule type_rules[MSG_TYPE_COUNT] = {
    [MSG_JOIN] = {"join", CLIENT, F(ROOM), F(ID) | F(PEER) | F(TOKEN) | F(META)},
    [MSG_RESUME] = {"resume", CLIENT, F(SESSION) | F(SECRET) | F(SEQ), F(ID)},
    [MSG_LEAVE] = {"leave", CLIENT, 0, F(ID)},
    [MSG_UPDATE] = {"update", CLIENT, F(META), F(ID)},
    [MSG_INVITE] = {"invite", BOTH, F(TO), FORWARDED | F(MEDIA)},
    [MSG_OFFER] = {"offer", BOTH, F(TO) | F(SDP), FORWARDED},
    [MSG_ANSWER] = {"answer", BOTH, F(TO) | F(SDP), FORWARDED},
    [MSG_CANDIDATE] = {"candidate", BOTH, F(TO) | F(CANDIDATE), FORWARDED},
    [MSG_CANDIDATES] = {"candidates", PEER, F(TO) | F(CANDIDATES), FORWARDED},
    [MSG_BYE] = {"bye", BOTH, F(TO), FORWARDED | F(REASON)},
    [MSG_MESSAGE] = {"message", BOTH, F(DATA), F(TO) | F(ID) | F(EXT)},
    [MSG_SEALED] = {"sealed", BOTH, F(TO) | F(DATA), FORWARDED},
    [MSG_REFRESH] = {"refresh", CLIENT, F(TOKEN), F(ID)},
    [MSG_PING] = {"ping", CLIENT, 0, F(ID)},
    [MSG_ICE_SERVERS] = {"ice-servers", ASK | BRIDGE, 0, F(ID) | F(ICE_SERVERS)},
    [MSG_ERROR] = {"error", BRIDGE, F(CODE) | F(ERROR),
                   F(ID) | F(TO) | F(MESSAGE) | F(RETRY_AFTER)},
};

const char *msg_type_name(enum msg_type t)
{
    return type_rules[t].name;
}

const char *msg_field_name(enum msg_field f)
{
    return field_rules[f].name;
}

static enum status bad_field(struct problem *why, const char *name, const char *what)
{
    return problem_set(why, STATUS_INVALID_MESSAGE, 0, "message-field", "`%s` %s", name, what);
}

static bool find_field(struct json_span key, enum msg_field *out)
{
    for (int f = 0; f < FIELD_COUNT; f++) {
        const struct field_rule *rule = &field_rules[f];
        bool same = key.escaped ? json_equals(key, rule->name)
                                : key.len == rule->name_len && !memcmp(key.p, rule->name, key.len);
        if (same) {
            *out = (enum msg_field)f;
            return true;
        }
    }
    return false;
}

static bool find_type(struct json_span name, enum msg_side side, enum msg_type *out)
{
    for (int t = 0; t < MSG_TYPE_COUNT; t++) {
        if ((type_rules[t].sides & (1u << side)) && json_equals(name, type_rules[t].name)) {
            *out = (enum msg_type)t;
            return true;
        }
    }
    return false;
}

static enum status check_field(const struct envelope *e, enum msg_field f, struct problem *why)
{
    const struct field_rule *rule = &field_rules[f];
    struct json_span v = e->field[f];
    size_t max = f == FIELD_DATA && e->type == MSG_SEALED ? ENVELOPE_SEALED_MAX : rule->max;
    if (max && v.len > max)
        return problem_set(why, STATUS_TOO_LARGE, 0, "message-size",
                           "`%s` has %zu bytes, %zu are allowed", rule->name, v.len, max);
    if (!rule->check(v))
        return problem_set(why, STATUS_INVALID_MESSAGE, 0, "message-field", "`%s` must be %s",
                           rule->name, rule->want);
    if (f == FIELD_DATA && e->type == MSG_SEALED && !is_base64(v))
        return bad_field(why, "data", "must be base64 with padding");
    return STATUS_OK;
}

/* On MQTT the topic says who and to whom; a payload may repeat it. */
static uint32_t side_fields(enum msg_side side, const struct type_rule *rule, uint32_t *required)
{
    *required = rule->required;
    if (side != SIDE_PEER)
        return rule->required | rule->optional;
    *required &= ~F(TO);
    return rule->required | rule->optional | F(TO) | F(FROM) | F(SENT);
}

static enum status check_fields(struct envelope *e, enum msg_side side, struct problem *why)
{
    const struct type_rule *rule = &type_rules[e->type];
    uint32_t required, known = side_fields(side, rule, &required);
    for (int f = 0; f < FIELD_COUNT; f++) {
        if (!(known & (1u << f)) && f != FIELD_TYPE) {
            e->field[f] = (struct json_span){0};
            continue;
        }
        if (!envelope_has(e, (enum msg_field)f)) {
            if (required & (1u << f))
                return problem_set(why, STATUS_INVALID_MESSAGE, 0, "message-field",
                                   "`%s` is missing: `%s` needs it", field_rules[f].name,
                                   rule->name);
            continue;
        }
        enum status s = check_field(e, (enum msg_field)f, why);
        if (s != STATUS_OK)
            return s;
    }
    if (side == SIDE_CLIENT && json_equals(e->field[FIELD_TO], NAME_BRIDGE))
        return bad_field(why, "to", "must be the name of a peer");
    return STATUS_OK;
}

static enum status parse(const char *text, size_t len, enum msg_side side, struct envelope *out,
                         struct problem *why)
{
    struct json_member members[ENVELOPE_MEMBERS];
    size_t count;
    enum status s = json_object(text, len, members, ENVELOPE_MEMBERS, &count, why);
    if (s != STATUS_OK)
        return s;
    for (size_t i = 0; i < count; i++) {
        enum msg_field f;
        if (find_field(members[i].key, &f))
            out->field[f] = members[i].value;
    }
    if (!envelope_has(out, FIELD_TYPE))
        return bad_field(why, "type", "is missing");
    if (!find_type(out->field[FIELD_TYPE], side, &out->type))
        return bad_field(why, "type", "is none that is known here");
    return check_fields(out, side, why);
}

enum status envelope_parse(const char *text, size_t len, enum msg_side side, struct envelope *out,
                           struct problem *why)
{
    memset(out, 0, sizeof *out);
    enum status s = parse(text, len, side, out, why);
    if (s != STATUS_OK) {
        /* What names the message in the error must itself be sound. */
        if (!is_id(out->field[FIELD_ID]))
            out->field[FIELD_ID] = (struct json_span){0};
        if (!is_name(out->field[FIELD_TO]))
            out->field[FIELD_TO] = (struct json_span){0};
        return s;
    }
    json_uint(out->field[FIELD_SENT], UINT64_MAX, &out->sent_ms);
    json_uint(out->field[FIELD_SEQ], UINT64_MAX, &out->seq);
    return STATUS_OK;
}

struct text envelope_plain(const struct envelope *e, enum msg_field f, char out[NAME_MAX_BYTES])
{
    struct json_span v = e->field[f];
    size_t len = 0;
    if (!v.escaped)
        return envelope_text(e, f);
    json_decode(v, out, NAME_MAX_BYTES, &len);
    return text_of(out, len);
}

static bool string_or_null(struct json_span v)
{
    return v.type == JSON_STRING || v.type == JSON_NULL || v.type == JSON_NONE;
}

enum status candidate_init_parse(struct json_span value, struct candidate_init *out,
                                 struct problem *why)
{
    struct json_member m[16];
    size_t n;
    *out = (struct candidate_init){0};
    if (value.type == JSON_NULL) {
        out->end = true;
        return STATUS_OK;
    }
    if (value.type != JSON_OBJECT || !json_known_object(value, m, 16, &n))
        return problem_set(
            why, STATUS_INVALID_CANDIDATE, 0, "candidate-object",
            "`candidate` must be an RTCIceCandidateInit object of at most 16 members, "
            "or null");
    for (size_t i = 0; i < n; i++) {
        if (json_equals(m[i].key, "candidate"))
            out->line = m[i].value;
        else if (json_equals(m[i].key, "sdpMid"))
            out->mid = m[i].value;
        else if (json_equals(m[i].key, "sdpMLineIndex"))
            out->index = m[i].value;
        else if (json_equals(m[i].key, "usernameFragment"))
            out->ufrag = m[i].value;
    }
    uint64_t number;
    if (out->line.type != JSON_STRING)
        return problem_set(why, STATUS_INVALID_CANDIDATE, 0, "candidate-line",
                           "`candidate.candidate` must be a string");
    if (!string_or_null(out->mid))
        return problem_set(why, STATUS_INVALID_CANDIDATE, 0, "candidate-mid",
                           "`candidate.sdpMid` must be a string or null");
    if (out->index.type != JSON_NONE && out->index.type != JSON_NULL &&
        !json_uint(out->index, 65535, &number))
        return problem_set(why, STATUS_INVALID_CANDIDATE, 0, "candidate-index",
                           "`candidate.sdpMLineIndex` must be a number from 0 to 65535 or null");
    if (!string_or_null(out->ufrag))
        return problem_set(why, STATUS_INVALID_CANDIDATE, 0, "candidate-ufrag",
                           "`candidate.usernameFragment` must be a string or null");
    out->end = out->line.len == 0;
    /* W3C WebRTC 4.4.2, addIceCandidate: a TypeError in every browser. */
    if (!out->end && out->mid.type != JSON_STRING && out->index.type != JSON_NUMBER)
        return problem_set(why, STATUS_INVALID_CANDIDATE, 0, "candidate-place",
                           "`candidate` must say its media section: sdpMid or sdpMLineIndex");
    return STATUS_OK;
}
