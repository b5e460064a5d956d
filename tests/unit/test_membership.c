/* Joining, leaving, being replaced: the router alone, broker and sockets simulated. */
#include "test.h"
#include "world.h"

#include <string.h>

#define HAS(frame, part) assert_non_null(strstr((frame), (part)))

static struct world w;

static void joined_comes_when_the_presence_came_back(void **state)
{
    (void)state;
    struct world_socket a;
    world_init(&w, true);
    world_open(&w, &a);
    world_say(&w, &a,
              "{\"type\":\"join\",\"room\":\"r\",\"peer\":\"a\",\"id\":\"1\",\"meta\":{\"x\":1}}");
    router_flush(&w.router, w.now);
    assert_string_equal(world_read(&a), ""); /* published, and that is all */
    assert_true(world_subscribed(&w, "p/rooms/r/peers/a/in/+"));
    assert_true(world_subscribed(&w, "p/rooms/r/all/+"));
    world_settle(&w);
    HAS(world_read(&a), "{\"type\":\"ack\",\"id\":\"1\"}");
    const char *joined = world_read(&a);
    HAS(joined, "\"type\":\"joined\",\"room\":\"r\",\"peer\":\"a\",\"session\":\"b1.run001-");
    HAS(joined, "\"peers\":[],\"iceServers\":[],\"resumeWindow\":30");
    HAS(world_retained(&w, "p/rooms/r/peers/a/presence"), "\"meta\":{\"x\":1}");
    world_shut(&w, &a);
    world_settle(&w);
    assert_null(world_retained(&w, "p/rooms/r/peers/a/presence"));
    assert_false(world_subscribed(&w, "p/rooms/r/peers/a/in/+"));
    assert_false(world_subscribed(&w, "p/rooms/r/all/+"));
    assert_int_equal(w.router.registry.rooms.count, 0);
    world_release(&w);
}

static void what_a_join_can_be_refused_for(void **state)
{
    (void)state;
    static const struct {
        const char *name, *say, *error;
    } rows[] = {
        {"a member's name", "{\"type\":\"join\",\"room\":\"r\",\"peer\":\"a\",\"id\":\"7\"}",
         "\"error\":\"peer-taken\""},
        {"a device's name", "{\"type\":\"join\",\"room\":\"r\",\"peer\":\"cam\",\"id\":\"7\"}",
         "\"error\":\"peer-taken\""},
        {"an offer before join", "{\"type\":\"bye\",\"to\":\"a\",\"id\":\"7\"}",
         "\"error\":\"not-joined\""},
        {"leave before join", "{\"type\":\"leave\",\"id\":\"7\"}", "\"error\":\"not-joined\""},
        {"an unknown session",
         "{\"type\":\"resume\",\"session\":\"b1.x\",\"secret\":\"s\",\"seq\":0,\"id\":\"7\"}",
         "\"code\":410,\"error\":\"session-expired\""},
    };
    struct world_socket a, b;
    world_init(&w, true);
    world_join(&w, &a, "r", "a");
    world_publish(&w, "p/rooms/r/peers/cam/presence", "{}", true);
    world_settle(&w);
    world_open(&w, &b);
    for (size_t i = 0; i < ROWS(rows); i++) {
        world_say(&w, &b, rows[i].say);
        world_settle(&w);
        const char *frame = world_read(&b);
        ROW(rows[i].name, strstr(frame, rows[i].error) && strstr(frame, "\"id\":\"7\""));
        ROW(rows[i].name, b.close_code == 0);
    }
    world_say(&w, &a, "{\"type\":\"join\",\"room\":\"r\"}");
    while (a.read + 1 < a.count)
        world_read(&a);
    HAS(world_read(&a), "already-joined");
    world_shut(&w, &a);
    world_shut(&w, &b);
    world_release(&w);
}

