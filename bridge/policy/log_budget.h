/* How often something that anybody outside can cause is worth a line of the log: 20 lines at once,
 * one in a second on average, and each says how many went unsaid since the one before. Time is an
 * argument. Threads: plain data. */
#ifndef SIGBRIDGE_POLICY_LOG_BUDGET_H
#define SIGBRIDGE_POLICY_LOG_BUDGET_H

#include "policy/rate.h"

struct log_budget {
    struct rate rate;
    uint64_t unsaid;
};

void log_budget_init(struct log_budget *b, int64_t now_us);
/* True: write the line now, with *unsaid. False: it has been counted. */
bool log_budget_take(struct log_budget *b, int64_t now_us, uint64_t *unsaid);

#endif
