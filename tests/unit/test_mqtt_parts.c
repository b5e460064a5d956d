/* The parts of the link to the broker that need no broker: what comes again, what is owed, what
 * waits. */
#include "test.h"

#include "io/mqtt_again.h"
#include "io/mqtt_alive.h"
#include "io/mqtt_queue.h"
#include "io/mqtt_subs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what comes again ---- */

/* Each letter is a message: its place in the alphabet is identifier and content. A capital letter
 * is the same identifier with other content. '+' and '-' begin a connection with the session kept
 * or lost, '!' is a SUBACK. `passed` is what reaches the bridge. */
static const struct {
    const char *name, *comes, *passed;
} again_rows[] = {
    {"the first connection", "-abc", "abc"},
    {"nothing again", "-abc+def", "abcdef"},
    {"the last ones again", "-abcd+cdef", "abcdef"},
    {"all again", "-abc+abcd", "abcd"},
    {"all again and nothing more", "-abc+abc", "abc"},
    {"twice in a row", "-abc+bc+bcd", "abcd"},
    {"broken off in the middle", "-abcd+ab+abcde", "abcde"},
    {"something expired meanwhile", "-abcd+bde", "abcde"},
    {"the end of the run ends it", "-abc+bcdb", "abcdb"},
    {"in another order it is new", "-abcd+cdab", "abcdab"},
    {"a lost session begins anew", "-abc-abc", "abcabc"},
    {"the same identifier with other content", "-abc+Bc", "abcBc"},
    {"after the SUBACK all is new", "-abc+!abc", "abcabc"},
    {"a SUBACK in the run ends it", "-abcd+ab!cd", "abcdcd"},
    {"the newest of two that are the same", "-abab+abc", "ababc"},
    {"kept, but there was nothing", "+ab", "ab"},
};

static void what_comes_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(again_rows); i++) {
        struct mqtt_again a;
        char passed[32] = "";
        size_t n = 0;
        assert_true(mqtt_again_init(&a));
        for (const char *c = again_rows[i].comes; *c; c++) {
            if (*c == '+' || *c == '-')
                mqtt_again_up(&a, *c == '+');
            else if (*c == '!')
                mqtt_again_over(&a);
            else if (!mqtt_again_had(&a, (uint16_t)(*c & 0x1f), "t", text_of(c, 1), false))
                passed[n++] = *c;
        }
        ROW(again_rows[i].name, strcmp(passed, again_rows[i].passed) == 0);
        mqtt_again_release(&a);
    }
}

static bool had(struct mqtt_again *a, size_t n)
{
    char payload[24];
    int len = snprintf(payload, sizeof payload, "%zu", n);
    return mqtt_again_had(a, (uint16_t)(n % 65535 + 1), "t", text_of(payload, (size_t)len), false);
}

static void as_many_as_may_be_on_the_way(void **state)
{
    (void)state;
    struct mqtt_again a;
    enum { BEFORE = 1000 };
    assert_true(mqtt_again_init(&a));
    mqtt_again_up(&a, false);
    for (size_t n = 0; n < BEFORE + MQTT_AGAIN_MAX; n++)
        assert_false(had(&a, n));
    for (int round = 0; round < 2; round++) {
        mqtt_again_up(&a, true);
        for (size_t n = BEFORE; n < BEFORE + MQTT_AGAIN_MAX; n++)
            assert_true(had(&a, n));
    }
    assert_false(had(&a, BEFORE + MQTT_AGAIN_MAX));
    mqtt_again_up(&a, true);
    assert_false(had(&a, BEFORE)); /* the oldest made room */
    mqtt_again_release(&a);
}

