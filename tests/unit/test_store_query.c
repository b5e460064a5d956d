/* Reading the history: filters, order, pages; beside a bridge that writes, after one that was
 * killed, and from files that are no history. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "io/store_query.h"
#include "test_store_util.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define J STORE_JOINED
#define L STORE_LEFT

static void push(struct store *s, enum store_what what, const char *room, const char *peer,
                 int64_t at_ms)
{
    struct test_event change = {what, room, peer, "b1", "s1", 0, at_ms, "{}", "left"};
    struct store_event e = test_event_of(&change);
    assert_true(store_push(s, &e));
}

static bool add_row(void *arg, const struct store_row *row)
{
    struct buf *out = arg;
    buf_str(out, row->room);
    buf_char(out, '/');
    buf_str(out, row->peer);
    buf_char(out, ':');
    buf_int(out, row->joined_ms);
    buf_char(out, '-');
    if (row->left_ms)
        buf_int(out, row->left_ms);
    buf_char(out, ' ');
    return true;
}

static const struct query {
    const char *name;
    struct store_filter filter;
    const char *rows;
} queries[] = {
    {"everything, the newest first", {.limit = 0}, "q/b:60- r/a:50- r/c:40-45 r/b:20- r/a:10-30 "},
    {"who is present, by room and peer", {.present_only = true}, "q/b:60- r/a:50- r/b:20- "},
    {"one room", {.room = "r"}, "r/a:50- r/c:40-45 r/b:20- r/a:10-30 "},
    {"one room, present", {.room = "r", .present_only = true}, "r/a:50- r/b:20- "},
    {"one peer", {.peer = "b"}, "q/b:60- r/b:20- "},
    {"one peer in one room", {.room = "r", .peer = "a"}, "r/a:50- r/a:10-30 "},
    {"since", {.since_ms = 45}, "q/b:60- r/a:50- r/c:40-45 r/b:20- "},
    {"since, later", {.since_ms = 46}, "q/b:60- r/a:50- r/b:20- "},
    {"since, one room", {.since_ms = 46, .room = "q"}, "q/b:60- "},
    {"limit", {.limit = 2}, "q/b:60- r/a:50- "},
    {"limit, present", {.limit = 1, .present_only = true}, "q/b:60- "},
    {"limit above what there is", {.limit = 100, .peer = "c"}, "r/c:40-45 "},
    {"no such room", {.room = "x"}, ""},
    {"a room that means something to SQL", {.room = "' OR 1=1 --"}, ""},
};

static void make_history(struct store *s)
{
    push(s, J, "r", "a", 10);
    push(s, J, "r", "b", 20);
    push(s, L, "r", "a", 30);
    push(s, J, "r", "c", 40);
    push(s, L, "r", "c", 45);
    push(s, J, "r", "a", 50);
    push(s, J, "q", "b", 60);
}

static void check_queries(const char *path, const char *when)
{
    struct buf text;
    buf_init(&text, 65536);
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        const struct query *t = &queries[i];
        struct problem why = {0};
        buf_clear(&text);
        if (store_query_presence(path, &t->filter, add_row, &text, &why) != STATUS_OK)
            fail_msg("%s, %s: %s", t->name, when, why.text);
        if (strcmp(buf_cstr(&text), t->rows) != 0)
            fail_msg("%s, %s: %s", t->name, when, buf_cstr(&text));
    }
    buf_release(&text);
}

static void test_queries(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    struct store *s = test_store_open(path, "b1", 1, 0);
    make_history(s);
    test_store_await(s, test_store_settled);
    check_queries(path, "while it is open");
    test_store_close(s);
    check_queries(path, "while nobody has it open");
    check_queries(path, "and once more");
    test_dir_remove(dir);
}

/* A bridge that was killed leaves a WAL file with everything in it. */
static void test_after_kill(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX], wal[TEST_PATH_MAX];
    int status;
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    test_path(wal, dir, "p.db-wal");
    pid_t pid = fork();
    if (pid == 0) {
        struct store *s = test_store_open(path, "b1", 1, 0);
        make_history(s);
        test_store_await(s, test_store_settled);
        _exit(0); /* closes nothing */
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(access(wal, F_OK), 0);
    check_queries(path, "after the writer is gone");
    test_dir_remove(dir);
}

