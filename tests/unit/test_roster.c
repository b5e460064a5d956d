/* Presence: what members are told, and what the history gets. */
#include "test.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HAS(frame, part)   assert_non_null(strstr((frame), (part)))
#define LACKS(frame, part) assert_null(strstr((frame), (part)))

static struct world w;

static void changes_that_come_together_leave_together(void **state)
{
    (void)state;
    struct world_socket a;
    char topic[64];
    world_init(&w, true);
    world_join(&w, &a, "r", "a");
    for (int i = 0; i < 50; i++) {
        snprintf(topic, sizeof topic, "p/rooms/r/peers/cam%d/presence", i);
        world_publish(&w, topic, "{}", true);
    }
    world_settle(&w);
    const char *frame = world_read(&a);
    HAS(frame, "{\"type\":\"presence\",\"joined\":[{\"peer\":\"cam0\",\"kind\":\"device\"");
    HAS(frame, "\"peer\":\"cam49\"");
    assert_string_equal(world_read(&a), "");
    world_shut(&w, &a);
    world_release(&w);
}

static void a_blink_is_not_told(void **state)
{
    (void)state;
    struct world_socket a;
    world_init(&w, true);
    world_join(&w, &a, "r", "a");
    world_publish(&w, "p/rooms/r/peers/cam/presence", "{}", true);
    world_publish(&w, "p/rooms/r/peers/cam/presence", "", true);
    world_settle(&w);
    assert_string_equal(world_read(&a), "");
    /* The history has it all the same. */
    assert_string_equal(w.record_texts[w.record_count - 2], "r/cam device mqtt ");
    assert_string_equal(w.record_texts[w.record_count - 1], "r/cam device mqtt gone");
    world_shut(&w, &a);
    world_release(&w);
}

static void who_speaks_was_announced_before(void **state)
{
    (void)state;
    struct world_socket a;
    world_init(&w, true);
    world_join(&w, &a, "r", "a");
    world_publish(&w, "p/rooms/r/peers/cam/presence", "{}", true);
    world_publish(&w, "p/rooms/r/peers/a/in/cam", "{\"type\":\"invite\"}", false);
    world_settle(&w);
    HAS(world_read(&a), "\"joined\":[{\"peer\":\"cam\"");
    HAS(world_read(&a), "\"type\":\"invite\"");
    world_shut(&w, &a);
    world_release(&w);
}

static void members_hear_of_others_only(void **state)
{
    (void)state;
    struct world_socket a, b;
    world_init(&w, true);
    world_join(&w, &a, "r", "a");
    world_join(&w, &b, "r", "b");
    HAS(world_read(&a), "\"joined\":[{\"peer\":\"b\"");
    world_say(&w, &a, "{\"type\":\"update\",\"meta\":{\"n\":1},\"id\":\"u\"}");
    world_say(&w, &b, "{\"type\":\"update\",\"meta\":{\"n\":2}}");
    world_settle(&w);
    HAS(world_read(&a), "\"ack\"");
    const char *frame = world_read(&a);
    HAS(frame, "\"updated\":[{\"peer\":\"b\",\"kind\":\"browser\",\"meta\":{\"n\":2}");
    LACKS(frame, "\"peer\":\"a\"");
    frame = world_read(&b);
    HAS(frame, "\"peer\":\"a\"");
    LACKS(frame, "\"peer\":\"b\"");
    assert_string_equal(world_read(&a), "");
    assert_string_equal(world_read(&b), "");
    world_shut(&w, &a);
    world_shut(&w, &b);
    world_release(&w);
}

static void a_presence_that_cannot_be_read_is_none(void **state)
{
    (void)state;
    struct world_socket a;
    world_init(&w, true);
    world_join(&w, &a, "r", "a");
    world_publish(&w, "p/rooms/r/peers/cam/presence", "{}", true);
    world_settle(&w);
    HAS(world_read(&a), "joined");
    world_publish(&w, "p/rooms/r/peers/cam/presence", "{\"meta\":1}", true);
    world_settle(&w);
    HAS(world_read(&a), "\"left\":[{\"peer\":\"cam\",\"reason\":\"invalid\"}]");
    world_shut(&w, &a);
    world_release(&w);
}

