#include "io/store_schema.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const store_schema_steps[] = {
    /* 0 -> 1.
     * run: one life of one bridge process. swept_ms: its roster was complete.
     * membership: since_ms is what the presence said (0: nothing) and belongs to its identity;
     * joined_ms is since_ms where it is sensible, else when we first saw it. seen_run is the last
     * run that saw it. uncleared: ended because its bridge restarted, and the broker may still hold
     * the presence. */
    "CREATE TABLE run ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " bridge TEXT NOT NULL,"
    " started_ms INTEGER NOT NULL,"
    " swept_ms INTEGER,"
    " ended_ms INTEGER"
    ") STRICT;"
    "CREATE TABLE membership ("
    " id INTEGER PRIMARY KEY,"
    " room TEXT NOT NULL,"
    " peer TEXT NOT NULL,"
    " kind TEXT NOT NULL,"
    " bridge TEXT NOT NULL,"
    " transport TEXT NOT NULL,"
    " sid TEXT NOT NULL,"
    " meta TEXT NOT NULL,"
    " since_ms INTEGER NOT NULL,"
    " joined_ms INTEGER NOT NULL,"
    " updated_ms INTEGER NOT NULL,"
    " left_ms INTEGER,"
    " reason TEXT,"
    " seen_run INTEGER NOT NULL,"
    " uncleared INTEGER NOT NULL DEFAULT 0"
    ") STRICT;"
    "CREATE UNIQUE INDEX membership_present ON membership (room, peer) WHERE left_ms IS NULL;"
    "CREATE INDEX membership_room ON membership (room, joined_ms);"
    "CREATE INDEX membership_peer ON membership (peer, joined_ms);"
    "CREATE INDEX membership_time ON membership (joined_ms);"
    "CREATE INDEX membership_uncleared ON membership (bridge) WHERE uncleared;"
    "CREATE VIEW present AS"
    " SELECT room, peer, kind, bridge, transport, sid, meta,"
    " strftime('%Y-%m-%dT%H:%M:%fZ', joined_ms / 1000.0, 'unixepoch') AS joined"
    " FROM membership WHERE left_ms IS NULL;",

    /* 1 -> 2. The oldest of what has ended, for the retention. An uncleared row is still needed,
     * however old. */
    "CREATE INDEX membership_ended ON membership (left_ms)"
    " WHERE left_ms IS NOT NULL AND NOT uncleared;",
};

const int store_schema_version = sizeof store_schema_steps / sizeof *store_schema_steps;

enum { CHECK_MS = 100 }; /* how long looking for damage may take at open */

static enum status foreign(const char *path, const char *what, struct problem *why)
{
    return problem_set(why, STATUS_BAD_CONFIG, 0, "store-foreign",
                       "this is %s: move it away or choose another directory with --data: %s", what,
                       path);
}

static enum status damaged(const char *path, const char *detail, struct problem *why)
{
    return problem_set(why, STATUS_BAD_CONFIG, 0, "store-damaged",
                       "the presence database is damaged; the bridge moves it aside when it starts:"
                       " %s (%s)",
                       path, detail);
}

enum status store_schema_problem(sqlite3 *db, int rc, const char *path, struct problem *why)
{
    const char *detail = db ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
    if (rc == SQLITE_IOERR_SHMSIZE) /* the -shm file cannot grow: nothing else makes that fail */
        rc = SQLITE_FULL;
    switch (rc & 0xff) {
    case SQLITE_NOTADB: /* what stands there is nothing that SQLite could have written */
    case SQLITE_CORRUPT:
        return damaged(path, detail, why);
    case SQLITE_FULL:
        return problem_set(why, STATUS_IO, 0, "store-full",
                           "no room on the disk for the presence database: free some: %s", path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return problem_set(why, STATUS_IO, 0, "store-locked",
                           "another program keeps the presence database locked: end it: %s", path);
    case SQLITE_NOMEM:
        return problem_set(why, STATUS_NO_MEMORY, 0, "store-access", "out of memory");
    default:
        return problem_set(why, STATUS_IO, 0, "store-access",
                           "cannot use the presence database (%s): check owner and mode of file and"
                           " directory, or choose another with --data: %s",
                           detail, path);
    }
}

/* The first column of the first row. */
static int read_int(sqlite3 *db, const char *sql, int *out)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &q, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(q);
    if (rc == SQLITE_ROW) {
        *out = sqlite3_column_int(q, 0);
        rc = SQLITE_OK;
    } else if (rc == SQLITE_DONE) {
        rc = SQLITE_ERROR;
    }
    sqlite3_finalize(q);
    return rc;
}

