#include "io/store_retention.h"

#include "base/log.h"

void store_retention_init(struct store_retention *r, int64_t keep_ms, int64_t pause_us)
{
    *r = (struct store_retention){
        .keep_ms = keep_ms,
        .pause_us = pause_us ? pause_us : STORE_PRUNE_EVERY_US,
        .due_us = keep_ms > 0 ? 0 : INT64_MAX,
    };
}

/* Where the pass ends. Sums cannot overflow: a time from the wire is below 2^53. */
static int begin_pass(struct store_retention *r, struct store_history *h, int64_t wall_ms)
{
    int64_t oldest_ms;
    int rc = store_history_oldest(h, &oldest_ms);
    if (rc != SQLITE_OK)
        return rc;
    r->before_ms = wall_ms - r->keep_ms;
    if (oldest_ms < r->before_ms && r->before_ms - oldest_ms > STORE_PRUNE_PASS_MS)
        r->before_ms = oldest_ms + STORE_PRUNE_PASS_MS;
    r->deleted = 0;
    r->under_way = true;
    return SQLITE_OK;
}

static void end_pass(struct store_retention *r, int64_t mono_us)
{
    if (r->deleted)
        log_line(LOG_INFO, "store-pruned", LOG_I("memberships", r->deleted),
                 LOG_I("ended_before_ms", r->before_ms),
                 LOG_I("keep_days", r->keep_ms / STORE_PRUNE_PASS_MS), LOG_END);
    r->under_way = false;
    r->due_us = mono_us + r->pause_us;
}

int store_retention_step(struct store_retention *r, struct store_history *h, int64_t wall_ms,
                         int64_t mono_us, int *deleted)
{
    int runs = 0;
    *deleted = 0;
    int rc = store_history_begin(h);
    if (rc == SQLITE_OK && !r->under_way)
        rc = begin_pass(r, h, wall_ms);
    if (rc == SQLITE_OK)
        rc = store_history_prune(h, r->before_ms, STORE_PRUNE_ROWS, deleted);
    if (rc == SQLITE_OK && *deleted < STORE_PRUNE_ROWS)
        rc = store_history_prune_runs(h, r->before_ms, STORE_PRUNE_ROWS - *deleted, &runs);
    if (rc == SQLITE_OK)
        rc = store_history_commit(h);
    if (rc != SQLITE_OK) {
        *deleted = 0;
        return rc;
    }
    r->deleted += (uint64_t)*deleted;
    if (*deleted + runs < STORE_PRUNE_ROWS)
        end_pass(r, mono_us);
    return SQLITE_OK;
}
