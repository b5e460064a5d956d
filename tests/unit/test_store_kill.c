/* A writer that is killed: at random moments, and at each single write that SQLite makes. Whatever
 * the moment, the file is sound and what it says is a beginning of what was pushed: no event is
 * missing before one that is recorded.
 *
 * Numbered events: event n is at T + n and concerns peer n / 2, which joins (even n) or leaves (odd
 * n), but every fifth peer stays. The first n events so give a history that is known. */
#include "test.h"

#include "base/clock.h"
#include "base/log.h"
#include "test_store_util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define T      INT64_C(4000000000000) /* later than anything that is deleted for its age */
#define T_TEXT "4000000000000"

enum { STAY = 5, KILLS = 30, HUNDREDS = 16, MOMENT_US = 20000 };

static void push(struct store *s, const char *room, int n)
{
    char peer[16], sid[24], meta[64];
    bool stays = n % 2 && n / 2 % STAY == 0; /* is updated instead */
    snprintf(peer, sizeof peer, "p%d", n / 2);
    snprintf(sid, sizeof sid, "x-%d", n / 2);
    snprintf(meta, sizeof meta, "{\"n\":%d,\"text\":\"some more to fill pages\"}", n);
    struct test_event change = {n % 2 == 0 ? STORE_JOINED
                                : stays    ? STORE_UPDATED
                                           : STORE_LEFT,
                                room,
                                peer,
                                "b1",
                                sid,
                                T + n - n % 2,
                                T + n,
                                meta,
                                "left"};
    struct store_event e = test_event_of(&change);
    if (!store_push(s, &e))
        abort();
}

/* ---- the children ---- */

static void wait_while_queued(struct store *s, size_t events)
{
    struct store_stats stats;
    for (store_stats(s, &stats); stats.queued > events; store_stats(s, &stats))
        poll(NULL, 0, 1); /* figures have no event to wait for */
}

/* Says on standard output that it has begun, and when another hundred events are committed. */
static int write_for_ever(const char *path, const char *room)
{
    struct store *s = test_store_open(path, "b1", 1, 0);
    struct store_stats stats = {0};
    uint64_t said = 0;
    for (int n = 0;; n++) {
        push(s, room, n);
        if (n % 64 == 0)
            wait_while_queued(s, 500);
        for (store_stats(s, &stats); n > 10 && stats.written / 100 + 1 > said; said++)
            if (write(STDOUT_FILENO, ".", 1) != 1)
                return 1;
    }
}

/* Less than would fill a batch of its own: several transactions, a checkpoint at the end, and what
 * is old is deleted meanwhile. */
enum { SHORT_EVENTS = 300 };
static int write_and_die(const char *path, const char *writes)
{
    struct store *s = NULL;
    struct problem why = {0};
    struct store_options options = {.path = path, .bridge = "b1", .now_ms = 1, .keep_ms = 1};
    log_setup(LOG_ERROR, false);
    test_kill_at_write((int)strtol(writes, NULL, 10));
    if (store_open(&s, &options, &why) != STATUS_OK)
        return 1;
    for (int n = 0; n < SHORT_EVENTS; n++) {
        push(s, "r", n);
        if (n % 100 == 99)
            wait_while_queued(s, 0);
    }
    test_store_close(s);
    return 0;
}

/* ---- what the file says ---- */

static int query(sqlite3 *db, const char *sql, const char *room, int n)
{
    sqlite3_stmt *q = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_bind_text(q, 1, room, -1, SQLITE_STATIC);
    sqlite3_bind_int(q, 2, n);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    int value = sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    return value;
}

/* How many of the room's events are recorded; fails unless they are the first ones, each with what
 * belongs to it. `ended`: a later run has ended what was open. */
static int assert_prefix(const char *path, const char *room, bool ended)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    int joined = query(db, "SELECT count(*) FROM membership WHERE room = ?1", room, 0);
    /* The last peer has joined, and its second event may be there too. */
    int last = joined - 1;
    int second = joined == 0 ? 0
                             : query(db,
                                     "SELECT count(*) FROM membership WHERE room = ?1"
                                     " AND peer = 'p' || ?2 AND (reason = 'left' OR"
                                     " updated_ms > since_ms)",
                                     room, last);
    int n = joined == 0 ? 0 : 2 * joined - 1 + second;
    static const char wrong[] =
        "SELECT count(*) FROM (SELECT substr(peer, 2) + 0 AS k, * FROM membership WHERE room = ?1)"
        " WHERE since_ms <> " T_TEXT " + 2 * k OR joined_ms <> since_ms OR sid <> 'x-' || k"
        " OR kind <> 'browser' OR bridge <> 'b1'"
        /* Its second event is among the first n: it has left, or was updated. */
        " OR (2 * k + 1 < ?2 AND k % 5 <> 0 AND (reason IS NOT 'left' OR left_ms <> since_ms + 1))"
        " OR (2 * k + 1 < ?2 AND k % 5 = 0 AND (updated_ms <> since_ms + 1 OR"
        "     meta NOT LIKE '{\"n\":' || (2 * k + 1) || ',%'))"
        " OR (2 * k + 1 >= ?2 AND (updated_ms <> since_ms OR reason IS 'left' OR"
        "     meta NOT LIKE '{\"n\":' || (2 * k) || ',%'))";
    assert_int_equal(query(db, wrong, room, n), 0);
    assert_int_equal(query(db,
                           "SELECT coalesce(max(substr(peer, 2) + 1), 0) FROM membership"
                           " WHERE room = ?1",
                           room, 0),
                     joined);
    int open = query(db, "SELECT count(*) FROM present WHERE room = ?1", room, 0);
    int stayed = (joined + STAY - 1) / STAY + (last >= 0 && last % STAY != 0 && !second);
    assert_int_equal(open, ended ? 0 : stayed);
    assert_int_equal(query(db,
                           "SELECT count(*) FROM membership WHERE room = ?1"
                           " AND reason = 'bridge-restart'",
                           room, 0),
                     ended ? stayed : 0);
    sqlite3_close(db);
    return n;
}

