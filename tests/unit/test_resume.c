/* Sessions whose socket drops: what is kept for them, what brings them back, what ends them. Going
 * from bridge to bridge: test_takeover.c. */
#include "test.h"
#include "world.h"

#include "core/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HAS(text, part) assert_non_null(strstr((text), (part)))

static struct world w;

/* What a client needs to come back. */
struct place {
    char session[64], secret[64];
};

static void copy_field(const char *frame, const char *name, char *out, size_t size)
{
    const char *at = strstr(frame, name);
    size_t len = at ? strcspn(at + strlen(name), "\"") : 0;
    assert_true(at && len < size);
    memcpy(out, at + strlen(name), len);
    out[len] = '\0';
}

static void note_place(const struct world_socket *s, struct place *p)
{
    for (size_t i = 0; i < s->count; i++) {
        if (!strstr(s->frames[i], "\"secret\":\""))
            continue;
        copy_field(s->frames[i], "\"session\":\"", p->session, sizeof p->session);
        copy_field(s->frames[i], "\"secret\":\"", p->secret, sizeof p->secret);
    }
}

/* The answer to a `resume` on a new socket. */
static const char *come_back(struct world_socket *s, const struct place *p, unsigned seq)
{
    char json[1024];
    world_open(&w, s);
    snprintf(json, sizeof json,
             "{\"type\":\"resume\",\"session\":\"%s\",\"secret\":\"%s\",\"seq\":%u,\"id\":\"r\"}",
             p->session, p->secret, seq);
    world_say(&w, s, json);
    return world_read(s);
}

static void say_to(struct world_socket *from, const char *to, const char *data)
{
    char json[256];
    snprintf(json, sizeof json, "{\"type\":\"message\",\"to\":\"%s\",\"data\":\"%s\"}", to, data);
    world_say(&w, from, json);
    world_settle(&w);
}

static void member(struct world_socket *s, const char *peer, struct place *p)
{
    world_join(&w, s, "r", peer);
    note_place(s, p);
    world_answer(&w, s);
}

static void what_came_meanwhile_is_there(void **state)
{
    (void)state;
    struct world_socket a, b, again;
    struct place place;
    world_init(&w, true);
    member(&a, "a", &place);
    world_join(&w, &b, "r", "b");
    size_t told = b.count;
    world_lose(&w, &a);
    say_to(&b, "a", "one");
    say_to(&b, "a", "two");
    HAS(come_back(&again, &place, 1), "\"peers\":[{\"peer\":\"b\"");
    HAS(again.frames[0], "\"seq\":3}");
    HAS(world_read(&again), "\"one\",\"seq\":2}");
    HAS(world_read(&again), "\"two\",\"seq\":3}");
    assert_string_equal(world_read(&again), "");
    say_to(&b, "a", "three");
    HAS(world_read(&again), "\"three\",\"seq\":4}");
    for (size_t i = told; i < b.count; i++)
        assert_null(strstr(b.frames[i], "presence"));
    world_shut(&w, &a);
    world_shut(&w, &again);
    world_shut(&w, &b);
    world_release(&w);
}