static void a_promise_to_come_back_is_held_to(void **state)
{
    (void)state;
    struct world_socket a;
    world_init(&w, true);
    world_join(&w, &a, "r", "a");
    world_publish(&w, "p/rooms/r/peers/cam/presence", "{\"ttl\":60}", true);
    world_settle(&w);
    HAS(world_read(&a), "joined");
    world_later(&w, 60000);
    world_publish(&w, "p/rooms/r/peers/cam/presence", "{\"ttl\":60}", true); /* just in time */
    world_settle(&w);
    world_later(&w, 60999);
    world_settle(&w);
    assert_string_equal(world_read(&a), "");
    world_later(&w, 1);
    world_settle(&w);
    HAS(world_read(&a), "\"left\":[{\"peer\":\"cam\",\"reason\":\"ttl\"}]");
    assert_null(world_retained(&w, "p/rooms/r/peers/cam/presence"));
    world_shut(&w, &a);
    world_release(&w);
}

static void an_outage_is_no_broken_promise(void **state)
{
    (void)state;
    struct world_socket a;
    world_init(&w, true);
    world_join(&w, &a, "r", "a");
    world_publish(&w, "p/rooms/r/peers/cam/presence", "{\"ttl\":60}", true);
    world_settle(&w);
    HAS(world_read(&a), "joined");
    world_drop_link(&w);
    world_later(&w, 90000); /* it came back every minute, and nobody told us */
    world_restore_link(&w);
    world_later(&w, 10); /* connected, but the roster is still on its way */
    world_settle(&w);
    assert_non_null(world_retained(&w, "p/rooms/r/peers/cam/presence"));
    assert_string_equal(world_read(&a), "");
    world_later(&w, 61000); /* from now on it counts again */
    world_settle(&w);
    HAS(world_read(&a), "\"left\":[{\"peer\":\"cam\",\"reason\":\"ttl\"}]");
    world_shut(&w, &a);
    world_release(&w);
}

static void another_bridges_end_clears_its_sessions(void **state)
{
    (void)state;
    struct world_socket a;
    world_init(&w, true);
    world_join(&w, &a, "r", "a");
    world_publish(&w, "p/rooms/r/peers/x/presence", "{\"via\":\"b2\",\"sid\":\"old-1\"}", true);
    world_publish(&w, "p/rooms/r/peers/y/presence", "{\"via\":\"b2\",\"sid\":\"new-1\"}", true);
    world_publish(&w, "p/rooms/r/peers/z/presence", "{\"via\":\"b3\",\"sid\":\"old-1\"}", true);
    world_settle(&w);
    world_read(&a);
    /* The will of an earlier run, late: the run that followed keeps its own. */
    world_publish(&w, "p/bridges/b2/status", "{\"online\":false,\"run\":\"old\"}", true);
    world_settle(&w);
    world_later(&w, 2000);
    world_settle(&w);
    HAS(world_read(&a), "\"left\":[{\"peer\":\"x\",\"reason\":\"bridge-gone\"}]");
    assert_string_equal(world_read(&a), "");
    assert_null(world_retained(&w, "p/rooms/r/peers/x/presence"));
    assert_non_null(world_retained(&w, "p/rooms/r/peers/y/presence"));
    assert_non_null(world_retained(&w, "p/rooms/r/peers/z/presence"));
    world_shut(&w, &a);
    world_release(&w);
}

static void the_history_is_complete(void **state)
{
    (void)state;
    static const char *const expected[] = {
        "sweep",
        "r/a browser ws ",
        "r/cam device mqtt ",
        "r/cam device mqtt ", /* updated */
        "r/a browser ws leave",
        "r/cam device mqtt gone",
    };
    struct world_socket a;
    world_init(&w, true);
    world_join(&w, &a, "r", "a");
    world_publish(&w, "p/rooms/r/peers/cam/presence", "{}", true);
    world_publish(&w, "p/rooms/r/peers/cam/presence", "{\"meta\":{}}", true);
    world_settle(&w);
    world_say(&w, &a, "{\"type\":\"leave\"}");
    world_settle(&w);
    world_publish(&w, "p/rooms/r/peers/cam/presence", "", true);
    world_settle(&w);
    assert_int_equal(w.record_count, ROWS(expected));
    for (size_t i = 0; i < ROWS(expected); i++)
        assert_string_equal(w.record_texts[i], expected[i]);
    world_shut(&w, &a);
    world_release(&w);
}

