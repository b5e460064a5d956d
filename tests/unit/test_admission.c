/* Tokens, their end, takeover by name and the buckets of a session: the router alone. What makes a
 * token sound is in test_token. */
#include "sdp.h"
#include "test.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HAS(frame, part) assert_non_null(strstr((frame), (part)))
#define NOW_S            1700000000

static const char secret[] = "0123456789abcdef0123456789abcdef";
static struct world w;
static struct token_keys *keys;

static void begin(void)
{
    world_init(&w, true);
    keys = token_keys_create();
    assert_non_null(keys);
    assert_int_equal(token_keys_add(keys, TOKEN_HS256, text_of_str(""), text_of_str(secret), NULL),
                     STATUS_OK);
    router_set_keys(&w.router, keys);
}

static void end(void)
{
    world_release(&w);
    token_keys_destroy(keys);
}

/* Lives as long as the test's next eight. */
static const char *token(const char *claims)
{
    static char texts[8][2048];
    static size_t next;
    char *out = texts[next++ % 8];
    struct buf b;
    buf_init_fixed(&b, out, sizeof *texts);
    assert_int_equal(token_sign(TOKEN_HS256, text_of_str(""), text_of_str(secret),
                                text_of_str(claims), &b, NULL),
                     STATUS_OK);
    buf_cstr(&b);
    return out;
}

/* {"exp": 100 s from now, …} */
static const char *good(const char *more)
{
    char claims[512];
    snprintf(claims, sizeof claims, "{\"exp\":%d,\"rooms\":[\"r\"]%s}", NOW_S + 100, more);
    return token(claims);
}

static void say_with(struct world_socket *s, const char *before, const char *with)
{
    char json[4096];
    snprintf(json, sizeof json, "%s,\"token\":\"%s\"}", before, with);
    world_say(&w, s, json);
    world_settle(&w);
}

static void join_with(struct world_socket *s, const char *room, const char *peer, const char *with)
{
    char json[256];
    snprintf(json, sizeof json, "{\"type\":\"join\",\"id\":\"1\",\"room\":\"%s\",\"peer\":\"%s\"",
             room, peer);
    world_open(&w, s);
    say_with(s, json, with);
}

/* Joined, its `ack` and `joined` read. */
static void member(struct world_socket *s, const char *peer, const char *with)
{
    join_with(s, "r", peer, with);
    HAS(world_read(s), "\"ack\"");
    HAS(world_read(s), "\"joined\"");
}

static void a_token_opens_what_it_says(void **state)
{
    (void)state;
    static const struct {
        const char *name, *claims, *room, *peer, *answer;
        int close;
    } rows[] = {
        {"its room", "{\"exp\":1700000100,\"rooms\":[\"r\"]}", "r", "a", "\"ack\"", 0},
        {"a room by prefix", "{\"exp\":1700000100,\"rooms\":[\"x\",\"yard-*\"]}", "yard-7", "a",
         "\"ack\"", 0},
        {"its name", "{\"exp\":1700000100,\"rooms\":[\"*\"],\"sub\":\"a\"}", "r", "a", "\"ack\"",
         0},
        {"another room", "{\"exp\":1700000100,\"rooms\":[\"r2\"]}", "r", "a",
         "\"code\":403,\"error\":\"forbidden\"", 0},
        {"no rooms", "{\"exp\":1700000100}", "r", "a", "\"error\":\"forbidden\"", 0},
        {"another name", "{\"exp\":1700000100,\"rooms\":[\"r\"],\"sub\":\"b\"}", "r", "a",
         "\"error\":\"forbidden\"", 0},
        {"expired", "{\"exp\":1699999999,\"rooms\":[\"r\"]}", "r", "a",
         "\"code\":401,\"error\":\"unauthorized\"", 4401},
        {"not yet valid", "{\"exp\":1700000100,\"nbf\":1700000050,\"rooms\":[\"r\"]}", "r", "a",
         "\"error\":\"unauthorized\"", 4401},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct world_socket s;
        begin();
        join_with(&s, rows[i].room, rows[i].peer, token(rows[i].claims));
        const char *answer = world_read(&s);
        ROW(rows[i].name, strstr(answer, rows[i].answer));
        ROW(rows[i].name, strstr(answer, "\"id\":\"1\""));
        ROW(rows[i].name, s.close_code == rows[i].close);
        world_shut(&w, &s);
        end();
    }
}

static void without_a_token_nobody_joins(void **state)
{
    (void)state;
    struct world_socket s;
    begin();
    world_open(&w, &s);
    world_say(&w, &s, "{\"type\":\"join\",\"room\":\"r\",\"peer\":\"a\",\"id\":\"1\"}");
    HAS(world_read(&s), "\"error\":\"unauthorized\",\"message\":\"a token is needed");
    assert_int_equal(s.close_code, 4401);
    assert_int_equal(w.router.registry.rooms.count, 0);
    world_shut(&w, &s);
    end();
}