static void every_part_counts(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint16_t id;
        const char *topic, *payload;
        bool retain, same;
    } rows[] = {
        {"the same", 1, "a/b", "x", false, true},
        {"identifier", 2, "a/b", "x", false, false},
        {"topic", 1, "a/c", "x", false, false},
        {"payload", 1, "a/b", "y", false, false},
        {"empty payload", 1, "a/b", "", false, false},
        {"retain", 1, "a/b", "x", true, false},
        {"the border between topic and payload", 1, "a/bx", "", false, false},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct mqtt_again a;
        assert_true(mqtt_again_init(&a));
        mqtt_again_up(&a, false);
        assert_false(mqtt_again_had(&a, 1, "a/b", text_of_str("x"), false));
        mqtt_again_up(&a, true);
        ROW(rows[i].name,
            mqtt_again_had(&a, rows[i].id, rows[i].topic, text_of_str(rows[i].payload),
                           rows[i].retain) == rows[i].same);
        mqtt_again_release(&a);
    }
}

/* ---- what is owed ---- */

#define S INT64_C(1000000)

static void what_is_owed(void **state)
{
    (void)state;
    /* Times in seconds. `unsent` bytes at each tick, one a second from 1; -1 ends them. */
    static const struct {
        const char *name;
        int64_t seen, puback, suback, now;
        bool lost;
    } rows[] = {
        {"nothing is owed", 0, -1, -1, 1000, false},
        {"a PUBACK, for 9 s", 0, 91, -1, 100, false},
        {"a PUBACK, for 10 s", 0, 90, -1, 100, true},
        {"a PUBACK, for 10 s, but there was something else", 95, 90, -1, 100, false},
        {"a PUBACK, for an hour, and always something else", 3599, 0, -1, 3600, false},
        {"a SUBACK, for 9 s", 0, -1, 91, 100, false},
        {"a SUBACK, for 10 s", 0, -1, 90, 100, true},
        {"a SUBACK, for 10 s, but there was something else", 95, -1, 90, 100, false},
        {"a SUBACK, for a minute, and always something else", 99, -1, 40, 100, true},
        {"owed for 10 s, quiet for 9", 91, 90, 90, 100, false},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct mqtt_alive a;
        mqtt_alive_begin(&a, 0);
        mqtt_alive_seen(&a, rows[i].seen * S);
        ROW(rows[i].name, mqtt_alive_lost(&a, rows[i].puback < 0 ? -1 : rows[i].puback * S,
                                          rows[i].suback < 0 ? -1 : rows[i].suback * S,
                                          rows[i].now * S) == rows[i].lost);
    }
}

static void what_the_kernel_gets_rid_of_is_a_sign_of_life(void **state)
{
    (void)state;
    struct mqtt_alive a;
    mqtt_alive_begin(&a, 0);
    for (int s = 1; s <= 30; s++) { /* slow, but it moves */
        mqtt_alive_tick(&a, 100000 - s * 100, s * S);
        assert_false(mqtt_alive_lost(&a, 0, -1, s * S));
    }
    for (int s = 31; s < 40; s++) { /* now it stands, and we add to it */
        mqtt_alive_tick(&a, 100000 + s, s * S);
        assert_false(mqtt_alive_lost(&a, 0, -1, s * S));
    }
    mqtt_alive_tick(&a, 100100, 40 * S);
    assert_true(mqtt_alive_lost(&a, 0, -1, 40 * S));
    /* It was the bridge that stood still: the broker has another chance. */
    mqtt_alive_tick(&a, 100100, 100 * S);
    assert_false(mqtt_alive_lost(&a, 0, -1, 100 * S));
}

/* ---- what waits ---- */

static struct publication message(const char *topic, const char *payload, bool ours, bool retain)
{
    return (struct publication){
        .topic = topic, .payload = text_of_str(payload), .ours = ours, .retain = retain};
}

/* The payloads that wait, in order. */
static const char *waiting(const struct mqtt_queue *q)
{
    static char line[256];
    size_t n = 0;
    line[0] = '\0';
    LIST_EACH(l, &q->waiting)
    {
        const struct mqtt_item *i = LIST_ITEM(l, struct mqtt_item, at);
        n += (size_t)snprintf(line + n, sizeof line - n, "%.*s ", (int)i->len, i->payload);
    }
    return line;
}

