/* The store from outside: what sequences of events leave in the history, over one run or several,
 * and what is said when the file cannot be used. */
#include "test.h"

#include "base/clock.h"
#include "io/store_schema.h"
#include "io/store_writer.h"
#include "test_store_util.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RUNS = 4, EVENTS = 8 };

/* One life of a bridge: it opens, pushes, closes without saying that anybody left. */
struct run {
    const char *bridge;
    int64_t now_ms;
    struct test_event events[EVENTS]; /* up to the first one without room, sweeps apart */
    const char *leftovers;            /* what open reports: "room/peer/sid " each */
};

struct sequence {
    const char *name;
    struct run runs[RUNS];
    const char *history;
};

#define J    STORE_JOINED
#define U    STORE_UPDATED
#define L    STORE_LEFT
#define LATE 1800000000000

static const struct sequence sequences[] = {
    {"a device joins and stays",
     {{"b1", 1, {{J, "r", "a", NULL, NULL, 10, 11, "{\"n\":1}", NULL}}, ""}},
     "r/a -/- 10- - {\"n\":1}\n"},
    {"a browser joins and leaves",
     {{"b1",
       1,
       {{J, "r", "a", "b1", "s1", 10, 10, NULL, NULL},
        {L, "r", "a", "b1", "s1", 10, 25, NULL, "left"}},
       ""}},
     "r/a b1/s1 10-25 left -\n"},
    {"seen again is the same membership, with the newer meta",
     {{"b1",
       1,
       {{J, "r", "a", "b1", "s1", 10, 10, "1", NULL},
        {J, "r", "a", "b1", "s1", 10, 12, "2", NULL},
        {U, "r", "a", "b1", "s1", 10, 13, "3", NULL}},
       ""}},
     "r/a b1/s1 10- - 3\n"},
    {"another session replaces",
     {{"b1",
       1,
       {{J, "r", "a", "b1", "s1", 10, 10, NULL, NULL},
        {J, "r", "a", "b1", "s2", 20, 20, NULL, NULL}},
       ""}},
     "r/a b1/s1 10-20 replaced -\nr/a b1/s2 20- - -\n"},
    {"another session replaces, by an update too",
     {{"b1",
       1,
       {{J, "r", "a", "b1", "x-s1", 10, 10, NULL, NULL},
        {U, "r", "a", "b2", "y-s2", 10, 21, NULL, NULL}},
       ""}},
     "r/a b1/x-s1 10-21 replaced -\nr/a b2/y-s2 10- - -\n"},
    {"a session that moves to another bridge, and on, is the same membership",
     {{"b1",
       1,
       {{J, "r", "a", "b1", "x-s1", 10, 10, "1", NULL},
        {J, "r", "a", "b2", "y-s1", 10, 21, "2", NULL},
        {U, "r", "a", "b2", "y-s1", 10, 22, "3", NULL},
        {J, "r", "a", "b3", "z-s1", 10, 30, "4", NULL},
        {L, "r", "a", "b3", "z-s1", 10, 40, NULL, "leave"}},
       ""}},
     "r/a b3/z-s1 10-40 leave 4\n"},
    {"what counts is behind the first dash",
     {{"b1",
       1,
       {{J, "r", "a", "b1", "x-s-1", 10, 10, NULL, NULL},
        {J, "r", "a", "b2", "y-t-1", 10, 20, NULL, NULL},
        {J, "r", "b", "b1", "x-s-1", 10, 30, NULL, NULL},
        {J, "r", "b", "b2", "s-1", 10, 31, NULL, NULL}},
       ""}},
     "r/a b1/x-s-1 10-20 replaced -\nr/a b2/y-t-1 10- - -\n"
     "r/b b1/x-s-1 10-31 replaced -\nr/b b2/s-1 10- - -\n"},
    {"a moved session with another since is another membership",
     {{"b1",
       1,
       {{J, "r", "a", "b1", "x-s1", 10, 10, NULL, NULL},
        {J, "r", "a", "b2", "y-s1", 11, 21, NULL, NULL}},
       ""}},
     "r/a b1/x-s1 10-21 replaced -\nr/a b2/y-s1 11- - -\n"},
    {"a device is no session, and a session no device",
     {{"b1",
       1,
       {{J, "r", "a", "b1", "x-s1", 10, 10, NULL, NULL},
        {J, "r", "a", NULL, NULL, 10, 20, NULL, NULL},
        {J, "r", "a", "b1", "x-s1", 10, 30, NULL, NULL}},
       ""}},
     "r/a b1/x-s1 10-20 replaced -\nr/a -/- 10-30 replaced -\nr/a b1/x-s1 10- - -\n"},
    {"without a session, another bridge is another membership",
     {{"b1",
       1,
       {{J, "r", "a", "b1", NULL, 10, 10, NULL, NULL},
        {J, "r", "a", "b2", NULL, 10, 20, NULL, NULL}},
       ""}},
     "r/a b1/- 10-20 replaced -\nr/a b2/- 10- - -\n"},
    {"a session that was taken for gone goes on in its row",
     {{"b1",
       1,
       {{J, "r", "a", "b2", "x-s1", 10, 10, NULL, NULL},
        {L, "r", "a", "b2", "x-s1", 10, 20, NULL, "bridge-gone"},
        {J, "r", "a", "b3", "y-s1", 10, 30, "1", NULL}},
       ""}},
     "r/a b3/y-s1 10- - 1\n"},
    {"also where its bridge's clock is ahead of ours",
     {{"b1",
       1,
       {{J, "r", "a", "b2", "x-s1", 5000, 100, NULL, NULL},
        {L, "r", "a", "b2", "x-s1", 5000, 200, NULL, "bridge-gone"},
        {J, "r", "a", "b3", "y-s1", 5000, 300, NULL, NULL}},
       ""}},
     "r/a b3/y-s1 5000- - -\n"},
    {"a clock that is far ahead is not believed",
     {{"b1",
       1,
       {{J, "r", "a", "b2", "x-s1", 60101, 100, NULL, NULL},
        {L, "r", "a", "b2", "x-s1", 60101, 200, NULL, "leave"}},
       ""}},
     "r/a b2/x-s1 100-200 leave -\n"},
    {"what ended does not go on in another's row",
     {{"b1",
       1,
       {{J, "r", "a", "b2", "x-s1", 10, 10, NULL, NULL},
        {L, "r", "a", "b2", "x-s1", 10, 20, NULL, "leave"},
        {J, "r", "a", "b3", "y-s2", 10, 30, NULL, NULL},
        {J, "q", "a", "b3", "y-s1", 10, 30, NULL, NULL}},
       ""}},
     "r/a b2/x-s1 10-20 leave -\nr/a b3/y-s2 10- - -\nq/a b3/y-s1 10- - -\n"},
    {"another since replaces",
     {{"b1",
       1,
       {{J, "r", "a", NULL, NULL, 10, 10, NULL, NULL},
        {J, "r", "a", NULL, NULL, 15, 16, NULL, NULL}},
       ""}},
     "r/a -/- 10-16 replaced -\nr/a -/- 15- - -\n"},
    {"a presence that says no since fits what is there",
     {{"b1",
       1,
       {{J, "r", "a", NULL, NULL, 0, 10, NULL, NULL},
        {U, "r", "a", NULL, NULL, 0, 12, "x", NULL},
        {U, "r", "a", NULL, NULL, 8, 13, "y", NULL},
        {U, "r", "a", NULL, NULL, 0, 14, "z", NULL}},
       ""}},
     "r/a -/- 10- - z\n"},
    {"an update without a join opens",
     {{"b1", 1, {{U, "r", "a", NULL, NULL, 0, 10, NULL, NULL}}, ""}},
     "r/a -/- 10- - -\n"},
    {"leaving without having come is nothing",
     {{"b1",
       1,
       {{L, "r", "a", NULL, NULL, 0, 10, NULL, "will"},
        {J, "r", "b", NULL, NULL, 0, 11, NULL, NULL}},
       ""}},
     "r/b -/- 11- - -\n"},
    {"leaving twice ends once",
     {{"b1",
       1,
       {{J, "r", "a", NULL, NULL, 0, 10, NULL, NULL},
        {L, "r", "a", NULL, NULL, 0, 12, NULL, "will"},
        {L, "r", "a", NULL, NULL, 0, 14, NULL, "ttl"}},
       ""}},
     "r/a -/- 10-12 will -\n"},
    {"coming back is a new membership",
     {{"b1",
       1,
       {{J, "r", "a", NULL, NULL, 0, 10, NULL, NULL},
        {L, "r", "a", NULL, NULL, 0, 12, NULL, "will"},
        {J, "r", "a", NULL, NULL, 0, 14, NULL, NULL}},
       ""}},
     "r/a -/- 10-12 will -\nr/a -/- 14- - -\n"},
    {"the same name in two rooms is two peers",
     {{"b1",
       1,
       {{J, "r1", "a", NULL, NULL, 0, 10, NULL, NULL},
        {J, "r2", "a", NULL, NULL, 0, 11, NULL, NULL},
        {L, "r1", "a", NULL, NULL, 0, 12, NULL, "left"}},
       ""}},
     "r1/a -/- 10-12 left -\nr2/a -/- 11- - -\n"},
    {"room and peer do not run together",
     {{"b1",
       1,
       {{J, "ab", "c", NULL, NULL, 0, 10, NULL, NULL},
        {J, "a", "bc", NULL, NULL, 0, 11, NULL, NULL},
        {L, "a", "bc", NULL, NULL, 0, 12, NULL, "left"}},
       ""}},
     "ab/c -/- 10- - -\na/bc -/- 11-12 left -\n"},
    {"a since ahead of our clock is not when it joined",
     {{"b1", 1, {{J, "r", "a", NULL, NULL, 99, 10, NULL, NULL}}, ""}},
     "r/a -/- 10- - -\n"},
    {"a since from a clock that was never set is not when it joined",
     {{"b1", 1, {{J, "r", "a", NULL, NULL, 5000, LATE, NULL, NULL}}, ""}},
     "r/a -/- 1800000000000- - -\n"},
    {"nobody leaves before he came",
     {{"b1",
       1,
       {{J, "r", "a", NULL, NULL, 0, 10, NULL, NULL},
        {L, "r", "a", NULL, NULL, 0, 7, NULL, "left"}},
       ""}},
     "r/a -/- 10-10 left -\n"},
    {"UTF-8 and quotes stay as they are",
     {{"b1",
       1,
       {{J, "r", "a", NULL, NULL, 0, 10, "{\"name\":\"T\xc3\xbcr '1' \\\"x\\\"\"}", NULL}},
       ""}},
     "r/a -/- 10- - {\"name\":\"T\xc3\xbcr '1' \\\"x\\\"\"}\n"},
    {"a restart ends what the bridge held, not what others hold",
     {{"b1",
       1,
       {{J, "r", "a", "b1", "s1", 10, 10, NULL, NULL},
        {J, "r", "b", "b2", "s2", 11, 11, NULL, NULL},
        {J, "r", "c", NULL, NULL, 0, 12, NULL, NULL}},
       ""},
      {"b1", 50, {{0}}, "r/a/s1 "}},
     "r/a b1/s1 10-50 bridge-restart -\nr/b b2/s2 11- - -\nr/c -/- 12- - -\n"},
    {"a sweep ends what the new run has not seen, and keeps what it has",
     {{"b1",
       1,
       {{J, "r", "a", "b2", "s1", 10, 10, NULL, NULL},
        {J, "r", "b", "b2", "s2", 11, 11, NULL, NULL},
        {J, "r", "c", NULL, NULL, 0, 12, NULL, NULL},
        {J, "r", "d", NULL, NULL, 0, 13, NULL, NULL}},
       ""},
      {"b1",
       50,
       {{J, "r", "b", "b2", "s2", 11, 51, NULL, NULL},
        {J, "r", "d", NULL, NULL, 0, 52, NULL, NULL},
        {J, "r", "e", NULL, NULL, 0, 53, NULL, NULL},
        {STORE_SWEEP, NULL, NULL, NULL, NULL, 0, 60, NULL, NULL},
        {J, "r", "f", NULL, NULL, 0, 61, NULL, NULL}},
       ""}},
     "r/a b2/s1 10-60 missed -\nr/b b2/s2 11- - -\nr/c -/- 12-60 missed -\n"
     "r/d -/- 13- - -\nr/e -/- 53- - -\nr/f -/- 61- - -\n"},
    {"without a sweep everything stays open",
     {{"b1", 1, {{J, "r", "a", NULL, NULL, 0, 10, NULL, NULL}}, ""}, {"b1", 50, {{0}}, ""}},
     "r/a -/- 10- - -\n"},
    {"a sweep in the first run ends nothing",
     {{"b1",
       1,
       {{J, "r", "a", NULL, NULL, 0, 10, NULL, NULL},
        {STORE_SWEEP, NULL, NULL, NULL, NULL, 0, 60, NULL, NULL}},
       ""}},
     "r/a -/- 10- - -\n"},
    {"leftovers are reported until a sweep was recorded",
     {{"b1",
       1,
       {{J, "r", "a", "b1", "s1", 10, 10, NULL, NULL},
        {J, "q", "a", "b1", "s2", 10, 10, NULL, NULL}},
       ""},
      {"b1", 50, {{0}}, "q/a/s2 r/a/s1 "},
      {"b1", 60, {{STORE_SWEEP, NULL, NULL, NULL, NULL, 0, 61, NULL, NULL}}, "q/a/s2 r/a/s1 "},
      {"b1", 70, {{0}}, ""}},
     "r/a b1/s1 10-50 bridge-restart -\nq/a b1/s2 10-50 bridge-restart -\n"},
    {"a session that moved away before the end is no leftover, and stays",
     {{"b1",
       1,
       {{J, "r", "a", "b1", "x-s1", 10, 10, NULL, NULL},
        {J, "r", "b", "b1", "x-s2", 11, 11, NULL, NULL},
        {J, "r", "a", "b2", "y-s1", 10, 20, NULL, NULL}},
       ""},
      {"b1",
       50,
       {{J, "r", "a", "b2", "y-s1", 10, 51, NULL, NULL},
        {STORE_SWEEP, NULL, NULL, NULL, NULL, 0, 60, NULL, NULL}},
       "r/b/x-s2 "},
      {"b1", 70, {{0}}, ""}},
     "r/a b2/y-s1 10- - -\nr/b b1/x-s2 11-50 bridge-restart -\n"},
    {"one that moved here is a leftover",
     {{"b1",
       1,
       {{J, "r", "a", "b2", "x-s1", 10, 10, NULL, NULL},
        {J, "r", "a", "b1", "y-s1", 10, 20, NULL, NULL}},
       ""},
      {"b1", 50, {{0}}, "r/a/y-s1 "}},
     "r/a b1/y-s1 10-50 bridge-restart -\n"},
    {"one that moved away unseen goes on in its row, and is a leftover no more",
     {{"b1", 1, {{J, "r", "a", "b1", "x-s1", 10, 10, NULL, NULL}}, ""},
      {"b1", 50, {{J, "r", "a", "b2", "y-s1", 10, 51, NULL, NULL}}, "r/a/x-s1 "},
      {"b1", 60, {{STORE_SWEEP, NULL, NULL, NULL, NULL, 0, 61, NULL, NULL}}, ""}},
     "r/a b2/y-s1 10-61 missed -\n"},
    {"leftovers are those of the same bridge id",
     {{"b1", 1, {{J, "r", "a", "b1", "s1", 10, 10, NULL, NULL}}, ""},
      {"b2", 50, {{STORE_SWEEP, NULL, NULL, NULL, NULL, 0, 55, NULL, NULL}}, ""},
      {"b1", 60, {{0}}, ""}},
     "r/a b1/s1 10-55 missed -\n"},
};

