/* Any bytes through the candidate parser: reasons, spans within the input, and a value that reads
 * the same when it is parsed again. */
#include "proto/candidate.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_problem(enum status status, const struct problem *why)
{
    require(status == STATUS_INVALID_CANDIDATE || status == STATUS_TOO_LARGE);
    require(why->status == status && why->rule && why->line == 0);
    const char *end = memchr(why->text, '\0', sizeof why->text);
    require(end && end > why->text);
    for (const char *c = why->text; c < end; c++)
        require(text_is_printable(*c));
}

static void check_within(struct text t, struct text all)
{
    if (!text_end(&t))
        require(t.p >= all.p && t.p < t.end && t.end <= all.end);
}

static void check_candidate(const struct candidate *c, struct text all)
{
    check_within(c->value, all);
    check_within(c->foundation, all);
    check_within(c->address.text, all);
    check_within(c->ufrag, all);
    require(text_len(&c->foundation) >= 1 && text_len(&c->foundation) <= CANDIDATE_MAX_FOUNDATION);
    require(c->component >= 1 && c->component <= CANDIDATE_MAX_COMPONENT);
    require(c->address.kind != ADDRESS_NONE && !text_end(&c->address.text));
    if (c->has_raddr)
        check_within(c->raddr.text, all);
    if (c->has_rport)
        check_within(c->rport_text, all);
    for (const char *p = c->value.p; p < c->value.end; p++)
        require(text_is_printable(*p));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text all = text_of((const char *)data, size);
    struct candidate c, again;
    struct problem why;
    memset(&why, 0x5a, sizeof why);
    enum status status = candidate_parse(all.p, size, &c, &why);
    require(candidate_parse(all.p, size, &again, NULL) == status);
    if (status == STATUS_OK) {
        check_candidate(&c, all);
        require(candidate_parse_value(c.value, &again, NULL) == STATUS_OK);
        require(text_same(again.value, c.value) && again.priority == c.priority &&
                again.type == c.type && again.port == c.port &&
                again.address.kind == c.address.kind &&
                memcmp(again.address.ip, c.address.ip, sizeof c.address.ip) == 0);
    } else {
        check_problem(status, &why);
    }
    candidate_mid_ok(all);
    candidate_ufrag_ok(all);
    return 0;
}