static void the_handshake_s_token_is_the_first(void **state)
{
    (void)state;
    struct world_socket s;
    begin();
    world_open_with(&w, &s, good(",\"sub\":\"a\""));
    say_with(&s, "{\"type\":\"join\",\"room\":\"r\"", "not looked at");
    HAS(world_read(&s), "\"joined\",\"room\":\"r\",\"peer\":\"a\"");
    world_shut(&w, &s);
    world_open_with(&w, &s, "no token");
    HAS(world_read(&s), "\"error\":\"unauthorized\"");
    assert_int_equal(s.close_code, 4401);
    world_shut(&w, &s);
    world_settle(&w);
    end();
}

static void the_end_of_a_token_ends_the_membership(void **state)
{
    (void)state;
    struct world_socket a, b;
    begin();
    member(&a, "a", good(""));
    world_later(&w, 50000);
    member(&b, "b", token("{\"exp\":1700000900,\"rooms\":[\"r\"]}"));
    HAS(world_read(&a), "\"joined\":[{\"peer\":\"b\"");
    world_later(&w, 49999);
    world_settle(&w);
    assert_string_equal(world_read(&a), "");
    world_later(&w, 1);
    world_settle(&w);
    HAS(world_read(&a), "\"error\":\"unauthorized\"");
    assert_int_equal(a.close_code, 4401);
    HAS(world_read(&b), "\"left\":[{\"peer\":\"a\",\"reason\":\"expired\"}]");
    assert_null(world_retained(&w, "p/rooms/r/peers/a/presence"));
    world_shut(&w, &a);
    world_shut(&w, &b);
    end();
}

static void sessions_expire_in_the_order_of_their_tokens(void **state)
{
    (void)state;
    static const int lives[] = {40, 10, 30, 20, 10};
    struct world_socket s[ROWS(lives)];
    begin();
    w.router.o.join_timeout_us = INT64_MAX / 2; /* they never join */
    for (size_t i = 0; i < ROWS(lives); i++) {
        char claims[96];
        snprintf(claims, sizeof claims, "{\"exp\":%d,\"rooms\":[\"r\"]}", NOW_S + lives[i]);
        world_open_with(&w, &s[i], token(claims));
    }
    for (int second = 1; second <= 40; second++) {
        world_later(&w, 1000);
        for (size_t i = 0; i < ROWS(lives); i++)
            assert_int_equal(s[i].close_code, second < lives[i] ? 0 : 4401);
    }
    for (size_t i = 0; i < ROWS(lives); i++)
        world_shut(&w, &s[i]);
    end();
}

static void refresh_in_time_goes_on(void **state)
{
    (void)state;
    static const struct {
        const char *name, *claims, *answer;
    } refused[] = {
        {"another room", "{\"exp\":1700000900,\"rooms\":[\"r2\"]}", "\"forbidden\""},
        {"another name", "{\"exp\":1700000900,\"rooms\":[\"r\"],\"sub\":\"b\"}", "\"forbidden\""},
        {"expired", "{\"exp\":1600000000,\"rooms\":[\"r\"]}", "\"unauthorized\""},
    };
    struct world_socket a;
    begin();
    member(&a, "a", good(""));
    for (size_t i = 0; i < ROWS(refused); i++) {
        say_with(&a, "{\"type\":\"refresh\",\"id\":\"2\"", token(refused[i].claims));
        ROW(refused[i].name, strstr(world_read(&a), refused[i].answer));
        ROW(refused[i].name, a.close_code == 0);
    }
    say_with(&a, "{\"type\":\"refresh\",\"id\":\"3\"",
             token("{\"exp\":1700000300,\"rooms\":[\"r\"]}"));
    HAS(world_read(&a), "{\"type\":\"ack\",\"id\":\"3\",\"iceServers\":[],\"tokenExpiresIn\":300}");
    world_later(&w, 299999);
    assert_int_equal(a.close_code, 0);
    world_later(&w, 1);
    assert_int_equal(a.close_code, 4401);
    world_shut(&w, &a);
    end();
}