static bool is_event(const struct test_event *e)
{
    return e->room || e->what == STORE_SWEEP;
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

static void test_sequences(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sequences / sizeof *sequences; i++) {
        const struct sequence *t = &sequences[i];
        char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
        struct buf text;
        buf_init(&text, 65536);
        test_dir_make(dir);
        test_path(path, dir, "p.db");
        for (size_t r = 0; r < RUNS && t->runs[r].bridge; r++) {
            const struct run *run = &t->runs[r];
            struct store *s = test_store_open(path, run->bridge, run->now_ms, 0);
            buf_clear(&text);
            store_leftovers(s, add_leftover, &text);
            if (strcmp(buf_cstr(&text), run->leftovers) != 0)
                fail_msg("%s: leftovers of run %zu: %s", t->name, r, buf_cstr(&text));
            for (size_t k = 0; k < EVENTS && is_event(&run->events[k]); k++) {
                struct store_event e = test_event_of(&run->events[k]);
                assert_true(store_push(s, &e));
            }
            test_store_close(s);
        }
        if (strcmp(test_history(path, &text), t->history) != 0)
            fail_msg("%s:\n%sexpected\n%s", t->name, buf_cstr(&text), t->history);
        buf_release(&text);
        test_dir_remove(dir);
    }
}

/* Columns that the history lines above leave out. */
static void test_columns(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    struct store *s = test_store_open(path, "b1", 5, 0);
    struct test_event join = {J, "r", "a", "b1", "s1", 10, 11, NULL, NULL};
    struct store_event e = test_event_of(&join);
    assert_true(store_push(s, &e));
    e.at_ms = 30;
    e.kind = text_of_str("sfu");
    assert_true(store_push(s, &e));
    test_store_close(s);
    assert_int_equal(test_sql_int(path, "SELECT count(*) FROM membership WHERE kind = 'sfu' AND"
                                        " transport = 'ws' AND updated_ms = 30 AND since_ms = 10"
                                        " AND joined_ms = 10 AND reason IS NULL AND seen_run = 1"),
                     1);
    assert_int_equal(test_sql_int(path, "SELECT count(*) FROM run WHERE bridge = 'b1' AND"
                                        " started_ms = 5 AND ended_ms > 5 AND swept_ms IS NULL"),
                     1);
    assert_int_equal(test_sql_int(path, "SELECT count(*) FROM present WHERE room = 'r' AND"
                                        " joined = '1970-01-01T00:00:00.010Z'"),
                     1);
    test_dir_remove(dir);
}

