/* cmocka.h wants these four first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "test_store_util.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_US = 20000000 };

struct store_event test_event_of(const struct test_event *e)
{
    struct store_event event = {.what = e->what, .since_ms = e->since_ms, .at_ms = e->at_ms};
    event.room = text_of_str(e->room ? e->room : "");
    event.peer = text_of_str(e->peer ? e->peer : "");
    event.bridge = text_of_str(e->bridge ? e->bridge : "");
    event.sid = text_of_str(e->sid ? e->sid : "");
    event.meta = text_of_str(e->meta ? e->meta : "");
    event.reason = text_of_str(e->reason ? e->reason : "");
    event.kind = text_of_str(e->bridge ? "browser" : "device");
    event.transport = text_of_str(e->bridge ? "ws" : "mqtt");
    return event;
}

void test_dir_make(char dir[TEST_PATH_MAX])
{
    const char *base = getenv("TMPDIR");
    snprintf(dir, TEST_PATH_MAX, "%s/sigbridge-store-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(dir));
}

void test_path(char out[TEST_PATH_MAX], const char *dir, const char *name)
{
    assert_true(snprintf(out, TEST_PATH_MAX, "%s/%s", dir, name) < TEST_PATH_MAX);
}

void test_dir_remove(const char *dir)
{
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(d), entry->d_name, 0);
    closedir(d);
    assert_int_equal(rmdir(dir), 0);
}

struct store *test_store_open(const char *path, const char *bridge, int64_t now_ms, size_t events)
{
    struct store *s = NULL;
    struct problem why = {0};
    struct store_options options = {
        .path = path, .bridge = bridge, .now_ms = now_ms, .queue_events = events};
    if (store_open(&s, &options, &why) != STATUS_OK)
        fail_msg("store_open: %s", why.text);
    return s;
}

void test_store_close(struct store *s)
{
    store_close(s, clock_mono_us() + PATIENCE_US);
}

void test_store_await(struct store *s, bool (*is)(const struct store_stats *))
{
    int64_t deadline_us = clock_mono_us() + PATIENCE_US;
    struct store_stats stats;
    for (;;) {
        store_stats(s, &stats);
        if (is(&stats))
            return;
        assert_true(clock_mono_us() < deadline_us);
        poll(NULL, 0, 1); /* figures have no event to wait for */
    }
}

bool test_store_settled(const struct store_stats *stats)
{
    return stats->queued == 0 && stats->unsettled == 0 && !stats->failing;
}

bool test_store_failing(const struct store_stats *stats)
{
    return stats->failing;
}

bool test_store_dropped(const struct store_stats *stats)
{
    return stats->dropped_queue_full > 0;
}

static sqlite3 *open_db(const char *path)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    return db;
}

static const char *or_dash(const unsigned char *text)
{
    return text && *text ? (const char *)text : "-";
}

const char *test_history(const char *path, struct buf *out)
{
    sqlite3 *db = open_db(path);
    sqlite3_stmt *q = NULL;
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT room, peer, bridge, sid, joined_ms, left_ms,"
                                        " reason, meta FROM membership ORDER BY id",
                                        -1, &q, NULL),
                     SQLITE_OK);
    buf_clear(out);
    int rc;
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        char line[512], left[32] = "";
        if (sqlite3_column_type(q, 5) != SQLITE_NULL)
            snprintf(left, sizeof left, "%lld", sqlite3_column_int64(q, 5));
        snprintf(line, sizeof line, "%s/%s %s/%s %lld-%s %s %s\n", sqlite3_column_text(q, 0),
                 sqlite3_column_text(q, 1), or_dash(sqlite3_column_text(q, 2)),
                 or_dash(sqlite3_column_text(q, 3)), sqlite3_column_int64(q, 4), left,
                 or_dash(sqlite3_column_text(q, 6)), or_dash(sqlite3_column_text(q, 7)));
        buf_str(out, line);
    }
    assert_int_equal(rc, SQLITE_DONE);
    sqlite3_finalize(q);
    sqlite3_close(db);
    return buf_cstr(out);
}