/* What a client does between losing its socket and asking for its session, and what it hears. */
static void who_may_come_back(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool unknown; /* it has not shown that it read `joined` */
        int messages; /* that come for it meanwhile */
        int64_t later_ms;
        const char *secret, *session; /* instead of the right ones */
        unsigned seq;
        bool back;
    } rows[] = {
        {.name = "at once", .seq = 1, .back = true},
        {.name = "having read nothing", .seq = 0, .back = true},
        {.name = "in the last moment", .later_ms = 29999, .seq = 1, .back = true},
        {.name = "too late", .later_ms = 30001, .seq = 1},
        {.name = "as many messages as are kept", .messages = 15, .seq = 1, .back = true},
        {.name = "more messages than are kept", .messages = 40, .seq = 1},
        {.name = "another secret", .secret = "aaaaaaaaaaaaaaaaaaaaaaaa", .seq = 1},
        {.name = "the secret's beginning", .secret = "a", .seq = 1},
        {.name = "no session's name", .session = "x", .seq = 1},
        {.name = "a session that never was", .session = "b1.run001-aaaaaaaaaaaaa", .seq = 1},
        {.name = "a session of a bridge that never was", .session = "b9.run009-aaaaaaaaaaaaa"},
        {.name = "what was never sent", .seq = 100},
        {.name = "it has just joined", .unknown = true, .later_ms = 4999, .seq = 1, .back = true},
        {.name = "it never said that it knows its place",
         .unknown = true,
         .later_ms = 5001,
         .seq = 1},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct world_socket a, b, again;
        struct place place;
        world_init(&w, true);
        world_join(&w, &a, "r", "a");
        note_place(&a, &place);
        world_join(&w, &b, "r", "b");
        if (!rows[i].unknown)
            router_confirmed(&w.router, a.session, 1, w.now); /* `joined` and nothing else */
        world_lose(&w, &a);
        for (int k = 0; k < rows[i].messages; k++)
            say_to(&b, "a", "x");
        world_later(&w, rows[i].later_ms);
        world_settle(&w);
        if (rows[i].secret)
            snprintf(place.secret, sizeof place.secret, "%s", rows[i].secret);
        if (rows[i].session)
            snprintf(place.session, sizeof place.session, "%s", rows[i].session);
        const char *answer = come_back(&again, &place, rows[i].seq);
        const char *want = rows[i].back ? "{\"type\":\"resumed\"" : "\"error\":\"session-expired\"";
        ROW(rows[i].name, strstr(answer, want) && (rows[i].back || strstr(answer, "\"id\":\"r\"")));
        world_shut(&w, &a);
        world_shut(&w, &again);
        world_shut(&w, &b);
        world_release(&w);
    }
}

static void another_secret_each_time(void **state)
{
    (void)state;
    struct world_socket a, s[4];
    struct place places[4];
    world_init(&w, true);
    member(&a, "a", &places[0]);
    world_lose(&w, &a);
    for (int i = 0; i < 3; i++) {
        HAS(come_back(&s[i], &places[i], 0), "resumed");
        note_place(&s[i], &places[i + 1]);
        assert_string_not_equal(places[i].secret, places[i + 1].secret);
        world_answer(&w, &s[i]);
        world_lose(&w, &s[i]);
    }
    HAS(come_back(&s[3], &places[0], 0), "session-expired");
    world_shut(&w, &a);
    for (int i = 0; i < 4; i++)
        world_shut(&w, &s[i]);
    world_release(&w);
}

/* The answer with the new secret did not arrive, twice: the old one still counts. */
static void a_lost_answer_costs_nothing(void **state)
{
    (void)state;
    struct world_socket a, s[3];
    struct place place;
    world_init(&w, true);
    member(&a, "a", &place);
    world_lose(&w, &a);
    for (int i = 0; i < 3; i++) {
        HAS(come_back(&s[i], &place, 0), "resumed");
        if (i < 2)
            world_lose(&w, &s[i]);
    }
    world_shut(&w, &a);
    for (int i = 0; i < 3; i++)
        world_shut(&w, &s[i]);
    world_release(&w);
}

static void the_old_socket_is_fenced_off(void **state)
{
    (void)state;
    struct world_socket a, again;
    struct place place;
    world_init(&w, true);
    member(&a, "a", &place);
    HAS(come_back(&again, &place, 0), "resumed");
    assert_int_equal(a.close_code, 4409);
    assert_null(a.session);
    assert_int_equal(w.router.session_count, 1);
    world_shut(&w, &a);
    world_shut(&w, &again);
    world_release(&w);
}

