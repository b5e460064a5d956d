/* What each event does to the tables: prepared statements on one connection.
 *
 * Functions return SQLite result codes; transactions are the caller's. Threads: the connection's.
 */
#ifndef SIGBRIDGE_IO_STORE_HISTORY_H
#define SIGBRIDGE_IO_STORE_HISTORY_H

#include "io/store.h"

#include <sqlite3.h>

enum history_statement {
    HISTORY_BEGIN,
    HISTORY_COMMIT,
    HISTORY_FIND,
    HISTORY_FIND_ENDED,
    HISTORY_INSERT,
    HISTORY_UPDATE,
    HISTORY_REOPEN,
    HISTORY_END,
    HISTORY_SWEEP,
    HISTORY_CLEARED,
    HISTORY_SWEPT,
    HISTORY_RUN,
    HISTORY_RESTART,
    HISTORY_RUN_ENDED,
    HISTORY_OLDEST,
    HISTORY_PRUNE,
    HISTORY_PRUNE_RUNS,
    HISTORY_COUNT
};

struct store_history {
    sqlite3 *db;
    sqlite3_stmt *statements[HISTORY_COUNT];
    const char *bridge; /* the caller's */
    int64_t run;        /* 0 until the run is in the table */
};

/* Takes over the connection, also when it fails. */
int store_history_init(struct store_history *h, sqlite3 *db, const char *bridge);
/* Closes the connection too; h->db is NULL then. abandon: leaves the files as they are, damaged
 * ones for one; else what is in the WAL file moves into the database. */
void store_history_close(struct store_history *h, bool abandon);

int store_history_begin(struct store_history *h); /* takes the write lock */
int store_history_commit(struct store_history *h);
void store_history_rollback(struct store_history *h); /* harmless when there is nothing to undo */

/* Enters the run and ends what earlier runs of this bridge held. Sets h->run. */
int store_history_begin_run(struct store_history *h, int64_t now_ms);
int store_history_end_run(struct store_history *h, int64_t now_ms);

int store_history_apply(struct store_history *h, const struct store_event *e);

/* When the first of the memberships and earlier runs ended that have done so; INT64_MAX: there is
 * none. */
int store_history_oldest(struct store_history *h, int64_t *oldest_ms);
/* Deletes the oldest `limit` of the memberships that ended before before_ms, but none whose
 * presence may still have to be cleared in the broker. */
int store_history_prune(struct store_history *h, int64_t before_ms, int limit, int *deleted);
/* Likewise, of the earlier runs. */
int store_history_prune_runs(struct store_history *h, int64_t before_ms, int limit, int *deleted);

/* A result that says that the file is no sound database. */
bool store_history_shows_damage(int rc);

/* A result that blames the event and not the disk: trying again would not help. */
bool store_history_refuses(int rc);

/* What store_leftovers() reports; before store_history_begin_run(). The callback returns false when
 * it ran out of memory. */
int store_history_leftovers(struct store_history *h,
                            bool (*each)(void *arg, const char *room, const char *peer,
                                         const char *sid),
                            void *arg);

#endif
