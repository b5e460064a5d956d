/* What one session says to one peer in one turn of the loop: what travels together, what it meets
 * on the way, how it is taken apart, and that each message has its own answer. */
#include "core/bundle.h"
#include "core/echo.h"
#include "proto/message.h"
#include "sdp.h"
#include "test.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 12, STORY_MAX = 4096, SOCKETS = 3 };

#define LINE(n)        "candidate:" #n " 1 udp 1 192.0.2.1 5000 typ host"
#define INIT(n)        "{\"candidate\":\"" LINE(n) "\",\"sdpMid\":\"0\"}"
#define SAYS(n, more)  "{\"type\":\"candidate\",\"candidate\":" INIT(n) "," more "}"
#define TO(n, to)      SAYS(n, "\"to\":\"" to "\",\"id\":\"" #n "\"")
#define C(n)           TO(n, "b")
#define D(n)           TO(n, "takes")
#define CALL(n, call)  SAYS(n, "\"to\":\"b\",\"id\":\"" #n "\",\"call\":\"" call "\"")
#define DCALL(n, call) SAYS(n, "\"to\":\"takes\",\"id\":\"" #n "\",\"call\":\"" call "\"")
#define EXT(n)         SAYS(n, "\"to\":\"b\",\"id\":\"" #n "\",\"ext\":{\"x\":1}")
#define END(id)        "{\"type\":\"candidate\",\"candidate\":null,\"to\":\"b\",\"id\":\"" id "\"}"
#define MESSAGE(id)    "{\"type\":\"message\",\"to\":\"b\",\"data\":1,\"id\":\"" id "\"}"
#define SEALED(id)     "{\"type\":\"sealed\",\"to\":\"b\",\"data\":\"AAAA\",\"id\":\"" id "\"}"
#define BYE(id)        "{\"type\":\"bye\",\"to\":\"b\",\"id\":\"" id "\"}"

static struct world w;
static struct world_socket a, b, c;

static void listen_at(const char *filter)
{
    size_t i = 0;
    while (w.filters[i])
        i++;
    w.filters[i] = strdup(filter);
}

/* Three browsers; a device that takes bundles, one that does not, one with little room. */
static int set_up(void **state)
{
    (void)state;
    world_init(&w, true);
    world_join(&w, &a, "r", "a");
    world_join(&w, &b, "r", "b");
    world_join(&w, &c, "r", "c");
    world_publish(&w, "p/rooms/r/peers/takes/presence", "{\"bundle\":true}", true);
    world_publish(&w, "p/rooms/r/peers/plain/presence", "{\"bundle\":false}", true);
    world_publish(&w, "p/rooms/r/peers/small/presence",
                  "{\"bundle\":true,\"limits\":{\"sdp\":250}}", true);
    world_publish(&w, "p/rooms/r/peers/deaf/presence", "{\"bundle\":true}", true);
    listen_at("p/rooms/r/peers/takes/in/+");
    listen_at("p/rooms/r/peers/plain/in/+");
    listen_at("p/rooms/r/peers/small/in/+");
    world_settle(&w);
    a.read = a.count;
    b.read = b.count;
    c.read = c.count;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_shut(&w, &a);
    world_shut(&w, &b);
    world_shut(&w, &c);
    world_release(&w);
    return 0;
}

/* ---- what was told, in short ---- */

struct story {
    char text[STORY_MAX];
    size_t len;
};

