/* The store in trouble: a disk that is full or broken, a lock that somebody holds, a queue that
 * overflows. After each of them the file is sound and tells the truth about who is present. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "test_store_util.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#define J STORE_JOINED
#define U STORE_UPDATED
#define L STORE_LEFT
#define S STORE_SWEEP

/* A disk that fails on demand: SQLite lets its system calls be replaced. */
static atomic_int disk_errno;     /* 0: all is well */
static atomic_int writes_allowed; /* before it fails */

static ssize_t failing_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    int error = atomic_load(&disk_errno);
    if (error && atomic_fetch_sub(&writes_allowed, 1) <= 0) {
        errno = error;
        return -1;
    }
    return pwrite(fd, bytes, len, at);
}

static void break_disk(int error, int after_writes)
{
    atomic_store(&writes_allowed, after_writes);
    atomic_store(&disk_errno, error);
}

static int replace_calls(void **state)
{
    (void)state;
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    sqlite3_syscall_ptr call = (sqlite3_syscall_ptr)failing_pwrite;
    int narrow = vfs->xSetSystemCall(vfs, "pwrite", call);
    int wide = vfs->xSetSystemCall(vfs, "pwrite64", call);
    return narrow == SQLITE_OK || wide == SQLITE_OK ? 0 : -1;
}

static bool push(struct store *s, enum store_what what, const char *peer, int64_t at_ms)
{
    struct test_event change = {what, "r", peer, NULL, NULL, 0, at_ms, "{\"model\":\"x\"}", "left"};
    struct store_event e = test_event_of(&change);
    return store_push(s, &e);
}

static void push_many(struct store *s, int from, int to)
{
    char peer[16];
    for (int i = from; i < to; i++) {
        snprintf(peer, sizeof peer, "p%d", i);
        assert_true(push(s, J, peer, i + 1));
    }
}

static const struct breakage {
    const char *name;
    int error;
    int after_writes; /* into the transaction */
} breakages[] = {
    {"disk full at once", ENOSPC, 0},
    {"disk full after one write", ENOSPC, 1},
    {"disk full in the middle of a transaction", ENOSPC, 7},
    {"disk full at the last page", ENOSPC, 20},
    {"quota", EDQUOT, 0},
    {"quota in the middle", EDQUOT, 5},
    {"disk broken", EIO, 0},
    {"disk broken in the middle", EIO, 6},
    {"mounted read-only", EROFS, 0},
};

/* What could not be written waits, is tried again, and is complete in the end. */
static void test_breakages(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof breakages / sizeof *breakages; i++) {
        const struct breakage *t = &breakages[i];
        char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
        struct store_stats stats;
        print_message("  %s\n", t->name);
        test_dir_make(dir);
        test_path(path, dir, "p.db");
        struct store *s = test_store_open(path, "b1", 1, 0);
        push_many(s, 0, 300);
        test_store_await(s, test_store_settled);
        test_log_begin();
        break_disk(t->error, t->after_writes);
        push_many(s, 300, 900);
        test_store_await(s, test_store_failing);
        store_stats(s, &stats);
        assert_true(stats.queued > 0 && stats.failures > 0);
        assert_string_not_equal(stats.last_error, "");
        break_disk(0, 0);
        test_store_await(s, test_store_settled);
        store_stats(s, &stats);
        assert_int_equal(stats.written, 900);
        assert_int_equal(stats.dropped_queue_full + stats.dropped_disk, 0);
        test_store_close(s); /* the writer may still be about to say it */
        const char *log = test_log_end();
        assert_int_equal(test_count(log, "warn store-failing"), 1);
        assert_int_equal(test_count(log, "info store-recovered"), 1);
        assert_int_equal(test_count(log, "store-dropping"), 0);
        test_assert_sound(path);
        assert_int_equal(test_sql_int(path, "SELECT count(*) FROM present"), 900);
        test_dir_remove(dir);
    }
}

/* Open does not fail for a disk that is full, if the file can be read at all: for that SQLite needs
 * its -shm file of 32 KiB, here 8 writes. */