static void who_proves_the_name_takes_it_over(void **state)
{
    (void)state;
    struct world_socket old, other, fresh;
    begin();
    member(&old, "a", good(",\"sub\":\"a\""));
    member(&other, "b", good(""));
    join_with(&fresh, "r", "a", good(""));
    HAS(world_read(&fresh), "\"peer-taken\"");
    assert_int_equal(old.close_code, 0);
    world_shut(&w, &fresh);
    member(&fresh, "a", good(",\"sub\":\"a\""));
    assert_int_equal(old.close_code, 4409);
    const char *told = world_read(&other);
    HAS(told, "\"left\":[{\"peer\":\"a\",\"reason\":\"replaced\"}]");
    HAS(told, "\"joined\":[{\"peer\":\"a\"");
    world_shut(&w, &old); /* nothing of the newer one goes with it */
    world_settle(&w);
    assert_non_null(world_retained(&w, "p/rooms/r/peers/a/presence"));
    assert_true(world_subscribed(&w, "p/rooms/r/peers/a/in/+"));
    world_say(&w, &other, "{\"type\":\"bye\",\"to\":\"a\",\"id\":\"9\"}");
    world_settle(&w);
    HAS(world_read(&other), "\"ack\",\"id\":\"9\"");
    HAS(world_read(&fresh), "\"bye\"");
    world_shut(&w, &other);
    world_shut(&w, &fresh);
    end();
}

static void a_device_keeps_its_name(void **state)
{
    (void)state;
    struct world_socket s;
    begin();
    world_publish(&w, "p/rooms/r/peers/cam/presence", "{}", true);
    world_publish(&w, "p/rooms/r/peers/far/presence", "{\"via\":\"b2\",\"sid\":\"x-1\"}", true);
    world_settle(&w);
    join_with(&s, "r", "cam", good(",\"sub\":\"cam\""));
    HAS(world_read(&s), "\"peer-taken\"");
    world_shut(&w, &s);
    member(&s, "far", good(",\"sub\":\"far\"")); /* the other bridge hears of it and lets go */
    world_shut(&w, &s);
    end();
}

static void what_can_leaves_out_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *can, *say, *answer;
    } rows[] = {
        {"offer with message only", "[\"message\"]", "{" OFFER ",\"to\":\"cam\",\"id\":\"2\"}",
         "\"forbidden\",\"message\":\"the token does not allow `offer`"},
        {"invite with message only", "[\"message\"]",
         "{\"type\":\"invite\",\"to\":\"cam\",\"id\":\"2\"}", "\"forbidden\""},
        {"sealed with message only", "[\"message\"]",
         "{\"type\":\"sealed\",\"to\":\"cam\",\"id\":\"2\",\"data\":\"AAAA\"}", "\"forbidden\""},
        {"message with offer only", "[\"offer\"]",
         "{\"type\":\"message\",\"to\":\"cam\",\"id\":\"2\",\"data\":1}", "\"forbidden\""},
        {"message to all with nothing", "[]", "{\"type\":\"message\",\"id\":\"2\",\"data\":1}",
         "\"forbidden\""},
        {"bye with nothing", "[]", "{\"type\":\"bye\",\"to\":\"cam\",\"id\":\"2\"}",
         "\"peer-not-found\""}, /* nobody listens in this test: it went out */
        {"message with message", "[\"message\"]", "{\"type\":\"message\",\"id\":\"2\",\"data\":1}",
         "\"ack\""},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct world_socket s;
        char more[64];
        begin();
        world_publish(&w, "p/rooms/r/peers/cam/presence", "{}", true);
        world_settle(&w);
        snprintf(more, sizeof more, ",\"can\":%s", rows[i].can);
        member(&s, "a", good(more));
        world_say(&w, &s, rows[i].say);
        world_settle(&w);
        ROW(rows[i].name, strstr(world_read(&s), rows[i].answer));
        ROW(rows[i].name, s.close_code == 0);
        world_shut(&w, &s);
        end();
    }
}

static void the_token_s_meta_counts(void **state)
{
    (void)state;
    struct world_socket s;
    begin();
    world_open_with(&w, &s, good(",\"meta\":{\"name\":\"Ada\"}"));
    world_say(&w, &s,
              "{\"type\":\"join\",\"room\":\"r\",\"peer\":\"a\",\"meta\":"
              "{\"n\\u0061me\":\"Eve\",\"x\":1}}");
    world_settle(&w);
    HAS(world_retained(&w, "p/rooms/r/peers/a/presence"), "\"meta\":{\"name\":\"Ada\",\"x\":1}");
    world_say(&w, &s, "{\"type\":\"update\",\"meta\":{\"name\":\"Eve\",\"x\":2}}");
    world_settle(&w);
    HAS(world_retained(&w, "p/rooms/r/peers/a/presence"), "\"meta\":{\"name\":\"Ada\",\"x\":2}");
    world_shut(&w, &s);
    end();
}