static void a_room_is_bounded(void **state)
{
    (void)state;
    struct world_socket a, b;
    world_init(&w, true);
    w.router.o.room_peers_max = 1;
    world_join(&w, &a, "r", "a");
    world_open(&w, &b);
    world_say(&w, &b, "{\"type\":\"join\",\"room\":\"r\",\"peer\":\"b\"}");
    world_settle(&w);
    HAS(world_read(&b), "the room is full");
    world_say(&w, &b, "{\"type\":\"join\",\"room\":\"other\",\"peer\":\"b\"}");
    world_settle(&w);
    HAS(world_read(&b), "\"type\":\"joined\"");
    world_shut(&w, &a);
    world_shut(&w, &b);
    world_release(&w);
}

static void who_names_nobody_gets_a_name(void **state)
{
    (void)state;
    struct world_socket a;
    world_init(&w, true);
    world_open(&w, &a);
    world_say(&w, &a, "{\"type\":\"join\",\"room\":\"r\"}");
    world_settle(&w);
    HAS(world_read(&a), "\"peer\":\"guest-");
    world_shut(&w, &a);
    world_release(&w);
}

static void leave_and_join_again_on_the_same_socket(void **state)
{
    (void)state;
    struct world_socket a;
    world_init(&w, true);
    world_join(&w, &a, "r", "a");
    /* All in one go: the echo of the first presence and its end come after the second join. */
    for (int i = 0; i < 5; i++) {
        world_say(&w, &a, "{\"type\":\"leave\"}");
        world_say(&w, &a, "{\"type\":\"join\",\"room\":\"s\",\"peer\":\"a\"}");
    }
    world_settle(&w);
    assert_non_null(world_retained(&w, "p/rooms/s/peers/a/presence"));
    assert_null(world_retained(&w, "p/rooms/r/peers/a/presence"));
    assert_int_equal(w.router.joined_count, 1);
    world_say(&w, &a, "{\"type\":\"leave\",\"id\":\"l\"}");
    world_settle(&w);
    HAS(a.frames[a.count - 1], "{\"type\":\"ack\",\"id\":\"l\"}");
    world_shut(&w, &a);
    world_release(&w);
}

static void silence_has_an_end(void **state)
{
    (void)state;
    struct world_socket a;
    world_init(&w, true);
    world_open(&w, &a);
    world_later(&w, 9999);
    assert_int_equal(a.close_code, 0);
    world_later(&w, 1);
    assert_int_equal(a.close_code, 4408);
    world_shut(&w, &a);
    world_release(&w);
}

static void somebody_elses_presence_replaces_the_session(void **state)
{
    (void)state;
    struct world_socket a, b;
    world_init(&w, true);
    world_join(&w, &a, "r", "a");
    world_join(&w, &b, "r", "b");
    world_publish(&w, "p/rooms/r/peers/a/presence", "{\"via\":\"b2\",\"sid\":\"x\"}", true);
    world_settle(&w);
    assert_int_equal(a.close_code, 4409);
    const char *frame = world_read(&b);
    HAS(frame, "\"left\":[{\"peer\":\"a\",\"reason\":\"replaced\"}],\"joined\":[{\"peer\":\"a\"");
    world_shut(&w, &a);
    world_settle(&w);
    /* Its end does not touch the other's presence. */
    assert_string_equal(world_retained(&w, "p/rooms/r/peers/a/presence"),
                        "{\"via\":\"b2\",\"sid\":\"x\"}");
    world_shut(&w, &b);
    world_release(&w);
}

static void presence_is_renewed_in_time(void **state)
{
    (void)state;
    struct world_socket a, b;
    world_init(&w, true);
    world_join(&w, &a, "r", "a");
    world_join(&w, &b, "r", "b");
    size_t before = a.count;
    world_later(&w, 224000);       /* three eighths of the expiry, then by chance up to a half */
    assert_int_equal(w.queued, 1); /* the bridge's status */
    world_settle(&w);
    world_later(&w, 76000);
    assert_int_equal(w.queued, 3);
    world_settle(&w);
    assert_int_equal(a.count, before); /* nothing changed, so nobody is told */
    world_shut(&w, &a);
    world_shut(&w, &b);
    world_release(&w);
}

