/* The broker goes and comes back; rooms are watched one by one. */
#include "test.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>

#define HAS(frame, part) assert_non_null(strstr((frame), (part)))

static struct world w;

static void the_roster_is_reconciled(void **state)
{
    (void)state;
    struct world_socket a;
    world_init(&w, true);
    world_join(&w, &a, "r", "a");
    world_publish(&w, "p/rooms/r/peers/stays/presence", "{}", true);
    world_publish(&w, "p/rooms/r/peers/goes/presence", "{}", true);
    world_settle(&w);
    HAS(world_read(&a), "joined");
    world_drop_link(&w);
    assert_false(router_ready(&w.router));
    world_publish(&w, "p/rooms/r/peers/goes/presence", "", true);
    world_publish(&w, "p/rooms/r/peers/comes/presence", "{}", true);
    world_settle(&w);
    assert_string_equal(world_read(&a), "");
    world_restore_link(&w);
    world_settle(&w);
    assert_true(router_ready(&w.router));
    const char *frame = world_read(&a);
    HAS(frame, "\"left\":[{\"peer\":\"goes\",\"reason\":\"missed\"}]");
    HAS(frame, "\"joined\":[{\"peer\":\"comes\"");
    assert_null(strstr(frame, "stays"));
    world_shut(&w, &a);
    world_release(&w);
}

static void presence_is_published_again(void **state)
{
    (void)state;
    struct world_socket a;
    world_init(&w, true);
    world_join(&w, &a, "r", "a");
    world_drop_link(&w);
    world_publish(&w, "p/rooms/r/peers/a/presence", "", true); /* the broker lost its memory */
    world_settle(&w);
    world_restore_link(&w);
    world_settle(&w);
    world_later(&w, 0);
    world_settle(&w);
    assert_non_null(world_retained(&w, "p/rooms/r/peers/a/presence"));
    assert_true(world_subscribed(&w, "p/rooms/r/peers/a/in/+"));
    assert_true(world_subscribed(&w, "p/rooms/r/all/+"));
    assert_string_equal(world_read(&a), "");
    world_shut(&w, &a);
    world_release(&w);
}

static void who_left_meanwhile_is_cleared(void **state)
{
    (void)state;
    struct world_socket a, b;
    world_init(&w, true);
    world_join(&w, &a, "r", "a");
    world_join(&w, &b, "r", "b");
    world_read(&a);
    world_drop_link(&w);
    world_shut(&w, &b);
    world_settle(&w);
    world_restore_link(&w);
    world_settle(&w);
    HAS(world_read(&a), "\"left\":[{\"peer\":\"b\",\"reason\":\"");
    assert_false(world_subscribed(&w, "p/rooms/r/peers/b/in/+"));
    assert_null(world_retained(&w, "p/rooms/r/peers/b/presence"));
    world_shut(&w, &a);
    world_release(&w);
}

static void what_was_sent_again_for_who_left_is_cleared(void **state)
{
    (void)state;
    struct world_socket a;
    world_init(&w, true);
    world_open(&w, &a);
    world_say(&w, &a, "{\"type\":\"join\",\"room\":\"r\",\"peer\":\"a\"}");
    world_drop_link(&w); /* its presence is on the way and comes through after all */
    world_shut(&w, &a);
    world_restore_link(&w);
    world_settle(&w);
    assert_null(world_retained(&w, "p/rooms/r/peers/a/presence"));
    assert_int_equal(w.router.registry.peer_count, 0);
    world_release(&w);
}

static void a_join_waits_for_the_broker(void **state)
{
    (void)state;
    struct world_socket a, b;
    world_init(&w, true);
    world_drop_link(&w);
    world_open(&w, &a);
    world_open(&w, &b);
    world_say(&w, &a, "{\"type\":\"join\",\"room\":\"r\",\"peer\":\"a\"}");
    world_settle(&w);
    assert_string_equal(world_read(&a), "");
    world_later(&w, 29999);
    assert_string_equal(world_read(&a), "");
    world_later(&w, 1);
    HAS(world_read(&a), "\"error\":\"unavailable\"");
    world_shut(&w, &b);
    world_open(&w, &b);
    world_say(&w, &b, "{\"type\":\"join\",\"room\":\"r\",\"peer\":\"b\"}");
    world_restore_link(&w);
    world_settle(&w);
    HAS(world_read(&b), "\"type\":\"joined\"");
    world_shut(&w, &a);
    world_shut(&w, &b);
    world_release(&w);
}

static void what_an_earlier_run_left_is_cleared_first(void **state)
{
    (void)state;
    struct world_socket a;
    world_init(&w, true);
    world_drop_link(&w);
    world_publish(&w, "p/rooms/r/peers/ghost/presence", "{\"via\":\"b1\",\"sid\":\"run000-x\"}",
                  true);
    world_settle(&w);
    world_open(&w, &a);
    world_say(&w, &a, "{\"type\":\"join\",\"room\":\"r\",\"peer\":\"a\"}");
    world_restore_link(&w);
    world_settle(&w);
    assert_null(world_retained(&w, "p/rooms/r/peers/ghost/presence"));
    HAS(world_read(&a), "\"peers\":[]");
    world_shut(&w, &a);
    world_release(&w);
}