static void test_file(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX], wal[TEST_PATH_MAX];
    struct stat st;
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    test_path(wal, dir, "p.db-wal");
    mode_t before = umask(0);
    struct store *s = test_store_open(path, "b1", 1, 0);
    umask(before);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(wal, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    test_store_close(s);
    assert_int_equal(test_sql_int(path, "PRAGMA user_version"), store_schema_version);
    assert_int_equal(test_sql_int(path, "PRAGMA application_id"), STORE_APPLICATION_ID);
    assert_int_equal(access(wal, F_OK), -1); /* closed cleanly: one file is the whole database */
    test_dir_remove(dir);
}

/* Events that are too long are refused and counted, and do no harm to the others. */
static void test_too_long(void **state)
{
    (void)state;
    static char name[STORE_NAME_MAX + 2], meta[STORE_META_MAX + 2];
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
    struct store_stats stats;
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    memset(name, 'n', STORE_NAME_MAX + 1);
    memset(meta, '1', STORE_META_MAX + 1);
    struct store *s = test_store_open(path, "b1", 1, 0);
    struct test_event long_name = {J, "r", name, NULL, NULL, 0, 10, NULL, NULL};
    struct test_event long_meta = {J, "r", "a", NULL, NULL, 0, 10, meta, NULL};
    struct store_event e = test_event_of(&long_name);
    assert_false(store_push(s, &e));
    e = test_event_of(&long_meta);
    assert_false(store_push(s, &e));
    store_stats(s, &stats);
    assert_int_equal(stats.dropped_too_long, 2);
    name[STORE_NAME_MAX] = '\0';
    meta[STORE_META_MAX] = '\0';
    e = test_event_of(&long_name);
    e.meta = text_of_str(meta);
    assert_true(store_push(s, &e));
    test_store_close(s);
    assert_int_equal(test_sql_int(path, "SELECT count(*) FROM membership"
                                        " WHERE length(peer) = 255 AND length(meta) = 16384"),
                     1);
    test_dir_remove(dir);
}

