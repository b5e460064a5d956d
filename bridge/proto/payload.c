/* What offers, answers and candidates carry: the checks of protocol section 4, on top of the shape
 * that envelope.c has checked. Apart from it, because firmware parses messages without these. */
#include "proto/candidate.h"
#include "proto/envelope.h"
#include "proto/sdp.h"

static enum status check_sdp(const struct envelope *e, char *scratch, size_t size,
                             struct problem *why)
{
    size_t len;
    if (!json_decode(e->field[FIELD_SDP], scratch, size, &len))
        return problem_set(why, STATUS_TOO_LARGE, 0, "sdp-size", "the SDP is longer than %d bytes",
                           SDP_MAX_BYTES);
    return sdp_check(e->type == MSG_OFFER ? SDP_OFFER : SDP_ANSWER, scratch, len, why);
}

/* Decodes an optional string member into `out`; absent and null give an empty text and *set false.
 */
static bool decode_member(struct json_span v, char *out, size_t size, struct text *text, bool *set)
{
    size_t len = 0;
    *set = v.type == JSON_STRING;
    if (*set && !json_decode(v, out, size, &len))
        return false;
    *text = text_of(out, len);
    return true;
}

enum status candidate_init_check(const struct candidate_init *c, struct problem *why)
{
    char plain[CANDIDATE_MAX_BYTES] = ""; /* gcc 12 does not see that decode_member() fills it */
    struct text text;
    bool set;
    size_t len;
    if (!decode_member(c->mid, plain, sizeof plain, &text, &set) ||
        (set && !candidate_mid_ok(text)))
        return problem_set(why, STATUS_INVALID_CANDIDATE, 0, "candidate-mid",
                           "`candidate.sdpMid` must be an SDP token");
    if (!decode_member(c->ufrag, plain, sizeof plain, &text, &set) ||
        (set && !candidate_ufrag_ok(text)))
        return problem_set(why, STATUS_INVALID_CANDIDATE, 0, "candidate-ufrag",
                           "`candidate.usernameFragment` must be 4 to 256 ice-chars");
    if (c->end)
        return STATUS_OK;
    if (!json_decode(c->line, plain, sizeof plain, &len))
        return problem_set(why, STATUS_INVALID_CANDIDATE, 0, "candidate-size",
                           "the candidate is longer than %d bytes", CANDIDATE_MAX_BYTES);
    struct candidate parsed;
    return candidate_parse(plain, len, &parsed, why);
}

static enum status check_candidate(struct json_span value, struct problem *why)
{
    struct candidate_init c;
    enum status s = candidate_init_parse(value, &c, why);
    return s == STATUS_OK ? candidate_init_check(&c, why) : s;
}

static enum status check_bundle(struct json_span value, struct problem *why)
{
    struct json_span items[ENVELOPE_CANDIDATES_MAX];
    size_t n;
    if (!json_known_array(value, items, ENVELOPE_CANDIDATES_MAX, &n) || n == 0)
        return problem_set(why, STATUS_INVALID_MESSAGE, 0, "message-field",
                           "`candidates` must be an array of 1 to %d candidates",
                           ENVELOPE_CANDIDATES_MAX);
    for (size_t i = 0; i < n; i++) {
        enum status s = check_candidate(items[i], why);
        if (s != STATUS_OK)
            return s;
    }
    return STATUS_OK;
}

enum status envelope_check(const struct envelope *e, char *scratch, size_t scratch_size,
                           struct problem *why)
{
    switch (e->type) {
    case MSG_OFFER:
    case MSG_ANSWER:
        return check_sdp(e, scratch, scratch_size, why);
    case MSG_CANDIDATE:
        return check_candidate(e->field[FIELD_CANDIDATE], why);
    case MSG_CANDIDATES:
        return check_bundle(e->field[FIELD_CANDIDATES], why);
    default:
        return STATUS_OK;
    }
}
