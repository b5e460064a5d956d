#include "io/store_history.h"

#include "io/store_schema.h"

#include <string.h>

/* A device's clock may be anything. What lies ahead, or so far back that the clock was never set,
 * is not when it joined: ten years. */
static const int64_t OLDEST_MS = 10LL * 366 * 24 * 3600 * 1000;

/* A session's `since` is its bridge's clock, which may be this much ahead of ours. */
static const int64_t AHEAD_MS = 60000;

/* The last that is known of a run; one that was killed has no end. */
#define RUN_END "max(started_ms, coalesce(swept_ms, 0), coalesce(ended_ms, 0))"

static const char *const sql[HISTORY_COUNT] = {
    [HISTORY_BEGIN] = "BEGIN IMMEDIATE",
    [HISTORY_COMMIT] = "COMMIT",
    [HISTORY_FIND] = "SELECT id, bridge, sid, since_ms FROM membership"
                     " WHERE room = ?1 AND peer = ?2 AND left_ms IS NULL",
    [HISTORY_INSERT] = "INSERT INTO membership (room, peer, kind, bridge, transport, sid, meta,"
                       " since_ms, joined_ms, updated_ms, seen_run)"
                       " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    /* Of the same session, which ended as far as we knew: a session's joined_ms is its since_ms, so
     * the index leads there, however long the history is. */
    [HISTORY_FIND_ENDED] = "SELECT id, bridge, sid, since_ms FROM membership"
                           " INDEXED BY membership_peer"
                           " WHERE room = ?1 AND peer = ?2 AND left_ms IS NOT NULL"
                           " AND joined_ms = ?3 ORDER BY id DESC LIMIT 1",
    [HISTORY_UPDATE] = "UPDATE membership SET kind = ?2, transport = ?3, meta = ?4,"
                       " since_ms = coalesce(nullif(?5, 0), since_ms), updated_ms = ?6,"
                       " seen_run = ?7, bridge = ?8, sid = ?9 WHERE id = ?1",
    [HISTORY_REOPEN] = "UPDATE membership SET left_ms = NULL, reason = NULL, uncleared = 0"
                       " WHERE id = ?1",
    [HISTORY_END] = "UPDATE membership SET left_ms = max(?2, joined_ms), reason = ?3 WHERE id = ?1",
    [HISTORY_SWEEP] = "UPDATE membership SET left_ms = max(?1, joined_ms), reason = 'missed'"
                      " WHERE left_ms IS NULL AND seen_run < ?2",
    [HISTORY_CLEARED] = "UPDATE membership SET uncleared = 0 WHERE uncleared AND bridge = ?1",
    [HISTORY_SWEPT] = "UPDATE run SET swept_ms = ?1 WHERE id = ?2",
    [HISTORY_RUN] = "INSERT INTO run (bridge, started_ms) VALUES (?1, ?2)",
    [HISTORY_RESTART] = "UPDATE membership SET left_ms = max(?2, joined_ms),"
                        " reason = 'bridge-restart', uncleared = 1"
                        " WHERE left_ms IS NULL AND bridge = ?1",
    [HISTORY_RUN_ENDED] = "UPDATE run SET ended_ms = ?1 WHERE id = ?2",
    [HISTORY_OLDEST] = "SELECT min(at) FROM (SELECT * FROM (SELECT left_ms AS at FROM membership"
                       " WHERE left_ms IS NOT NULL AND NOT uncleared ORDER BY left_ms LIMIT 1)"
                       " UNION ALL SELECT " RUN_END " FROM run WHERE id < ?1)",
    [HISTORY_PRUNE] = "DELETE FROM membership WHERE id IN (SELECT id FROM membership"
                      " WHERE left_ms IS NOT NULL AND NOT uncleared AND left_ms < ?1"
                      " ORDER BY left_ms LIMIT ?2)",
    [HISTORY_PRUNE_RUNS] = "DELETE FROM run WHERE id IN (SELECT id FROM run WHERE id < ?3"
                           " AND " RUN_END " < ?1"
                           " ORDER BY id LIMIT ?2)",
};

