/* Any description that the SDP check takes, through policies of all kinds and into small budgets:
 * the result is sound, holds nothing that the policy drops, and a second time changes nothing; what
 * fits a budget is within it. The first byte chooses the policy, the second the budget. What is no
 * description is tried as a trickled candidate. */
#include "ice_rules.h"
#include "policy/budget.h"
#include "proto/candidate.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void fit(enum sdp_kind kind, struct text sdp, unsigned choice)
{
    struct budget b = {.sdp = text_len(&sdp) * (choice % 16 + 1) / 16,
                       .candidates = choice / 16 % 4,
                       .line = choice & 64 ? 60 : 0};
    struct problem why = {0};
    struct buf out;
    bool changed;
    buf_init(&out, SDP_MAX_BYTES);
    enum status status = budget_fit_sdp(&b, sdp, &out, &changed, &why);
    require(status == STATUS_OK || (status == STATUS_TOO_LARGE && why.rule));
    if (status == STATUS_OK) {
        require(changed == (out.len != 0));
        struct text fits = changed ? text_of(out.data, out.len) : sdp, line;
        size_t candidates = 0;
        require(text_len(&fits) <= b.sdp &&
                sdp_check(kind, fits.p, text_len(&fits), NULL) == STATUS_OK);
        while (text_line(&fits, &line)) {
            require(b.line == 0 || text_len(&line) <= b.line);
            candidates += text_literal(&line, "a=candidate:");
        }
        require(b.candidates == 0 || candidates <= b.candidates);
    }
    buf_release(&out);
}

static void trickle(const struct ice_policy *policy, struct text value)
{
    struct candidate c;
    struct ice_count count = {0};
    char once[CANDIDATE_MAX_BYTES], twice[CANDIDATE_MAX_BYTES];
    struct buf first, second;
    if (candidate_parse(value.p, text_len(&value), &c, NULL) != STATUS_OK)
        return;
    buf_init_fixed(&first, once, sizeof once);
    buf_init_fixed(&second, twice, sizeof twice);
    if (!ice_filter_candidate(policy, value, &first, &count)) {
        require(first.len == 0);
        return;
    }
    struct text passed = text_of(first.data, first.len);
    require(buf_ok(&first));
    require(candidate_parse(passed.p, text_len(&passed), &c, NULL) == STATUS_OK);
    require(ice_filter_candidate(policy, passed, &second, &count));
    require(text_same(passed, text_of(second.data, second.len)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ice_policies *all;
    if (!all)
        all = ice_rules_policies();
    require(all != NULL);
    if (size < 2)
        return 0;
    const struct ice_policy *policy = ice_rules_policy(all, data[0]);
    struct text text = text_of((const char *)data + 2, size - 2);
    enum sdp_kind kind = SDP_ANSWER;
    if (sdp_check(kind, text.p, text_len(&text), NULL) != STATUS_OK)
        kind = SDP_OFFER;
    if (sdp_check(kind, text.p, text_len(&text), NULL) == STATUS_OK) {
        require(ice_rules_broken(policy, kind, text) == NULL);
        fit(kind, text, data[1]);
    }
    trickle(policy, text);
    return 0;
}