static void the_window_ends_for_all(void **state)
{
    (void)state;
    struct world_socket a, b;
    struct place place;
    world_init(&w, true);
    member(&a, "a", &place);
    world_join(&w, &b, "r", "b");
    world_lose(&w, &a);
    while (*world_read(&b))
        ;
    world_later(&w, 30001);
    world_settle(&w);
    HAS(world_read(&b), "\"left\":[{\"peer\":\"a\",\"reason\":\"timeout\"}]");
    assert_null(world_retained(&w, "p/rooms/r/peers/a/presence"));
    assert_int_equal(w.router.away_count, 0);
    world_shut(&w, &a);
    world_shut(&w, &b);
    world_release(&w);
}

/* Frames are kept until a client answers behind them, and asked for before there are many. */
static void what_was_read_is_not_kept(void **state)
{
    (void)state;
    struct world_socket a, b;
    struct place place;
    world_init(&w, true);
    member(&a, "a", &place);
    world_join(&w, &b, "r", "b");
    a.asked = false;
    for (int i = 0; i < 3; i++)
        say_to(&b, "a", "x");
    assert_false(a.asked);
    assert_int_equal(a.session->replay.count, 4);
    router_confirmed(&w.router, a.session, 50, w.now); /* of what it was before */
    assert_int_equal(a.session->replay.count, 4);
    world_later(&w, 2000);
    assert_true(a.asked);
    world_answer(&w, &a);
    assert_int_equal(a.session->replay.count, 0);
    for (int i = 0; i < 5; i++)
        say_to(&b, "a", "x");
    assert_true(a.asked); /* a quarter of what may be kept */
    world_shut(&w, &a);
    world_shut(&w, &b);
    world_release(&w);
}

static void who_is_away_is_bounded(void **state)
{
    (void)state;
    struct world_socket s[6];
    struct place place[6];
    static const char *const names[] = {"p0", "p1", "p2", "p3", "p4", "p5"};
    world_init(&w, true);
    for (int i = 0; i < 6; i++)
        member(&s[i], names[i], &place[i]);
    for (int i = 0; i < 6; i++)
        world_lose(&w, &s[i]);
    world_settle(&w);
    assert_int_equal(w.router.away_count, 4);
    assert_null(world_retained(&w, "p/rooms/r/peers/p0/presence"));
    assert_null(world_retained(&w, "p/rooms/r/peers/p1/presence"));
    assert_non_null(world_retained(&w, "p/rooms/r/peers/p2/presence"));
    for (int i = 0; i < 6; i++)
        world_shut(&w, &s[i]);
    world_release(&w);
}

/* An error that has no id to ask again with waits for its receiver. */
static void errors_wait_for_who_is_away(void **state)
{
    (void)state;
    struct world_socket a, again;
    struct place place;
    world_init(&w, true);
    member(&a, "a", &place);
    world_publish(&w, "p/rooms/r/peers/cam/presence", "{}", true); /* it does not listen */
    world_settle(&w);
    world_say(&w, &a, "{\"type\":\"message\",\"to\":\"cam\",\"data\":1}");
    world_lose(&w, &a);
    world_settle(&w);
    HAS(come_back(&again, &place, 1), "resumed");
    HAS(world_read(&again), "\"error\":\"peer-not-found\"");
    world_shut(&w, &a);
    world_shut(&w, &again);
    world_release(&w);
}