/* Devices that a broker still has after it began anew: who does not listen is gone. */
static void a_device_that_vanished_with_its_broker(void **state)
{
    (void)state;
    static const struct {
        const char *name, *presence;
        bool kept, listens, speaks, here;
        int64_t later_ms;
    } rows[] = {
        {"not before it had time to come back", "{}", false, false, false, true, 29000},
        {"it does not listen", "{}", false, false, false, false, 30001},
        {"it listens", "{}", false, true, false, true, 30001},
        {"it has published anew, and subscribes in a moment", "{}", false, false, true, true,
         30001},
        {"its ttl finds it out", "{\"ttl\":3600}", false, false, false, true, 30001},
        {"the broker kept what it had for us", "{}", true, false, false, true, 30001},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        world_init(&w, true);
        world_publish(&w, "p/rooms/r/peers/cam/presence", rows[i].presence, true);
        world_settle(&w);
        world_drop_link(&w);
        w.kept = rows[i].kept;
        world_restore_link(&w);
        world_settle(&w);
        if (rows[i].listens) /* the fake has one subscriber for all: any filter will do */
            w.router.bus_ops.subscribe(&w, &(const char *){"p/rooms/r/peers/cam/in/+"}, 1);
        if (rows[i].speaks)
            world_publish(&w, "p/rooms/r/peers/cam/presence", rows[i].presence, true);
        world_settle(&w);
        world_later(&w, rows[i].later_ms);
        world_settle(&w);
        bool here = world_retained(&w, "p/rooms/r/peers/cam/presence") != NULL;
        ROW(rows[i].name, here == rows[i].here);
        world_release(&w);
    }
}

/* A broker that lost everything: nobody is told of an end before the others had time to return. */
static void nobody_leaves_because_the_broker_forgot(void **state)
{
    (void)state;
    struct world_socket a;
    world_init(&w, true);
    world_join(&w, &a, "r", "a");
    world_publish(&w, "p/rooms/r/peers/cam/presence", "{\"since\":1}", true);
    world_publish(&w, "p/rooms/r/peers/old/presence", "{\"since\":1}", true);
    world_settle(&w);
    while (*world_read(&a))
        ;
    world_drop_link(&w);
    for (size_t i = 0; i < WORLD_RETAINED; i++) {
        free(w.retained[i].payload);
        w.retained[i].payload = NULL;
    }
    w.kept = false;
    world_restore_link(&w);
    world_settle(&w);
    world_later(&w, 7000);
    world_publish(&w, "p/rooms/r/peers/cam/presence", "{\"since\":1}", true);
    world_settle(&w);
    assert_string_equal(world_read(&a), "");
    world_later(&w, 1001);
    world_settle(&w);
    HAS(world_read(&a), "\"left\":[{\"peer\":\"old\",\"reason\":\"missed\"}]");
    world_shut(&w, &a);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_that_vanished_with_its_broker),
        cmocka_unit_test(nobody_leaves_because_the_broker_forgot),
        cmocka_unit_test(changes_that_come_together_leave_together),
        cmocka_unit_test(a_blink_is_not_told),
        cmocka_unit_test(who_speaks_was_announced_before),
        cmocka_unit_test(members_hear_of_others_only),
        cmocka_unit_test(a_presence_that_cannot_be_read_is_none),
        cmocka_unit_test(a_promise_to_come_back_is_held_to),
        cmocka_unit_test(an_outage_is_no_broken_promise),
        cmocka_unit_test(another_bridges_end_clears_its_sessions),
        cmocka_unit_test(the_history_is_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
