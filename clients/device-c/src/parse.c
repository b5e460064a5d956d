#include "core.h"

#include "types.h"

#include <string.h>

static enum status missing(struct problem *why, const char *what)
{
    return problem_set(why, STATUS_INVALID_MESSAGE, 0, "message-field", "%s", what);
}

/* What the payload says about its ends must be what the broker vouches for. */
static enum status check_ends(const struct sigdev_self *self, const struct sigdev_topic *topic,
                              const struct envelope *e, struct problem *why)
{
    if (topic->kind == SIGDEV_TOPIC_ROOM && e->type != MSG_MESSAGE)
        return missing(why, "only `message` goes to a whole room");
    /* In an error of the bridge `to` is whom we had tried to reach. */
    if (e->type == MSG_ERROR)
        return STATUS_OK;
    if (envelope_has(e, FIELD_FROM) && !json_equals(e->field[FIELD_FROM], topic->from))
        return missing(why, "`from` is another one than in the topic");
    if (envelope_has(e, FIELD_TO) &&
        (topic->kind == SIGDEV_TOPIC_ROOM || !json_equals(e->field[FIELD_TO], self->peer)))
        return missing(why, "`to` is another one than in the topic");
    return STATUS_OK;
}

/* The bundle is checked as a whole before any of it is handed out. */
static enum status check_bundle(char *payload, const struct envelope *e, struct problem *why)
{
    struct sigdev_list list = core_list(payload, e->field[FIELD_CANDIDATES]);
    struct json_span item;
    unsigned count = 0;
    while (core_list_next(&list, &item)) {
        struct candidate_init c;
        if (++count > SIGDEV_BUNDLE_MAX)
            break;
        enum status s = candidate_init_parse(item, &c, why);
        if (s != STATUS_OK)
            return s;
    }
    if (count < 1 || count > SIGDEV_BUNDLE_MAX)
        return missing(why, "`candidates` must be an array of 1 to 64 candidates");
    return STATUS_OK;
}

static enum status check_ice_servers(char *payload, const struct envelope *e, struct problem *why)
{
    struct sigdev_list list = core_list(payload, e->field[FIELD_ICE_SERVERS]), urls;
    struct json_span item, url;
    struct core_ice_server server;
    if (!envelope_has(e, FIELD_ICE_SERVERS))
        return missing(why, "`iceServers` is missing: `ice-servers` needs it");
    while (core_list_next(&list, &item)) {
        enum status s = core_ice_server(item, &server, why);
        if (s != STATUS_OK)
            return s;
        urls = core_list(payload, server.urls);
        while (core_list_next(&urls, &url))
            if (url.type != JSON_STRING)
                return missing(why, "`urls` must be strings");
    }
    return STATUS_OK;
}

static enum status take_candidate(char *payload, const struct envelope *e,
                                  struct sigdev_message *out, struct problem *why)
{
    struct candidate_init c;
    enum status s = candidate_init_parse(e->field[FIELD_CANDIDATE], &c, why);
    if (s == STATUS_OK)
        core_take_candidate(payload, &c, &out->candidate);
    return s;
}

static enum sigdev_want want(struct json_span v)
{
    return v.type == JSON_TRUE    ? SIGDEV_WANT_YES
           : v.type == JSON_FALSE ? SIGDEV_WANT_NO
                                  : SIGDEV_WANT_UNSAID;
}

static void take_media(struct json_span v, struct sigdev_media *out)
{
    struct json_member m[8];
    size_t n;
    if (v.type != JSON_OBJECT || json_object(v.p, v.len, m, 8, &n, NULL) != STATUS_OK)
        return;
    for (size_t i = 0; i < n; i++) {
        if (json_equals(m[i].key, "audio"))
            out->audio = want(m[i].value);
        else if (json_equals(m[i].key, "video"))
            out->video = want(m[i].value);
        else if (json_equals(m[i].key, "data"))
            out->data = want(m[i].value);
    }
}

static enum status take_error(char *payload, const struct envelope *e,
                              struct sigdev_error_info *out, struct problem *why)
{
    uint64_t code, retry = 0;
    if (!json_uint(e->field[FIELD_CODE], 599, &code) || code < 400)
        return missing(why, "`code` must be 400 to 599");
    json_uint(e->field[FIELD_RETRY_AFTER], UINT32_MAX, &retry);
    out->code = (unsigned)code;
    out->retry_after_ms = (uint32_t)retry;
    out->word = core_take_string(payload, e->field[FIELD_ERROR]);
    out->text = core_take_string(payload, e->field[FIELD_MESSAGE]);
    out->to = core_take_string(payload, e->field[FIELD_TO]);
    return STATUS_OK;
}