/* Reading as a user who may read, but not write, anything there. */
static void test_read_only_user(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
    int status;
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    struct store *s = test_store_open(path, "b1", 1, 0);
    make_history(s);
    test_store_close(s);
    assert_int_equal(chmod(path, 0444), 0);
    assert_int_equal(chmod(dir, 0555), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
            _exit(2);
        check_queries(path, "as a user who may only read");
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(chmod(dir, 0700), 0);
    test_dir_remove(dir);
}

static bool all_columns(void *arg, const struct store_row *row)
{
    int *rows = arg;
    ++*rows;
    assert_string_equal(row->room, "r");
    assert_string_equal(row->peer, "a");
    assert_string_equal(row->kind, "browser");
    assert_string_equal(row->bridge, "b1");
    assert_string_equal(row->transport, "ws");
    assert_string_equal(row->sid, "s1");
    assert_string_equal(row->meta, "{}");
    assert_int_equal(row->id, *rows == 1 ? 2 : 1);
    assert_int_equal(row->joined_ms, *rows == 1 ? 50 : 10);
    assert_int_equal(row->updated_ms, *rows == 1 ? 60 : 20);
    assert_int_equal(row->left_ms, *rows == 1 ? 0 : 30);
    assert_string_equal(row->reason, *rows == 1 ? "" : "left");
    return true;
}

static void test_columns(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
    struct store_filter all = {0};
    int rows = 0;
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    struct store *s = test_store_open(path, "b1", 1, 0);
    push(s, J, "r", "a", 10);
    push(s, STORE_UPDATED, "r", "a", 20);
    push(s, L, "r", "a", 30);
    push(s, J, "r", "a", 50);
    push(s, STORE_UPDATED, "r", "a", 60);
    test_store_close(s);
    assert_int_equal(store_query_presence(path, &all, all_columns, &rows, NULL), STATUS_OK);
    assert_int_equal(rows, 2);
    test_dir_remove(dir);
}

struct pages {
    const char *path;
    int rows;
    int stop_at;
    int64_t last_joined_ms;
    char last_peer[16];
    bool by_name;
};

/* Each row once, in order; and nothing holds the WAL file while the callback runs. */
static bool count_row(void *arg, const struct store_row *row)
{
    struct pages *p = arg;
    if (p->rows % 100 == 50)
        assert_int_equal(test_sql_int(p->path, "PRAGMA wal_checkpoint(TRUNCATE)"), 0);
    if (p->rows > 0) {
        assert_true(row->joined_ms <= p->last_joined_ms || p->by_name);
        assert_true(strcmp(row->peer, p->last_peer) > 0 || !p->by_name);
    }
    p->last_joined_ms = row->joined_ms;
    snprintf(p->last_peer, sizeof p->last_peer, "%s", row->peer);
    return ++p->rows != p->stop_at;
}

static const struct paging {
    const char *name;
    struct store_filter filter;
    int stop_at;
    int rows;
} pagings[] = {
    {"all", {0}, 0, 1000},
    {"present", {.present_only = true}, 0, 1000},
    {"limit on a page's end", {.limit = 256}, 0, 256},
    {"limit past a page's end", {.limit = 257}, 0, 257},
    {"limit, present", {.limit = 300, .present_only = true}, 0, 300},
    {"stopped in the first page", {0}, 3, 3},
    {"stopped in a later page", {.present_only = true}, 500, 500},
};

static void test_pages(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    struct store *s = test_store_open(path, "b1", 1, 0);
    for (int i = 0; i < 1000; i++) { /* ten at a time have the same joined_ms */
        char peer[16];
        snprintf(peer, sizeof peer, "p%04d", (i * 7) % 1000);
        push(s, J, "r", peer, 1 + i / 10);
    }
    test_store_await(s, test_store_settled);
    for (size_t i = 0; i < sizeof pagings / sizeof *pagings; i++) {
        const struct paging *t = &pagings[i];
        struct pages pages = {
            .path = path, .stop_at = t->stop_at, .by_name = t->filter.present_only};
        assert_int_equal(store_query_presence(path, &t->filter, count_row, &pages, NULL),
                         STATUS_OK);
        if (pages.rows != t->rows)
            fail_msg("%s: %d rows", t->name, pages.rows);
    }
    test_store_close(s);
    test_dir_remove(dir);
}

/* Reading while the writer is at work: each page is consistent, nothing fails. */
static void test_beside_writer(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
    struct store_filter present = {.present_only = true};
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    struct store *s = test_store_open(path, "b1", 1, 0);
    struct store_stats stats = {0};
    int last = 0;
    for (int i = 0; i < 20000; i++) {
        char peer[16];
        snprintf(peer, sizeof peer, "p%05d", i % 500);
        push(s, J, "r", peer, i + 1);
        if (i % 1000 == 999) {
            uint64_t commits = stats.commits;
            while (stats.commits == commits)
                store_stats(s, &stats);
            struct pages pages = {.path = path, .stop_at = -1, .by_name = true};
            struct problem why = {0};
            if (store_query_presence(path, &present, count_row, &pages, &why) != STATUS_OK)
                fail_msg("%s", why.text);
            assert_in_range(pages.rows, last, 500);
            last = pages.rows;
        }
    }
    assert_true(last > 0); /* the writer was at work in between */
    test_store_close(s);
    test_dir_remove(dir);
}

static void make_nothing(const char *path)
{
    (void)path;
}

static void make_empty(const char *path)
{
    close(open(path, O_WRONLY | O_CREAT, 0600));
}

static void make_text(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    for (int i = 0; i < 100; i++)
        assert_int_equal(write(fd, "some text, not a database\n", 26), 26);
    close(fd);
}

static void make_other(const char *path)
{
    make_empty(path);
    test_sql(path, "CREATE TABLE recipes (name)");
}

static void make_newer(const char *path)
{
    test_store_close(test_store_open(path, "b1", 1, 0));
    test_sql(path, "PRAGMA user_version = 7");
}

static const struct refusal {
    const char *name;
    void (*make)(const char *path);
    const char *rule;
    const char *words;
} refusals[] = {
    {"no file", make_nothing, "store-access", "cannot find"},
    {"an empty file", make_empty, "store-older", "start the bridge once"},
    {"a text", make_text, "store-damaged", "moves it aside"},
    {"another program's", make_other, "store-foreign", "another program"},
    {"newer", make_newer, "store-newer", "version 7"},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const struct refusal *t = &refusals[i];
        char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
        struct store_filter all = {0};
        struct problem why = {0};
        struct buf text;
        buf_init(&text, 1024);
        test_dir_make(dir);
        test_path(path, dir, "p.db");
        t->make(path);
        enum status status = store_query_presence(path, &all, add_row, &text, &why);
        if (status == STATUS_OK || strcmp(why.rule, t->rule) != 0 || !strstr(why.text, t->words))
            fail_msg("%s: %s: %s", t->name, status_name(status), why.text);
        if (t->make == make_nothing) /* asking makes no file */
            assert_int_equal(access(path, F_OK), -1);
        buf_release(&text);
        test_dir_remove(dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queries),        cmocka_unit_test(test_after_kill),
        cmocka_unit_test(test_read_only_user), cmocka_unit_test(test_columns),
        cmocka_unit_test(test_pages),          cmocka_unit_test(test_beside_writer),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