static void tell(struct story *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void tell(struct story *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(s->text + s->len, sizeof s->text - s->len, format, args);
    va_end(args);
    assert_true(n >= 0 && s->len + (size_t)n < sizeof s->text);
    s->len += (size_t)n;
}

static void tell_member(struct story *s, const char *json, const char *name, const char *as)
{
    char start[24];
    snprintf(start, sizeof start, "\"%s\":\"", name);
    const char *at = strstr(json, start);
    if (at)
        tell(s, " %s%.*s", as, (int)strcspn(at + strlen(start), "\""), at + strlen(start));
}

/* The numbers of the candidates, as their foundations say them. */
static void tell_candidates(struct story *s, const char *json)
{
    char before = ' ';
    for (const char *p = json; *p; p++) {
        if (strncmp(p, "\"candidate:", 11) == 0)
            tell(s, "%c%.*s", before, (int)strcspn(p + 11, " "), p + 11);
        else if (strncmp(p, "null", 4) == 0)
            tell(s, "%cnull", before);
        else
            continue;
        before = ',';
    }
}

static void tell_message(struct story *s, const char *json, size_t len)
{
    char copy[2048], type[24] = "";
    assert_true(len < sizeof copy);
    memcpy(copy, json, len);
    copy[len] = '\0';
    sscanf(copy, "{\"type\":\"%23[^\"]", type);
    tell(s, "%s", type);
    tell_candidates(s, copy);
    tell_member(s, copy, "error", "");
    tell_member(s, copy, "call", "call=");
    tell_member(s, copy, "id", "#");
    if (strstr(copy, "\"ext\""))
        tell(s, " ext");
}

/* Messages that travel together stand in brackets. */
static void tell_payload(struct story *s, const char *json, size_t len)
{
    struct json_member m[16];
    struct json_span items[BUNDLE_MESSAGES_MAX];
    size_t n;
    assert_int_equal(json_object(json, len, m, 16, &n, NULL), STATUS_OK);
    if (!json_equals(m[0].value, "together")) {
        tell_message(s, json, len);
        return;
    }
    struct json_span all = m[1].value;
    assert_int_equal(n, 2);
    assert_int_equal(json_array(all.p, all.len, items, BUNDLE_MESSAGES_MAX, &n, NULL), STATUS_OK);
    assert_true(n > 1);
    for (size_t i = 0; i < n; i++) {
        tell(s, i ? ", " : "[");
        tell_message(s, items[i].p, items[i].len);
    }
    tell(s, "]");
}

/* The publications that wait, in order: "a>b [candidate 1, candidate 2]; a>b message #m; a gone".
 */
static void tell_publications(struct story *s)
{
    for (size_t i = 0; i < w.queued; i++) {
        const struct world_message *m = &w.queue[i];
        char to[16], from[16];
        if (sscanf(m->topic, "p/rooms/r/peers/%15[^/]/in/%15s", to, from) == 2) {
            tell(s, "%s%s>%s ", s->len ? "; " : "", from, to);
            tell_payload(s, m->payload, m->len);
        } else if (sscanf(m->topic, "p/rooms/r/peers/%15[^/]/presence", to) == 1) {
            tell(s, "%s%s %s", s->len ? "; " : "", to, m->len ? "there" : "gone");
        }
    }
}

/* What a socket heard since the last time: "ack #1; error unavailable #2". */
static void tell_heard(struct story *s, struct world_socket *socket)
{
    const char *frame;
    while (*(frame = world_read(socket))) {
        if (strstr(frame, "\"type\":\"presence\"") || strstr(frame, "\"type\":\"joined\""))
            continue;
        if (s->len)
            tell(s, "; ");
        tell_message(s, frame, strlen(frame));
    }
}

/* ---- what is done ---- */

static struct world_socket *socket_of(char name)
{
    return name == 'a' ? &a : name == 'b' ? &b : &c;
}

static void from_the_broker(const char *topic, const char *payload)
{
    router_bus_message(&w.router, topic, text_of_str(payload), false, text_of_str(""), w.now);
}

/* "a {…}" is said by a; "room N": so many publications the outage buffer takes; others by name. */
static void take(const char *step)
{
    if (step[1] == ' ')
        world_say(&w, socket_of(step[0]), step + 2);
    else if (strcmp(step, "turn") == 0)
        router_flush(&w.router, w.now);
    else if (strcmp(step, "tick") == 0)
        world_later(&w, 0);
    else if (strcmp(step, "down") == 0)
        world_drop_link(&w);
    else if (strcmp(step, "shut") == 0)
        world_shut(&w, &a);
    else if (strcmp(step, "lose") == 0)
        world_lose(&w, &a);
    else if (strcmp(step, "drain") == 0)
        router_drain(&w.router, "draining", 0, w.now);
    else if (strcmp(step, "confirmed") == 0)
        world_answer(&w, &c);
    else if (strcmp(step, "device") == 0)
        from_the_broker("p/rooms/r/peers/a/in/takes", "{\"type\":\"bye\"}");
    else if (strcmp(step, "no bundles") == 0)
        from_the_broker("p/rooms/r/peers/takes/presence", "{}");
    else if (strcmp(step, "elsewhere") == 0)
        from_the_broker("p/rooms/r/peers/a/presence", "{\"via\":\"b2\",\"sid\":\"x\"}");
    else
        assert_int_equal(sscanf(step, "room %zu", &w.publish_room), 1);
}

/* The broker's answer to each of them is another one. */
static void settle_as(enum status status, bool found)
{
    router_flush(&w.router, w.now);
    for (size_t i = 0; i < w.queued; i++) {
        if (w.queue[i].delivery)
            router_published(&w.router, w.queue[i].delivery, status, found, w.now);
        free(w.queue[i].payload);
    }
    w.queued = 0;
}

struct row {
    const char *name;
    const char *steps[STEPS];
    const char *published; /* at the end of the turn */
    const char *a, *b;     /* what they hear when all has come through */
};

static void check_story(const char *row, const char *what, const struct story *is,
                        const char *should)
{
    if (strcmp(is->text, should) != 0)
        fail_msg("row \"%s\": %s \"%s\", not \"%s\"", row, what, is->text, should);
}

static void check_row(const struct row *row)
{
    struct story published = {.len = 0}, at_a = {.len = 0}, at_b = {.len = 0};
    for (size_t i = 0; i < STEPS && row->steps[i]; i++)
        take(row->steps[i]);
    router_flush(&w.router, w.now);
    const struct bundle *left = &w.router.bundle;
    ROW(row->name, left->way == BUNDLE_NONE && !left->session && !left->first && !left->count);
    tell_publications(&published);
    check_story(row->name, "published", &published, row->published);
    world_settle(&w);
    tell_heard(&at_a, &a);
    tell_heard(&at_b, &b);
    check_story(row->name, "a heard", &at_a, row->a);
    check_story(row->name, "b heard", &at_b, row->b);
    ROW(row->name, w.router.echo_bytes == 0);
    for (int i = 0; i < SOCKETS; i++) {
        const struct session *s = socket_of((char)('a' + i))->session;
        ROW(row->name, !s || list_empty(&s->deliveries));
    }
}

/* Each in a world of its own. */
static void check_rows(const struct row *rows, size_t count, void **state)
{
    for (size_t i = 0; i < count; i++) {
        tear_down(state);
        set_up(state);
        check_row(&rows[i]);
    }
}

/* ---- the tests ---- */

static void to_a_bridge_whole_messages_travel_together(void **state)
{
    static const struct row rows[] = {
        {"one goes as it is", {"a " C(1)}, "a>b candidate 1 #1", "ack #1", "candidate 1 #1"},
        {"two in one turn",
         {"a " C(1), "a " C(2)},
         "a>b [candidate 1 #1, candidate 2 #2]",
         "ack #1; ack #2",
         "candidate 1 #1; candidate 2 #2"},
        {"one in each of two turns",
         {"a " C(1), "turn", "a " C(2)},
         "a>b candidate 1 #1; a>b candidate 2 #2",
         "ack #1; ack #2",
         "candidate 1 #1; candidate 2 #2"},
        {"without ids nobody is answered",
         {"a " SAYS(1, "\"to\":\"b\""), "a " SAYS(2, "\"to\":\"b\"")},
         "a>b [candidate 1, candidate 2]",
         "",
         "candidate 1; candidate 2"},
        {"some have an id",
         {"a " C(1), "a " SAYS(2, "\"to\":\"b\""), "a " C(3)},
         "a>b [candidate 1 #1, candidate 2, candidate 3 #3]",
         "ack #1; ack #3",
         "candidate 1 #1; candidate 2; candidate 3 #3"},
        {"the end among them",
         {"a " C(1), "a " END("e"), "a " C(2)},
         "a>b [candidate 1 #1, candidate null #e, candidate 2 #2]",
         "ack #1; ack #e; ack #2",
         "candidate 1 #1; candidate null #e; candidate 2 #2"},
        {"of several calls",
         {"a " CALL(1, "k"), "a " CALL(2, "l")},
         "a>b [candidate 1 call=k #1, candidate 2 call=l #2]",
         "ack #1; ack #2",
         "candidate 1 call=k #1; candidate 2 call=l #2"},
        {"an offer and what follows it",
         {"a {" OFFER ",\"to\":\"b\",\"id\":\"o\"}", "a " C(1), "a " C(2), "a " BYE("y")},
         "a>b [offer #o, candidate 1 #1, candidate 2 #2, bye #y]",
         "ack #o; ack #1; ack #2; ack #y",
         "offer #o; candidate 1 #1; candidate 2 #2; bye #y"},
        {"all kinds",
         {"a {\"type\":\"invite\",\"to\":\"b\",\"id\":\"i\"}", "a " SEALED("s"), "a " BYE("y")},
         "a>b [invite #i, sealed #s, bye #y]",
         "ack #i; ack #s; ack #y",
         "invite #i; sealed #s; bye #y"},
        {"other targets",
         {"a " C(1), "a " TO(2, "c"), "a " TO(3, "c"), "a " C(4)},
         "a>b candidate 1 #1; a>c [candidate 2 #2, candidate 3 #3]; a>b candidate 4 #4",
         "ack #1; ack #2; ack #3; ack #4",
         "candidate 1 #1; candidate 4 #4"},
        {"another session between",
         {"a " C(1), "c " C(8), "a " C(2), "a " C(3), "c " C(9)},
         "a>b candidate 1 #1; c>b candidate 8 #8; a>b [candidate 2 #2, candidate 3 #3];"
         " c>b candidate 9 #9",
         "ack #1; ack #2; ack #3",
         "candidate 1 #1; candidate 8 #8; candidate 2 #2; candidate 3 #3; candidate 9 #9"},
        {"both ways at once",
         {"a " C(1), "b " TO(2, "a"), "a " C(3), "b " TO(4, "a")},
         "a>b candidate 1 #1; b>a candidate 2 #2; a>b candidate 3 #3; b>a candidate 4 #4",
         "ack #1; candidate 2 #2; ack #3; candidate 4 #4",
         "candidate 1 #1; ack #2; candidate 3 #3; ack #4"},
        {"`message` goes alone",
         {"a " C(1), "a " C(2), "a " MESSAGE("m"), "a " C(3)},
         "a>b [candidate 1 #1, candidate 2 #2]; a>b message #m; a>b candidate 3 #3",
         "ack #1; ack #2; ack #m; ack #3",
         "candidate 1 #1; candidate 2 #2; message #m; candidate 3 #3"},
        {"and so does what has `ext`",
         {"a " C(1), "a " EXT(2), "a " C(3)},
         "a>b candidate 1 #1; a>b candidate 2 #2 ext; a>b candidate 3 #3",
         "ack #1; ack #2; ack #3",
         "candidate 1 #1; candidate 2 #2 ext; candidate 3 #3"},
    };
    check_rows(rows, ROWS(rows), state);
}

static void to_a_device_candidates_travel_together(void **state)
{
    static const struct row rows[] = {
        {"one goes as it is", {"a " D(1)}, "a>takes candidate 1 #1", "ack #1", ""},
        {"two in one turn", {"a " D(1), "a " D(2)}, "a>takes candidates 1,2", "ack #1; ack #2", ""},
        {"the end among them",
         {"a " D(1), "a {\"type\":\"candidate\",\"candidate\":null,\"to\":\"takes\",\"id\":\"e\"}",
          "a " D(2)},
         "a>takes candidates 1,null,2",
         "ack #1; ack #e; ack #2",
         ""},
        {"of one call",
         {"a " DCALL(1, "k"), "a " DCALL(2, "k")},
         "a>takes candidates 1,2 call=k",
         "ack #1; ack #2",
         ""},
        {"no call and an empty one are the same",
         {"a " D(1), "a " DCALL(2, "")},
         "a>takes candidates 1,2",
         "ack #1; ack #2",
         ""},
        {"a call written with escapes",
         {"a " DCALL(1, "k"), "a " DCALL(2, "\\u006b")},
         "a>takes candidates 1,2 call=k",
         "ack #1; ack #2",
         ""},
        {"other calls",
         {"a " DCALL(1, "k"), "a " DCALL(2, "l"), "a " DCALL(3, "l"), "a " DCALL(4, "k")},
         "a>takes candidate 1 call=k #1; a>takes candidates 2,3 call=l;"
         " a>takes candidate 4 call=k #4",
         "ack #1; ack #2; ack #3; ack #4",
         ""},
        {"behind their offer",
         {"a {" OFFER ",\"to\":\"takes\",\"id\":\"o\"}", "a " D(1), "a " D(2)},
         "a>takes offer #o; a>takes candidates 1,2",
         "ack #o; ack #1; ack #2",
         ""},
        {"a device that does not",
         {"a " TO(1, "plain"), "a " TO(2, "plain")},
         "a>plain candidate 1 #1; a>plain candidate 2 #2",
         "ack #1; ack #2",
         ""},
        {"as many as a small device has room for",
         {"a " TO(1, "small"), "a " TO(2, "small"), "a " TO(3, "small"), "a " TO(4, "small")},
         "a>small candidates 1,2,3; a>small candidate 4 #4",
         "ack #1; ack #2; ack #3; ack #4",
         ""},
        {"each as it is understood",
         {"a " D(1), "a " D(2), "a " TO(3, "plain"), "a " C(4), "a " C(5), "a " D(6), "a " D(7)},
         "a>takes candidates 1,2; a>plain candidate 3 #3; a>b [candidate 4 #4, candidate 5 #5];"
         " a>takes candidates 6,7",
         "ack #1; ack #2; ack #3; ack #4; ack #5; ack #6; ack #7",
         "candidate 4 #4; candidate 5 #5"},
        {"it says that it takes bundles no more",
         {"a " D(1), "a " D(2), "no bundles", "a " D(3), "a " D(4)},
         "a>takes candidates 1,2; a>takes candidate 3 #3; a>takes candidate 4 #4",
         "ack #1; ack #2; ack #3; ack #4",
         ""},
    };
    check_rows(rows, ROWS(rows), state);
}

#define PAIR  "a>b [candidate 1 #1, candidate 2 #2]"
#define TWICE "candidate 1 #1; candidate 2 #2"

static void what_comes_between(void **state)
{
    static const struct row rows[] = {
        {"the same id again while it waits",
         {"a " C(1), "a " C(2), "a " C(1)},
         PAIR,
         "ack #1; ack #2",
         TWICE},
        {"and again in the next turn",
         {"a " C(1), "a " C(2), "turn", "a " C(2)},
         PAIR,
         "ack #1; ack #2",
         TWICE},
        {"one that is refused",
         {"a " C(1),
          "a "
          "{\"type\":\"candidate\",\"to\":\"b\",\"candidate\":{\"candidate\":\"x\"},\"id\":\"n\"}",
          "a " C(2)},
         PAIR,
         "error invalid-candidate #n; ack #1; ack #2",
         TWICE},
        {"an answer to nothing",
         {"a " C(1), "a {" ANSWER ",\"to\":\"b\",\"id\":\"n\"}", "a " C(2)},
         PAIR,
         "error unexpected-answer #n; ack #1; ack #2",
         TWICE},
        {"one for nobody",
         {"a " C(1), "a " TO(9, "nobody"), "a " C(2)},
         PAIR,
         "error peer-not-found #9; ack #1; ack #2",
         TWICE},
        {"a ping is answered at once",
         {"a " C(1), "a {\"type\":\"ping\",\"id\":\"p\"}", "a " C(2)},
         "a>b candidate 1 #1; a>b candidate 2 #2",
         "pong; ack #p; ack #1; ack #2",
         TWICE},
        {"not even JSON", {"a " C(1), "a " C(2), "a []"}, PAIR, "error invalid-json", TWICE},
        {"the sender leaves",
         {"a " C(1), "a " C(2), "a {\"type\":\"leave\",\"id\":\"l\"}"},
         PAIR "; a gone",
         "ack #1; ack #2; ack #l",
         TWICE},
        {"the sender's socket closes", {"a " C(1), "a " C(2), "shut"}, PAIR "; a gone", "", TWICE},
        {"the sender's socket breaks", {"a " C(1), "a " C(2), "lose"}, PAIR, "", TWICE},
        /* The simulated broker forgets its filter at once. */
        {"the receiver leaves",
         {"a " C(1), "a " C(2), "b {\"type\":\"leave\",\"id\":\"l\"}"},
         PAIR "; b gone",
         "error peer-not-found #1; error peer-not-found #2",
         "ack #l"},
        {"the sender is elsewhere now", {"a " C(1), "a " C(2), "elsewhere"}, PAIR, "", TWICE},
        {"the bridge ends",
         {"a " C(1), "a " C(2), "drain"},
         PAIR "; a gone; b gone; c gone",
         "closing",
         "closing"},
        {"a message from the broker",
         {"a " C(1), "a " C(2), "device", "a " C(3)},
         PAIR "; a>b candidate 3 #3",
         "bye; ack #1; ack #2; ack #3",
         TWICE "; candidate 3 #3"},
        {"time passes",
         {"a " C(1), "a " C(2), "tick", "a " C(3)},
         PAIR "; a>b candidate 3 #3",
         "ack #1; ack #2; ack #3",
         TWICE "; candidate 3 #3"},
        {"somebody has read what he was sent",
         {"a " C(1), "confirmed", "a " C(2)},
         "a>b candidate 1 #1; a>b candidate 2 #2",
         "ack #1; ack #2",
         TWICE},
    };
    check_rows(rows, ROWS(rows), state);
}

static void the_broker_does_not_take_them(void **state)
{
    static const struct row rows[] = {
        {"no room",
         {"room 0", "a " C(1), "a " C(2)},
         "",
         "error unavailable #1; error unavailable #2",
         ""},
        {"no room, without ids",
         {"room 0", "a " SAYS(1, "\"to\":\"b\""), "a " SAYS(2, "\"to\":\"b\"")},
         "",
         "error unavailable; error unavailable",
         ""},
        {"no room for a device's",
         {"room 0", "a " D(1), "a " D(2)},
         "",
         "error unavailable #1; error unavailable #2",
         ""},
        {"room for those in front",
         {"room 1", "a " D(1), "a " D(2), "a " C(3), "a " C(4)},
         "a>takes candidates 1,2",
         "error unavailable #3; error unavailable #4; ack #1; ack #2",
         ""},
        {"what was refused may be tried again",
         {"room 0", "a " C(1), "a " C(2), "turn", "room 9", "a " C(1), "a " C(2)},
         PAIR,
         "error unavailable #1; error unavailable #2; ack #1; ack #2",
         TWICE},
        {"an offer that was refused waits for no answer",
         {"room 0", "a {" OFFER ",\"to\":\"b\",\"id\":\"o\"}", "a " C(1), "turn", "room 9",
          "b {" ANSWER ",\"to\":\"a\",\"id\":\"n\"}"},
         "",
         "error unavailable #o; error unavailable #1",
         "error unexpected-answer #n"},
        {"no room, and the sender leaves",
         {"room 0", "a " C(1), "a " C(2), "a {\"type\":\"leave\",\"id\":\"l\"}"},
         "a gone",
         "error unavailable #1; error unavailable #2; ack #l",
         ""},
        {"no room, and the sender's socket closes",
         {"room 0", "a " C(1), "a " C(2), "shut"},
         "a gone",
         "",
         ""},
        {"nobody listens (PUBACK 0x10)",
         {"a " TO(1, "deaf"), "a " TO(2, "deaf")},
         "a>deaf candidates 1,2",
         "error peer-not-found #1; error peer-not-found #2",
         ""},
    };
    check_rows(rows, ROWS(rows), state);
}

static void its_answer_is_each_ones(void **state)
{
    static const struct {
        const char *name;
        enum status status;
        bool found;
        const char *heard;
    } rows[] = {
        {"it took them", STATUS_OK, true, "ack #o; ack #1; ack #2"},
        {"nobody listens", STATUS_OK, false,
         "error peer-not-found #o; error peer-not-found #1; error peer-not-found #2"},
        {"not allowed", STATUS_FORBIDDEN, true,
         "error forbidden #o; error forbidden #1; error forbidden #2"},
        {"too large for it", STATUS_TOO_LARGE, true,
         "error too-large #o; error too-large #1; error too-large #2"},
        {"it broke off", STATUS_UNAVAILABLE, true,
         "error unavailable #o; error unavailable #1; error unavailable #2"},
        {"too old", STATUS_UNAVAILABLE, false,
         "error unavailable #o; error unavailable #1; error unavailable #2"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct story heard = {.len = 0};
        tear_down(state);
        set_up(state);
        take("a {" OFFER ",\"to\":\"b\",\"id\":\"o\"}");
        take("a " C(1));
        take("a " C(2));
        settle_as(rows[i].status, rows[i].found);
        tell_heard(&heard, &a);
        check_story(rows[i].name, "a heard", &heard, rows[i].heard);
        ROW(rows[i].name, list_empty(&a.session->deliveries));
    }
}

/* Its session has ended when the broker answers: nobody is told, nothing is touched. */
static void nobody_waits_for_the_answer_any_more(void **state)
{
    (void)state;
    take("a " C(1));
    take("a " C(2));
    take("shut");
    settle_as(STATUS_FORBIDDEN, true);
    assert_int_equal(w.router.session_count, 2);
}

/* ---- bounds ---- */

static size_t count_of(const char *text, const char *part)
{
    size_t n = 0;
    while ((text = strstr(text, part))) {
        n++;
        text += strlen(part);
    }
    return n;
}

/* Says a candidate that takes so many bytes in a bundle. */
static void say_candidate(const char *to, size_t number, size_t size)
{
    static const char form[] =
        "{\"type\":\"candidate\",\"to\":\"%s\",\"id\":\"%zu\",\"candidate\":%n{\"candidate\":"
        "\"candidate:%zu 1 udp 1 192.0.2.1 5000 typ host x %.*s\",\"sdpMid\":\"0\","
        "\"usernameFragment\":\"%.*s\"}}";
    char json[2048], pad[512];
    int head, all;
    memset(pad, 'x', sizeof pad);
    all = snprintf(json, sizeof json, form, to, number, &head, number, 0, pad, 0, pad);
    int rest = (int)size - (all - 1 - head), line = rest > 300 ? 300 : rest - 4;
    snprintf(json, sizeof json, form, to, number, &head, number, line, pad, rest - line, pad);
    world_say(&w, &a, json);
}

static void say_sealed(const char *to, size_t number, size_t size)
{
    char *json = malloc(size + 128), *data = malloc(size);
    assert_true(json && data);
    memset(data, 'A', size);
    snprintf(json, size + 128,
             "{\"type\":\"sealed\",\"to\":\"%s\",\"id\":\"%zu\",\"data\":\"%.*s\"}", to, number,
             (int)size, data);
    world_say(&w, &a, json);
    free(json);
    free(data);
}

/* How many, or how large, are one publication. What is behind the bound begins the next one. */
static void bounds(void **state)
{
    enum { LARGE = BUNDLE_BYTES_MAX / 4, HALF = BUNDLE_BYTES_MAX / 2 };
    static const struct {
        const char *name, *to;
        void (*say)(const char *to, size_t number, size_t size);
        size_t count, size;
        size_t in_each[4]; /* publication */
    } rows[] = {
        {"64 for a device", "takes", say_candidate, 64, 160, {64}},
        {"65 for a device", "takes", say_candidate, 65, 160, {64, 1}},
        {"64 for a bridge", "b", say_candidate, 64, 160, {64}},
        {"130 for a bridge", "b", say_candidate, 130, 160, {64, 64, 2}},
        /* With the commas between, 63 are one byte less than half of it. */
        {"half of the bytes is not reached", "takes", say_candidate, 64, HALF / 63 - 1, {64}},
        {"half of the bytes is reached", "takes", say_candidate, 64, HALF / 63, {63, 1}},
        {"not large", "b", say_sealed, 3, LARGE - 4, {2, 1}},
        {"large", "b", say_sealed, 3, LARGE, {1, 1, 1}},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct world_socket *at = strcmp(rows[i].to, "b") == 0 ? &b : NULL;
        size_t published = 0;
        tear_down(state);
        set_up(state);
        for (size_t k = 0; k < rows[i].count; k++)
            rows[i].say(rows[i].to, 100 + k, rows[i].size);
        router_flush(&w.router, w.now);
        for (size_t k = 0; k < w.queued; k++) {
            const char *part = rows[i].say == say_sealed ? "\"sealed\"" : "\"candidate:";
            if (!strstr(w.queue[k].topic, "/in/a"))
                continue;
            ROW(rows[i].name, published < ROWS(rows[i].in_each));
            ROW(rows[i].name, count_of(w.queue[k].payload, part) == rows[i].in_each[published]);
            ROW(rows[i].name, w.queue[k].len < BUNDLE_BYTES_MAX);
            published++;
        }
        ROW(rows[i].name, published == ROWS(rows[i].in_each) || !rows[i].in_each[published]);
        world_settle(&w);
        for (size_t k = 0; k < rows[i].count; k++) {
            char ack[32], id[32];
            snprintf(ack, sizeof ack, "{\"type\":\"ack\",\"id\":\"%zu\"}", 100 + k);
            snprintf(id, sizeof id, "\"id\":\"%zu\"", 100 + k);
            ROW(rows[i].name, strcmp(world_read(&a), ack) == 0);
            ROW(rows[i].name, !at || strstr(world_read(at), id));
        }
        ROW(rows[i].name, !*world_read(&a) && (!at || !*world_read(at)));
    }
}

/* ---- taking apart ---- */

#define TOGETHER(messages) "{\"type\":\"together\",\"messages\":[" messages "]}"

static void what_came_together_is_taken_apart(void **state)
{
    static const struct {
        const char *name, *payload, *heard;
    } rows[] = {
        {"two", TOGETHER("{\"type\":\"bye\"},{\"type\":\"bye\",\"call\":\"k\"}"),
         "bye; bye call=k"},
        {"one", TOGETHER("{\"type\":\"bye\"}"), "bye"},
        {"none", TOGETHER(""), ""},
        {"white space", TOGETHER(" {\"type\":\"bye\"} ,\n{ \"type\" : \"bye\" } "), "bye; bye"},
        {"brackets and quotes in strings",
         TOGETHER(
             "{\"type\":\"bye\",\"reason\":\"]}\\\"[\\\\\"},{\"type\":\"bye\",\"call\":\"k\"}"),
         "bye; bye call=k"},
        {"one of them is no message",
         TOGETHER("{\"type\":\"bye\"},{\"type\":\"x\"},{\"type\":\"bye\"}"), "bye; bye"},
        {"one of them is no JSON", TOGETHER("{\"type\":\"bye\"},{\"type\":},{\"type\":\"bye\"}"),
         "bye; bye"},
        {"one of them in another's name",
         TOGETHER("{\"type\":\"bye\"},{\"type\":\"bye\",\"from\":\"b\"}"), "bye"},
        {"an answer to nothing", TOGETHER("{" ANSWER "},{\"type\":\"bye\"}"), "bye"},
        {"a bundle among them",
         TOGETHER("{\"type\":\"candidates\",\"candidates\":[" INIT(1) ",null]},{\"type\":\"bye\"}"),
         "candidate 1; candidate null; bye"},
        {"one within the other", TOGETHER(TOGETHER("{\"type\":\"bye\"}") ",{\"type\":\"bye\"}"),
         "bye"},
        {"what is no object", TOGETHER("\"bye\",1,null,[{\"type\":\"bye\"}],{\"type\":\"bye\"}"),
         "bye"},
        {"an object", "{\"type\":\"together\",\"messages\":{\"type\":\"bye\"}}", ""},
        {"nothing behind", "{\"type\":\"together\",\"messages\":", ""},
        {"no end", "{\"type\":\"together\",\"messages\":[{\"type\":\"bye\"", ""},
        {"the wrong end", "{\"type\":\"together\",\"messages\":[{\"type\":\"bye\"]}", ""},
        {"only brackets", "{\"type\":\"together\",\"messages\":[[[[{{{{[}", ""},
        {"only commas", TOGETHER(",,,,"), ""},
        {"in another order", "{\"messages\":[{\"type\":\"bye\"}],\"type\":\"together\"}", ""},
        {"the same one twice",
         TOGETHER("{\"type\":\"bye\",\"sent\":7},{\"type\":\"bye\",\"sent\":7}"), "bye"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct story heard = {.len = 0};
        tear_down(state);
        set_up(state);
        from_the_broker("p/rooms/r/peers/a/in/takes", rows[i].payload);
        world_settle(&w);
        tell_heard(&heard, &a);
        check_story(rows[i].name, "a heard", &heard, rows[i].heard);
        ROW(rows[i].name, !a.close_code);
        /* A shorter text is never read beyond its end. */
        for (size_t cut = strlen(rows[i].payload); cut > 0; cut--) {
            char *exact = malloc(cut);
            assert_non_null(exact);
            memcpy(exact, rows[i].payload, cut);
            struct json_span messages[BUNDLE_MESSAGES_MAX];
            size_t n;
            (void)message_apart(text_of(exact, cut), messages, BUNDLE_MESSAGES_MAX, &n);
            free(exact);
        }
    }
}

static void too_many_are_not_taken_apart(void **state)
{
    (void)state;
    char payload[4096] = "";
    struct buf out;
    for (size_t count = BUNDLE_MESSAGES_MAX; count <= BUNDLE_MESSAGES_MAX + 1; count++) {
        buf_init_fixed(&out, payload, sizeof payload);
        buf_str(&out, "{\"type\":\"together\",\"messages\":[");
        for (size_t i = 0; i < count; i++)
            buf_str(&out, i ? ",{\"type\":\"bye\"}" : "{\"type\":\"bye\"}");
        buf_str(&out, "]}");
        buf_cstr(&out);
        size_t before = a.count;
        from_the_broker("p/rooms/r/peers/a/in/takes", payload);
        assert_int_equal(a.count - before, count == BUNDLE_MESSAGES_MAX ? count : 0);
    }
    assert_int_equal(w.router.metrics.refused[FROM_MQTT][STATUS_INVALID_MESSAGE], 1);
    assert_non_null(strstr(w.queue[w.queued - 1].payload, "1 to 64 messages in `messages`"));
}

/* The broker delivers once more what it is not sure of. */
static void a_bundle_that_comes_again_is_dropped(void **state)
{
    (void)state;
    struct story heard = {.len = 0};
    for (int i = 0; i < 2; i++) {
        take("a " SAYS(1, "\"to\":\"b\""));
        take("a " SAYS(1, "\"to\":\"b\"")); /* said twice is meant twice */
        router_flush(&w.router, w.now);
        world_publish(&w, w.queue[0].topic, w.queue[0].payload, false);
        world_settle(&w);
    }
    tell_heard(&heard, &b);
    check_story("again", "b heard", &heard, "candidate 1; candidate 1; candidate 1; candidate 1");
}

/* A publication between two of ours is known when it comes back; what differs from it is not. */
static void what_comes_back_is_known_once(void **state)
{
    static const struct {
        const char *name, *from;
        const char *payload; /* NULL: as it went */
        int times;
        const char *heard;
    } rows[] = {
        {"as it went", "a", NULL, 1, TWICE},
        {"again", "a", NULL, 2, TWICE},
        {"in another's name", "c", NULL, 1, TWICE "; " TWICE},
        {"shorter", "a", "{\"type\":\"bye\"}", 1, "bye; " TWICE},
        {"no JSON", "a", "{\"type\":\"together\",\"messages\":[", 1, TWICE},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct story heard = {.len = 0};
        char topic[64], *payload;
        tear_down(state);
        set_up(state);
        take("a " C(1));
        take("a " C(2));
        router_flush(&w.router, w.now);
        ROW(rows[i].name, w.queued == 1 && w.router.echo_bytes > 0);
        payload = strdup(rows[i].payload ? rows[i].payload : w.queue[0].payload);
        snprintf(topic, sizeof topic, "p/rooms/r/peers/b/in/%s", rows[i].from);
        for (int k = 0; k < rows[i].times; k++)
            from_the_broker(topic, payload);
        free(payload);
        world_settle(&w);
        tell_heard(&heard, &b);
        check_story(rows[i].name, "b heard", &heard, rows[i].heard);
        ROW(rows[i].name, w.router.echo_bytes == 0);
    }
}

/* Past its bound an echo is not kept, and what comes back is read as anybody's. */
static void no_more_is_kept_than_there_is_room_for(void **state)
{
    (void)state;
    static char say[13000];
    size_t heard = b.count, most = 0;
    for (unsigned i = 0; i < 100; i++) {
        int head = snprintf(say, sizeof say, "{\"type\":\"sealed\",\"to\":\"b\",\"data\":\"");
        memset(say + head, 'A', 12000);
        strcpy(say + head + 12000, "\"}");
        world_say(&w, &a, say);
        router_flush(&w.router, w.now);
        most = w.router.echo_bytes > most ? w.router.echo_bytes : most;
    }
    assert_true(most <= ECHO_BYTES_MAX && most > ECHO_BYTES_MAX - 13000);
    world_settle(&w);
    assert_int_equal(b.count - heard, 100);
}

/* Whoever of the two ends first, nothing of it is kept. */
static void what_is_on_its_way_to_who_ends_is_forgotten(void **state)
{
    for (int i = 0; i < 4; i++) {
        tear_down(state);
        set_up(state);
        take("a " C(1));
        take("a " C(2));
        router_flush(&w.router, w.now);
        if (i & 1)
            world_shut(&w, &a);
        if (i & 2)
            world_shut(&w, &b);
        take("tick"); /* who has no socket is swept up */
        if (i & 2)
            assert_int_equal(w.router.echo_bytes, 0);
        settle_as(STATUS_OK, true);
        assert_int_equal(w.router.echo_bytes, 0);
    }
}

/* What still waits when everything ends goes with it. */
static void what_waits_at_the_end_is_released(void **state)
{
    (void)state;
    take("a " C(1));
    take("a " C(2));
    assert_int_equal(w.router.bundle.count, 2);
    bundle_release(&w.router.bundle);
    bundle_init(&w.router.bundle);
    assert_true(list_empty(&a.session->deliveries));
}

/* Whatever the broker is told to take: it takes the largest message of a session. */
static void a_bundle_is_no_larger_than_a_message(void **state)
{
    enum { MESSAGE_MAX = 8192 };
    static const struct {
        const char *name, *to;
        void (*say)(const char *to, size_t number, size_t size);
        size_t count, size, publications;
    } rows[] = {
        {"two that fit", "b", say_sealed, 2, 3000, 1},
        {"two that do not", "b", say_sealed, 2, 5000, 2},
        {"candidates for a bridge", "b", say_candidate, 60, 160, 2},
        {"candidates for a device", "takes", say_candidate, 60, 160, 2},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        size_t published = 0;
        tear_down(state);
        set_up(state);
        w.router.o.message_max = MESSAGE_MAX;
        for (size_t k = 0; k < rows[i].count; k++)
            rows[i].say(rows[i].to, k, rows[i].size);
        router_flush(&w.router, w.now);
        for (size_t k = 0; k < w.queued; k++) {
            published += strstr(w.queue[k].topic, "/in/a") != NULL;
            ROW(rows[i].name, w.queue[k].len <= MESSAGE_MAX);
        }
        ROW(rows[i].name, published == rows[i].publications);
    }
}

/* Whoever sends nothing is told. */
static void nothing_together_is_refused(void **state)
{
    (void)state;
    from_the_broker("p/rooms/r/peers/a/in/takes", TOGETHER(""));
    from_the_broker("p/rooms/r/peers/a/in/takes", TOGETHER(" "));
    assert_int_equal(w.router.metrics.refused[FROM_MQTT][STATUS_INVALID_MESSAGE], 2);
    assert_string_equal(w.queue[w.queued - 1].topic, "p/rooms/r/peers/takes/in/_bridge");
}

/* What the broker is not given, for want of room, was not passed on. */
static void each_counts_as_passed_on_or_refused(void **state)
{
    static const struct {
        const char *name;
        size_t publish_room;
        unsigned forwarded, refused;
    } rows[] = {
        {"taken", 100, 3, 0},
        {"no room", 0, 0, 3},
        {"room for the two that travel together", 1, 2, 1},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        tear_down(state);
        set_up(state);
        w.publish_room = rows[i].publish_room;
        take("a " C(1));
        take("a " C(2));
        take("a " MESSAGE("3"));
        router_flush(&w.router, w.now);
        const struct metrics *m = &w.router.metrics;
        ROW(rows[i].name, m->forwarded_mqtt == rows[i].forwarded);
        ROW(rows[i].name, m->refused[FROM_WS][STATUS_UNAVAILABLE] == rows[i].refused);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(to_a_bridge_whole_messages_travel_together),
        TEST(to_a_device_candidates_travel_together),
        TEST(what_comes_between),
        TEST(the_broker_does_not_take_them),
        TEST(its_answer_is_each_ones),
        TEST(nobody_waits_for_the_answer_any_more),
        TEST(bounds),
        TEST(what_came_together_is_taken_apart),
        TEST(too_many_are_not_taken_apart),
        TEST(a_bundle_that_comes_again_is_dropped),
        TEST(what_comes_back_is_known_once),
        TEST(no_more_is_kept_than_there_is_room_for),
        TEST(what_is_on_its_way_to_who_ends_is_forgotten),
        TEST(what_waits_at_the_end_is_released),
        TEST(a_bundle_is_no_larger_than_a_message),
        TEST(nothing_together_is_refused),
        TEST(each_counts_as_passed_on_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
