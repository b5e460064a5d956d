/* Databases that are damaged, when the bridge starts and while it runs: moved aside byte for byte,
 * never overwritten or deleted, said; and the new one knows who is present. */
#include "test.h"

#include "io/store_damaged.h"
#include "test_store_util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, FILE_MAX = 1 << 20, PEERS = 300 };

/* A file's bytes. */
struct bytes {
    char *p;
    size_t len;
};

static struct bytes read_file(const char *path)
{
    struct bytes b = {malloc(FILE_MAX), 0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_non_null(b.p);
    if (fd < 0)
        fail_msg("%s: %s", path, strerror(errno));
    ssize_t len = read(fd, b.p, FILE_MAX);
    assert_true(len >= 0 && len < FILE_MAX);
    b.len = (size_t)len;
    close(fd);
    return b;
}

static void assert_file_is(const char *path, struct bytes wanted)
{
    struct bytes b = read_file(path);
    if (b.len != wanted.len || memcmp(b.p, wanted.p, b.len) != 0)
        fail_msg("%s has changed", path);
    free(b.p);
}

static bool push(struct store *s, enum store_what what, int peer, int64_t at_ms, const char *meta)
{
    char name[16];
    snprintf(name, sizeof name, "p%d", peer);
    struct test_event change = {
        what,  "r",  name,  peer % 2 ? "b1" : NULL, peer % 2 ? "x-s" : NULL, at_ms,
        at_ms, meta, "left"};
    struct store_event e = test_event_of(&change);
    return store_push(s, &e);
}

/* ---- what is done to a file ---- */

static void write_at(const char *path, const char *bytes, size_t len, off_t at)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(pwrite(fd, bytes, len, at), len);
    close(fd);
}

static void fill_pages(const char *path, char with, int from, int to)
{
    char page[PAGE];
    memset(page, with, sizeof page);
    for (int i = from; i < to; i++)
        write_at(path, page, sizeof page, (off_t)i * PAGE);
}

static void make_text(const char *path)
{
    write_at(path, "just some text\n", 15, 0);
}

static void make_ours(const char *path)
{
    struct store *s = test_store_open(path, "b1", 1, 0);
    for (int i = 0; i < PEERS; i++)
        assert_true(push(s, STORE_JOINED, i, 10, "\"some meta to fill pages\""));
    test_store_close(s);
}

static void make_cut(const char *path)
{
    make_ours(path);
    assert_int_equal(truncate(path, PAGE * 3), 0);
}

static void make_scribbled(const char *path)
{
    make_ours(path);
    fill_pages(path, '!', 4, 12);
}

static void make_headless(const char *path)
{
    make_ours(path);
    fill_pages(path, 0, 0, 1);
}

/* As some file systems leave it after a power cut. */
static void make_zeros(const char *path)
{
    make_ours(path);
    struct bytes b = read_file(path);
    fill_pages(path, 0, 0, (int)(b.len / PAGE));
    free(b.p);
}

/* Damage where opening does not come by: among memberships that ended long ago. */
static void make_scribbled_history(const char *path)
{
    make_ours(path);
    test_sql(path, "UPDATE membership SET left_ms = 20, reason = 'left'; VACUUM");
    int page = test_sql_int(path, "SELECT max(pageno) FROM dbstat WHERE name = 'membership'"
                                  " AND pagetype = 'leaf'");
    fill_pages(path, '!', page - 1, page);
}