static void test_open_when_full(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
    struct store_stats stats;
    int opened = 0;
    for (int64_t writes = 0; writes < 24; writes++) {
        test_dir_make(dir);
        test_path(path, dir, "p.db");
        struct store *s = test_store_open(path, "b1", 1, 0);
        struct test_event join = {J, "r", "held", "b1", "s1", 5, 5, NULL, NULL};
        struct store_event e = test_event_of(&join);
        assert_true(store_push(s, &e));
        test_store_close(s);
        test_log_begin();
        break_disk(ENOSPC, (int)writes);
        struct problem why = {0};
        struct store_options options = {.path = path, .bridge = "b1", .now_ms = 50};
        enum status status = store_open(&s, &options, &why);
        if (status != STATUS_OK) {
            assert_string_equal(why.rule, "store-full");
            break_disk(0, 0);
            s = test_store_open(path, "b1", 50, 0);
        } else {
            store_stats(s, &stats);
            opened += stats.failing;
        }
        break_disk(0, 0);
        test_store_await(s, test_store_settled); /* without any event */
        store_stats(s, &stats);
        test_store_close(s); /* the writer may still be about to say it */
        const char *log = test_log_end();
        assert_int_equal(test_count(log, "warn store-failing"), stats.failures > 0);
        assert_int_equal(test_count(log, "info store-recovered"), stats.failures > 0);
        assert_int_equal(test_sql_int(path, "SELECT count(*) FROM membership WHERE"
                                            " reason = 'bridge-restart' AND left_ms = 50"),
                         1);
        test_dir_remove(dir);
    }
    assert_true(opened > 0);
}