int store_history_init(struct store_history *h, sqlite3 *db, const char *bridge)
{
    *h = (struct store_history){.db = db, .bridge = bridge};
    for (size_t i = 0; i < HISTORY_COUNT; i++) {
        int rc =
            sqlite3_prepare_v3(db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &h->statements[i], NULL);
        if (rc != SQLITE_OK)
            return rc;
    }
    return SQLITE_OK;
}

void store_history_close(struct store_history *h, bool abandon)
{
    for (size_t i = 0; i < HISTORY_COUNT; i++) {
        sqlite3_finalize(h->statements[i]);
        h->statements[i] = NULL;
    }
    if (abandon)
        store_schema_abandon(h->db);
    else
        sqlite3_close(h->db);
    h->db = NULL;
}

/* Binds by position; texts stay the caller's until the statement is reset. */
static void bind_text(sqlite3_stmt *q, int at, struct text t)
{
    sqlite3_bind_text(q, at, text_len(&t) ? t.p : "", (int)text_len(&t), SQLITE_STATIC);
}

static void bind_str(sqlite3_stmt *q, int at, const char *str)
{
    sqlite3_bind_text(q, at, str, -1, SQLITE_STATIC);
}

static int run(sqlite3_stmt *q)
{
    int rc = sqlite3_step(q);
    int reset = sqlite3_reset(q); /* has the extended code of what went wrong */
    return rc == SQLITE_DONE ? SQLITE_OK : (reset != SQLITE_OK ? reset : rc);
}

int store_history_begin(struct store_history *h)
{
    return run(h->statements[HISTORY_BEGIN]);
}

int store_history_commit(struct store_history *h)
{
    return run(h->statements[HISTORY_COMMIT]);
}

void store_history_rollback(struct store_history *h)
{
    if (!sqlite3_get_autocommit(h->db)) /* a full disk has rolled back by itself */
        sqlite3_exec(h->db, "ROLLBACK", NULL, NULL, NULL);
}

int store_history_begin_run(struct store_history *h, int64_t now_ms)
{
    sqlite3_stmt *q = h->statements[HISTORY_RUN];
    bind_str(q, 1, h->bridge);
    sqlite3_bind_int64(q, 2, now_ms);
    int rc = run(q);
    if (rc != SQLITE_OK)
        return rc;
    h->run = sqlite3_last_insert_rowid(h->db);
    q = h->statements[HISTORY_RESTART];
    bind_str(q, 1, h->bridge);
    sqlite3_bind_int64(q, 2, now_ms);
    return run(q);
}

int store_history_end_run(struct store_history *h, int64_t now_ms)
{
    sqlite3_stmt *q = h->statements[HISTORY_RUN_ENDED];
    sqlite3_bind_int64(q, 1, now_ms);
    sqlite3_bind_int64(q, 2, h->run);
    return run(q);
}

static struct text column_text(sqlite3_stmt *q, int column)
{
    const char *bytes = sqlite3_column_blob(q, column); /* NULL when empty */
    return text_of(bytes ? bytes : "", (size_t)sqlite3_column_bytes(q, column));
}

/* What of a session's name stays when it moves to another bridge: the part behind the first dash.
 */
static struct text lasting_part(struct text sid)
{
    const char *dash = text_len(&sid) ? memchr(sid.p, '-', text_len(&sid)) : NULL;
    if (dash)
        sid.p = dash + 1;
    return sid;
}

/* Is the event about the membership in the statement's row? A device has no session: for it the
 * bridge counts, which is none. */
