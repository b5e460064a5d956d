/* What passes through a session changed: the room's policy and the target's limits, in both
 * directions. The rules themselves are in test_ice_filter and test_budget. */
#include "sdp.h"
#include "test.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HAS(frame, part)   assert_non_null(strstr((frame), (part)))
#define LACKS(frame, part) assert_null(strstr((frame), (part)))

#define HOST  "candidate:1 1 udp 2 192.168.1.5 5000 typ host"
#define RELAY "candidate:2 1 udp 1 198.51.100.7 6000 typ relay raddr 203.0.113.9 rport 7000"

static struct world w;
static struct ice_policies *policies;

static void begin(void)
{
    static const struct ice_policy_source rows[] = {{.rooms = "r", .relay_only = true}};
    world_init(&w, true);
    assert_int_equal(ice_policies_create(&policies, rows, 1, NULL), STATUS_OK);
    w.router.o.ice_policies = policies;
}

static void end(void)
{
    world_release(&w);
    ice_policies_destroy(policies);
}

/* A world with two members who know of each other. */
static void meet(struct world_socket *a, struct world_socket *b, const char *room)
{
    begin();
    world_join(&w, a, room, "a");
    world_join(&w, b, room, "b");
    HAS(world_read(a), "\"joined\"");
}

static void part(struct world_socket *a, struct world_socket *b)
{
    world_shut(&w, a);
    world_shut(&w, b);
    end();
}

static const char *say(struct world_socket *from, struct world_socket *to, const char *json)
{
    world_say(&w, from, json);
    world_settle(&w);
    return world_read(to);
}

static const char offer[] = "{\"to\":\"b\",\"id\":\"1\",\"type\":\"offer\",\"sdp\":\"" SDP(
    "actpass") "a=" HOST "\\r\\na=" RELAY "\\r\\n\"}";