/* Nor for a lock that somebody holds. */
static void test_open_when_locked(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
    sqlite3 *holder = NULL;
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    struct store *s = test_store_open(path, "b1", 1, 0);
    push_many(s, 0, 3);
    test_store_close(s);
    assert_int_equal(sqlite3_open(path, &holder), SQLITE_OK);
    assert_int_equal(sqlite3_exec(holder, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    test_log_begin();
    s = test_store_open(path, "b1", 50, 0);
    struct store_stats stats;
    store_stats(s, &stats);
    assert_true(stats.failing);
    push_many(s, 3, 5);
    sqlite3_close(holder);
    test_store_await(s, test_store_settled);
    test_store_close(s);
    const char *log = test_log_end();
    assert_int_equal(test_count(log, "warn store-failing error=\"database is locked\""), 1);
    assert_int_equal(test_count(log, "info store-recovered"), 1);
    assert_int_equal(test_sql_int(path, "SELECT count(*) FROM present"), 5);
    test_dir_remove(dir);
}

/* Close keeps its deadline, and says what is lost. */
static void test_close_when_full(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    struct store *s = test_store_open(path, "b1", 1, 0);
    test_log_begin();
    break_disk(ENOSPC, 0);
    push_many(s, 0, 10);
    test_store_await(s, test_store_failing);
    int64_t start_us = clock_mono_us();
    store_close(s, start_us + 200000);
    int64_t took_us = clock_mono_us() - start_us;
    break_disk(0, 0);
    const char *log = test_log_end();
    assert_int_equal(test_count(log, "warn store-lost events=10"), 1);
    assert_true(took_us >= 100000 && took_us < 700000);
    test_assert_sound(path);
    assert_int_equal(test_sql_int(path, "SELECT count(*) FROM membership"), 0);
    test_dir_remove(dir);
}

/* Close uses the time that it has: the disk recovers while it waits. */
static void test_close_saves_what_it_can(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    struct store *s = test_store_open(path, "b1", 1, 0);
    break_disk(ENOSPC, 0);
    push_many(s, 0, 10);
    test_store_await(s, test_store_failing);
    break_disk(0, 0);
    test_store_close(s);
    assert_int_equal(test_sql_int(path, "SELECT count(*) FROM present"), 10);
    test_dir_remove(dir);
}

/* A limit of the process's file sizes: the writer blocks the signal that would end the process. */
static void test_file_size(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
    struct store_stats stats;
    struct rlimit before, small;
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct store *s = test_store_open(path, "b1", 1, 0);
    push_many(s, 0, 300);
    test_store_await(s, test_store_settled);
    test_log_begin();
    small = (struct rlimit){128 << 10, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    push_many(s, 300, 3000);
    test_store_await(s, test_store_failing);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    test_store_await(s, test_store_settled);
    store_stats(s, &stats);
    assert_int_equal(stats.written, 3000);
    test_store_close(s);
    const char *log = test_log_end();
    assert_int_equal(test_count(log, "warn store-failing"), 1);
    assert_int_equal(test_count(log, "info store-recovered"), 1);
    test_assert_sound(path);
    assert_int_equal(test_sql_int(path, "SELECT count(*) FROM present"), 3000);
    test_dir_remove(dir);
}

/* A lock that is held for longer than the queue has room: what is lost is counted, and who is
 * present is not lost. */
static void test_locked_for_long(void **state)
{
    (void)state;
    enum { EVENTS = 2000, QUEUE = 100 };
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
    struct store_stats stats;
    sqlite3 *holder = NULL;
    uint64_t taken = 0;
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    struct store *s = test_store_open(path, "b1", 1, QUEUE);
    assert_int_equal(sqlite3_open(path, &holder), SQLITE_OK);
    assert_int_equal(sqlite3_exec(holder, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    test_log_begin();
    for (int i = 0; i < EVENTS; i++) { /* each peer comes and goes; the last hundred stay */
        char peer[16];
        snprintf(peer, sizeof peer, "p%d", i);
        taken += push(s, J, peer, i + 1);
        if (i < EVENTS - 100)
            taken += push(s, L, peer, i + 1);
    }
    test_store_await(s, test_store_failing);
    store_stats(s, &stats);
    assert_int_equal(taken, QUEUE);
    assert_int_equal(stats.dropped_queue_full, 2 * EVENTS - 100 - QUEUE);
    assert_int_equal(sqlite3_exec(holder, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(holder);
    test_store_await(s, test_store_settled);
    store_stats(s, &stats);
    test_store_close(s);
    const char *log = test_log_end();
    assert_int_equal(test_count(log, "warn store-failing error=\"database is locked\""), 1);
    assert_int_equal(test_count(log, "warn store-dropping"), 1);
    assert_int_equal(test_count(log, "info store-recovered"), 1);
    assert_int_equal(stats.written, QUEUE + 100); /* what was taken, and who is present */
    assert_int_equal(test_sql_int(path, "SELECT count(*) FROM present"), 100);
    assert_int_equal(test_sql_int(path, "SELECT count(*) FROM membership"), QUEUE / 2 + 100);
    test_dir_remove(dir);
}

/* A real file system that runs full. It needs a mount; where that is not allowed, the failing disk
 * above stands in for it. */
static bool write_line(const char *path, const char *line)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, line, strlen(line)) == (ssize_t)strlen(line);
    close(fd);
    return done;
}

/* File systems of our own; as somebody who is not root, in a name space where we stay who we are.
 */
static bool own_mounts(void)
{
    char users[64], groups[64];
    snprintf(users, sizeof users, "%d %d 1", (int)geteuid(), (int)geteuid());
    snprintf(groups, sizeof groups, "%d %d 1", (int)getegid(), (int)getegid());
    if (unshare(CLONE_NEWNS) == 0)
        return true;
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
           write_line("/proc/self/setgroups", "deny") && write_line("/proc/self/uid_map", users) &&
           write_line("/proc/self/gid_map", groups);
}

static bool mount_small(const char *dir)
{
    if (!own_mounts())
        return false;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return false;
    return mount("tmpfs", dir, "tmpfs", 0, "size=1600k") == 0;
}

static void test_small_disk(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX], filler[TEST_PATH_MAX];
    static const char zeros[4096];
    test_dir_make(dir);
    bool real = mount_small(dir);
    print_message("  on a %s\n", real ? "small tmpfs" : "disk that is told to fail");
    test_path(path, dir, "p.db");
    test_path(filler, dir, "filler");
    struct store *s = test_store_open(path, "b1", 1, 64);
    push_many(s, 0, 20);
    test_store_await(s, test_store_settled);
    test_log_begin();
    int fd = open(filler, O_WRONLY | O_CREAT, 0600);
    if (real)
        while (write(fd, zeros, sizeof zeros) > 0) {
        }
    else
        break_disk(ENOSPC, 0);
    for (int i = 20; i < 200; i++) { /* more than the queue holds */
        char peer[16];
        snprintf(peer, sizeof peer, "p%d", i);
        push(s, J, peer, i);
        if (i % 2)
            push(s, L, peer, i + 1000);
    }
    for (int i = 0; i < 10; i++) {
        char peer[16];
        snprintf(peer, sizeof peer, "p%d", i);
        push(s, L, peer, 5000);
    }
    test_store_await(s, test_store_failing);
    test_store_await(s, test_store_dropped);
    assert_int_equal(ftruncate(fd, 0), 0);
    break_disk(0, 0);
    close(fd);
    test_store_await(s, test_store_settled);
    push(s, J, "after", 6000);
    test_store_close(s);
    const char *log = test_log_end();
    assert_int_equal(test_count(log, "warn store-failing"), 1);
    assert_int_equal(test_count(log, "warn store-dropping"), 1);
    assert_int_equal(test_count(log, "info store-recovered"), 1);
    test_assert_sound(path);
    /* Who stayed: 10 of the first 20, the even ones of the next 180, and the last one. */
    assert_int_equal(test_sql_int(path, "SELECT count(*) FROM present"), 10 + 90 + 1);
    assert_int_equal(test_sql_int(path, "SELECT count(*) FROM present WHERE"
                                        " substr(peer, 2) + 0 < 10 AND peer <> 'after'"),
                     0);
    assert_int_equal(test_sql_int(path, "SELECT count(*) FROM present WHERE peer <> 'after'"
                                        " AND substr(peer, 2) + 0 >= 20"
                                        " AND substr(peer, 2) % 2 = 1"),
                     0);
    if (real)
        assert_int_equal(umount2(dir, MNT_DETACH), 0);
    test_dir_remove(dir);
}

enum { STEPS = 12 };

/* Sequences that overflow a queue of four while another process holds the lock. The first events
 * fill it; "taken" has a + for each event that is taken and a - for each that is dropped. */
static const struct overflow {
    const char *name;
    struct test_event events[STEPS];
    const char *taken;
    const char *history;
    bool earlier_run; /* that left "kept" and "gone" open */
} overflows[] = {
    {"who came and went unrecorded leaves nothing",
     {{J, "r", "a", NULL, NULL, 0, 1, NULL, NULL},
      {J, "r", "b", NULL, NULL, 0, 2, NULL, NULL},
      {J, "r", "c", NULL, NULL, 0, 3, NULL, NULL},
      {J, "r", "d", NULL, NULL, 0, 4, NULL, NULL},
      {J, "r", "e", NULL, NULL, 0, 5, NULL, NULL},
      {L, "r", "e", NULL, NULL, 0, 6, NULL, "left"}},
     "++++--",
     "r/a -/- 1- - -\nr/b -/- 2- - -\nr/c -/- 3- - -\nr/d -/- 4- - -\n",
     false},
    {"who came is recorded later, with his last properties",
     {{J, "r", "a", NULL, NULL, 0, 1, NULL, NULL},
      {L, "r", "a", NULL, NULL, 0, 2, NULL, "left"},
      {J, "r", "b", NULL, NULL, 0, 3, NULL, NULL},
      {L, "r", "b", NULL, NULL, 0, 4, NULL, "left"},
      {J, "r", "e", "b2", "s1", 5, 5, "old", NULL},
      {U, "r", "e", "b2", "s1", 5, 6, "new", NULL}},
     "++++--",
     "r/a -/- 1-2 left -\nr/b -/- 3-4 left -\nr/e b2/s1 5- - new\n",
     false},
    {"who went is recorded later, with his reason",
     {{J, "r", "a", NULL, NULL, 0, 1, NULL, NULL},
      {J, "r", "b", NULL, NULL, 0, 2, NULL, NULL},
      {J, "r", "c", NULL, NULL, 0, 3, NULL, NULL},
      {J, "r", "d", NULL, NULL, 0, 4, NULL, NULL},
      {L, "r", "b", NULL, NULL, 0, 5, NULL, "will"},
      {U, "r", "c", NULL, NULL, 0, 6, "new", NULL}},
     "++++--",
     "r/a -/- 1- - -\nr/b -/- 2-5 will -\nr/c -/- 3- - new\nr/d -/- 4- - -\n",
     false},
    {"who went and came back as another is that other",
     {{J, "r", "a", "b2", "s1", 1, 1, NULL, NULL},
      {J, "r", "b", NULL, NULL, 0, 2, NULL, NULL},
      {J, "r", "c", NULL, NULL, 0, 3, NULL, NULL},
      {J, "r", "d", NULL, NULL, 0, 4, NULL, NULL},
      {L, "r", "a", "b2", "s1", 0, 5, NULL, "left"},
      {J, "r", "a", "b2", "s2", 7, 7, NULL, NULL}},
     "++++--",
     "r/a b2/s1 1-7 replaced -\nr/b -/- 2- - -\nr/c -/- 3- - -\nr/d -/- 4- - -\n"
     "r/a b2/s2 7- - -\n",
     false},
    {"who went, came back and went again is gone",
     {{J, "r", "a", NULL, NULL, 0, 1, NULL, NULL},
      {J, "r", "b", NULL, NULL, 0, 2, NULL, NULL},
      {J, "r", "c", NULL, NULL, 0, 3, NULL, NULL},
      {J, "r", "d", NULL, NULL, 0, 4, NULL, NULL},
      {L, "r", "a", NULL, NULL, 0, 5, NULL, "left"},
      {J, "r", "a", NULL, NULL, 0, 7, NULL, NULL},
      {L, "r", "a", NULL, NULL, 0, 9, NULL, "ttl"}},
     "++++---",
     "r/a -/- 1-9 ttl -\nr/b -/- 2- - -\nr/c -/- 3- - -\nr/d -/- 4- - -\n",
     false},
    {"who went of those that nobody knew is no matter",
     {{J, "r", "a", NULL, NULL, 0, 1, NULL, NULL},
      {J, "r", "b", NULL, NULL, 0, 2, NULL, NULL},
      {J, "r", "c", NULL, NULL, 0, 3, NULL, NULL},
      {J, "r", "d", NULL, NULL, 0, 4, NULL, NULL},
      {L, "r", "z", NULL, NULL, 0, 5, NULL, "left"}},
     "++++-",
     "r/a -/- 1- - -\nr/b -/- 2- - -\nr/c -/- 3- - -\nr/d -/- 4- - -\n",
     false},
    {"a sweep waits for what was dropped before it",
     {{J, "r", "a", NULL, NULL, 0, 1, NULL, NULL},
      {L, "r", "a", NULL, NULL, 0, 2, NULL, "left"},
      {J, "r", "a", NULL, NULL, 0, 3, NULL, NULL},
      {J, "r", "b", NULL, NULL, 0, 4, NULL, NULL},
      {J, "r", "kept", NULL, NULL, 0, 5, NULL, NULL},
      {S, NULL, NULL, NULL, NULL, 0, 6, NULL, NULL}},
     "++++-+",
     "r/kept -/- -9- - -\nr/gone -/- -8-6 missed -\nr/a -/- 1-2 left -\nr/a -/- 3- - -\n"
     "r/b -/- 4- - -\n",
     true},
};

static void test_overflows(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 65536);
    for (size_t i = 0; i < sizeof overflows / sizeof *overflows; i++) {
        const struct overflow *t = &overflows[i];
        char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
        struct store_stats stats;
        sqlite3 *holder = NULL;
        test_dir_make(dir);
        test_path(path, dir, "p.db");
        if (t->earlier_run) {
            struct store *s = test_store_open(path, "b1", -20, 0);
            assert_true(push(s, J, "kept", -9) && push(s, J, "gone", -8));
            test_store_close(s);
            test_sql(path, "UPDATE membership SET meta = ''");
        }
        struct store *s = test_store_open(path, "b1", 1, 4);
        assert_int_equal(sqlite3_open(path, &holder), SQLITE_OK);
        assert_int_equal(sqlite3_exec(holder, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
        test_log_begin();
        uint64_t dropped = 0;
        for (size_t k = 0; t->taken[k]; k++) {
            struct store_event e = test_event_of(&t->events[k]);
            if (store_push(s, &e) != (t->taken[k] == '+'))
                fail_msg("%s: event %zu", t->name, k);
            dropped += t->taken[k] == '-';
        }
        store_stats(s, &stats);
        assert_int_equal(stats.dropped_queue_full, dropped);
        assert_int_equal(stats.queued, 4);
        assert_int_equal(sqlite3_exec(holder, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(holder);
        test_store_await(s, test_store_settled);
        test_store_close(s);
        const char *log = test_log_end();
        assert_int_equal(test_count(log, "store-dropping"), 1);
        assert_int_equal(test_count(log, "store-recovered"), 1);
        if (strcmp(test_history(path, &text), t->history) != 0)
            fail_msg("%s:\n%sexpected\n%s", t->name, buf_cstr(&text), t->history);
        test_dir_remove(dir);
    }
    buf_release(&text);
}

/* Far more than the queue holds, in random order, with the lock taken and released all the time:
 * in the end those are present who are present. */
static void test_overflow_storm(void **state)
{
    (void)state;
    enum { PEERS = 60, CHANGES = 30000 };
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX], sql[128];
    bool present[PEERS] = {false};
    struct store_stats stats;
    sqlite3 *holder = NULL;
    uint32_t random = 12345;
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    struct store *s = test_store_open(path, "b1", 1, 16);
    assert_int_equal(sqlite3_open(path, &holder), SQLITE_OK);
    sqlite3_busy_timeout(holder, 5000);
    test_log_begin();
    for (int i = 0; i < CHANGES; i++) {
        char peer[16];
        random = random * 1664525 + 1013904223;
        size_t k = (random >> 16) % PEERS;
        snprintf(peer, sizeof peer, "p%zu", k);
        present[k] = !present[k];
        push(s, present[k] ? J : L, peer, i + 1);
        if (i % 3000 == 100)
            sqlite3_exec(holder, "BEGIN IMMEDIATE", NULL, NULL, NULL);
        if (i % 3000 == 2000)
            sqlite3_exec(holder, "ROLLBACK", NULL, NULL, NULL);
    }
    test_store_await(s, test_store_settled);
    store_stats(s, &stats);
    test_store_close(s);
    sqlite3_close(holder);
    test_log_end();
    assert_true(stats.dropped_queue_full > 0 && stats.written > 0);
    for (size_t k = 0; k < PEERS; k++) {
        snprintf(sql, sizeof sql, "SELECT count(*) FROM present WHERE peer = 'p%zu'", k);
        if (test_sql_int(path, sql) != present[k])
            fail_msg("peer %zu is %spresent", k, present[k] ? "" : "not ");
    }
    test_dir_remove(dir);
}

static int tear_down(void **state)
{
    break_disk(0, 0);
    return test_log_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_breakages, tear_down),
        cmocka_unit_test_teardown(test_open_when_full, tear_down),
        cmocka_unit_test_teardown(test_open_when_locked, tear_down),
        cmocka_unit_test_teardown(test_close_when_full, tear_down),
        cmocka_unit_test_teardown(test_close_saves_what_it_can, tear_down),
        cmocka_unit_test_teardown(test_file_size, tear_down),
        cmocka_unit_test_teardown(test_locked_for_long, tear_down),
        cmocka_unit_test_teardown(test_overflows, tear_down),
        cmocka_unit_test_teardown(test_overflow_storm, tear_down),
        cmocka_unit_test_teardown(test_small_disk,
                                  tear_down), /* last: it leaves the file systems of the others */
    };
    return cmocka_run_group_tests(tests, replace_calls, NULL);
}