/* With a WAL file that was not written into the database yet. */
static void make_scribbled_with_wal(const char *path)
{
    sqlite3 *db = NULL;
    make_ours(path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    assert_int_equal(sqlite3_exec(db, "UPDATE run SET swept_ms = 5", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    fill_pages(path, '!', 4, 12);
}

static const struct damage {
    const char *name;
    void (*make)(const char *path);
    bool wal;
} damages[] = {
    {"a text file", make_text, false},
    {"cut off", make_cut, false},
    {"scribbled over", make_scribbled, false},
    {"first page lost", make_headless, false},
    {"all zeros", make_zeros, false},
    {"old history scribbled over", make_scribbled_history, false},
    {"scribbled over, beside a WAL file", make_scribbled_with_wal, true},
};

/* ---- what became of it ---- */

/* The file that was moved aside; with `end`, one that was beside it. Fails when there is more than
 * one; false: there is none. */
static bool find_moved(const char *dir, const char *end, char out[TEST_PATH_MAX])
{
    int found = 0;
    DIR *d = opendir(dir);
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        const char *name = entry->d_name, *wal = strstr(name, "-wal"), *shm = strstr(name, "-shm");
        const char *rest = wal ? wal : shm ? shm : "";
        if (strncmp(name, "p.db.damaged-", 13) != 0 || strcmp(rest, end) != 0)
            continue;
        test_path(out, dir, name);
        found++;
    }
    closedir(d);
    assert_in_range(found, 0, 1);
    return found > 0;
}

static void assert_said(const char *log, const char *path, const char *moved)
{
    char words[3 * TEST_PATH_MAX];
    snprintf(words, sizeof words, "error store-damaged file=%s moved_to=%s why=", path, moved);
    assert_int_equal(test_count(log, "error store-damaged"), 1);
    assert_int_equal(test_count(log, words), 1);
    assert_int_equal(test_count(log, "remedy="), 1);
}

static void test_at_open(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(damages); i++) {
        const struct damage *t = &damages[i];
        char dir[TEST_PATH_MAX], path[TEST_PATH_MAX], wal[TEST_PATH_MAX], moved[TEST_PATH_MAX];
        struct store_stats stats;
        struct bytes before, wal_before = {NULL, 0};
        struct buf text;
        buf_init(&text, 4096);
        print_message("  %s\n", t->name);
        test_dir_make(dir);
        test_path(path, dir, "p.db");
        test_path(wal, dir, "p.db-wal");
        t->make(path);
        before = read_file(path);
        if (t->wal)
            wal_before = read_file(wal);
        test_log_begin();
        struct store *s = test_store_open(path, "b1", 50, 0);
        store_stats(s, &stats);
        ROW(t->name, stats.damaged == 1 && !stats.failing);
        assert_true(push(s, STORE_JOINED, 7, 60, "new"));
        test_store_close(s);
        const char *log = test_log_end();
        ROW(t->name, find_moved(dir, "", moved));
        assert_said(log, path, moved);
        assert_file_is(moved, before);
        if (t->wal) {
            ROW(t->name, find_moved(dir, "-wal", moved));
            assert_file_is(moved, wal_before);
        }
        assert_string_equal(test_history(path, &text), "r/p7 b1/x-s 60- - new\n");
        test_assert_sound(path);
        /* And never again. */
        s = test_store_open(path, "b1", 70, 0);
        store_stats(s, &stats);
        test_store_close(s);
        ROW(t->name, stats.damaged == 0 && find_moved(dir, "", moved));
        free(wal_before.p);
        free(before.p);
        buf_release(&text);
        test_dir_remove(dir);
    }
}

/* What was moved aside can be looked at with what it had beside it. */
static void test_moved_is_whole(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX], moved[TEST_PATH_MAX];
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    make_scribbled_with_wal(path);
    test_log_begin();
    test_store_close(test_store_open(path, "b1", 50, 0));
    test_log_end();
    assert_true(find_moved(dir, "", moved));
    assert_int_equal(test_sql_int(moved, "SELECT swept_ms FROM run"), 5); /* from the WAL file */
    test_dir_remove(dir);
}

/* One in a second or several: each keeps its name and its bytes. */
static void test_never_overwritten(void **state)
{
    (void)state;
    enum { TIMES = 4 };
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
    char seen[TIMES] = {0};
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    test_log_begin();
    for (int i = 0; i < TIMES; i++) {
        char text[PAGE];
        memset(text, 'a' + i, sizeof text);
        assert_true(unlink(path) == 0 || errno == ENOENT);
        write_at(path, text, sizeof text, 0);
        test_store_close(test_store_open(path, "b1", 50, 0));
    }
    test_log_end();
    DIR *d = opendir(dir);
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        char file[TEST_PATH_MAX];
        if (strncmp(entry->d_name, "p.db.damaged-", 13) != 0)
            continue;
        test_path(file, dir, entry->d_name);
        struct bytes b = read_file(file);
        assert_int_equal(b.len, PAGE);
        assert_in_range(b.p[0], 'a', 'a' + TIMES - 1);
        seen[b.p[0] - 'a']++;
        free(b.p);
    }
    closedir(d);
    for (int i = 0; i < TIMES; i++)
        assert_int_equal(seen[i], 1);
    test_dir_remove(dir);
}