static void test_stats(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
    struct store_stats stats;
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    struct store *s = test_store_open(path, "b1", 1, 777);
    for (int i = 0; i < 500; i++) {
        char peer[16];
        snprintf(peer, sizeof peer, "p%d", i);
        struct test_event join = {J, "r", peer, NULL, NULL, 0, 10, NULL, NULL};
        struct store_event e = test_event_of(&join);
        assert_true(store_push(s, &e));
    }
    test_store_await(s, test_store_settled);
    store_stats(s, &stats);
    assert_int_equal(stats.written, 500);
    assert_int_equal(stats.queue_max, 777);
    assert_int_equal(stats.queued_bytes, 0);
    assert_int_equal(stats.dropped_queue_full + stats.dropped_disk + stats.failures, 0);
    assert_in_range(stats.commits, 3, 500); /* at most 200 in one */
    assert_true(stats.last_commit_us > 0);
    assert_string_equal(stats.last_error, "");
    test_store_close(s);
    test_dir_remove(dir);
}

/* Files that open must refuse, and how. */
static void make_other(const char *path)
{
    close(open(path, O_WRONLY | O_CREAT, 0600));
    test_sql(path, "CREATE TABLE recipes (name)");
}

static void make_ours(const char *path)
{
    struct store *s = test_store_open(path, "b1", 1, 0);
    for (int i = 0; i < 400; i++) {
        char peer[16];
        snprintf(peer, sizeof peer, "p%d", i);
        struct test_event join = {J, "r", peer, NULL, NULL, 0, 10, "some meta to fill pages", NULL};
        struct store_event e = test_event_of(&join);
        assert_true(store_push(s, &e));
    }
    test_store_close(s);
}

