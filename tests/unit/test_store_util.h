/* What the store's tests share: a directory of their own, events in one line, the history as
 * text. */
#ifndef SIGBRIDGE_TEST_STORE_UTIL_H
#define SIGBRIDGE_TEST_STORE_UTIL_H

#include "base/buf.h"
#include "io/store.h"

enum { TEST_PATH_MAX = 256 };

/* An event with NUL-terminated texts; NULL is empty. */
struct test_event {
    enum store_what what;
    const char *room;
    const char *peer;
    const char *bridge;
    const char *sid;
    int64_t since_ms;
    int64_t at_ms;
    const char *meta;
    const char *reason;
};

struct store_event test_event_of(const struct test_event *e);

void test_dir_make(char dir[TEST_PATH_MAX]); /* a new directory under TMPDIR or /tmp */
void test_dir_remove(const char *dir);       /* with the files in it */
void test_path(char out[TEST_PATH_MAX], const char *dir, const char *name);

struct store *test_store_open(const char *path, const char *bridge, int64_t now_ms, size_t events);
void test_store_close(struct store *s); /* with time enough to drain */

/* Polls the figures until `is` holds; fails the test after 20 s. */
void test_store_await(struct store *s, bool (*is)(const struct store_stats *));
bool test_store_settled(const struct store_stats *stats); /* nothing waits */
bool test_store_failing(const struct store_stats *stats);
bool test_store_dropped(const struct store_stats *stats); /* the queue refused something */

/* The history, oldest first, one line per membership:
 * "room/peer bridge/sid joined-left reason meta", "-" for what is empty. */
const char *test_history(const char *path, struct buf *out);
int test_sql_int(const char *path, const char *sql); /* the first column of the first row */
void test_sql(const char *path, const char *sql);
void test_sql_file(const char *path, const char *file); /* runs the SQL in it */
void test_copy(const char *from, const char *to);       /* one file, which nobody has open */
void test_assert_sound(const char *path);               /* PRAGMA integrity_check says ok */

/* Runs this program again with three arguments and waits for its end. True: it was killed by
 * SIGKILL; false: it ended with 0; anything else fails the test. */
bool test_run_child(const char *word, const char *path, const char *more);
/* From here on the process kills itself when SQLite is about to change a file for the n-th time,
 * counted from 0: between two of those, a kill finds the files as they are then. */
void test_kill_at_write(int n);

/* Standard error goes into a file from here to test_log_end(), which returns its text. */
void test_log_begin(void);
const char *test_log_end(void);
int test_log_teardown(void **state); /* shows what a test that failed in between has logged */
int test_count(const char *text, const char *word);

#endif
