#include "app/check_payload.h"

#include "base/text.h"
#include "proto/candidate.h"
#include "proto/envelope.h"
#include "proto/json.h"
#include "proto/message.h"
#include "proto/sdp.h"

#include <string.h>

enum { MEMBERS_MAX = 16 };

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct text trimmed(const char *bytes, size_t len)
{
    struct text t = text_of(bytes, len);
    while (!text_end(&t) && is_space(*t.p))
        t.p++;
    while (!text_end(&t) && is_space(t.end[-1]))
        t.end--;
    return t;
}

static enum status check_json_size(size_t len, struct problem *why)
{
    if (len <= PAYLOAD_MAX_BYTES)
        return STATUS_OK;
    return problem_set(why, STATUS_TOO_LARGE, 0, "message-size", "it is longer than %d bytes",
                       PAYLOAD_MAX_BYTES);
}

/* {"type":…,"sdp":…}: what RTCSessionDescription.toJSON() gives. */
static enum status check_description(enum payload_kind kind, const char *bytes, size_t len,
                                     char *scratch, struct problem *why)
{
    struct json_member members[MEMBERS_MAX];
    struct json_span type = {0}, sdp = {0};
    size_t count = 0;
    enum status status = check_json_size(len, why);
    if (status == STATUS_OK)
        status = json_object(bytes, len, members, MEMBERS_MAX, &count, why);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        if (json_equals(members[i].key, "type"))
            type = members[i].value;
        else if (json_equals(members[i].key, "sdp"))
            sdp = members[i].value;
    }
    bool fits = kind == PAYLOAD_OFFER
                    ? json_equals(type, "offer")
                    : json_equals(type, "answer") || json_equals(type, "pranswer");
    if (type.type != JSON_STRING || !fits)
        return problem_set(why, STATUS_INVALID_MESSAGE, 0, "message-field",
                           "`type` must be the string %s",
                           kind == PAYLOAD_OFFER ? "offer" : "answer or pranswer");
    if (sdp.type != JSON_STRING)
        return problem_set(why, STATUS_INVALID_MESSAGE, 0, "message-field",
                           "`sdp` must be a string");
    if (!json_decode(sdp, scratch, PAYLOAD_MAX_BYTES, &len))
        return problem_set(why, STATUS_TOO_LARGE, 0, "sdp-size", "the SDP is too long");
    return sdp_check(kind == PAYLOAD_OFFER ? SDP_OFFER : SDP_ANSWER, scratch, len, why);
}

static enum status check_candidate(const char *bytes, size_t len, struct text inside,
                                   struct problem *why)
{
    struct json_member members[MEMBERS_MAX];
    struct candidate_init init;
    struct candidate parsed;
    size_t count = 0;
    if (text_equals(inside, "null"))
        return STATUS_OK;
    if (text_end(&inside) || *inside.p != '{')
        return candidate_parse(bytes, len, &parsed, why);
    enum status status = check_json_size(len, why);
    if (status == STATUS_OK)
        status = json_object(bytes, len, members, MEMBERS_MAX, &count, why);
    struct json_span value = {inside.p, text_len(&inside), JSON_OBJECT, false};
    if (status == STATUS_OK)
        status = candidate_init_parse(value, &init, why);
    if (status == STATUS_OK)
        status = candidate_init_check(&init, why);
    return status;
}

static enum status check_one(enum msg_side side, const char *bytes, size_t len, char *scratch,
                             struct problem *why)
{
    struct envelope e;
    enum status status = envelope_parse(bytes, len, side, &e, why);
    if (status == STATUS_OK)
        status = envelope_check(&e, scratch, PAYLOAD_MAX_BYTES, why);
    return status;
}

static enum status check_message(enum msg_side side, struct text payload, char *scratch,
                                 struct problem *why)
{
    struct json_span messages[ENVELOPE_CANDIDATES_MAX];
    size_t n, len = text_len(&payload);
    enum status status = check_json_size(len, why);
    if (status != STATUS_OK || side != SIDE_PEER ||
        !message_apart(payload, messages, ENVELOPE_CANDIDATES_MAX, &n))
        return status == STATUS_OK ? check_one(side, payload.p, len, scratch, why) : status;
    for (size_t i = 0; status == STATUS_OK && i < n; i++)
        status = check_one(side, messages[i].p, messages[i].len, scratch, why);
    return status;
}

static enum status check_presence(const char *bytes, size_t len, struct problem *why)
{
    struct presence p;
    enum status status = check_json_size(len, why);
    return status == STATUS_OK ? presence_parse(bytes, len, &p, why) : status;
}

enum status payload_check(enum payload_kind kind, enum msg_side side, const char *bytes, size_t len,
                          char *scratch, struct problem *why)
{
    struct text inside = trimmed(bytes, len);
    bool json = !text_end(&inside) && *inside.p == '{';
    if (kind == PAYLOAD_MESSAGE)
        return check_message(side, inside, scratch, why);
    if (kind == PAYLOAD_PRESENCE)
        return check_presence(bytes, len, why);
    if (kind == PAYLOAD_CANDIDATE)
        return check_candidate(bytes, len, inside, why);
    if (json)
        return check_description(kind, bytes, len, scratch, why);
    return sdp_check(kind == PAYLOAD_OFFER ? SDP_OFFER : SDP_ANSWER, bytes, len, why);
}