/* Whose file is it, and of which version? An empty file is version 0 of ours. */
static enum status identify(sqlite3 *db, const char *path, int *version, struct problem *why)
{
    int id = 0, tables = 0;
    int rc = read_int(db, "SELECT count(*) FROM sqlite_schema", &tables);
    if (rc == SQLITE_OK)
        rc = read_int(db, "PRAGMA application_id", &id);
    if (rc == SQLITE_OK)
        rc = read_int(db, "PRAGMA user_version", version);
    if (rc != SQLITE_OK)
        return store_schema_problem(db, rc, path, why);
    if (id != STORE_APPLICATION_ID && (id != 0 || tables != 0 || *version != 0))
        return foreign(path, "a database of another program", why);
    if (*version > store_schema_version)
        return problem_set(why, STATUS_BAD_CONFIG, 0, "store-newer",
                           "the presence database has version %d, this program knows %d: run the"
                           " newer program or move the file away: %s",
                           *version, store_schema_version, path);
    return STATUS_OK;
}

static int out_of_time(void *arg)
{
    const int64_t *deadline_us = arg;
    return clock_mono_us() > *deadline_us;
}

/* Looks for damage, as long as it does not take long: a start must not wait for a large file. */
static enum status look_for_damage(sqlite3 *db, const char *path, struct problem *why)
{
    sqlite3_stmt *q = NULL;
    int64_t deadline_us = clock_mono_us() + CHECK_MS * 1000;
    enum status status = STATUS_OK;
    sqlite3_progress_handler(db, 1000, out_of_time, &deadline_us);
    int rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &q, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(q);
    if (rc == SQLITE_ROW) {
        const char *verdict = (const char *)sqlite3_column_text(q, 0);
        if (verdict && strcmp(verdict, "ok") != 0)
            status = damaged(path, verdict, why);
    } else if (rc != SQLITE_INTERRUPT) {
        status = store_schema_problem(db, rc, path, why);
    }
    sqlite3_finalize(q);
    sqlite3_progress_handler(db, 0, NULL, NULL);
    return status;
}

enum status store_schema_migrate(sqlite3 *db, const char *const *steps, int count,
                                 struct problem *why)
{
    const char *path = sqlite3_db_filename(db, "main");
    int version = 0;
    int rc = read_int(db, "PRAGMA user_version", &version);
    if (rc == SQLITE_OK && version >= count)
        return STATUS_OK;
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc == SQLITE_OK) /* again: another process may have been faster */
        rc = read_int(db, "PRAGMA user_version", &version);
    for (; rc == SQLITE_OK && version < count; version++) {
        char marks[96];
        sqlite3_snprintf(sizeof marks, marks, "PRAGMA application_id=%d; PRAGMA user_version=%d",
                         STORE_APPLICATION_ID, version + 1);
        rc = sqlite3_exec(db, steps[version], NULL, NULL, NULL);
        if (rc == SQLITE_OK)
            rc = sqlite3_exec(db, marks, NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    enum status status =
        rc == SQLITE_OK ? STATUS_OK : store_schema_problem(db, rc, path ? path : "", why);
    if (!sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

/* SQLite would make the file with the umask's mode; its -wal and -shm files take the mode of the
 * file itself. */
static enum status make_private(const char *path, struct problem *why)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
        return STATUS_OK;
    }
    if (errno == EEXIST)
        return STATUS_OK;
    return problem_set(why, STATUS_IO, 0, errno == ENOSPC ? "store-full" : "store-access",
                       "cannot create the presence database (%s): check the directory or choose"
                       " another with --data: %s",
                       strerrordesc_np(errno), path);
}

static enum status open_file(const char *path, int flags, sqlite3 **out, struct problem *why)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc != SQLITE_OK) {
        enum status status = store_schema_problem(db, rc, path, why);
        sqlite3_close(db);
        return status;
    }
    sqlite3_busy_timeout(db, STORE_BUSY_MS);
    *out = db;
    return STATUS_OK;
}

