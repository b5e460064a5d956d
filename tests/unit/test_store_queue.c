/* The ring against a plain model, and the roster's bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/store_queue.h"
#include "io/store_roster.h"
#include "test_store_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t random_state = 1;

static uint32_t draw(uint32_t below)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % below;
}

static char pool[STORE_META_MAX + 100];

/* Event number n: every text has a length and a beginning of its own. */
static struct store_event numbered(uint32_t n, uint32_t meta_max)
{
    struct store_event e = {
        .what = (enum store_what)(n % 3), .since_ms = (int64_t)n * 3, .at_ms = -(int64_t)n};
    struct text *texts[STORE_EVENT_TEXTS];
    store_event_texts(&e, texts);
    for (uint32_t i = 0; i < STORE_EVENT_TEXTS; i++) {
        uint32_t len = (n * 31 + i * 17) % (texts[i] == &e.meta ? meta_max : 40);
        *texts[i] = text_of(pool + (n * 7 + i) % 100, len);
    }
    return e;
}

static void assert_same(struct store_event *a, struct store_event *b)
{
    struct text *x[STORE_EVENT_TEXTS], *y[STORE_EVENT_TEXTS];
    store_event_texts(a, x);
    store_event_texts(b, y);
    assert_int_equal(a->what, b->what);
    assert_int_equal(a->since_ms, b->since_ms);
    assert_int_equal(a->at_ms, b->at_ms);
    for (size_t i = 0; i < STORE_EVENT_TEXTS; i++)
        assert_true(text_same(*x[i], *y[i]));
}

static const struct shape {
    const char *name;
    size_t max_count;
    uint32_t meta_max;
    uint32_t put_max; /* events put, and taken, at a time */
} shapes[] = {
    {"small events, bound by count", 50, 60, 30},
    {"large events, bound by bytes", 1000, 9000, 20},
    {"the largest events", 1000, STORE_META_MAX, 5},
    {"one at a time", 1000, 500, 2},
    {"a queue of one", 1, 500, 3},
};

static void test_ring(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const struct shape *t = &shapes[i];
        struct store_queue q;
        uint32_t put = 0, taken = 0, refused = 0;
        assert_int_equal(store_queue_init(&q, t->max_count, 0), STATUS_OK);
        for (int round = 0; round < 5000; round++) {
            for (uint32_t n = draw(t->put_max + 1); n > 0; n--) {
                struct store_event e = numbered(put, t->meta_max);
                bool room = store_queue_put(&q, &e);
                assert_true(room || q.count == t->max_count || q.used > q.size / 4);
                put += room;
                refused += !room;
            }
            assert_int_equal(q.count, put - taken);
            assert_true(q.count <= t->max_count && q.used <= q.size);
            struct store_cursor c = store_queue_first(&q);
            uint32_t most = put - taken;
            for (uint32_t n = draw(t->put_max + 1); n > 0 && c.count < most; n--) {
                struct store_event got, want = numbered(taken, t->meta_max);
                store_queue_next(&q, &c, &got);
                assert_same(&got, &want);
                taken++;
            }
            store_queue_done(&q, &c);
        }
        if (refused == 0 && i != 3)
            fail_msg("%s: never full", t->name);
        store_queue_release(&q);
    }
}

/* Any event that fits the limits fits into an empty queue of the smallest size. */
static void test_largest(void **state)
{
    (void)state;
    struct store_queue q;
    struct store_event e = {.what = STORE_JOINED}, got;
    struct text *texts[STORE_EVENT_TEXTS];
    store_event_texts(&e, texts);
    for (size_t i = 0; i < STORE_EVENT_TEXTS; i++)
        *texts[i] = text_of(pool, texts[i] == &e.meta ? STORE_META_MAX : STORE_NAME_MAX);
    assert_true(store_event_fits(&e));
    assert_int_equal(store_queue_init(&q, 10, 1), STATUS_OK);
    assert_int_equal(q.size, STORE_QUEUE_BYTES_MIN);
    assert_true(store_queue_put(&q, &e));
    struct store_cursor c = store_queue_first(&q);
    store_queue_next(&q, &c, &got);
    assert_same(&e, &got);
    store_queue_done(&q, &c);
    assert_int_equal(q.used, 0);
    store_queue_release(&q);
}

static void take(struct store_queue *q, size_t count)
{
    struct store_cursor c = store_queue_first(q);
    struct store_event e;
    while (count-- > 0)
        store_queue_next(q, &c, &e);
    store_queue_done(q, &c);
}

static bool push(struct store_roster *r, struct store_queue *q, enum store_what what, int peer)
{
    char name[16];
    snprintf(name, sizeof name, "p%d", peer);
    struct test_event change = {what, "r", name, NULL, NULL, 0, peer, NULL, NULL};
    struct store_event e = test_event_of(&change);
    return store_roster_push(r, q, &e);
}

/* Peers that come and go while the queue is full leave nothing behind, however many they are; nor
 * does anybody once all is recorded. */
static void test_roster_bounds(void **state)
{
    (void)state;
    struct store_roster r;
    struct store_queue q;
    store_roster_init(&r);
    assert_int_equal(store_queue_init(&q, 100, 0), STATUS_OK);
    for (int i = 0; i < 100; i++)
        assert_true(push(&r, &q, STORE_JOINED, i));
    for (int i = 1000; i < 20000; i++) {
        assert_false(push(&r, &q, STORE_JOINED, i));
        assert_false(push(&r, &q, STORE_UPDATED, i));
        assert_false(push(&r, &q, STORE_LEFT, i));
    }
    assert_int_equal(r.peers.count, 100);
    assert_int_equal(r.unsettled_count, 0);
    for (int i = 0; i < 60; i++)
        assert_false(push(&r, &q, STORE_LEFT, i));
    for (int i = 100; i < 150; i++)
        assert_false(push(&r, &q, STORE_JOINED, i));
    assert_int_equal(r.unsettled_count, 110);
    assert_true(push(&r, &q, STORE_SWEEP, 0));
    take(&q, 80);
    store_roster_settle(&r, &q, 70); /* as many as it may */
    assert_int_equal(r.unsettled_count, 40);
    assert_int_equal(q.count, 90);
    store_roster_settle(&r, &q, 70); /* as many as there is room for */
    assert_int_equal(r.unsettled_count, 30);
    assert_int_equal(q.count, 100);
    assert_true(r.sweep_waits);
    take(&q, 100);
    store_roster_settle(&r, &q, 70);
    assert_int_equal(r.unsettled_count, 0);
    assert_int_equal(q.count, 31); /* and the sweep, after them */
    assert_false(r.sweep_waits);
    for (int i = 60; i < 150; i++) {
        assert_true(push(&r, &q, STORE_LEFT, i));
        take(&q, q.count);
    }
    assert_int_equal(r.peers.count, 0);
    store_roster_release(&r);
    store_queue_release(&q);
}

int main(void)
{
    for (size_t i = 0; i < sizeof pool; i++)
        pool[i] = (char)('!' + i % 90);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ring),
        cmocka_unit_test(test_largest),
        cmocka_unit_test(test_roster_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
