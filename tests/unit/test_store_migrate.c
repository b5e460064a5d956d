/* Databases of earlier versions: brought up to date with all that is in them, in one step that a
 * kill at any moment undoes or completes. */
#include "test.h"

#include "io/store_schema.h"
#include "test_store_util.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The databases that there have been; each file holds what the version before this one left. */
static const struct version {
    int version;
    const char *file; /* SQL */
} versions[] = {
    {1, TEST_STORE_V1},
};

/* What all of them hold. */
static const char history[] =
    "lobby/ann here/k3x9qa-abcdefghijklm 1780000001000-1780000100000 bridge-restart"
    " {\"name\":\"Ann \\\"A.\\\" \xc3\xa4\"}\n"
    "lobby/cam1 -/- 1780000002000- - {\"model\":\"x\"}\n"
    "lobby/bob there/zzzzzz-nopqrstuvwxyz 1780000003000-1780000009000 leave -\n"
    "yard/mia here/k3x9qa-0123456789abc 1780000004000-1780000100000 bridge-restart {}\n"
    "yard/tom there/zzzzzz-7777777777777 1780000005000- - {}\n";
static const char open_before[] = "lobby/eva here/p0p0p0-qqqqqqqqqqqqq 1780000101000- - {}\n";
static const char open_after[] =
    "lobby/eva here/p0p0p0-qqqqqqqqqqqqq 1780000101000-1780000200000 bridge-restart {}\n";

static void make_version(const char *path, const struct version *v)
{
    test_sql_file(path, v->file);
    assert_int_equal(test_sql_int(path, "PRAGMA user_version"), v->version);
}

static void add_leftover(void *arg, const char *room, const char *peer, const char *sid)
{
    struct buf *out = arg;
    buf_str(out, room);
    buf_char(out, '/');
    buf_str(out, peer);
    buf_char(out, '/');
    buf_str(out, sid);
    buf_char(out, ' ');
}

static void test_versions(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(versions); i++) {
        const struct version *v = &versions[i];
        char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
        struct buf text, wanted;
        buf_init(&text, 65536);
        buf_init(&wanted, 65536);
        print_message("  from version %d\n", v->version);
        test_dir_make(dir);
        test_path(path, dir, "p.db");
        make_version(path, v);
        struct store *s = test_store_open(path, "here", 1780000200000, 0);
        store_leftovers(s, add_leftover, &text);
        assert_string_equal(buf_cstr(&text), "lobby/ann/k3x9qa-abcdefghijklm"
                                             " lobby/eva/p0p0p0-qqqqqqqqqqqqq"
                                             " yard/mia/k3x9qa-0123456789abc ");
        buf_str(&wanted, history);
        buf_str(&wanted, open_after);
        assert_string_equal(test_history(path, &text), buf_cstr(&wanted));
        assert_int_equal(test_sql_int(path, "SELECT max(id) FROM run"), 3);
        /* And it goes on: a session that the old version knew moves. */
        struct test_event moved = {
            STORE_JOINED,  "yard",        "tom", "here", "abcabc-7777777777777",
            1780000005000, 1780000201000, "{}",  NULL};
        struct store_event e = test_event_of(&moved);
        assert_true(store_push(s, &e));
        test_store_close(s);
        assert_int_equal(test_sql_int(path, "PRAGMA user_version"), store_schema_version);
        assert_int_equal(test_sql_int(path, "SELECT count(*) FROM membership WHERE peer = 'tom'"
                                            " AND bridge = 'here' AND id = 5"),
                         1);
        test_assert_sound(path);
        buf_release(&wanted);
        buf_release(&text);
        test_dir_remove(dir);
    }
}

