/* Deletes memberships that ended longer ago than they are to be kept, and the runs of that time, a
 * few per transaction, so that no commit takes long.
 *
 * A pass begins at the start and every hour after, by the monotonic clock. What is too old is told
 * by the wall clock, which may be wrong: one that is a century ahead makes everything too old. So
 * a pass deletes at most one day of history, counted from the oldest that is left: a clock that is
 * mended within the hour has cost a day, and the log has said so. The price: when `keep` becomes
 * much shorter, or the bridge was off for long, the history shrinks by one day every hour until it
 * has caught up. A clock that is behind deletes nothing.
 *
 * The file does not shrink: SQLite uses the room again, so that it stays as large as it once had to
 * be. auto_vacuum would keep a map of all pages and move pages about in each commit, for room that
 * the next days need anyway. To give it back: sqlite3 FILE VACUUM, while the bridge is down.
 *
 * Threads: the writer's. */
#ifndef SIGBRIDGE_IO_STORE_RETENTION_H
#define SIGBRIDGE_IO_STORE_RETENTION_H

#include "io/store_history.h"

enum { STORE_PRUNE_ROWS = 200 };                 /* of one transaction */
#define STORE_PRUNE_PASS_MS  INT64_C(86400000)   /* how much history one pass deletes at most */
#define STORE_PRUNE_EVERY_US INT64_C(3600000000) /* from the end of one pass to the next */

struct store_retention {
    int64_t keep_ms;  /* 0: for ever */
    int64_t pause_us; /* between passes */
    int64_t due_us;   /* monotonic: when to call store_retention_step(); INT64_MAX: never */
    bool under_way;
    int64_t before_ms; /* of the pass that is under way: what ended earlier goes */
    uint64_t deleted;  /* by this pass */
};

/* pause_us 0: STORE_PRUNE_EVERY_US. The first pass is due at once. */
void store_retention_init(struct store_retention *r, int64_t keep_ms, int64_t pause_us);

/* One transaction of the pass. Returns a SQLite result; the caller undoes what failed, and calls
 * again. The clocks are as they are now. */
int store_retention_step(struct store_retention *r, struct store_history *h, int64_t wall_ms,
                         int64_t mono_us, int *deleted);

#endif