/* ---- at random moments ---- */

/* When `hundreds` are committed, and a moment later. */
static void kill_somewhere(const char *path, const char *room, int hundreds, int after_us)
{
    char self[] = "/proc/self/exe", word[] = "write-for-ever", file[TEST_PATH_MAX], name[16], dot;
    char *argv[] = {self, word, file, name, NULL};
    int out[2], status;
    pid_t pid;
    posix_spawn_file_actions_t actions;
    snprintf(file, sizeof file, "%s", path);
    snprintf(name, sizeof name, "%s", room);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    assert_int_equal(posix_spawn(&pid, self, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    for (int i = 0; i <= hundreds; i++)
        assert_int_equal(read(out[0], &dot, 1), 1);
    int64_t until_us = clock_mono_us() + after_us; /* the moment, not a wait for something */
    while (clock_mono_us() < until_us)
        poll(NULL, 0, 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    close(out[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* One file lives through all of them; each run has a room of its own. */
static void test_random(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX], room[16];
    int least = INT32_MAX, most = 0, before = 0;
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    for (int i = 0; i < KILLS; i++) {
        snprintf(room, sizeof room, "r%d", i);
        int hundreds = (int)(clock_random() % HUNDREDS);
        kill_somewhere(path, room, hundreds, (int)(clock_random() % MOMENT_US));
        test_assert_sound(path);
        int n = assert_prefix(path, room, false);
        assert_true(n >= hundreds * 100);
        least = n < least ? n : least;
        most = n > most ? n : most;
        if (i > 0) { /* the run before is as it was, but that its open ones have ended */
            snprintf(room, sizeof room, "r%d", i - 1);
            assert_int_equal(assert_prefix(path, room, true), before);
        }
        before = n;
    }
    print_message("  killed %d times, with %d to %d events recorded\n", KILLS, least, most);
    assert_int_equal(test_sql_int(path, "SELECT count(*) FROM run"), KILLS);
    test_dir_remove(dir);
}

/* ---- at each write ---- */

/* Something that the retention deletes while the events are written. */
static void make_old(const char *path)
{
    struct store *s = test_store_open(path, "b0", -9000, 0);
    for (int n = 0; n < 420; n++)
        push(s, "old", n);
    test_store_close(s);
    test_sql(path, "UPDATE membership SET bridge = 'b0', left_ms = -1000, since_ms = -5000,"
                   " joined_ms = -5000, reason = 'left'");
}

static void test_each_write(void **state)
{
    (void)state;
    char base[TEST_PATH_MAX], first[TEST_PATH_MAX];
    int kills = 0, partial = 0;
    bool killed = true;
    test_dir_make(base);
    test_path(first, base, "p.db");
    make_old(first);
    for (int writes = 0; killed; writes++) {
        char dir[TEST_PATH_MAX], path[TEST_PATH_MAX], word[16];
        test_dir_make(dir);
        test_path(path, dir, "p.db");
        test_copy(first, path);
        snprintf(word, sizeof word, "%d", writes);
        killed = test_run_child("write-and-die", path, word);
        test_assert_sound(path);
        int n = assert_prefix(path, "r", false);
        int old = test_sql_int(path, "SELECT count(*) FROM membership WHERE room = 'old'");
        assert_true(old == 210 || old == 10 || old == 0); /* 200 in one transaction */
        kills += killed;
        partial += killed && n > 0 && n < SHORT_EVENTS;
        /* The next run goes on from there. */
        struct store *s = test_store_open(path, "b1", 1000000, 0);
        test_store_close(s);
        assert_int_equal(assert_prefix(path, "r", true), n);
        test_dir_remove(dir);
        if (!killed)
            assert_int_equal(n, SHORT_EVENTS);
    }
    print_message("  killed at %d writes, %d of them between the first event and the last\n", kills,
                  partial);
    assert_true(kills > 30 && partial > 10);
    test_dir_remove(base);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "write-for-ever") == 0)
        return write_for_ever(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "write-and-die") == 0)
        return write_and_die(argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_each_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
