/* What is deleted because it ended long ago, and what never is: in few rows at a time, a day of
 * history at most in each pass. */
#include "test.h"

#include "base/clock.h"
#include "io/store_retention.h"
#include "test_store_util.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#define DAY_MS INT64_C(86400000)

static struct store *open_keeping(const char *path, int64_t keep_ms, int64_t pause_us)
{
    struct store *s = NULL;
    struct problem why = {0};
    struct store_options options = {.path = path,
                                    .bridge = "b1",
                                    .now_ms = clock_wall_ms(),
                                    .keep_ms = keep_ms,
                                    .prune_pause_us = pause_us};
    if (store_open(&s, &options, &why) != STATUS_OK)
        fail_msg("store_open: %s", why.text);
    return s;
}

static void push(struct store *s, enum store_what what, const char *peer, const char *bridge,
                 int64_t at_ms)
{
    struct test_event change = {what, "r",   peer, bridge, bridge ? "x-s" : NULL,
                                0,    at_ms, "{}", "left"};
    struct store_event e = test_event_of(&change);
    assert_true(store_push(s, &e));
}

static bool passed_once(const struct store_stats *stats)
{
    return stats->commits > 0;
}

/* Who was there: half days ago, up to the first 0. Bridge: theirs; gone: that bridge restarts. */
enum { MEMBERS = 6, OLD = 300 };
struct member {
    int joined;
    int left; /* 0: still there; negative: ahead of our clock */
};

static const struct keeping {
    const char *name;
    int64_t keep_ms;
    struct member members[MEMBERS];
    const char *left; /* which of them are in the history after one pass: "a", "b"… */
} keepings[] = {
    {"for ever", 0, {{9000, 8000}, {800, 700}}, "ab"},
    {"what ended within the time stays", 90 * DAY_MS, {{400, 178}, {20, 10}}, "ab"},
    {"what ended before goes, whenever it began", 90 * DAY_MS, {{181, 182}, {400, 178}}, "b"},
    {"who is present stays, however long", 90 * DAY_MS, {{9000, 0}, {190, 185}, {300, 0}}, "ac"},
    {"a day of history at most, from the oldest",
     90 * DAY_MS,
     {{501, 500}, {501, 499}, {501, 497}, {501, 300}, {400, 10}},
     "cde"},
    {"a clock a century ahead costs a day",
     1,
     {{101, 100}, {101, 99}, {101, 97}, {101, 50}, {101, 2}},
     "cde"},
    {"gaps do not count", 90 * DAY_MS, {{9000, 8999}, {501, 500}}, "b"},
    {"what a clock ahead of ours has written stays", 90 * DAY_MS, {{10, -9000}, {10, 5}}, "ab"},
};

static void test_one_pass(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(keepings); i++) {
        const struct keeping *t = &keepings[i];
        char dir[TEST_PATH_MAX], path[TEST_PATH_MAX], sql[128];
        struct store_stats stats;
        int64_t now_ms = clock_wall_ms();
        size_t count = 0;
        test_dir_make(dir);
        test_path(path, dir, "p.db");
        struct store *s = open_keeping(path, 0, 0);
        for (; count < MEMBERS && t->members[count].joined; count++) {
            const struct member *m = &t->members[count];
            char peer[2] = {(char)('a' + count), '\0'};
            push(s, STORE_JOINED, peer, NULL, now_ms - m->joined * DAY_MS / 2);
            if (m->left)
                push(s, STORE_LEFT, peer, NULL, now_ms - m->left * DAY_MS / 2);
        }
        test_store_close(s);
        test_log_begin();
        s = open_keeping(path, t->keep_ms, 0);
        if (t->keep_ms)
            test_store_await(s, passed_once);
        store_stats(s, &stats);
        test_store_close(s);
        const char *log = test_log_end();
        ROW(t->name, stats.pruned == count - strlen(t->left));
        ROW(t->name, test_count(log, "info store-pruned") == (stats.pruned > 0));
        ROW(t->name, test_sql_int(path, "SELECT count(*) FROM membership") == (int)strlen(t->left));
        for (const char *p = t->left; *p; p++) {
            snprintf(sql, sizeof sql, "SELECT count(*) FROM membership WHERE peer = '%c'", *p);
            ROW(t->name, test_sql_int(path, sql) == 1);
        }
        test_dir_remove(dir);
    }
}