/* A disk that damages everything is not filled up. What lies beside a moved file does not count. */
static void test_bound(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX], file[TEST_PATH_MAX], name[64];
    struct store *s = NULL;
    struct problem why = {0};
    struct store_options options = {.path = path, .bridge = "b1", .now_ms = 50};
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    make_text(path);
    for (int i = 0; i < STORE_DAMAGED_MAX; i++) {
        snprintf(name, sizeof name, "p.db.damaged-%d%s", i, i % 2 ? "-wal" : "");
        test_path(file, dir, name);
        make_text(file);
    }
    test_log_begin();
    for (int i = 0; i < STORE_DAMAGED_MAX / 2; i++) {
        test_store_close(test_store_open(path, "b1", 50, 0));
        assert_int_equal(unlink(path), 0);
        make_text(path);
    }
    struct bytes before = read_file(path);
    assert_int_equal(store_open(&s, &options, &why), STATUS_IO);
    test_log_end();
    assert_string_equal(why.rule, "store-damaged");
    assert_non_null(strstr(why.text, "16 were before it: check the disk, then move them away"));
    assert_file_is(path, before);
    free(before.p);
    test_dir_remove(dir);
}

/* ---- while it runs ---- */

static void scribble_all(const char *path)
{
    fill_pages(path, '!', 1, 40);
}

static void zero_all(const char *path)
{
    fill_pages(path, 0, 0, 40);
}

static void cut_off(const char *path)
{
    assert_int_equal(truncate(path, PAGE * 2), 0);
}

static void unlink_it(const char *path)
{
    assert_int_equal(unlink(path), 0);
}

static void rename_it(const char *path)
{
    char to[TEST_PATH_MAX + 8];
    snprintf(to, sizeof to, "%s.mine", path);
    assert_int_equal(rename(path, to), 0);
}

static void replace_by_text(const char *path)
{
    unlink_it(path);
    make_text(path);
}

static const struct trouble {
    const char *name;
    void (*make)(const char *path);
    bool damaged;
    bool taken;
} troubles[] = {
    {"scribbled over", scribble_all, true, false},
    {"all zeros", zero_all, true, false},
    {"cut off", cut_off, true, false},
    {"deleted", unlink_it, false, true},
    {"moved away", rename_it, false, true},
    {"replaced by a text", replace_by_text, true, true},
};

static bool all_well(const struct store_stats *stats)
{
    return stats->failures + stats->damaged > 0 && test_store_settled(stats);
}