static bool is_same(sqlite3_stmt *q, const struct store_event *e)
{
    struct text bridge = column_text(q, 1), sid = column_text(q, 2);
    int64_t since_ms = sqlite3_column_int64(q, 3);
    bool holder = text_len(&sid) && text_len(&e->sid)
                      ? text_same(lasting_part(sid), lasting_part(e->sid))
                      : text_same(sid, e->sid) && text_same(bridge, e->bridge);
    return holder && (since_ms == e->since_ms || since_ms == 0 || e->since_ms == 0);
}

/* The first row's id, or 0, with room and peer bound. */
static int find(sqlite3_stmt *q, const struct store_event *e, int64_t *id, bool *same)
{
    *id = 0;
    *same = false;
    bind_text(q, 1, e->room);
    bind_text(q, 2, e->peer);
    int rc = sqlite3_step(q);
    if (rc == SQLITE_ROW) {
        *id = sqlite3_column_int64(q, 0);
        *same = is_same(q, e);
    }
    int reset = sqlite3_reset(q);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : (reset != SQLITE_OK ? reset : rc);
}

/* A session whose end was wrongly concluded: this bridge was killed when the session had just moved
 * on, or the broker had lost its presence. Its one row is opened again. */
static int reopen_wrongly_ended(struct store_history *h, const struct store_event *e, int64_t *id,
                                bool *same)
{
    sqlite3_stmt *q = h->statements[HISTORY_FIND_ENDED];
    if (!text_len(&e->sid) || e->since_ms <= 0)
        return SQLITE_OK;
    sqlite3_bind_int64(q, 3, e->since_ms);
    int rc = find(q, e, id, same);
    if (!*same)
        *id = 0;
    if (rc != SQLITE_OK || !*id)
        return rc;
    q = h->statements[HISTORY_REOPEN];
    sqlite3_bind_int64(q, 1, *id);
    return run(q);
}

static int end_membership(struct store_history *h, int64_t id, int64_t at_ms, struct text reason)
{
    sqlite3_stmt *q = h->statements[HISTORY_END];
    sqlite3_bind_int64(q, 1, id);
    sqlite3_bind_int64(q, 2, at_ms);
    bind_text(q, 3, reason);
    return run(q);
}

static int insert(struct store_history *h, const struct store_event *e)
{
    sqlite3_stmt *q = h->statements[HISTORY_INSERT];
    int64_t latest_ms = e->at_ms + (text_len(&e->sid) ? AHEAD_MS : 0);
    bool sensible =
        e->since_ms > 0 && e->since_ms > e->at_ms - OLDEST_MS && e->since_ms <= latest_ms;
    bind_text(q, 1, e->room);
    bind_text(q, 2, e->peer);
    bind_text(q, 3, e->kind);
    bind_text(q, 4, e->bridge);
    bind_text(q, 5, e->transport);
    bind_text(q, 6, e->sid);
    bind_text(q, 7, e->meta);
    sqlite3_bind_int64(q, 8, e->since_ms);
    sqlite3_bind_int64(q, 9, sensible ? e->since_ms : e->at_ms);
    sqlite3_bind_int64(q, 10, e->at_ms);
    sqlite3_bind_int64(q, 11, h->run);
    return run(q);
}

static int update(struct store_history *h, int64_t id, const struct store_event *e)
{
    sqlite3_stmt *q = h->statements[HISTORY_UPDATE];
    sqlite3_bind_int64(q, 1, id);
    bind_text(q, 2, e->kind);
    bind_text(q, 3, e->transport);
    bind_text(q, 4, e->meta);
    sqlite3_bind_int64(q, 5, e->since_ms);
    sqlite3_bind_int64(q, 6, e->at_ms);
    sqlite3_bind_int64(q, 7, h->run);
    bind_text(q, 8, e->bridge);
    bind_text(q, 9, e->sid);
    return run(q);
}