static void rooms_are_watched_one_by_one(void **state)
{
    (void)state;
    struct world_socket a, b;
    world_init(&w, false);
    assert_false(world_subscribed(&w, "p/rooms/+/peers/+/presence"));
    world_publish(&w, "p/rooms/r/peers/cam/presence", "{}", true);
    world_publish(&w, "p/rooms/other/peers/cam/presence", "{}", true);
    world_settle(&w);
    assert_int_equal(w.router.registry.peer_count, 0);
    world_open(&w, &a);
    world_say(&w, &a, "{\"type\":\"join\",\"room\":\"r\",\"peer\":\"a\"}");
    world_settle(&w);
    HAS(world_read(&a), "\"peers\":[{\"peer\":\"cam\"");
    assert_true(world_subscribed(&w, "p/rooms/r/peers/+/presence"));
    world_open(&w, &b);
    world_say(&w, &b, "{\"type\":\"join\",\"room\":\"r\",\"peer\":\"cam\"}");
    world_settle(&w);
    HAS(world_read(&b), "peer-taken");
    world_say(&w, &b, "{\"type\":\"join\",\"room\":\"s\",\"peer\":\"x\"}");
    world_settle(&w);
    HAS(world_read(&b), "\"peers\":[]");
    world_drop_link(&w);
    world_restore_link(&w);
    world_settle(&w);
    assert_true(world_subscribed(&w, "p/rooms/r/peers/+/presence"));
    world_shut(&w, &a);
    world_settle(&w);
    assert_false(world_subscribed(&w, "p/rooms/r/peers/+/presence"));
    world_shut(&w, &b);
    world_settle(&w);
    assert_int_equal(w.router.registry.rooms.count, 0);
    assert_int_equal(w.router.registry.peer_count, 0);
    world_release(&w);
}

static void nobody_stays_in_a_room_that_is_not_watched(void **state)
{
    (void)state;
    struct world_socket a;
    world_init(&w, false);
    world_join(&w, &a, "r", "a");
    world_shut(&w, &a); /* the broker has sent this before it heard that we stop looking */
    static const char late[] = "p/rooms/r/peers/cam/presence";
    router_bus_message(&w.router, late, text_of_str("{}"), false, text_of_str(""), w.now);
    world_settle(&w);
    assert_int_equal(w.router.registry.peer_count, 0);
    assert_int_equal(w.router.registry.rooms.count, 0);
    world_join(&w, &a, "r", "a");
    world_publish(&w, "p/rooms/r/peers/a/presence", "{\"via\":\"b2\",\"sid\":\"x\"}", true);
    world_settle(&w);
    assert_int_equal(a.close_code, 4409); /* nobody of ours is left in the room */
    assert_false(world_subscribed(&w, "p/rooms/r/peers/+/presence"));
    assert_int_equal(w.router.registry.rooms.count, 0);
    world_shut(&w, &a);
    world_release(&w);
}

static void a_lost_fence_is_repeated(void **state)
{
    (void)state;
    struct world_socket a;
    world_init(&w, true);
    world_drop_link(&w);
    world_open(&w, &a);
    world_say(&w, &a, "{\"type\":\"join\",\"room\":\"r\",\"peer\":\"a\"}");
    world_restore_link(&w);
    while (w.queued) /* the broker drops all of it */
        free(w.queue[--w.queued].payload);
    world_later(&w, 9999);
    world_settle(&w);
    assert_false(router_ready(&w.router));
    world_later(&w, 1);
    world_settle(&w);
    assert_true(router_ready(&w.router));
    HAS(world_read(&a), "\"type\":\"joined\"");
    world_shut(&w, &a);
    world_release(&w);
}

/* While we could not reach the broker our sessions were cleared, and one came back elsewhere. */
static void a_name_that_was_taken_meanwhile_is_not_taken_back(void **state)
{
    (void)state;
    struct world_socket a, b;
    world_init(&w, true);
    world_join(&w, &a, "r", "a");
    world_join(&w, &b, "r", "b");
    world_drop_link(&w);
    world_publish(&w, "p/rooms/r/peers/a/presence", "", true);
    world_publish(&w, "p/rooms/r/peers/b/presence", "", true);
    world_publish(&w, "p/rooms/r/peers/a/presence",
                  "{\"since\":4000000000000,\"via\":\"b2\",\"sid\":\"run002-zzzzzzzzzzzzz\"}",
                  true);
    world_settle(&w); /* nothing of it reaches us */
    world_later(&w, 9000);
    world_restore_link(&w);
    world_later(&w, 1000);
    for (size_t i = 0; i < w.queued; i++)
        assert_true(!strstr(w.queue[i].topic, "/a/presence") ||
                    strstr(w.queue[i].payload, "run002"));
    world_settle(&w);
    world_later(&w, 1000);
    world_settle(&w);
    assert_int_equal(a.close_code, 4409);
    assert_non_null(strstr(world_retained(&w, "p/rooms/r/peers/a/presence"), "run002"));
    assert_int_equal(b.close_code, 0);
    assert_non_null(strstr(world_retained(&w, "p/rooms/r/peers/b/presence"), "run001"));
    world_shut(&w, &a);
    world_shut(&w, &b);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_that_was_taken_meanwhile_is_not_taken_back),
        cmocka_unit_test(the_roster_is_reconciled),
        cmocka_unit_test(presence_is_published_again),
        cmocka_unit_test(who_left_meanwhile_is_cleared),
        cmocka_unit_test(what_was_sent_again_for_who_left_is_cleared),
        cmocka_unit_test(a_lost_fence_is_repeated),
        cmocka_unit_test(a_join_waits_for_the_broker),
        cmocka_unit_test(what_an_earlier_run_left_is_cleared_first),
        cmocka_unit_test(rooms_are_watched_one_by_one),
        cmocka_unit_test(nobody_stays_in_a_room_that_is_not_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
