#include "core/transit.h"

#include "proto/candidate.h"
#include "proto/message.h"

/* As JSON a description may have an escape for each byte; a line's new address may be longer. */
enum { WRITTEN_MAX = 2 * ENVELOPE_SDP_MAX };

void transit_init(struct transit *t)
{
    buf_init(&t->filtered, WRITTEN_MAX);
    buf_init(&t->fitted, WRITTEN_MAX);
    buf_init(&t->written, WRITTEN_MAX);
}

void transit_release(struct transit *t)
{
    buf_release(&t->filtered);
    buf_release(&t->fitted);
    buf_release(&t->written);
}

static enum status no_memory(struct problem *why)
{
    return problem_set(why, STATUS_NO_MEMORY, 0, NULL,
                       "the bridge is out of memory: try again later");
}

static struct json_span quoted(const struct buf *b)
{
    return (struct json_span){
        .p = b->data + 1, .len = b->len - 2, .type = JSON_STRING, .escaped = true};
}

/* A description whose last line is open gets its end when it is written (message.c): the device's
 * buffers must hold that, too. True: *sdp is in t->filtered now. */
static bool close_last_line(struct transit *t, bool filtered, struct text *sdp)
{
    if (!text_end(sdp) && sdp->end[-1] == '\n')
        return false;
    if (!filtered) {
        buf_clear(&t->filtered);
        buf_add(&t->filtered, sdp->p, text_len(sdp));
    }
    buf_str(&t->filtered, !text_end(sdp) && sdp->end[-1] == '\r' ? "\n" : "\r\n");
    *sdp = text_of(t->filtered.data, t->filtered.len);
    return true;
}

static enum status apply_sdp(struct transit *t, const struct transit_rules *rules,
                             struct envelope *e, char *scratch, size_t size,
                             struct transit_count *count, struct problem *why)
{
    size_t len = 0;
    bool filtered = false, fitted = false;
    if (!json_decode(e->field[FIELD_SDP], scratch, size, &len))
        return no_memory(why); /* envelope_check() decoded it into as much */
    struct text sdp = text_of(scratch, len);
    if (rules->policy) {
        buf_clear(&t->filtered);
        filtered = ice_filter_sdp(rules->policy, sdp, &t->filtered, &count->ice);
        if (!buf_ok(&t->filtered))
            return no_memory(why);
        if (filtered)
            sdp = text_of(t->filtered.data, t->filtered.len);
    }
    if (rules->budget) {
        filtered |= close_last_line(t, filtered, &sdp);
        if (!buf_ok(&t->filtered))
            return no_memory(why);
        buf_clear(&t->fitted);
        enum status status = budget_fit_sdp(rules->budget, sdp, &t->fitted, &fitted, why);
        if (status != STATUS_OK)
            return status;
        if (fitted) {
            sdp = text_of(t->fitted.data, t->fitted.len);
            count->slimmed++;
        }
    }
    if (!filtered && !fitted)
        return STATUS_OK;
    buf_clear(&t->written);
    json_put_text(&t->written, sdp);
    if (!buf_ok(&t->written))
        return no_memory(why);
    e->field[FIELD_SDP] = quoted(&t->written);
    return STATUS_OK;
}

/* Appends what may go on of one RTCIceCandidateInit to t->written, behind a comma where something
 * stands already. False: nothing of it may. */
static bool pass_candidate(struct transit *t, const struct ice_policy *policy,
                           struct json_span value, struct transit_count *count)
{
    struct candidate_init c;
    char plain[CANDIDATE_MAX_BYTES], bytes[4 * CANDIDATE_MAX_BYTES];
    struct buf line;
    size_t len = 0;
    if (candidate_init_parse(value, &c, NULL) != STATUS_OK)
        return false; /* envelope_check() took it */
    if (!c.end) {
        if (!json_decode(c.line, plain, sizeof plain, &len))
            return false;
        buf_clear(&t->filtered);
        if (!ice_filter_candidate(policy, text_of(plain, len), &t->filtered, &count->ice))
            return false;
        buf_init_fixed(&line, bytes, sizeof bytes);
        json_put_string(&line, t->filtered.data, t->filtered.len);
        if (!buf_ok(&line) || !buf_ok(&t->filtered))
            return false;
        c.line = quoted(&line);
    }
    if (t->written.len > 1)
        buf_char(&t->written, ',');
    message_put_candidate_init(&t->written, &c);
    return true;
}

static enum status apply_candidates(struct transit *t, const struct ice_policy *policy,
                                    struct envelope *e, struct transit_count *count, bool *dropped,
                                    struct problem *why)
{
    bool bundle = e->type == MSG_CANDIDATES;
    struct json_span *field = &e->field[bundle ? FIELD_CANDIDATES : FIELD_CANDIDATE];
    struct json_span items[ENVELOPE_CANDIDATES_MAX] = {*field};
    size_t n = 1, passed = 0;
    if (bundle && !json_known_array(*field, items, ENVELOPE_CANDIDATES_MAX, &n))
        n = 0;
    buf_clear(&t->written);
    buf_char(&t->written, '[');
    for (size_t i = 0; i < n; i++)
        passed += pass_candidate(t, policy, items[i], count);
    buf_char(&t->written, ']');
    if (!buf_ok(&t->written))
        return no_memory(why);
    *dropped = passed == 0;
    const struct buf *b = &t->written;
    *field = bundle ? (struct json_span){.p = b->data, .len = b->len, .type = JSON_ARRAY}
                    : (struct json_span){.p = b->data + 1,
                                         .len = b->len - 2,
                                         .type = b->data[1] == '{' ? JSON_OBJECT : JSON_NULL};
    return STATUS_OK;
}

static enum status fit_candidate(const struct budget *budget, const struct envelope *e,
                                 struct problem *why)
{
    struct candidate_init c;
    char plain[CANDIDATE_MAX_BYTES];
    size_t len = 0;
    if (candidate_init_parse(e->field[FIELD_CANDIDATE], &c, NULL) != STATUS_OK || c.end ||
        !json_decode(c.line, plain, sizeof plain, &len))
        return STATUS_OK;
    return budget_fit_candidate(budget, text_of(plain, len), why);
}

enum status transit_apply(struct transit *t, const struct transit_rules *rules, struct envelope *e,
                          char *scratch, size_t scratch_size, struct transit_count *count,
                          bool *dropped, struct problem *why)
{
    enum status status = STATUS_OK;
    *dropped = false;
    if (!rules->policy && !rules->budget)
        return STATUS_OK;
    switch (e->type) {
    case MSG_OFFER:
    case MSG_ANSWER:
        return apply_sdp(t, rules, e, scratch, scratch_size, count, why);
    case MSG_CANDIDATE:
    case MSG_CANDIDATES:
        if (rules->policy)
            status = apply_candidates(t, rules->policy, e, count, dropped, why);
        if (status == STATUS_OK && rules->budget && !*dropped && e->type == MSG_CANDIDATE)
            status = fit_candidate(rules->budget, e, why);
        return status;
    case MSG_SEALED:
        if (rules->policy && !ice_policy_sealed(rules->policy))
            return problem_set(why, STATUS_FORBIDDEN, 0, "ice-policy",
                               "this room has an ICE policy, which cannot look into `sealed`");
        return STATUS_OK;
    default:
        return STATUS_OK;
    }
}