/* The same message from the broker again; payloads as a device sends them. */
static void what_comes_twice_is_heard_once(void **state)
{
    (void)state;
    static const struct {
        const char *name, *first, *second;
        size_t heard;
    } rows[] = {
        {"with `sent`", "{\"type\":\"message\",\"data\":1,\"sent\":5}",
         "{\"type\":\"message\",\"data\":1,\"sent\":5}", 1},
        {"with `id`", "{\"type\":\"message\",\"data\":1,\"id\":\"x\"}",
         "{\"type\":\"message\",\"data\":1,\"id\":\"x\"}", 1},
        {"sent later", "{\"type\":\"message\",\"data\":1,\"sent\":5}",
         "{\"type\":\"message\",\"data\":1,\"sent\":6}", 2},
        {"without either, it may be meant", "{\"type\":\"message\",\"data\":1}",
         "{\"type\":\"message\",\"data\":1}", 2},
    };
    for (size_t i = 0; i < ROWS(rows); i++)
        for (int all = 0; all < 2; all++) {
            struct world_socket a;
            const char *topic = all ? "p/rooms/r/all/cam" : "p/rooms/r/peers/a/in/cam";
            world_init(&w, true);
            world_join(&w, &a, "r", "a");
            world_publish(&w, topic, rows[i].first, false);
            world_publish(&w, topic, rows[i].second, false);
            world_settle(&w);
            ROW(rows[i].name, a.count == 1 + rows[i].heard);
            world_shut(&w, &a);
            world_release(&w);
        }
}

/* A clock that is set back, and one that stands still. */
static void each_message_has_another_stamp(void **state)
{
    (void)state;
    struct world_socket a;
    uint64_t last = 0, sent;
    world_init(&w, true);
    world_join(&w, &a, "r", "a");
    world_publish(&w, "p/rooms/r/peers/cam/presence", "{}", true);
    world_settle(&w);
    for (int i = 0; i < 6; i++) {
        w.now.wall_ms -= i * 1000;
        world_say(&w, &a, "{\"type\":\"message\",\"to\":\"cam\",\"data\":1}");
        const char *at = strstr(w.queue[w.queued - 1].payload, "\"sent\":");
        sent = strtoull(at + 7, NULL, 10);
        assert_true(sent > last);
        last = sent;
    }
    world_settle(&w);
    world_shut(&w, &a);
    world_release(&w);
}

/* Wall clocks jump; what waits, waits for as long as it was to. */
static void a_clock_that_jumps_ends_nothing(void **state)
{
    (void)state;
    static const int64_t jumps_ms[] = {INT64_C(86400000), INT64_C(-86400000),
                                       INT64_C(-1600000000000)};
    for (size_t i = 0; i < ROWS(jumps_ms); i++) {
        struct world_socket a, b, again;
        struct place place;
        world_init(&w, true);
        member(&a, "a", &place);
        world_join(&w, &b, "r", "b");
        world_publish(&w, "p/rooms/r/peers/cam/presence", "{\"ttl\":60}", true);
        world_settle(&w);
        world_lose(&w, &a);
        w.now.wall_ms += jumps_ms[i];
        world_later(&w, 25000);
        world_settle(&w);
        assert_non_null(world_retained(&w, "p/rooms/r/peers/cam/presence"));
        HAS(come_back(&again, &place, 0), "resumed");
        world_later(&w, 40000);
        world_settle(&w);
        assert_null(world_retained(&w, "p/rooms/r/peers/cam/presence"));
        assert_non_null(world_retained(&w, "p/rooms/r/peers/b/presence"));
        world_shut(&w, &a);
        world_shut(&w, &b);
        world_shut(&w, &again);
        world_release(&w);
    }
}

/* One that is shut before it joins, whatever stands beside it in the list of those. */
static void who_never_joined_leaves_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int opened, shut_first;
    } rows[] = {{"the only one", 1, 0}, {"the first of two", 2, 0}, {"the last of two", 2, 1}};
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct world_socket s[2];
        world_init(&w, true);
        for (int k = 0; k < rows[i].opened; k++)
            world_open(&w, &s[k]);
        world_shut(&w, &s[rows[i].shut_first]);
        for (int k = 0; k < rows[i].opened; k++)
            if (k != rows[i].shut_first)
                world_shut(&w, &s[k]);
        world_later(&w, 1000);
        ROW(rows[i].name, list_empty(&w.router.sessions));
        world_release(&w);
    }
}

