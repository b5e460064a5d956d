/* A token bucket: `burst` at once, `per_second` on average. Time is an argument, nothing is
 * allocated; the numbers are shared by all buckets of a kind. Threads: plain data. */
#ifndef SIGBRIDGE_POLICY_RATE_H
#define SIGBRIDGE_POLICY_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate_limit {
    int64_t per_second; /* 1 to 2^31 */
    int64_t burst;      /* the same */
};

struct rate {
    int64_t level; /* what is left, in millionths */
    int64_t last_us;
};

void rate_init(struct rate *r, const struct rate_limit *limit, int64_t now_us); /* full */

/* Takes `amount` (more than the burst counts as the burst) at now_us (monotonic). False, with
 * *retry_ms >= 1, when there is not enough. A clock that goes backwards gives nothing and takes
 * nothing. */
bool rate_take(struct rate *r, const struct rate_limit *limit, int64_t amount, int64_t now_us,
               int64_t *retry_ms);

#endif