static void make_newer(const char *path)
{
    make_ours(path);
    test_sql(path, "PRAGMA user_version = 99");
}

static void make_directory(const char *path)
{
    assert_int_equal(mkdir(path, 0700), 0);
}

static const struct refusal {
    const char *name;
    void (*make)(const char *path);
    const char *file;
    enum status status;
    const char *rule;
    const char *words; /* the remedy, in the sentence */
} refusals[] = {
    {"another program's database", make_other, "p.db", STATUS_BAD_CONFIG, "store-foreign",
     "another program"},
    {"newer version", make_newer, "p.db", STATUS_BAD_CONFIG, "store-newer", "version 99"},
    {"a directory", make_directory, "p.db", STATUS_IO, "store-access", "--data"},
    {"no such directory", NULL, "none/p.db", STATUS_IO, "store-access", "--data"},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const struct refusal *t = &refusals[i];
        char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
        struct store *s = NULL;
        struct problem why = {0};
        test_dir_make(dir);
        test_path(path, dir, t->file);
        if (t->make)
            t->make(path);
        struct store_options options = {.path = path, .bridge = "b1", .now_ms = 1};
        enum status status = store_open(&s, &options, &why);
        if (status != t->status || !why.rule || strcmp(why.rule, t->rule) != 0 ||
            !strstr(why.text, t->words) || s)
            fail_msg("%s: %s, %s: %s", t->name, status_name(status), why.rule ? why.rule : "-",
                     why.text);
        rmdir(path); /* the one that is a directory */
        test_dir_remove(dir);
    }
}