static void a_policy_sees_descriptions_and_candidates(void **state)
{
    (void)state;
    static const struct {
        const char *name, *say, *has, *lacks;
    } rows[] = {
        {"an offer", offer, "198.51.100.7 6000 typ relay raddr 0.0.0.0 rport 9", "192.168"},
        {"the client's own address behind a relay", offer, "typ relay", "203.0.113.9"},
        {"a relayed candidate",
         "{\"type\":\"candidate\",\"to\":\"b\",\"candidate\":{\"candidate\":\"" RELAY
         "\",\"sdpMid\":\"0\",\"usernameFragment\":\"abcd\"}}",
         "rport 9\",\"sdpMid\":\"0\",\"usernameFragment\":\"abcd\"}", "203.0.113.9"},
        {"the end of candidates", "{\"type\":\"candidate\",\"to\":\"b\",\"candidate\":null}",
         "\"candidate\":null", "x"},
        {"an empty candidate",
         "{\"type\":\"candidate\",\"to\":\"b\",\"candidate\":{\"candidate\":\"\",\"sdpMid\":\"0\"}"
         "}",
         "{\"candidate\":\"\",\"sdpMid\":\"0\"}", "x"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct world_socket a, b;
        meet(&a, &b, "r");
        const char *got = say(&a, &b, rows[i].say);
        ROW(rows[i].name, strstr(got, rows[i].has));
        ROW(rows[i].name, !strstr(got, rows[i].lacks));
        part(&a, &b);
    }
}

static void what_is_dropped_is_acknowledged_and_counted(void **state)
{
    (void)state;
    struct world_socket a, b;
    meet(&a, &b, "r");
    assert_string_equal(
        say(&a, &b,
            "{\"type\":\"candidate\",\"to\":\"b\",\"id\":\"4\",\"candidate\":{\"candidate\":\"" HOST
            "\",\"sdpMid\":\"0\"}}"),
        "");
    assert_string_equal(world_read(&a), "{\"type\":\"ack\",\"id\":\"4\"}");
    assert_int_equal(w.router.metrics.transit.ice.dropped[ICE_TYPE], 1);
    part(&a, &b);
}

static void devices_meet_the_same_policy(void **state)
{
    (void)state;
    struct world_socket a;
    begin();
    world_join(&w, &a, "r", "a");
    world_publish(&w, "p/rooms/r/peers/a/in/cam",
                  "{\"type\":\"offer\",\"sdp\":\"" SDP("actpass") "a=" HOST "\\r\\n\"}", false);
    world_settle(&w);
    const char *got = world_read(&a);
    HAS(got, "\"offer\"");
    LACKS(got, "192.168");
    world_publish(&w, "p/rooms/r/peers/a/in/cam",
                  "{\"type\":\"candidates\",\"candidates\":[{\"candidate\":\"" HOST
                  "\",\"sdpMid\":\"0\"},{\"candidate\":\"" RELAY "\",\"sdpMid\":\"0\"},null]}",
                  false);
    world_settle(&w);
    HAS(world_read(&a), "typ relay raddr 0.0.0.0 rport 9");
    HAS(world_read(&a), "\"candidate\":null");
    world_publish(&w, "p/rooms/r/peers/a/in/cam",
                  "{\"type\":\"candidates\",\"candidates\":[{\"candidate\":\"" HOST
                  "\",\"sdpMid\":\"0\"}]}",
                  false);
    world_settle(&w);
    assert_string_equal(world_read(&a), "");
    world_shut(&w, &a);
    end();
}

static void sealed_is_refused_where_nobody_can_look_into_it(void **state)
{
    (void)state;
    struct world_socket a, b;
    meet(&a, &b, "r");
    say(&a, &b, "{\"type\":\"sealed\",\"to\":\"b\",\"id\":\"4\",\"data\":\"AAAA\"}");
    HAS(world_read(&a), "\"code\":403,\"error\":\"forbidden\"");
    part(&a, &b);
}

static void other_rooms_are_not_touched(void **state)
{
    (void)state;
    struct world_socket a, b;
    meet(&a, &b, "r2");
    const char *got = say(&a, &b, offer);
    HAS(got, "192.168.1.5 5000 typ host");
    HAS(got, "raddr 203.0.113.9 rport 7000");
    part(&a, &b);
}

static void small_devices_get_what_they_can_hold(void **state)
{
    (void)state;
    static const struct {
        const char *name, *limits, *say, *answer;
    } rows[] = {
        {"it fits", "{\"sdp\":4000}", offer, "\"ack\""},
        {"too many bytes", "{\"sdp\":100}", offer, "\"code\":413,\"error\":\"too-large\""},
        {"too many candidates", "{\"candidates\":1}", offer, "\"too-large\""},
        {"too long a candidate", "{\"line\":20}",
         "{\"type\":\"candidate\",\"to\":\"b\",\"id\":\"1\",\"candidate\":{\"candidate\":\"" HOST
         "\",\"sdpMid\":\"0\"}}",
         "\"too-large\""},
        {"the end of candidates always", "{\"line\":20}",
         "{\"type\":\"candidate\",\"to\":\"b\",\"id\":\"1\",\"candidate\":null}", "\"ack\""},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct world_socket a;
        char presence[128];
        world_init(&w, true);
        snprintf(presence, sizeof presence, "{\"limits\":%s}", rows[i].limits);
        world_publish(&w, "p/rooms/r2/peers/b/presence", presence, true);
        world_join(&w, &a, "r2", "a");
        /* Somebody listens there: ourselves, as far as this broker knows. */
        w.filters[WORLD_FILTERS - 1] = strdup("p/rooms/r2/peers/b/in/+");
        ROW(rows[i].name, strstr(say(&a, &a, rows[i].say), rows[i].answer));
        world_shut(&w, &a);
        world_release(&w);
    }
}

static void an_open_last_line_counts_as_it_will_be_closed(void **state)
{
    (void)state;
    static const char open[] =
        "{\"to\":\"b\",\"id\":\"1\",\"type\":\"offer\",\"sdp\":\"" SDP("actpass") "a=x\"}";
    struct world_socket a;
    char presence[64], plain[] = SDP("actpass") "a=x";
    size_t bytes = 0;
    for (const char *p = plain; *p; p++) /* each escape is two characters here */
        bytes += *p != '\\';
    for (int room = 1; room <= 2; room++) {
        world_init(&w, true);
        snprintf(presence, sizeof presence, "{\"limits\":{\"sdp\":%zu}}", bytes + (size_t)room);
        world_publish(&w, "p/rooms/r/peers/b/presence", presence, true);
        world_join(&w, &a, "r", "a");
        w.filters[WORLD_FILTERS - 1] = strdup("p/rooms/r/peers/b/in/+");
        HAS(say(&a, &a, open), room == 2 ? "\"ack\"" : "\"too-large\"");
        world_shut(&w, &a);
        world_release(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_policy_sees_descriptions_and_candidates),
        cmocka_unit_test(what_is_dropped_is_acknowledged_and_counted),
        cmocka_unit_test(devices_meet_the_same_policy),
        cmocka_unit_test(sealed_is_refused_where_nobody_can_look_into_it),
        cmocka_unit_test(other_rooms_are_not_touched),
        cmocka_unit_test(small_devices_get_what_they_can_hold),
        cmocka_unit_test(an_open_last_line_counts_as_it_will_be_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