/* What waited, what comes, and everybody who is present is in the new file. */
static void test_running(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(troubles); i++) {
        const struct trouble *t = &troubles[i];
        char dir[TEST_PATH_MAX], path[TEST_PATH_MAX], moved[TEST_PATH_MAX];
        struct store_stats stats;
        struct test_event sweep = {.what = STORE_SWEEP, .at_ms = 15};
        struct store_event e = test_event_of(&sweep);
        print_message("  %s\n", t->name);
        test_dir_make(dir);
        test_path(path, dir, "p.db");
        struct store *s = test_store_open(path, "b1", 1, 0);
        for (int k = 0; k < PEERS; k++)
            assert_true(push(s, STORE_JOINED, k, 10, "\"some meta to fill pages\""));
        for (int k = 0; k < PEERS; k += 3)
            assert_true(push(s, STORE_LEFT, k, 12, ""));
        assert_true(store_push(s, &e));
        test_store_await(s, test_store_settled);
        /* The writer has the pages in its cache; a change of another process makes it read anew. */
        test_sql(path, "UPDATE run SET started_ms = 2; PRAGMA wal_checkpoint(TRUNCATE)");
        test_log_begin();
        t->make(path);
        for (int k = 1; k < PEERS; k += 3)
            assert_true(push(s, STORE_UPDATED, k, 10, "\"newer\""));
        assert_true(push(s, STORE_LEFT, 4, 30, ""));
        assert_true(push(s, STORE_JOINED, 1000, 31, "\"late\""));
        if (t->damaged)
            test_store_await(s, all_well);
        test_store_await(s, test_store_settled);
        store_stats(s, &stats);
        ROW(t->name, stats.damaged == t->damaged);
        ROW(t->name, stats.dropped_disk + stats.dropped_queue_full == 0);
        test_store_close(s);
        const char *log = test_log_end();
        if (t->damaged) {
            ROW(t->name, find_moved(dir, "", moved));
            assert_said(t->taken ? strstr(log, "error store-damaged") : log, path, moved);
        }
        ROW(t->name, test_count(log, "error store-taken-away") == t->taken);
        ROW(t->name, test_count(log, "store-failing") == test_count(log, "store-recovered"));
        test_assert_sound(path);
        ROW(t->name, test_sql_int(path, "SELECT count(*) FROM present") == PEERS / 3 * 2);
        ROW(t->name, test_sql_int(path, "SELECT count(*) FROM present WHERE meta = '\"newer\"'") ==
                         PEERS / 3 - 1);
        ROW(t->name, test_sql_int(path, "SELECT count(*) FROM present WHERE transport = 'ws'"
                                        " AND bridge = 'b1' AND sid = 'x-s' AND kind = 'browser'"
                                        " AND joined = '1970-01-01T00:00:00.010Z'") ==
                         test_sql_int(path, "SELECT count(*) FROM present"
                                            " WHERE substr(peer, 2) % 2 = 1"));
        ROW(t->name, test_sql_int(path, "SELECT count(*) FROM run WHERE swept_ms") == 1);
        test_dir_remove(dir);
    }
}

/* A new file cannot be begun: what waits and who is present are kept until it can. */
static void test_running_cannot_begin(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX], away[TEST_PATH_MAX + 8];
    struct store_stats stats;
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    struct store *s = test_store_open(path, "b1", 1, 0);
    for (int k = 0; k < 50; k++)
        assert_true(push(s, STORE_JOINED, k, 10, ""));
    test_store_await(s, test_store_settled);
    test_log_begin();
    snprintf(away, sizeof away, "%s.away", dir);
    assert_int_equal(rename(dir, away), 0);
    assert_true(push(s, STORE_LEFT, 3, 20, ""));
    test_store_await(s, test_store_failing);
    store_stats(s, &stats);
    assert_non_null(strstr(stats.last_error, "No such file or directory"));
    assert_true(push(s, STORE_JOINED, 50, 21, ""));
    test_dir_remove(away);
    assert_int_equal(mkdir(dir, 0700), 0);
    test_store_await(s, test_store_settled);
    test_store_close(s);
    const char *log = test_log_end();
    assert_int_equal(test_count(log, "error store-cannot-begin"), 1);
    assert_int_equal(test_count(log, "info store-recovered"), 1);
    assert_int_equal(test_sql_int(path, "SELECT count(*) FROM present"), 50);
    test_dir_remove(dir);
}

/* The queue is far too small for everybody who is present. */
static void test_running_small_queue(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
    struct store_stats stats;
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    struct store *s = test_store_open(path, "b1", 1, 8);
    for (int k = 0; k < PEERS; k++) {
        (void)push(s, STORE_JOINED, k, 10, "");
        if (k % 8 == 7)
            test_store_await(s, test_store_settled);
    }
    test_log_begin();
    unlink_it(path);
    assert_true(push(s, STORE_UPDATED, 7, 20, ""));
    test_store_await(s, test_store_settled);
    store_stats(s, &stats);
    assert_int_equal(stats.dropped_disk, 0);
    test_store_close(s);
    test_log_end();
    assert_int_equal(test_sql_int(path, "SELECT count(*) FROM present"), PEERS);
    test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_at_open, test_log_teardown),
        cmocka_unit_test_teardown(test_moved_is_whole, test_log_teardown),
        cmocka_unit_test_teardown(test_never_overwritten, test_log_teardown),
        cmocka_unit_test_teardown(test_bound, test_log_teardown),
        cmocka_unit_test_teardown(test_running, test_log_teardown),
        cmocka_unit_test_teardown(test_running_cannot_begin, test_log_teardown),
        cmocka_unit_test_teardown(test_running_small_queue, test_log_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
