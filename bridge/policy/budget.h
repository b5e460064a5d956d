/* Makes a description fit the buffers of a small device (protocol section 2, `limits`), or says by
 * how much it does not. Only what cannot change the negotiation is left out, and only as much as is
 * needed; budget.c lists the rules with their reasons. Threads: pure functions. */
#ifndef SIGBRIDGE_POLICY_BUDGET_H
#define SIGBRIDGE_POLICY_BUDGET_H

#include "base/buf.h"
#include "base/problem.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

/* 0: no bound. */
struct budget {
    uint64_t sdp;        /* bytes of a whole description, line ends included */
    uint64_t line;       /* bytes of its longest line, and of one candidate, without the line end */
    uint64_t candidates; /* candidate lines in one description, all sections together */
};

static inline bool budget_bounds(const struct budget *b)
{
    return b->sdp || b->line || b->candidates;
}

/* sdp: a description that sdp_check() took. STATUS_OK: it fits; when *changed, as it stands in *out
 * now, else as it came (*out is empty then). STATUS_TOO_LARGE: it does not; the sentence, for the
 * sender, has the numbers. STATUS_NO_MEMORY. */
enum status budget_fit_sdp(const struct budget *budget, struct text sdp, struct buf *out,
                           bool *changed, struct problem *why);

/* value: the `candidate` of an RTCIceCandidateInit. STATUS_OK, or STATUS_TOO_LARGE. */
enum status budget_fit_candidate(const struct budget *budget, struct text value,
                                 struct problem *why);

#endif