/* What another user may do with directory and file. */
static const struct permission {
    const char *name;
    mode_t dir, file;
} permissions[] = {
    {"a file that may not be read", 0700, 0000},
    {"a file that may not be written", 0700, 0400},
    {"a directory that may not be written", 0500, 0600},
    {"a directory that may not be entered", 0600, 0600},
};

/* The child: as a user who is not root, who may do everything. */
static void check_permission(const struct permission *t, const char *path)
{
    struct store *s = NULL;
    struct problem why = {0};
    struct store_options options = {.path = path, .bridge = "b1", .now_ms = 1};
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        fail_msg("cannot become nobody");
    ROW(t->name, store_open(&s, &options, &why) == STATUS_IO && !s);
    ROW(t->name, strcmp(why.rule, "store-access") == 0);
    ROW(t->name, strstr(why.text, "check") && strstr(why.text, "--data"));
}

static void test_permissions(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(permissions); i++) {
        const struct permission *t = &permissions[i];
        char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
        struct stat before, after;
        int status;
        test_dir_make(dir);
        test_path(path, dir, "p.db");
        make_ours(path);
        assert_int_equal(chmod(path, t->file), 0);
        assert_int_equal(chmod(dir, t->dir), 0);
        if (geteuid() == 0)
            assert_true(chown(path, 65534, 65534) == 0 && chown(dir, 65534, 65534) == 0);
        assert_int_equal(lstat(path, &before), 0);
        pid_t pid = fork();
        if (pid == 0) {
            check_permission(t, path);
            _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_equal(lstat(path, &after), 0);
        ROW(t->name, before.st_mtim.tv_nsec == after.st_mtim.tv_nsec &&
                         before.st_size == after.st_size && before.st_ino == after.st_ino);
        assert_int_equal(chmod(dir, 0700), 0);
        test_dir_remove(dir);
    }
}