static void empty(struct mqtt_queue *q)
{
    struct link *l;
    while ((l = list_first(&q->in_flight)) || (l = list_first(&q->waiting)))
        mqtt_queue_drop(q, LIST_ITEM(l, struct mqtt_item, at));
    assert_int_equal(q->waiting_count + q->in_flight_count, 0);
    assert_int_equal(q->bytes + q->bytes_ours + q->in_flight_bytes, 0);
    assert_int_equal(q->latest.count, 0);
    mqtt_queue_release(q);
}

static void a_renewed_presence_takes_the_place(void **state)
{
    (void)state;
    struct mqtt_queue q;
    enum status why;
    static char d; /* somebody who asks; never looked at */
    mqtt_queue_init(&q, 1000);
    const struct publication in[] = {
        message("p/a", "a1", true, true),     message("p/b", "b1", true, true),
        message("m/a", "said", false, false), message("p/a", "a2", true, true),
        message("p/a", "", true, true), /* gone: others shall see it */
        message("p/a", "a3", true, true),     message("p/a", "a4", true, true),
        message("i/a", "error", true, false), message("i/a", "error", true, false),
    };
    for (size_t i = 0; i < ROWS(in); i++)
        assert_non_null(mqtt_queue_add(&q, &in[i], 0, false, &why));
    assert_string_equal(waiting(&q), "b1 said  a4 error error ");
    struct publication asked = message("p/b", "b2", true, true);
    asked.delivery = (struct delivery *)(void *)&d;
    assert_non_null(mqtt_queue_add(&q, &asked, 0, false, &why));
    assert_non_null(mqtt_queue_add(&q, &in[1], 0, false, &why)); /* that one is not replaced */
    assert_string_equal(waiting(&q), "said  a4 error error b2 b1 ");
    empty(&q);
}

static void what_was_handed_over_is_not_replaced(void **state)
{
    (void)state;
    struct mqtt_queue q;
    enum status why;
    mqtt_queue_init(&q, 1000);
    struct publication one = message("p/a", "a1", true, true);
    struct mqtt_item *i = mqtt_queue_add(&q, &one, 0, false, &why);
    assert_false(i->handed);
    mqtt_queue_sent(&q, i, 7, 5);
    assert_int_equal(mqtt_queue_oldest_us(&q), 5);
    one = message("p/a", "a2", true, true);
    assert_non_null(mqtt_queue_add(&q, &one, 0, false, &why));
    mqtt_queue_return(&q);
    assert_int_equal(mqtt_queue_oldest_us(&q), -1);
    assert_true(i->handed);
    one = message("p/a", "a3", true, true);
    assert_non_null(mqtt_queue_add(&q, &one, 0, false, &why));
    assert_string_equal(waiting(&q), "a1 a3 ");
    empty(&q);
}

static void the_bounds_of_waiting(void **state)
{
    (void)state;
    struct mqtt_queue q;
    enum status why;
    static char large[100000];
    memset(large, 'x', sizeof large - 1);
    mqtt_queue_init(&q, 250000);
    const struct publication theirs = message("t", large, false, false);
    const struct publication ours = message("t", large, true, false);
    for (int i = 0; i < 2; i++)
        assert_non_null(mqtt_queue_add(&q, &theirs, 0, false, &why));
    assert_null(mqtt_queue_add(&q, &theirs, 0, false, &why));
    assert_int_equal(why, STATUS_UNAVAILABLE);
    /* Ours have their own bound, and neither is in the way of the other. */
    int n = 0;
    while (mqtt_queue_add(&q, &ours, 0, false, &why))
        n++;
    assert_int_equal(why, STATUS_UNAVAILABLE);
    assert_in_range(n, MQTT_QUEUE_OURS_MAX / 101000, MQTT_QUEUE_OURS_MAX / 100000);
    /* What goes out makes room; what comes back may exceed the bound. */
    struct mqtt_item *first = mqtt_queue_next(&q);
    mqtt_queue_sent(&q, first, 1, 0);
    assert_non_null(mqtt_queue_add(&q, &theirs, 0, false, &why));
    mqtt_queue_return(&q);
    assert_true(q.bytes > q.bytes_max);
    assert_null(mqtt_queue_add(&q, &theirs, 0, false, &why));
    empty(&q);
}