int test_sql_int(const char *path, const char *sql)
{
    sqlite3 *db = open_db(path);
    sqlite3_stmt *q = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    int value = sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    sqlite3_close(db);
    return value;
}

void test_sql(const char *path, const char *sql)
{
    sqlite3 *db = open_db(path);
    char *error = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s: %s", sql, error);
    sqlite3_close(db);
}

void test_sql_file(const char *path, const char *file)
{
    static char sql[65536];
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t len = read(fd, sql, sizeof sql);
    assert_true(len > 0 && len < (ssize_t)sizeof sql);
    sql[len] = '\0';
    close(fd);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    test_sql(path, sql);
}

void test_copy(const char *from, const char *to)
{
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    struct stat st;
    assert_int_equal(fstat(in, &st), 0);
    assert_int_equal(sendfile(out, in, NULL, (size_t)st.st_size), st.st_size);
    close(in);
    close(out);
}

void test_assert_sound(const char *path)
{
    assert_int_equal(test_sql_int(path, "SELECT integrity_check = 'ok' FROM"
                                        " pragma_integrity_check LIMIT 1"),
                     1);
}

bool test_run_child(const char *word, const char *path, const char *more)
{
    char self[] = "/proc/self/exe", words[3][TEST_PATH_MAX];
    char *argv[] = {self, words[0], words[1], words[2], NULL};
    const char *given[] = {word, path, more};
    pid_t pid;
    int status;
    for (int i = 0; i < 3; i++)
        snprintf(words[i], sizeof words[i], "%s", given[i]);
    assert_int_equal(posix_spawn(&pid, self, NULL, NULL, argv, environ), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return true;
    assert_int_equal(status, 0);
    return false;
}

/* SQLite lets its system calls be replaced. */
static atomic_int changes_left;

static void count_change(void)
{
    if (atomic_fetch_sub(&changes_left, 1) <= 0)
        raise(SIGKILL);
}

static ssize_t counted_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    count_change();
    return pwrite(fd, bytes, len, at);
}

static ssize_t counted_write(int fd, const void *bytes, size_t len)
{
    count_change();
    return write(fd, bytes, len);
}

static int counted_truncate(int fd, off_t len)
{
    count_change();
    return ftruncate(fd, len);
}

static int counted_unlink(const char *path)
{
    count_change();
    return unlink(path);
}

static int counted_fallocate(int fd, off_t at, off_t len)
{
    count_change();
    return posix_fallocate(fd, at, len);
}

void test_kill_at_write(int n)
{
    static const struct {
        const char *name;
        sqlite3_syscall_ptr call;
    } calls[] = {
        {"pwrite", (sqlite3_syscall_ptr)counted_pwrite},
        {"pwrite64", (sqlite3_syscall_ptr)counted_pwrite},
        {"write", (sqlite3_syscall_ptr)counted_write},
        {"ftruncate", (sqlite3_syscall_ptr)counted_truncate},
        {"unlink", (sqlite3_syscall_ptr)counted_unlink},
        {"fallocate", (sqlite3_syscall_ptr)counted_fallocate},
    };
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    int replaced = 0;
    atomic_store(&changes_left, n);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        replaced += vfs->xSetSystemCall(vfs, calls[i].name, calls[i].call) == SQLITE_OK;
    assert_true(replaced >= 4);
}

static int log_file = -1, real_stderr = -1;

void test_log_begin(void)
{
    fflush(stderr);
    real_stderr = dup(STDERR_FILENO);
    log_file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    assert_true(real_stderr >= 0 && log_file >= 0);
    assert_true(dup2(log_file, STDERR_FILENO) >= 0);
}

const char *test_log_end(void)
{
    static char text[65536];
    ssize_t len = pread(log_file, text, sizeof text - 1, 0);
    assert_true(len >= 0);
    text[len] = '\0';
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    close(log_file);
    log_file = -1;
    return text;
}

int test_log_teardown(void **state)
{
    (void)state;
    if (log_file >= 0)
        fprintf(stderr, "%s", test_log_end());
    return 0;
}

int test_count(const char *text, const char *word)
{
    int count = 0;
    for (const char *p = text; (p = strstr(p, word)) != NULL; p += strlen(word))
        count++;
    return count;
}