/* Whose presence may still stand in the broker is needed until that is done. */
static void test_uncleared(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
    struct test_event sweep = {.what = STORE_SWEEP, .at_ms = clock_wall_ms()};
    struct store_event e = test_event_of(&sweep);
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    test_log_begin();
    struct store *s = open_keeping(path, 0, 0);
    push(s, STORE_JOINED, "a", "b1", clock_wall_ms() - OLD * DAY_MS);
    test_store_close(s);
    test_store_close(open_keeping(path, 0, 0));
    test_sql(path, "UPDATE membership SET left_ms = joined_ms");
    s = open_keeping(path, 90 * DAY_MS, 0);
    test_store_await(s, passed_once);
    assert_int_equal(test_sql_int(path, "SELECT count(*) FROM membership WHERE uncleared"), 1);
    assert_true(store_push(s, &e));
    test_store_close(s);
    s = open_keeping(path, 90 * DAY_MS, 0);
    test_store_await(s, passed_once);
    test_store_close(s);
    test_log_end();
    assert_int_equal(test_sql_int(path, "SELECT count(*) FROM membership"), 0);
    test_dir_remove(dir);
}

static void test_runs(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    test_log_begin();
    for (int i = 0; i < 4; i++)
        test_store_close(open_keeping(path, 0, 0));
    test_sql(path, "UPDATE run SET started_ms = started_ms - 100 * 86400000, ended_ms = NULL"
                   " WHERE id <= 2; UPDATE run SET ended_ms = ended_ms - 100 * 86400000,"
                   " started_ms = started_ms - 200 * 86400000 WHERE id = 3");
    struct store *s = open_keeping(path, 90 * DAY_MS, 1);
    for (int i = 0; i < 50; i++) { /* passes enough for two hundred days */
        push(s, STORE_JOINED, "a", NULL, 10);
        test_store_await(s, test_store_settled);
    }
    test_store_close(s);
    test_log_end();
    assert_int_equal(test_sql_int(path, "SELECT min(id) FROM run"), 4);
    assert_int_equal(test_sql_int(path, "SELECT max(id) FROM run"), 5);
    test_dir_remove(dir);
}

enum { MANY = 5000 };

static bool all_pruned(const struct store_stats *stats)
{
    return stats->pruned == MANY;
}

static void push_ended(struct store *s, const char *room, int64_t at_ms)
{
    for (int i = 0; i < MANY; i++) {
        char peer[16];
        snprintf(peer, sizeof peer, "p%d", i);
        struct test_event change = {STORE_JOINED, room, peer, NULL, NULL, 0, at_ms - i, "{}", NULL};
        struct store_event e = test_event_of(&change);
        assert_true(store_push(s, &e));
        e.what = STORE_LEFT;
        assert_true(store_push(s, &e));
    }
}

/* A few rows per transaction, beside events; and the file uses the room again. */
static void test_many(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
    struct store_stats stats;
    int64_t now_ms = clock_wall_ms();
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    test_log_begin();
    struct store *s = open_keeping(path, 0, 0);
    push_ended(s, "old", now_ms - 100 * DAY_MS);
    test_store_close(s);
    int pages = test_sql_int(path, "PRAGMA page_count");
    s = open_keeping(path, 90 * DAY_MS, 0);
    for (int i = 0; i < 50; i++) {
        char peer[16];
        snprintf(peer, sizeof peer, "p%d", i);
        push(s, STORE_JOINED, peer, NULL, now_ms);
    }
    test_store_await(s, all_pruned);
    test_store_await(s, test_store_settled);
    store_stats(s, &stats);
    assert_true(stats.commits > MANY / STORE_PRUNE_ROWS);
    assert_int_equal(stats.written, 50);
    push_ended(s, "new", now_ms);
    test_store_close(s);
    const char *log = test_log_end();
    assert_int_equal(test_count(log, "info store-pruned memberships=5000"), 1);
    assert_int_equal(test_sql_int(path, "SELECT count(*) FROM membership"), MANY + 50);
    assert_true(test_sql_int(path, "PRAGMA page_count") < pages + pages / 10);
    test_assert_sound(path);
    test_dir_remove(dir);
}