static void the_bounds_of_the_window(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t size;
        int fit;
    } rows[] = {
        {"small ones: by number", 10, MQTT_QUEUE_WINDOW},
        {"large ones: by bytes", 200000, MQTT_QUEUE_WINDOW_BYTES / 200000},
        {"one beyond all bounds fits alone", MQTT_QUEUE_WINDOW_BYTES + 1, 1},
    };
    for (size_t r = 0; r < ROWS(rows); r++) {
        struct mqtt_queue q;
        enum status why;
        char *payload = malloc(rows[r].size + 1);
        assert_non_null(payload);
        memset(payload, 'x', rows[r].size);
        payload[rows[r].size] = '\0';
        mqtt_queue_init(&q, 1u << 30);
        const struct publication p = message("t", payload, false, false);
        int fit = 0;
        ROW(rows[r].name, mqtt_queue_free(&q, &p));
        for (int i = 0; i < MQTT_QUEUE_WINDOW + 1; i++)
            ROW(rows[r].name, mqtt_queue_add(&q, &p, 0, false, &why));
        for (struct mqtt_item *i; (i = mqtt_queue_next(&q)); fit++)
            mqtt_queue_sent(&q, i, fit + 1, 0);
        ROW(rows[r].name, fit == rows[r].fit);
        mqtt_queue_drop(&q, mqtt_queue_by_mid(&q, 1));
        ROW(rows[r].name, mqtt_queue_next(&q));
        empty(&q);
        free(payload);
    }
}

/* ---- subscriptions that were refused ---- */

static void refused_filters_are_tried_again_together(void **state)
{
    (void)state;
    static const char *const filters[] = {"a", "b", "c"};
    struct mqtt_subs s;
    mqtt_subs_init(&s);
    assert_null(mqtt_subs_retry(&s));
    assert_int_equal(mqtt_subs_oldest_us(&s), -1);
    for (size_t i = 0; i < 3; i++)
        mqtt_subs_refuse(&s, filters[i]);
    mqtt_subs_refuse(&s, "b"); /* known */
    mqtt_subs_forget(&s, "a");
    mqtt_subs_forget(&s, "never");
    assert_int_equal(s.refused_count, 2);
    struct mqtt_sub *sub = mqtt_subs_retry(&s);
    assert_non_null(sub);
    assert_true(sub->again);
    assert_int_equal(sub->count, 2);
    assert_string_equal(sub->filters[0], "c");
    assert_string_equal(sub->filters[1], "b");
    assert_int_equal(s.refused_count, 0);
    sub->sent_us = 5;
    assert_int_equal(mqtt_subs_oldest_us(&s), 5);
    for (int i = 0; i < MQTT_SUBS_REFUSED_MAX + 5; i++) {
        char filter[16];
        snprintf(filter, sizeof filter, "f%d", i);
        mqtt_subs_refuse(&s, filter);
    }
    assert_int_equal(s.refused_count, MQTT_SUBS_REFUSED_MAX);
    size_t moved = 0, packets = 0;
    while ((sub = mqtt_subs_retry(&s))) {
        moved += sub->count;
        packets++;
    }
    assert_int_equal(moved, MQTT_SUBS_REFUSED_MAX);
    assert_int_equal(packets, MQTT_SUBS_REFUSED_MAX / MQTT_SUBS_RETRY_MAX);
    assert_int_equal(s.refused_count, 0);
    mqtt_subs_refuse(&s, "left over");
    mqtt_subs_release(&s);
    assert_int_equal(s.refused_count, 0);
    assert_null(mqtt_subs_retry(&s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_again),
        cmocka_unit_test(as_many_as_may_be_on_the_way),
        cmocka_unit_test(every_part_counts),
        cmocka_unit_test(what_is_owed),
        cmocka_unit_test(what_the_kernel_gets_rid_of_is_a_sign_of_life),
        cmocka_unit_test(a_renewed_presence_takes_the_place),
        cmocka_unit_test(what_was_handed_over_is_not_replaced),
        cmocka_unit_test(the_bounds_of_waiting),
        cmocka_unit_test(the_bounds_of_the_window),
        cmocka_unit_test(refused_filters_are_tried_again_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