/* First all that can be refused, then what changes the payload. */
static enum status take_body(char *payload, const struct envelope *e, struct sigdev_message *out,
                             struct problem *why)
{
    enum status s = STATUS_OK;
    switch (e->type) {
    case MSG_OFFER:
    case MSG_ANSWER:
        out->sdp = core_take_string(payload, e->field[FIELD_SDP]);
        break;
    case MSG_CANDIDATE:
        s = take_candidate(payload, e, out, why);
        break;
    case MSG_CANDIDATES:
        s = check_bundle(payload, e, why);
        out->candidates = core_list(payload, e->field[FIELD_CANDIDATES]);
        break;
    case MSG_BYE:
        out->reason = core_take_string(payload, e->field[FIELD_REASON]);
        break;
    case MSG_INVITE:
        take_media(e->field[FIELD_MEDIA], &out->media);
        break;
    case MSG_MESSAGE:
        out->data = core_take_raw(payload, e->field[FIELD_DATA]);
        break;
    case MSG_SEALED:
        out->sealed = core_take_string(payload, e->field[FIELD_DATA]);
        break;
    case MSG_ERROR:
        s = take_error(payload, e, &out->error, why);
        break;
    case MSG_ICE_SERVERS:
        s = check_ice_servers(payload, e, why);
        out->ice_servers = core_list(payload, e->field[FIELD_ICE_SERVERS]);
        break;
    default:
        s = missing(why, "`type` is none that is known here");
    }
    return s;
}

/* A word for a type that no version of the protocol we know has, or the bridge's question whether
 * somebody listens, which the acknowledgement has answered. */
static bool is_foreign_type(const struct envelope *e)
{
    struct json_span type = e->field[FIELD_TYPE];
    for (int t = 0; t < MSG_TYPE_COUNT; t++)
        if (t != MSG_PING && json_equals(type, msg_type_name((enum msg_type)t)))
            return false;
    return type.type == JSON_STRING;
}

enum sigdev_error sigdev_parse(const struct sigdev_self *self, const struct sigdev_topic *topic,
                               char *payload, size_t len, struct sigdev_message *out, char *why,
                               size_t why_size)
{
    struct problem problem = {.status = STATUS_OK};
    struct envelope e;
    bool bridge = strcmp(topic->from, SIGDEV_BRIDGE) == 0;
    *out = (struct sigdev_message){0};
    if (topic->kind == SIGDEV_TOPIC_PRESENCE)
        return core_refuse(SIGDEV_ERR_ARGUMENT, "a presence is no message", why, why_size);
    if (len > SIGDEV_PAYLOAD_MAX)
        return core_refuse(SIGDEV_ERR_TOO_LARGE, "the payload is too long", why, why_size);
    enum status s = envelope_parse(payload, len, bridge ? SIDE_BRIDGE : SIDE_PEER, &e, &problem);
    if (s == STATUS_INVALID_MESSAGE && is_foreign_type(&e))
        return core_refuse(SIGDEV_ERR_UNKNOWN_TYPE, problem.text, why, why_size);
    if (s == STATUS_OK)
        s = check_ends(self, topic, &e, &problem);
    if (s == STATUS_OK)
        s = take_body(payload, &e, out, &problem);
    if (s != STATUS_OK)
        return core_refused(&problem, why, why_size);
    types_from_wire(e.type, &out->type);
    out->sent_ms = (int64_t)e.sent_ms;
    out->id = core_take_string(payload, e.field[FIELD_ID]);
    out->call = core_take_string(payload, e.field[FIELD_CALL]);
    if (!out->call.p)
        out->call = sigdev_str("");
    out->ext = core_take_raw(payload, e.field[FIELD_EXT]);
    return SIGDEV_OK;
}

bool sigdev_is_old(const struct sigdev_message *m, int64_t now_ms, int64_t max_age_ms)
{
    return m->sent_ms > 0 && now_ms - m->sent_ms > max_age_ms;
}