static void failures_of_an_address_make_it_wait(void **state)
{
    (void)state;
    struct visitors_options o = {.sessions_max = 10, .free_failures = 2, .addresses_max = 10};
    struct visitors *visitors = visitors_create(&o);
    struct address_key key = {{1}};
    struct visitor *v = visitors_enter(visitors, &key, 0);
    struct text bad = text_of_str("bad");
    assert_non_null(v);
    begin();
    for (int i = 0; i < 4; i++) {
        struct world_socket s = {0};
        s.session = router_open(&w.router, &s, v, bad, w.now);
        HAS(world_read(&s), i < 3 ? "\"unauthorized\"" : "\"rate-limited\"");
        assert_int_equal(s.close_code, i < 3 ? 4401 : 1013);
        world_shut(&w, &s);
    }
    struct world_socket s = {0};
    world_later(&w, 61000);
    s.session = router_open(&w.router, &s, v, text_of_str(good("")), w.now);
    assert_int_equal(s.close_code, 0);
    world_shut(&w, &s);
    end();
    visitor_leave(v, 0);
    visitors_destroy(visitors);
}

static void too_many_messages_are_answered_and_then_cut_off(void **state)
{
    (void)state;
    struct world_socket s;
    world_init(&w, true);
    w.router.o.messages = (struct rate_limit){10, 5};
    world_open(&w, &s);
    for (int i = 0; i < 5; i++) {
        world_say(&w, &s, "{\"type\":\"ping\"}");
        HAS(world_read(&s), "\"pong\"");
    }
    world_say(&w, &s, "{\"type\":\"ping\",\"id\":\"x\"}");
    const char *answer = world_read(&s);
    HAS(answer, "\"code\":429,\"error\":\"rate-limited\"");
    HAS(answer, "\"id\":\"x\"");
    HAS(answer, "\"retryAfter\":100");
    world_later(&w, 100);
    world_say(&w, &s, "{\"type\":\"ping\"}");
    HAS(world_read(&s), "\"pong\"");
    for (int i = 0; i < 300 && !s.close_code; i++) {
        world_say(&w, &s, "nonsense that nobody reads any more");
        if (!s.close_code)
            HAS(world_read(&s), "\"rate-limited\"");
    }
    assert_int_equal(s.close_code, 1008);
    world_shut(&w, &s);
    world_release(&w);
}

static void bytes_count_too(void **state)
{
    (void)state;
    struct world_socket s;
    static char large[6000];
    world_init(&w, true);
    w.router.o.bytes = (struct rate_limit){1000, 8000};
    world_open(&w, &s);
    snprintf(large, sizeof large, "{\"type\":\"ping\",\"x\":\"%05000d\"}", 0);
    world_say(&w, &s, large);
    HAS(world_read(&s), "\"pong\"");
    world_say(&w, &s, large);
    HAS(world_read(&s), "\"rate-limited\"");
    world_say(&w, &s, "{\"type\":\"ping\"}");
    HAS(world_read(&s), "\"pong\"");
    world_later(&w, 2200);
    world_say(&w, &s, large);
    HAS(world_read(&s), "\"pong\"");
    world_shut(&w, &s);
    world_release(&w);
}

static void there_is_a_last_room(void **state)
{
    (void)state;
    struct world_socket a, b;
    world_init(&w, true);
    w.router.o.rooms_max = 1;
    world_join(&w, &a, "r", "a");
    world_open(&w, &b);
    world_say(&w, &b, "{\"type\":\"join\",\"room\":\"r2\",\"id\":\"1\"}");
    HAS(world_read(&b), "\"code\":503,\"error\":\"unavailable\"");
    assert_int_equal(w.router.metrics.too_many_rooms, 1);
    world_publish(&w, "p/rooms/r3/peers/cam/presence", "{}", true);
    world_settle(&w);
    assert_int_equal(w.router.registry.rooms.count, 1);
    assert_int_equal(w.router.metrics.dropped[DROP_ROOMS], 1);
    world_say(&w, &b, "{\"type\":\"join\",\"room\":\"r\",\"peer\":\"b\"}");
    world_settle(&w);
    HAS(world_read(&b), "\"joined\"");
    world_shut(&w, &a);
    world_shut(&w, &b);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_opens_what_it_says),
        cmocka_unit_test(without_a_token_nobody_joins),
        cmocka_unit_test(the_handshake_s_token_is_the_first),
        cmocka_unit_test(the_end_of_a_token_ends_the_membership),
        cmocka_unit_test(sessions_expire_in_the_order_of_their_tokens),
        cmocka_unit_test(refresh_in_time_goes_on),
        cmocka_unit_test(who_proves_the_name_takes_it_over),
        cmocka_unit_test(a_device_keeps_its_name),
        cmocka_unit_test(what_can_leaves_out_is_refused),
        cmocka_unit_test(the_token_s_meta_counts),
        cmocka_unit_test(failures_of_an_address_make_it_wait),
        cmocka_unit_test(too_many_messages_are_answered_and_then_cut_off),
        cmocka_unit_test(bytes_count_too),
        cmocka_unit_test(there_is_a_last_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