/* A foreign or newer file is not written to. */
static void test_foreign_untouched(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
    struct store *s = NULL;
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    make_other(path);
    struct stat before, after;
    assert_int_equal(stat(path, &before), 0);
    struct store_options options = {.path = path, .bridge = "b1", .now_ms = 1};
    assert_int_equal(store_open(&s, &options, NULL), STATUS_BAD_CONFIG);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    assert_int_equal(before.st_size, after.st_size);
    test_dir_remove(dir);
}

/* The path of migration: steps are applied from where the file stands, all or none. */
static void test_migration(void **state)
{
    (void)state;
    static const char *const good[] = {"CREATE TABLE a (x); INSERT INTO a VALUES (1)",
                                       "ALTER TABLE a ADD COLUMN y DEFAULT 7",
                                       "UPDATE a SET x = x + y"};
    const char *const bad[] = {good[0], good[1], good[2], "CREATE TABLE b (z); NONSENSE"};
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
    struct problem why = {0};
    sqlite3 *db = NULL;
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(store_schema_migrate(db, good, 1, &why), STATUS_OK);
    assert_int_equal(test_sql_int(path, "PRAGMA user_version"), 1);
    assert_int_equal(store_schema_migrate(db, good, 3, &why), STATUS_OK);
    assert_int_equal(store_schema_migrate(db, good, 3, &why), STATUS_OK); /* nothing left to do */
    assert_int_equal(test_sql_int(path, "SELECT x FROM a"), 8);
    assert_int_equal(test_sql_int(path, "PRAGMA user_version"), 3);
    assert_int_equal(store_schema_migrate(db, bad, 4, &why), STATUS_IO);
    assert_non_null(strstr(why.text, "NONSENSE"));
    assert_int_equal(test_sql_int(path, "PRAGMA user_version"), 3);
    assert_int_equal(test_sql_int(path, "SELECT count(*) FROM sqlite_schema"), 1);
    sqlite3_close(db);
    test_dir_remove(dir);
}