static void a_cleared_presence_is_restored(void **state)
{
    (void)state;
    struct world_socket a;
    world_init(&w, true);
    world_join(&w, &a, "r", "a");
    world_publish(&w, "p/rooms/r/peers/a/presence", "", true);
    world_settle(&w);
    world_later(&w, 1000);
    world_settle(&w);
    assert_non_null(world_retained(&w, "p/rooms/r/peers/a/presence"));
    world_publish(&w, "p/rooms/r/peers/a/presence", "", true);
    world_settle(&w);
    world_publish(&w, "p/rooms/r/peers/a/presence", "", true); /* too soon after the repair */
    world_settle(&w);
    assert_null(world_retained(&w, "p/rooms/r/peers/a/presence"));
    world_later(&w, 1000);
    world_settle(&w);
    assert_non_null(world_retained(&w, "p/rooms/r/peers/a/presence"));
    world_shut(&w, &a);
    world_release(&w);
}

/* Who clears one presence for ever must not keep the others from being renewed. */
static void a_restored_presence_delays_no_other(void **state)
{
    (void)state;
    struct world_socket a, b;
    size_t renewed = 0;
    world_init(&w, true);
    world_join(&w, &a, "r", "a");
    world_join(&w, &b, "r", "b");
    for (int i = 0; i < 1000; i++) {
        world_publish(&w, "p/rooms/r/peers/a/presence", "", true);
        world_settle(&w);
        world_later(&w, 400);
        for (size_t k = 0; k < w.queued; k++)
            renewed += strstr(w.queue[k].topic, "/b/presence") != NULL;
        assert_true(w.queued <= 3);
        world_settle(&w);
    }
    assert_int_equal(renewed, 1);
    assert_non_null(world_retained(&w, "p/rooms/r/peers/a/presence"));
    world_shut(&w, &a);
    world_shut(&w, &b);
    world_release(&w);
}

static void draining_tells_everybody(void **state)
{
    (void)state;
    struct world_socket a, b;
    world_init(&w, true);
    world_join(&w, &a, "r", "a");
    world_open(&w, &b);
    router_drain(&w.router, "update", 0, w.now);
    router_drain_end(&w.router, w.now);
    world_settle(&w);
    HAS(world_read(&a), "{\"type\":\"closing\",\"reason\":\"update\",\"retryAfter\":");
    assert_int_equal(a.close_code, 1012);
    assert_int_equal(b.close_code, 1012);
    assert_null(world_retained(&w, "p/rooms/r/peers/a/presence"));
    HAS(world_retained(&w, "p/bridges/b1/status"), "\"online\":false");
    assert_false(router_ready(&w.router));
    world_drop_link(&w); /* the broker blinks meanwhile: no will corrects what we say last */
    world_restore_link(&w);
    world_settle(&w);
    HAS(world_retained(&w, "p/bridges/b1/status"), "\"online\":false");
    world_shut(&w, &a);
    world_shut(&w, &b);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joined_comes_when_the_presence_came_back),
        cmocka_unit_test(what_a_join_can_be_refused_for),
        cmocka_unit_test(a_room_is_bounded),
        cmocka_unit_test(who_names_nobody_gets_a_name),
        cmocka_unit_test(leave_and_join_again_on_the_same_socket),
        cmocka_unit_test(silence_has_an_end),
        cmocka_unit_test(somebody_elses_presence_replaces_the_session),
        cmocka_unit_test(presence_is_renewed_in_time),
        cmocka_unit_test(a_cleared_presence_is_restored),
        cmocka_unit_test(a_restored_presence_delays_no_other),
        cmocka_unit_test(draining_tells_everybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
