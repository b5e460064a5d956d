/* Messages between peers: checks, order, acknowledgements, retries. */
#include "sdp.h"
#include "test.h"
#include "world.h"

#include <stdio.h>
#include <string.h>

#define HAS(frame, part) assert_non_null(strstr((frame), (part)))

static struct world w;
static struct world_socket a, b;

static int set_up(void **state)
{
    (void)state;
    world_init(&w, true);
    world_join(&w, &a, "r", "a");
    world_join(&w, &b, "r", "b");
    world_publish(&w, "p/rooms/r/peers/cam/presence", "{}", true);
    world_settle(&w);
    a.read = a.count;
    b.read = b.count;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_shut(&w, &a);
    world_shut(&w, &b);
    world_release(&w);
    return 0;
}

static void say(struct world_socket *s, const char *json)
{
    world_say(&w, s, json);
    world_settle(&w);
}

static void an_offer_goes_there_and_its_answer_back(void **state)
{
    (void)state;
    say(&a, "{" OFFER ",\"to\":\"b\",\"id\":\"1\"}");
    HAS(world_read(&b), "{\"type\":\"offer\",\"from\":\"a\",\"sdp\":\"v=0\\r\\n");
    HAS(world_read(&a), "{\"type\":\"ack\",\"id\":\"1\"}");
    say(&b, "{" ANSWER ",\"to\":\"a\"}");
    HAS(world_read(&a), "{\"type\":\"answer\",\"from\":\"b\"");
    assert_string_equal(world_read(&b), "");
    say(&b, "{" ANSWER ",\"to\":\"a\",\"id\":\"2\"}");
    HAS(world_read(&b), "\"error\":\"unexpected-answer\"");
    assert_string_equal(world_read(&a), "");
}

static void what_is_refused_to_a_browser(void **state)
{
    (void)state;
    static const struct {
        const char *name, *say, *error;
    } rows[] = {
        {"nobody", "{\"type\":\"bye\",\"to\":\"z\",\"id\":\"1\"}",
         "\"code\":404,\"error\":\"peer-not-found\""},
        {"present, nobody listens", "{\"type\":\"bye\",\"to\":\"cam\",\"id\":\"1\"}",
         "\"error\":\"peer-not-found\""},
        {"oneself", "{\"type\":\"bye\",\"to\":\"a\",\"id\":\"1\"}",
         "\"error\":\"invalid-message\""},
        {"answer to nothing", "{" ANSWER ",\"to\":\"b\",\"id\":\"1\"}",
         "\"code\":409,\"error\":\"unexpected-answer\""},
        {"no SDP", "{\"type\":\"offer\",\"to\":\"b\",\"sdp\":\"hello\",\"id\":\"1\"}",
         "\"error\":\"invalid-sdp\",\"message\":\"line 1: "},
        {"no candidate",
         "{\"type\":\"candidate\",\"to\":\"b\",\"candidate\":{\"candidate\":\"x\"},\"id\":\"1\"}",
         "\"error\":\"invalid-candidate\""},
        {"already a member", "{\"type\":\"join\",\"room\":\"r\",\"id\":\"1\"}",
         "\"error\":\"already-joined\""},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        say(&a, rows[i].say);
        const char *frame = world_read(&a);
        ROW(rows[i].name, strstr(frame, rows[i].error));
        ROW(rows[i].name, strstr(frame, "\"id\":\"1\""));
        ROW(rows[i].name, !*world_read(&a) && !*world_read(&b));
    }
    say(&a, "[]");
    HAS(world_read(&a), "invalid-json");
    assert_int_equal(a.close_code, 1003);
}

static void a_retry_is_acknowledged_and_not_sent_again(void **state)
{
    (void)state;
    static const char message[] = "{\"type\":\"message\",\"to\":\"b\",\"data\":1,\"id\":\"x\"}";
    world_say(&w, &a, message);
    world_say(&w, &a, message); /* while the first is on its way: one ack for both */
    world_settle(&w);
    HAS(world_read(&a), "{\"type\":\"ack\",\"id\":\"x\"}");
    assert_string_equal(world_read(&a), "");
    say(&a, message);
    HAS(world_read(&a), "{\"type\":\"ack\",\"id\":\"x\"}");
    HAS(world_read(&b), "\"data\":1");
    assert_string_equal(world_read(&b), "");
    /* What failed may be tried again. */
    say(&a, "{\"type\":\"bye\",\"to\":\"z\",\"id\":\"y\"}");
    HAS(world_read(&a), "peer-not-found");
    say(&a, "{\"type\":\"bye\",\"to\":\"b\",\"id\":\"y\"}");
    HAS(world_read(&b), "\"type\":\"bye\"");
}

static void a_broadcast_reaches_everyone_else(void **state)
{
    (void)state;
    say(&a, "{\"type\":\"message\",\"data\":{\"k\":[1]},\"id\":\"m\"}");
    HAS(world_read(&b),
        "{\"type\":\"message\",\"from\":\"a\",\"data\":{\"k\":[1]},\"id\":\"m\",\"seq\":");
    HAS(world_read(&a), "{\"type\":\"ack\",\"id\":\"m\"}");
    assert_string_equal(world_read(&a), "");
    world_publish(&w, "p/rooms/r/all/cam", "{\"type\":\"bye\"}", false);
    world_settle(&w);
    assert_string_equal(world_read(&b), ""); /* only messages go to everyone */
}

