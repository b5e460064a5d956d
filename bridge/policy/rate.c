#include "policy/rate.h"

enum { MILLION = 1000000 };

void rate_init(struct rate *r, const struct rate_limit *limit, int64_t now_us)
{
    *r = (struct rate){.level = limit->burst * MILLION, .last_us = now_us};
}

static void refill(struct rate *r, const struct rate_limit *limit, int64_t now_us)
{
    int64_t full = limit->burst * MILLION, missing = full - r->level;
    if (now_us <= r->last_us)
        return;
    int64_t passed_us = now_us - r->last_us;
    /* Compared by division: a bucket may have rested for years. */
    r->level =
        passed_us > missing / limit->per_second ? full : r->level + passed_us * limit->per_second;
    r->last_us = now_us;
}

bool rate_take(struct rate *r, const struct rate_limit *limit, int64_t amount, int64_t now_us,
               int64_t *retry_ms)
{
    int64_t cost = (amount < limit->burst ? amount : limit->burst) * MILLION;
    refill(r, limit, now_us);
    if (r->level < cost) {
        int64_t wait_us = (cost - r->level + limit->per_second - 1) / limit->per_second;
        *retry_ms = (wait_us + 999) / 1000;
        return false;
    }
    r->level -= cost;
    return true;
}