/* How fast it is, for people to read. */
static void test_speed(void **state)
{
    (void)state;
    enum { COUNT = 50000, PEERS = 1000 };
    static const char meta[] = "{\"name\":\"Entrance\",\"streams\":[\"main\",\"sub\"]}";
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
    int64_t worst_us = 0;
    struct store_stats stats;
    test_dir_make(dir);
    test_path(path, dir, "p.db");
    struct store *s = test_store_open(path, "b1", 1, 0);
    int64_t start_us = clock_mono_us();
    for (int i = 0; i < COUNT; i++) {
        char room[32], peer[32], sid[32];
        int k = i % PEERS;
        snprintf(room, sizeof room, "room-%06d", k / 10);
        snprintf(peer, sizeof peer, "peer-%08d", k);
        snprintf(sid, sizeof sid, "session-%08d", i / PEERS / 2);
        struct test_event change = {
            i / PEERS % 2 ? L : J, room, peer, "b1", sid, i + 1, i + 1, meta, "left"};
        struct store_event e = test_event_of(&change);
        int64_t before_us = clock_mono_us();
        assert_true(store_push(s, &e));
        int64_t took_us = clock_mono_us() - before_us;
        worst_us = took_us > worst_us ? took_us : worst_us;
    }
    int64_t pushed_us = clock_mono_us();
    test_store_await(s, test_store_settled);
    int64_t written_us = clock_mono_us();
    store_stats(s, &stats);
    test_store_close(s);
    print_message("%d events: pushed in %d ms (worst push %d us), written after %d ms: %d events/s,"
                  " %d transactions\n",
                  COUNT, (int)((pushed_us - start_us) / 1000), (int)worst_us,
                  (int)((written_us - start_us) / 1000),
                  (int)(COUNT * 1000000LL / (written_us - start_us)), (int)stats.commits);
    assert_int_equal(stats.written, COUNT);
    assert_int_equal(test_sql_int(path, "SELECT count(*) FROM membership WHERE left_ms NOT NULL"),
                     COUNT / 2);
    test_dir_remove(dir);
}

/* The highest one of this process's threads. */
static int worst_nice(void)
{
    int worst = -20;
    struct dirent *entry;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    while ((entry = readdir(tasks))) {
        int is = getpriority(PRIO_PROCESS, (id_t)strtoul(entry->d_name, NULL, 10));
        if (entry->d_name[0] != '.' && is > worst)
            worst = is;
    }
    closedir(tasks);
    return worst;
}

/* Whatever the priority of the process is: the writer gives way to its loop. */
static void test_priority(void **state)
{
    (void)state;
    char dir[TEST_PATH_MAX], path[TEST_PATH_MAX];
    enum { MORE = 3, WAITS = 500, NICE_MAX = 19 };
    int ours = getpriority(PRIO_PROCESS, 0) + MORE, writers = ours + STORE_NICE;
    test_dir_make(dir);
    test_path(path, dir, "a.db");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool lower = false;
        if (setpriority(PRIO_PROCESS, 0, ours) != 0)
            _exit(2);
        struct store *s = test_store_open(path, "b1", 1, 100);
        for (int i = 0; i < WAITS && !lower; i++) {
            usleep(10000);
            lower = worst_nice() == (writers < NICE_MAX ? writers : NICE_MAX);
        }
        test_store_close(s);
        _exit(!lower);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequences),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_stats),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_permissions),
        cmocka_unit_test(test_migration),
        cmocka_unit_test(test_foreign_untouched),
        cmocka_unit_test(test_priority),
        cmocka_unit_test(test_speed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
