/* What passes through changed: candidates that the room's policy takes away (protocol section 4),
 * descriptions that a small device could not hold as they are (section 2, `limits`). What nothing
 * applies to is not touched, and costs a look at the room's policy and the target's limits. */
#ifndef SIGBRIDGE_CORE_TRANSIT_H
#define SIGBRIDGE_CORE_TRANSIT_H

#include "base/buf.h"
#include "base/problem.h"
#include "policy/budget.h"
#include "policy/ice_filter.h"
#include "proto/envelope.h"

#include <stdbool.h>

/* Texts on their way through, one after the other; at rest they hold what the largest needed. */
struct transit {
    struct buf filtered; /* after the policy */
    struct buf fitted;   /* after the budget */
    struct buf written;  /* as JSON again; the envelope points into it */
};

void transit_init(struct transit *t);
void transit_release(struct transit *t);

struct transit_count {
    struct ice_count ice;
    uint64_t slimmed;
};

struct transit_rules {
    const struct ice_policy *policy; /* NULL: everything passes */
    const struct budget *budget;     /* NULL: everything fits */
};

/* e: a message that envelope_check() took; its fields may point into *t afterwards, until the next
 * call. scratch: at least ENVELOPE_SDP_MAX bytes. *dropped: nothing of it is left to be sent, which
 * is no error. STATUS_OK; STATUS_TOO_LARGE with the numbers; STATUS_FORBIDDEN for a `sealed` that a
 * policy cannot look into; STATUS_NO_MEMORY. */
enum status transit_apply(struct transit *t, const struct transit_rules *rules, struct envelope *e,
                          char *scratch, size_t scratch_size, struct transit_count *count,
                          bool *dropped, struct problem *why);

#endif