static void from_a_device(void **state)
{
    (void)state;
    static const struct {
        const char *name, *topic, *payload, *arrives;
    } rows[] = {
        {"offer", "p/rooms/r/peers/a/in/cam", "{" OFFER ",\"call\":\"1\"}",
         "{\"type\":\"offer\",\"from\":\"cam\""},
        {"with matching names", "p/rooms/r/peers/a/in/cam",
         "{\"type\":\"bye\",\"from\":\"cam\",\"to\":\"a\"}", "\"type\":\"bye\""},
        {"in another's name", "p/rooms/r/peers/a/in/cam", "{\"type\":\"bye\",\"from\":\"b\"}",
         NULL},
        {"for another", "p/rooms/r/peers/a/in/cam", "{\"type\":\"bye\",\"to\":\"b\"}", NULL},
        {"answer to nothing", "p/rooms/r/peers/a/in/cam", "{" ANSWER "}", NULL},
        {"bad SDP", "p/rooms/r/peers/a/in/cam", "{\"type\":\"offer\",\"sdp\":\"v=1\"}", NULL},
        {"not JSON", "p/rooms/r/peers/a/in/cam", "offer", NULL},
        {"an error, which is the bridge's", "p/rooms/r/peers/a/in/cam",
         "{\"type\":\"error\",\"code\":400,\"error\":\"x\"}", NULL},
        {"the bridge's error", "p/rooms/r/peers/a/in/_bridge",
         "{\"type\":\"error\",\"code\":404,\"error\":\"peer-not-found\",\"id\":\"q\",\"x\":1}",
         "{\"type\":\"error\",\"code\":404,\"error\":\"peer-not-found\",\"id\":\"q\"}"},
        {"for nobody here", "p/rooms/r/peers/gone/in/cam", "{\"type\":\"bye\"}", NULL},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        world_publish(&w, rows[i].topic, rows[i].payload, false);
        world_settle(&w);
        const char *frame = world_read(&a);
        ROW(rows[i].name, rows[i].arrives ? strstr(frame, rows[i].arrives) != NULL : !*frame);
        ROW(rows[i].name, !*world_read(&a) && a.close_code == 0);
    }
}

static void a_bundle_is_unpacked(void **state)
{
    (void)state;
    world_publish(&w, "p/rooms/r/peers/a/in/cam",
                  "{\"type\":\"candidates\",\"call\":\"c\",\"candidates\":[{\"candidate\":"
                  "\"candidate:1 1 udp 1 192.0.2.1 5000 typ host\",\"sdpMid\":\"0\"},null]}",
                  false);
    world_settle(&w);
    HAS(world_read(&a), "{\"type\":\"candidate\",\"from\":\"cam\",\"candidate\":{\"candidate\":"
                        "\"candidate:1 1 udp 1 192.0.2.1 5000 typ host\",\"sdpMid\":\"0\"},"
                        "\"call\":\"c\",\"seq\":");
    HAS(world_read(&a), "\"candidate\":null,\"call\":\"c\"");
}

static void numbers_rise_by_one(void **state)
{
    (void)state;
    char expected[32];
    size_t from = b.count;
    for (int i = 0; i < 5; i++) {
        world_say(&w, &a, "{\"type\":\"message\",\"data\":0}");
        world_publish(&w, "p/rooms/r/peers/cam/presence", i % 2 ? "{\"ttl\":9}" : "{\"meta\":{}}",
                      true);
        world_settle(&w);
    }
    unsigned long first;
    assert_int_equal(sscanf(strstr(b.frames[from], "\"seq\":"), "\"seq\":%lu", &first), 1);
    for (size_t i = from; i < b.count; i++) {
        snprintf(expected, sizeof expected, "\"seq\":%zu}", first + (i - from));
        HAS(b.frames[i], expected);
    }
}

static void the_outage_buffer_has_an_end(void **state)
{
    (void)state;
    w.publish_room = 1;
    say(&a, "{\"type\":\"message\",\"to\":\"b\",\"data\":1,\"id\":\"1\"}");
    HAS(world_read(&a), "ack");
    say(&a, "{\"type\":\"message\",\"to\":\"b\",\"data\":2,\"id\":\"2\"}");
    HAS(world_read(&a), "\"code\":503,\"error\":\"unavailable\"");
    w.publish_room = 1;
    say(&a, "{\"type\":\"message\",\"to\":\"b\",\"data\":2,\"id\":\"2\"}");
    HAS(world_read(&a), "ack");
}

static void the_bridge_answers_what_devices_ask(void **state)
{
    (void)state;
    world_publish(&w, "p/rooms/r/peers/_bridge/in/cam", "{\"type\":\"ice-servers\",\"id\":\"q\"}",
                  false);
    while (w.queued && !strstr(w.queue[0].topic, "/cam/in/_bridge"))
        world_settle(&w);
    assert_int_equal(w.router.metrics.received[FROM_MQTT][MSG_ICE_SERVERS], 1);
    world_publish(&w, "p/rooms/r/peers/_bridge/in/cam", "{\"type\":\"bye\"}", false);
    world_settle(&w);
    assert_int_equal(w.router.metrics.refused[FROM_MQTT][STATUS_INVALID_MESSAGE], 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_offer_goes_there_and_its_answer_back),
        TEST(what_is_refused_to_a_browser),
        TEST(a_retry_is_acknowledged_and_not_sent_again),
        TEST(a_broadcast_reaches_everyone_else),
        TEST(from_a_device),
        TEST(a_bundle_is_unpacked),
        TEST(numbers_rise_by_one),
        TEST(the_outage_buffer_has_an_end),
        TEST(the_bridge_answers_what_devices_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
