/* Memory runs out: a whole story of base to core is told again and again, each time with the next
 * allocation failing, until none is left to fail. Nothing crashes, nothing leaks, no broken frame
 * goes out, everybody gets one answer or a closed socket, and afterwards the bridge works. */
#include "proto/json.h"
#include "sdp.h"
#include "test.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The linker sends every allocation here (--wrap), but those of the fake world. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *s);

static unsigned long allocations, fail_from, fail_count; /* fail_count 0: none fails */

static bool fails(void)
{
    allocations++;
    return fail_count && allocations >= fail_from && allocations - fail_from < fail_count;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *s)
{
    return fails() ? NULL : __real_strdup(s);
}

enum { PEERS = 3 };

static struct world w;
static struct world_socket sockets[PEERS];

static void open_socket(struct world_socket *s)
{
    *s = (struct world_socket){0};
    s->session = router_open(&w.router, s, NULL, text_of_str(""), w.now);
}

static void say(int who, const char *json)
{
    struct world_socket *s = &sockets[who];
    if (s->session && !s->close_code)
        world_say(&w, s, json);
    world_settle(&w);
}

static void device(const char *topic, const char *payload, bool retain)
{
    world_publish(&w, topic, payload, retain);
    world_settle(&w);
}

/* Every way that takes memory, each `id` once. */
static void tell_the_story(void)
{
    for (int i = 0; i < PEERS; i++)
        open_socket(&sockets[i]);
    say(0, "{\"type\":\"join\",\"room\":\"r\",\"peer\":\"a\",\"id\":\"a1\",\"meta\":{\"x\":1}}");
    say(1, "{\"type\":\"join\",\"room\":\"r\",\"peer\":\"b\",\"id\":\"b1\"}");
    say(2, "{\"type\":\"join\",\"room\":\"s\",\"id\":\"c1\"}");
    device("p/rooms/r/peers/cam/presence", "{\"ttl\":60,\"meta\":{\"name\":\"door\"}}", true);
    device("p/rooms/r/peers/x/presence", "{\"via\":\"b2\",\"sid\":\"run-1\"}", true);
    say(0, "{" OFFER ",\"to\":\"b\",\"id\":\"a2\"}");
    say(1, "{" ANSWER ",\"to\":\"a\",\"id\":\"b2\"}");
    device("p/rooms/r/peers/a/in/cam", "{" OFFER "}", false);
    say(0, "{" ANSWER ",\"to\":\"cam\",\"id\":\"a3\"}");
    say(0, "{\"type\":\"message\",\"data\":1,\"id\":\"a4\"}");
    say(0, "{\"type\":\"candidate\",\"candidate\":null,\"to\":\"b\",\"id\":\"a5\"}");
    device("p/rooms/r/peers/a/in/cam", "{\"type\":\"candidates\",\"candidates\":[null,null]}",
           false);
    device("p/rooms/r/peers/a/in/cam", "{\"type\":\"nonsense\"}", false);
    device("p/rooms/r/peers/a/in/_bridge", "{\"type\":\"error\",\"code\":404,\"error\":\"x\"}",
           false);
    device("p/rooms/r/peers/_bridge/in/cam", "{\"type\":\"ice-servers\",\"id\":\"1\"}", false);
    say(1, "{\"type\":\"ping\",\"id\":\"b3\"}");
    say(1, "{\"type\":\"update\",\"meta\":{\"y\":2},\"id\":\"b4\"}");
    say(1, "{\"type\":\"resume\",\"session\":\"s\",\"secret\":\"s\",\"seq\":0,\"id\":\"b5\"}");
    say(1, "{\"type\":\"refresh\",\"token\":\"t\",\"id\":\"b6\"}");
    device("p/bridges/b2/status", "{\"online\":false,\"run\":\"run\"}", false);
    world_drop_link(&w);
    say(2, "{\"type\":\"leave\",\"id\":\"c2\"}");
    world_restore_link(&w);
    world_settle(&w);
    say(2, "{\"type\":\"join\",\"room\":\"r\",\"peer\":\"c\",\"id\":\"c3\"}");
    device("p/rooms/r/peers/c/presence", "{\"via\":\"b2\",\"sid\":\"x\"}", true);
    say(0, "{\"type\":\"leave\",\"id\":\"a6\"}");
    say(0, "{\"type\":\"join\",\"room\":\"r\",\"peer\":\"a\",\"id\":\"a7\"}");
    world_later(&w, 31000); /* whoever still waits is told */
    world_settle(&w);
}

