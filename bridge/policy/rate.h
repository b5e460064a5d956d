/* A token bucket: `burst` at once, `per_second` on average. Time is an argument, nothing is
 * allocated. Threads: plain data. */
#ifndef SIGBRIDGE_POLICY_RATE_H
#define SIGBRIDGE_POLICY_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate {
    int64_t per_second;
    int64_t burst;
    int64_t level_us; /* tokens left, each worth 1000000 / per_second us of time */
    int64_t last_us;
};

void rate_init(struct rate *r, int64_t per_second, int64_t burst, int64_t now_us);

/* Takes one token at now_us (monotonic). False, with *retry_ms >= 1, when there is none. A clock
 * that goes backwards gives nothing and takes nothing. */
bool rate_take(struct rate *r, int64_t now_us, int64_t *retry_ms);

#endif