/* A new database and a migrated one have the same tables, indexes and views. */
static void test_same_schema(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(versions); i++) {
        char dir[TEST_PATH_MAX], path[TEST_PATH_MAX], other[TEST_PATH_MAX],
            sql[TEST_PATH_MAX + 400];
        test_dir_make(dir);
        test_path(path, dir, "p.db");
        test_path(other, dir, "new.db");
        make_version(path, &versions[i]);
        test_store_close(test_store_open(path, "here", 1780000200000, 0));
        test_store_close(test_store_open(other, "here", 1780000200000, 0));
        snprintf(sql, sizeof sql,
                 "ATTACH '%s' AS new; CREATE TEMP TABLE differs AS SELECT * FROM"
                 " (SELECT type, name, sql FROM main.sqlite_schema EXCEPT"
                 " SELECT type, name, sql FROM new.sqlite_schema) UNION ALL SELECT * FROM"
                 " (SELECT type, name, sql FROM new.sqlite_schema EXCEPT"
                 " SELECT type, name, sql FROM main.sqlite_schema);"
                 "CREATE TEMP TABLE none (n CHECK (n = 0));"
                 "INSERT INTO none SELECT count(*) FROM differs",
                 other);
        test_sql(path, sql);
        test_dir_remove(dir);
    }
}

/* The child of the next test. */
static int open_and_close(const char *path, int writes)
{
    test_kill_at_write(writes);
    test_store_close(test_store_open(path, "here", 1780000200000, 0));
    return 0;
}

/* Killed at each of the writes that opening makes: the file has the old version or the new one,
 * with all that was in it, and the next start completes what is missing. */
static void test_killed(void **state)
{
    (void)state;
    int old = 0, new = 0;
    bool killed = true;
    struct buf text, before, after;
    buf_init(&text, 65536);
    buf_init(&before, 65536);
    buf_init(&after, 65536);
    buf_str(&before, history);
    buf_str(&before, open_before);
    buf_str(&after, history);
    buf_str(&after, open_after);
    for (int writes = 0; killed; writes++) {
        char dir[TEST_PATH_MAX], path[TEST_PATH_MAX], word[16];
        test_dir_make(dir);
        test_path(path, dir, "p.db");
        make_version(path, &versions[0]);
        snprintf(word, sizeof word, "%d", writes);
        killed = test_run_child("open", path, word);
        test_assert_sound(path);
        int version = test_sql_int(path, "PRAGMA user_version");
        int indexed = test_sql_int(path, "SELECT count(*) FROM sqlite_schema WHERE"
                                         " name = 'membership_ended'");
        assert_true(version == versions[0].version || version == store_schema_version);
        assert_int_equal(indexed, version == store_schema_version);
        bool begun = test_sql_int(path, "SELECT max(id) FROM run") == 3;
        assert_true(!begun || version == store_schema_version);
        assert_string_equal(test_history(path, &text), buf_cstr(begun ? &after : &before));
        *(version == store_schema_version ? &new : &old) += 1;
        test_store_close(test_store_open(path, "here", 1780000200000, 0));
        assert_int_equal(test_sql_int(path, "PRAGMA user_version"), store_schema_version);
        assert_string_equal(test_history(path, &text), buf_cstr(&after));
        test_dir_remove(dir);
    }
    print_message("  killed at %d writes: %d times before the new version, %d after\n",
                  old + new - 1, old, new - 1);
    assert_true(old > 3 && new > 3);
    buf_release(&after);
    buf_release(&before);
    buf_release(&text);
}

/* The same with no file at all: what was begun is no damage. */
static void test_killed_creating(void **state)
{
    (void)state;
    int kills = 0;
    bool killed = true;
    for (int writes = 0; killed; writes++) {
        char dir[TEST_PATH_MAX], path[TEST_PATH_MAX], word[16];
        struct store_stats stats;
        test_dir_make(dir);
        test_path(path, dir, "p.db");
        snprintf(word, sizeof word, "%d", writes);
        killed = test_run_child("open", path, word);
        kills += killed;
        struct store *s = test_store_open(path, "here", 1780000200000, 0);
        store_stats(s, &stats);
        test_store_close(s);
        assert_int_equal(stats.damaged, 0);
        assert_int_equal(test_sql_int(path, "PRAGMA user_version"), store_schema_version);
        test_assert_sound(path);
        test_dir_remove(dir);
    }
    print_message("  killed at %d writes\n", kills);
    assert_true(kills > 10);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "open") == 0)
        return open_and_close(argv[2], (int)strtol(argv[3], NULL, 10));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_same_schema),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_killed_creating),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