enum status store_schema_open(const char *path, sqlite3 **out, struct problem *why)
{
    sqlite3 *db = NULL;
    int version = 0;
    enum status status = make_private(path, why);
    if (status == STATUS_OK)
        status = open_file(path, SQLITE_OPEN_READWRITE, &db, why);
    if (status == STATUS_OK && sqlite3_db_readonly(db, "main"))
        status = store_schema_problem(NULL, SQLITE_READONLY, path, why);
    if (status == STATUS_OK)
        status = identify(db, path, &version, why);
    if (status == STATUS_OK && version > 0)
        status = look_for_damage(db, path, why);
    if (status == STATUS_OK) {
        /* NORMAL: a crash of the machine may lose the last transactions, never the file. The limit
         * gives back what a burst made of the WAL file. */
        int rc = sqlite3_exec(db,
                              "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                              "PRAGMA journal_size_limit=16777216; PRAGMA cache_size=-512",
                              NULL, NULL, NULL);
        if (rc != SQLITE_OK)
            status = store_schema_problem(db, rc, path, why);
    }
    if (status == STATUS_OK)
        status = store_schema_migrate(db, store_schema_steps, store_schema_version, why);
    if (status == STATUS_OK)
        *out = db;
    else
        store_schema_abandon(db);
    return status;
}

void store_schema_abandon(sqlite3 *db)
{
    if (db)
        sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close(db);
}

/* A reader of a WAL database writes to its -shm file. Where it may not write and there is no WAL to
 * read, the file alone is the whole database, and SQLite is told that nobody changes it. */
static enum status open_still(const char *path, sqlite3 **out, struct problem *why)
{
    char name[3 * PATH_MAX + 32], wal[PATH_MAX + 8];
    struct stat st;
    snprintf(wal, sizeof wal, "%s-wal", path);
    if (strlen(path) >= PATH_MAX || (stat(wal, &st) == 0 && st.st_size > 0))
        return store_schema_problem(NULL, SQLITE_READONLY, path, why);
    int len = snprintf(name, sizeof name, "file:");
    for (const char *p = path; *p; p++)
        len += snprintf(name + len, sizeof name - (size_t)len, strchr("?#%", *p) ? "%%%02X" : "%c",
                        (unsigned char)*p);
    snprintf(name + len, sizeof name - (size_t)len, "?immutable=1");
    return open_file(name, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, out, why);
}

static bool may_not_write(sqlite3 *db)
{
    int tables;
    int rc = read_int(db, "SELECT count(*) FROM sqlite_schema", &tables) & 0xff;
    return rc == SQLITE_READONLY || rc == SQLITE_CANTOPEN;
}

enum status store_schema_open_reader(const char *path, sqlite3 **out, struct problem *why)
{
    sqlite3 *db = NULL;
    int version = 0;
    if (access(path, F_OK) != 0)
        return problem_set(why, STATUS_IO, 0, "store-access",
                           "cannot find the presence database (%s): name the bridge's directory"
                           " with --data: %s",
                           strerrordesc_np(errno), path);
    enum status status = open_file(path, SQLITE_OPEN_READONLY, &db, why);
    if (status == STATUS_OK && may_not_write(db)) {
        sqlite3_close(db);
        db = NULL;
        status = open_still(path, &db, why);
    }
    if (status == STATUS_OK)
        status = identify(db, path, &version, why);
    if (status == STATUS_OK && version < store_schema_version)
        status = problem_set(why, STATUS_BAD_CONFIG, 0, "store-older",
                             "the presence database has version %d: start the bridge once to bring"
                             " it to version %d: %s",
                             version, store_schema_version, path);
    if (status == STATUS_OK)
        *out = db;
    else
        sqlite3_close(db);
    return status;
}