/* Pass after pass, it gets to the end; each pass says what it did. */
static void test_passes(void **state)
{
    (void)state;
    enum { DAYS = 20 };
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX], peer[16];
    int64_t now_ms = clock_wall_ms();
    struct store_stats stats;
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    struct store *s = open_keeping(path, 0, 0);
    for (int i = 0; i < DAYS; i++) {
        snprintf(peer, sizeof peer, "p%d", i);
        push(s, STORE_JOINED, peer, NULL, now_ms - (i + 10) * DAY_MS);
        push(s, STORE_LEFT, peer, NULL, now_ms - (i + 10) * DAY_MS);
    }
    push(s, STORE_JOINED, "here", NULL, now_ms - 90 * DAY_MS);
    test_store_close(s);
    test_log_begin();
    s = open_keeping(path, 15 * DAY_MS, 1);
    do
        store_stats(s, &stats);
    while (stats.pruned < DAYS - 5);
    test_store_close(s);
    const char *log = test_log_end();
    assert_int_equal(test_count(log, "info store-pruned memberships=1 "), DAYS - 5);
    assert_int_equal(test_sql_int(path, "SELECT count(*) FROM membership"), 5 + 1);
    test_dir_remove(dir);
}

/* A lock that somebody holds: said, tried again, done. */
static void test_locked(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
    sqlite3 *holder = NULL;
    struct store_stats stats;
    int64_t now_ms = clock_wall_ms();
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    struct store *s = open_keeping(path, 0, 0);
    push(s, STORE_JOINED, "a", NULL, now_ms - OLD * DAY_MS);
    push(s, STORE_LEFT, "a", NULL, now_ms - OLD * DAY_MS);
    test_store_close(s);
    test_log_begin();
    assert_int_equal(sqlite3_open(path, &holder), SQLITE_OK);
    assert_int_equal(sqlite3_exec(holder, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    s = open_keeping(path, 90 * DAY_MS, 0);
    test_store_await(s, test_store_failing);
    sqlite3_close(holder);
    test_store_await(s, test_store_settled);
    test_store_await(s, passed_once);
    do
        store_stats(s, &stats);
    while (stats.pruned == 0);
    test_store_close(s);
    const char *log = test_log_end();
    assert_int_equal(test_count(log, "warn store-failing"), 1);
    assert_int_equal(test_count(log, "info store-recovered"), 1);
    assert_int_equal(test_sql_int(path, "SELECT count(*) FROM membership"), 0);
    test_dir_remove(dir);
}

/* While it runs: for ever, for some time, for ever again. */
static void test_changed(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
    struct store_stats stats;
    int64_t now_ms = clock_wall_ms();
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    test_log_begin();
    struct store *s = open_keeping(path, 0, 0);
    for (int i = 0; i < 2; i++) {
        push(s, STORE_JOINED, "a", NULL, now_ms - 200 * DAY_MS);
        push(s, STORE_LEFT, "a", NULL, now_ms - 100 * DAY_MS);
        test_store_await(s, test_store_settled);
        store_stats(s, &stats);
        assert_int_equal(stats.pruned, i);
        if (i == 0) {
            store_keep(s, 90 * DAY_MS);
            do
                store_stats(s, &stats);
            while (stats.pruned == 0);
            store_keep(s, 0);
        }
    }
    test_store_close(s);
    test_log_end();
    assert_int_equal(test_sql_int(path, "SELECT count(*) FROM membership"), 1);
    test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_one_pass, test_log_teardown),
        cmocka_unit_test_teardown(test_uncleared, test_log_teardown),
        cmocka_unit_test_teardown(test_runs, test_log_teardown),
        cmocka_unit_test_teardown(test_many, test_log_teardown),
        cmocka_unit_test_teardown(test_passes, test_log_teardown),
        cmocka_unit_test_teardown(test_locked, test_log_teardown),
        cmocka_unit_test_teardown(test_changed, test_log_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