static int sweep(struct store_history *h, int64_t at_ms)
{
    sqlite3_stmt *q = h->statements[HISTORY_SWEEP];
    sqlite3_bind_int64(q, 1, at_ms);
    sqlite3_bind_int64(q, 2, h->run);
    int rc = run(q);
    if (rc != SQLITE_OK)
        return rc;
    q = h->statements[HISTORY_CLEARED];
    bind_str(q, 1, h->bridge);
    rc = run(q);
    if (rc != SQLITE_OK)
        return rc;
    q = h->statements[HISTORY_SWEPT];
    sqlite3_bind_int64(q, 1, at_ms);
    sqlite3_bind_int64(q, 2, h->run);
    return run(q);
}

int store_history_apply(struct store_history *h, const struct store_event *e)
{
    int64_t id;
    bool same;
    if (e->what == STORE_SWEEP)
        return sweep(h, e->at_ms);
    int rc = find(h->statements[HISTORY_FIND], e, &id, &same);
    if (rc != SQLITE_OK)
        return rc;
    if (e->what == STORE_LEFT)
        return id ? end_membership(h, id, e->at_ms, e->reason) : SQLITE_OK;
    if (!id)
        rc = reopen_wrongly_ended(h, e, &id, &same);
    if (rc != SQLITE_OK)
        return rc;
    if (id && same)
        return update(h, id, e);
    if (id)
        rc = end_membership(h, id, e->at_ms, text_of_str("replaced"));
    return rc == SQLITE_OK ? insert(h, e) : rc;
}

int store_history_oldest(struct store_history *h, int64_t *oldest_ms)
{
    sqlite3_stmt *q = h->statements[HISTORY_OLDEST];
    sqlite3_bind_int64(q, 1, h->run);
    int rc = sqlite3_step(q);
    *oldest_ms = INT64_MAX;
    if (rc == SQLITE_ROW && sqlite3_column_type(q, 0) != SQLITE_NULL)
        *oldest_ms = sqlite3_column_int64(q, 0);
    int reset = sqlite3_reset(q);
    return rc == SQLITE_ROW ? SQLITE_OK : reset;
}

static int prune(struct store_history *h, enum history_statement which, int64_t before_ms,
                 int limit, int *deleted)
{
    sqlite3_stmt *q = h->statements[which];
    sqlite3_bind_int64(q, 1, before_ms);
    sqlite3_bind_int(q, 2, limit);
    if (which == HISTORY_PRUNE_RUNS)
        sqlite3_bind_int64(q, 3, h->run);
    int rc = run(q);
    *deleted = rc == SQLITE_OK ? sqlite3_changes(h->db) : 0;
    return rc;
}

int store_history_prune(struct store_history *h, int64_t before_ms, int limit, int *deleted)
{
    return prune(h, HISTORY_PRUNE, before_ms, limit, deleted);
}

int store_history_prune_runs(struct store_history *h, int64_t before_ms, int limit, int *deleted)
{
    return prune(h, HISTORY_PRUNE_RUNS, before_ms, limit, deleted);
}

bool store_history_shows_damage(int rc)
{
    return (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB;
}

bool store_history_refuses(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
        return true;
    default:
        return false;
    }
}

int store_history_leftovers(struct store_history *h,
                            bool (*each)(void *arg, const char *room, const char *peer,
                                         const char *sid),
                            void *arg)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(
        h->db,
        "SELECT room, peer, sid FROM membership WHERE left_ms IS NULL AND bridge = ?1"
        " UNION SELECT room, peer, sid FROM membership WHERE uncleared AND bridge = ?1",
        -1, &q, NULL);
    if (rc != SQLITE_OK)
        return rc;
    bind_str(q, 1, h->bridge);
    while ((rc = sqlite3_step(q)) == SQLITE_ROW)
        if (!each(arg, (const char *)sqlite3_column_text(q, 0),
                  (const char *)sqlite3_column_text(q, 1), (const char *)sqlite3_column_text(q, 2)))
            break;
    sqlite3_finalize(q);
    return rc == SQLITE_DONE ? SQLITE_OK : (rc == SQLITE_ROW ? SQLITE_NOMEM : rc);
}