static size_t count_frames(const struct world_socket *s, const char *type, const char *id)
{
    char member[32];
    size_t count = 0;
    snprintf(member, sizeof member, "\"id\":\"%s\"", id);
    for (size_t i = 0; i < s->count; i++)
        count += strstr(s->frames[i], type) && strstr(s->frames[i], member);
    return count;
}

/* One ack or one error; the receiver's side may have its say after the broker's ack. */
static void check_answers(int who, char letter, int ids)
{
    const struct world_socket *s = &sockets[who];
    for (int id = 1; id <= ids && s->session && !s->close_code; id++) {
        char name[16];
        snprintf(name, sizeof name, "%c%d", letter, id);
        size_t acks = count_frames(s, "\"type\":\"ack\"", name);
        size_t errors = count_frames(s, "\"type\":\"error\"", name);
        if (acks > 1 || errors > 1 || acks + errors == 0)
            fail_msg("failing allocation %lu: %zu ack and %zu error for %s", fail_from, acks,
                     errors, name);
    }
}

/* Whole frames, numbered without a gap. */
static void check_frames(const struct world_socket *s)
{
    uint64_t last = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct json_member m[16];
        size_t n;
        uint64_t seq;
        if (json_object(s->frames[i], strlen(s->frames[i]), m, 16, &n, NULL) != STATUS_OK)
            fail_msg("failing allocation %lu: broken frame %s", fail_from, s->frames[i]);
        for (size_t k = 0; k < n; k++) {
            if (json_equals(m[k].key, "type") && json_equals(m[k].value, "joined"))
                last = 0;
            if (json_equals(m[k].key, "seq") &&
                (!json_uint(m[k].value, UINT64_MAX, &seq) || seq != ++last))
                fail_msg("failing allocation %lu: out of order: %s", fail_from, s->frames[i]);
        }
    }
}

static void check_broker(void)
{
    for (size_t i = 0; i < WORLD_RETAINED; i++) {
        struct json_member m[16];
        size_t n;
        const struct world_message *at = &w.retained[i];
        if (at->payload && json_object(at->payload, at->len, m, 16, &n, NULL) != STATUS_OK)
            fail_msg("failing allocation %lu: broken presence %s", fail_from, at->payload);
    }
}

/* True when an allocation was there to fail. */
static bool run(bool watch_all, unsigned long from, unsigned long count)
{
    world_init(&w, watch_all);
    allocations = 0;
    fail_from = from;
    fail_count = count;
    tell_the_story();
    bool failed = allocations >= from;
    fail_count = 0;
    check_broker();
    check_answers(0, 'a', 7);
    check_answers(1, 'b', 6);
    check_answers(2, 'c', 3);
    for (int i = 0; i < PEERS; i++) {
        check_frames(&sockets[i]);
        world_shut(&w, &sockets[i]);
    }
    device("p/rooms/r/peers/cam/presence", "", true);
    device("p/rooms/r/peers/c/presence", "", true);
    device("p/rooms/r/peers/x/presence", "", true);
    if (w.router.session_count || w.router.joined_count || w.router.registry.present_count ||
        w.router.registry.peer_count || w.router.registry.rooms.count)
        fail_msg("failing allocation %lu: somebody or something is left", from);
    world_join(&w, &sockets[0], "r", "a"); /* and it still works */
    world_shut(&w, &sockets[0]);
    world_release(&w);
    return failed;
}

static void one_allocation_fails(void **state)
{
    (void)state;
    for (int all = 0; all < 2; all++) {
        unsigned long n = 1;
        while (run(all, n, 1))
            n++;
        assert_true(n > 20); /* it did reach the core */
    }
}

static void ten_allocations_fail(void **state)
{
    (void)state;
    for (int all = 0; all < 2; all++)
        for (unsigned long n = 1; run(all, n, 10); n++)
            ;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_allocation_fails),
        cmocka_unit_test(ten_allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
