#include "policy/log_budget.h"

static const struct rate_limit lines = {.per_second = 1, .burst = 20};

void log_budget_init(struct log_budget *b, int64_t now_us)
{
    rate_init(&b->rate, &lines, now_us);
    b->unsaid = 0;
}

bool log_budget_take(struct log_budget *b, int64_t now_us, uint64_t *unsaid)
{
    int64_t retry_ms;
    if (!rate_take(&b->rate, &lines, 1, now_us, &retry_ms)) {
        b->unsaid++;
        return false;
    }
    *unsaid = b->unsaid;
    b->unsaid = 0;
    return true;
}