/* Where nothing is kept, another socket may go on only where the first one was. */
static void without_a_window_nothing_is_skipped(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned seq;
        const char *heard;
    } rows[] = {{"it has all", 2, "resumed"}, {"it lacks one", 1, "session-expired"}};
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct world_socket a, b, again;
        struct place place;
        world_init(&w, true);
        w.router.o.resume_window_us = 0;
        member(&a, "a", &place);
        world_join(&w, &b, "r", "b");
        say_to(&b, "a", "one");
        ROW(rows[i].name, strstr(come_back(&again, &place, rows[i].seq), rows[i].heard));
        world_shut(&w, &a);
        world_shut(&w, &b);
        world_shut(&w, &again);
        world_release(&w);
    }
}

static void (*send_as_usual)(void *socket, struct frame *f);
static uint64_t mark_of_resumed;

static void note_mark(void *socket, struct frame *f)
{
    struct text t = frame_text(f);
    if (text_literal(&t, "{\"type\":\"resumed\""))
        mark_of_resumed = f->mark;
    send_as_usual(socket, f);
}

/* A client that read `resumed` and none of what it missed comes back once more for that. */
static void who_read_only_the_answer_misses_nothing(void **state)
{
    (void)state;
    struct world_socket a, b, again, once_more;
    struct place place;
    world_init(&w, true);
    send_as_usual = w.router.socket_ops.send;
    w.router.socket_ops.send = note_mark;
    member(&a, "a", &place);
    world_join(&w, &b, "r", "b");
    world_lose(&w, &a);
    say_to(&b, "a", "missed");
    HAS(come_back(&again, &place, 1), "resumed");
    note_place(&again, &place);
    router_confirmed(&w.router, again.session, mark_of_resumed, w.now);
    world_lose(&w, &again);
    HAS(come_back(&once_more, &place, 1), "resumed");
    HAS(world_read(&once_more), "\"missed\",\"seq\":2}");
    world_shut(&w, &a);
    world_shut(&w, &b);
    world_shut(&w, &again);
    world_shut(&w, &once_more);
    world_release(&w);
}

/* As much as is kept (16, in this world) waits for it, and a change that nobody was told of yet. */
static void what_was_not_told_yet_counts(void **state)
{
    (void)state;
    for (int changes = 0; changes < 2; changes++) {
        struct world_socket a, back;
        struct place p;
        char json[64];
        world_init(&w, true);
        member(&a, "a", &p);
        world_answer(&w, &a);
        for (int i = 0; i < 16; i++) {
            snprintf(json, sizeof json, "{\"type\":\"message\",\"data\":%d}", i);
            world_publish(&w, "p/rooms/r/peers/a/in/cam", json, false);
            world_settle(&w);
        }
        world_lose(&w, &a);
        if (changes)
            router_bus_message(&w.router, "p/rooms/r/peers/new/presence", text_of_str("{}"), false,
                               text_of_str(""), w.now);
        HAS(come_back(&back, &p, 0), changes ? "session-expired" : "\"resumed\"");
        world_shut(&w, &a);
        world_shut(&w, &back);
        world_release(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_came_meanwhile_is_there),
        cmocka_unit_test(who_may_come_back),
        cmocka_unit_test(another_secret_each_time),
        cmocka_unit_test(a_lost_answer_costs_nothing),
        cmocka_unit_test(the_old_socket_is_fenced_off),
        cmocka_unit_test(the_window_ends_for_all),
        cmocka_unit_test(what_was_read_is_not_kept),
        cmocka_unit_test(who_is_away_is_bounded),
        cmocka_unit_test(errors_wait_for_who_is_away),
        cmocka_unit_test(what_comes_twice_is_heard_once),
        cmocka_unit_test(each_message_has_another_stamp),
        cmocka_unit_test(a_clock_that_jumps_ends_nothing),
        cmocka_unit_test(who_never_joined_leaves_nothing),
        cmocka_unit_test(without_a_window_nothing_is_skipped),
        cmocka_unit_test(who_read_only_the_answer_misses_nothing),
        cmocka_unit_test(what_was_not_told_yet_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
