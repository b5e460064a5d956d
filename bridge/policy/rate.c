#include "policy/rate.h"

static int64_t token_us(const struct rate *r)
{
    return 1000000 / r->per_second;
}

void rate_init(struct rate *r, int64_t per_second, int64_t burst, int64_t now_us)
{
    *r = (struct rate){.per_second = per_second, .burst = burst, .last_us = now_us};
    r->level_us = burst * token_us(r);
}

bool rate_take(struct rate *r, int64_t now_us, int64_t *retry_ms)
{
    int64_t cost = token_us(r), full = r->burst * cost;
    if (now_us > r->last_us) {
        int64_t gained = now_us - r->last_us;
        r->level_us = gained > full - r->level_us ? full : r->level_us + gained;
        r->last_us = now_us;
    }
    if (r->level_us < cost) {
        *retry_ms = (cost - r->level_us + 999) / 1000;
        return false;
    }
    r->level_us -= cost;
    return true;
}
