/* Sessions that go from bridge to bridge. We are b1; what b2 says and hears is played here. */
#include "core/admission.h"
#include "test.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HAS(text, part) assert_non_null(strstr((text), (part)))
#define SID             "run002-abcdefghijklm"
#define SECRET          "ssssssssssssssssssssssss"
#define TO_US           "p/bridges/b1/in/b2"
#define TO_THEM         "p/bridges/b2/in/b1"
#define INBOX           "p/rooms/r/peers/a/in/"

static struct world w;
static char said[65536]; /* what we published on a topic, one line each, since it was asked last */

/* Delivers what is queued, and notes what goes to a topic. */
static const char *settle_and_hear(const char *topic)
{
    size_t len = 0;
    said[0] = '\0';
    for (size_t i = 0; i < w.queued; i++)
        if (strcmp(w.queue[i].topic, topic) == 0)
            len += (size_t)snprintf(said + len, sizeof said - len, "%.*s\n", (int)w.queue[i].len,
                                    w.queue[i].payload);
    world_settle(&w);
    return said;
}

/* `#`: the number of the question. */
static void they_say(const char *topic, const char *text, unsigned long long ask)
{
    char payload[4096];
    const char *at = strchr(text, '#');
    int before = at ? (int)(at - text) : (int)strlen(text);
    if (at)
        snprintf(payload, sizeof payload, "%.*s%llu%s", before, text, ask, at + 1);
    else
        snprintf(payload, sizeof payload, "%s", text);
    world_publish(&w, topic, payload, false);
}

static unsigned long long ask_of(const char *text)
{
    const char *at = strstr(text, "\"ask\":");
    assert_non_null(at);
    return strtoull(at + 6, NULL, 10);
}

static void begin(bool watch_all)
{
    world_init(&w, watch_all);
    world_publish(&w, "p/bridges/b2/status", "{\"online\":true,\"run\":\"run002\"}", true);
    world_publish(&w, "p/rooms/r/peers/a/presence",
                  "{\"kind\":\"browser\",\"since\":7,\"via\":\"b2\",\"sid\":\"" SID "\"}", true);
    world_publish(&w, "p/rooms/r/peers/cam/presence", "{\"since\":5}", true);
    world_settle(&w);
}

static unsigned long long ask_for(struct world_socket *s)
{
    world_open(&w, s);
    world_say(&w, s,
              "{\"type\":\"resume\",\"session\":\"b2." SID "\",\"secret\":\"" SECRET
              "\",\"seq\":3,\"id\":\"r\"}");
    const char *text = settle_and_hear(TO_THEM);
    HAS(text, "{\"type\":\"take\",");
    HAS(text, ",\"sid\":\"" SID "\",\"secret\":\"" SECRET "\",\"seq\":3}");
    return ask_of(text);
}

static void a_session_comes(void **state)
{
    (void)state;
    for (int all = 0; all < 2; all++) {
        struct world_socket s;
        begin(all);
        unsigned long long ask = ask_for(&s);
        they_say(TO_US, "{\"type\":\"granted\",\"ask\":#,\"room\":\"r\",\"peer\":\"a\"}", ask);
        world_publish(&w, INBOX "cam", "{\"type\":\"message\",\"data\":\"theirs\"}", false);
        /* The mark comes back behind it, and this one behind the mark. */
        while (w.queued)
            world_settle(&w);
        assert_true(world_subscribed(&w, INBOX "+"));
        assert_true(world_subscribed(&w, "p/rooms/r/all/+"));
        world_publish(&w, INBOX "cam", "{\"type\":\"message\",\"data\":\"ours\"}", false);
        world_publish(&w, INBOX "cam", "{\"type\":\"message\",\"data\":\"both\"}", false);
        world_publish(&w, "p/rooms/r/all/cam", "{\"type\":\"message\",\"data\":\"all\"}", false);
        they_say(TO_US,
                 "{\"type\":\"knows\",\"ask\":#,\"peers\":[\"cam\",5,\"gone\",0,\"other\",2]}",
                 ask);
        they_say(TO_US,
                 "{\"type\":\"missed\",\"ask\":#}\n{\"type\":\"message\",\"from\":\"cam\","
                 "\"data\":\"missed\",\"seq\":4}",
                 ask);
        world_publish(&w, "p/rooms/r/peers/other/presence", "{\"since\":9}", true);
        char state_text[1024];
        uint64_t both = seen_digest(text_of_str("cam"),
                                    text_of_str("{\"type\":\"message\",\"data\":\"both\"}"));
        snprintf(state_text, sizeof state_text,
                 "{\"type\":\"state\",\"ask\":#,\"seq\":4,\"sent\":2000000000000,\"since\":7,"
                 "\"meta\":{\"x\":1},\"calls\":[[\"cam\",\"c\",2]],\"ids\":[],\"seen\":[],"
                 "\"taken\":[\"%016llx\"]}",
                 (unsigned long long)both);
        they_say(TO_US, state_text, ask);
        const char *text = NULL;
        world_settle(&w);
        text = world_read(&s);
        HAS(text, "{\"type\":\"resumed\",\"room\":\"r\",\"peer\":\"a\",\"session\":\"b1.run001-"
                  "abcdefghijklm\"");
        HAS(text, "\"seq\":5}");
        HAS(world_read(&s), "\"missed\",\"seq\":4}");
        text = world_read(&s);
        HAS(text, "\"peer\":\"gone\",\"reason\":\"missed\"}");
        HAS(text, "{\"peer\":\"other\",\"reason\":\"missed\"}");
        HAS(text, "\"joined\":[{\"peer\":\"other\"");
        HAS(text, "\"seq\":5}");
        HAS(world_read(&s), "\"ours\",\"seq\":6}");
        HAS(world_read(&s), "\"all\",\"seq\":7}");
        assert_string_equal(world_read(&s), "");
        HAS(world_retained(&w, "p/rooms/r/peers/a/presence"), "\"via\":\"b1\"");
        HAS(world_retained(&w, "p/rooms/r/peers/a/presence"), "\"since\":7");
        /* The offer from before may be answered, with a stamp behind the last one. */
        world_say(&w, &s, "{\"type\":\"message\",\"to\":\"cam\",\"data\":2}");
        HAS(settle_and_hear("p/rooms/r/peers/cam/in/a"), "\"sent\":2000000000001");
        world_shut(&w, &s);
        world_settle(&w);
        assert_null(world_retained(&w, "p/rooms/r/peers/a/presence"));
        world_release(&w);
    }
}

/* What b2 answers, with the number of our question, and what it means for the client. */
static void what_may_go_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *answers[4];
        int64_t later_ms;
        const char *heard;
    } rows[] = {
        {"refused", {"{\"type\":\"refused\",\"ask\":#}"}, 0, "session-expired"},
        {"no answer in time", {NULL}, 2000, "session-expired"},
        {"no answer yet", {NULL}, 1999, NULL},
        {"another question's answer", {"{\"type\":\"refused\",\"ask\":1#}"}, 0, NULL},
        {"a name that is none",
         {"{\"type\":\"granted\",\"ask\":#,\"room\":\"r/+\",\"peer\":\"a\"}"},
         0,
         "session-expired"},
        {"granted and no more",
         {"{\"type\":\"granted\",\"ask\":#,\"room\":\"r\",\"peer\":\"a\"}"},
         2000,
         "session-expired"},
        {"a state that lacks what was missed",
         {"{\"type\":\"granted\",\"ask\":#,\"room\":\"r\",\"peer\":\"a\"}",
          "{\"type\":\"state\",\"ask\":#,\"seq\":5,\"sent\":0,\"since\":0,\"calls\":[]}"},
         0,
         "session-expired"},
        {"a state without what it must say",
         {"{\"type\":\"granted\",\"ask\":#,\"room\":\"r\",\"peer\":\"a\"}",
          "{\"type\":\"state\",\"ask\":#}"},
         0,
         "session-expired"},
        {"a state that nobody granted",
         {"{\"type\":\"state\",\"ask\":#,\"seq\":3,\"sent\":0,\"since\":0,\"calls\":[]}"},
         0,
         "session-expired"},
        {"moved to where it was asked",
         {"{\"type\":\"moved\",\"ask\":#,\"to\":\"b2\"}"},
         0,
         "session-expired"},
        {"moved to us, who do not have it",
         {"{\"type\":\"moved\",\"ask\":#,\"to\":\"b1\"}"},
         0,
         "session-expired"},
        {"no JSON", {"{\"type\":"}, 0, NULL},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct world_socket s;
        begin(true);
        unsigned long long ask = ask_for(&s);
        for (int k = 0; k < 4 && rows[i].answers[k]; k++) {
            they_say(TO_US, rows[i].answers[k], ask);
            world_settle(&w);
        }
        if (rows[i].later_ms)
            world_later(&w, rows[i].later_ms);
        world_settle(&w);
        const char *heard = world_read(&s);
        ROW(rows[i].name, rows[i].heard ? strstr(heard, rows[i].heard) != NULL : !*heard);
        /* What is b2's is left alone. */
        assert_non_null(world_retained(&w, "p/rooms/r/peers/a/presence"));
        assert_true(rows[i].heard == NULL || !world_subscribed(&w, INBOX "+"));
        world_shut(&w, &s);
        world_settle(&w);
        world_later(&w, 3000);
        world_settle(&w);
        assert_int_equal(w.router.asking_count, 0);
        world_release(&w);
    }
}

static void it_may_have_moved_on(void **state)
{
    (void)state;
    struct world_socket s;
    begin(true);
    unsigned long long ask = ask_for(&s);
    they_say(TO_US, "{\"type\":\"moved\",\"ask\":#,\"to\":\"b3\"}", ask);
    world_settle(&w);
    assert_string_equal(world_read(&s), "");
    they_say("p/bridges/b1/in/b2", "{\"type\":\"refused\",\"ask\":#}", ask + 1);
    world_settle(&w);
    assert_string_equal(world_read(&s), ""); /* b2 is not asked any more */
    they_say("p/bridges/b1/in/b3", "{\"type\":\"refused\",\"ask\":#}", ask + 1);
    world_settle(&w);
    HAS(world_read(&s), "session-expired");
    world_shut(&w, &s);
    world_release(&w);
}

/* Whether the other bridge is asked, before anything is said to it. */
static void who_is_asked(void **state)
{
    (void)state;
    static const struct {
        const char *name, *status;
        bool link_down, no_window;
        const char *heard;
        int close_code;
    } rows[] = {
        {"a bridge that is gone", "{\"online\":false,\"run\":\"run002\"}", false, false,
         "session-expired", 0},
        {"a later run of it", "{\"online\":true,\"run\":\"run003\"}", false, false,
         "session-expired", 0},
        {"nobody, while the broker is away", "{\"online\":true,\"run\":\"run002\"}", true, false,
         "unavailable", 1013},
        {"nobody, where nothing could be kept for it", "{\"online\":true,\"run\":\"run002\"}",
         false, true, "session-expired", 0},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct world_socket s;
        begin(true);
        world_publish(&w, "p/bridges/b2/status", rows[i].status, true);
        world_settle(&w);
        world_later(&w, 2001);
        world_settle(&w);
        if (rows[i].link_down)
            world_drop_link(&w);
        if (rows[i].no_window)
            w.router.o.resume_window_us = 0;
        world_open(&w, &s);
        world_say(&w, &s,
                  "{\"type\":\"resume\",\"session\":\"b2." SID "\",\"secret\":\"" SECRET
                  "\",\"seq\":3}");
        ROW(rows[i].name,
            strstr(world_read(&s), rows[i].heard) && s.close_code == rows[i].close_code);
        world_shut(&w, &s);
        if (rows[i].link_down)
            world_restore_link(&w);
        world_release(&w);
    }
}

/* A member of ours whose client went to b2; its place as b2 was told it. */
static void lose_member(struct world_socket *s, char sid[32], char secret[32])
{
    world_join(&w, s, "r", "a");
    strcpy(sid, s->session->sid);
    strcpy(secret, s->session->secret);
    world_answer(&w, s);
    world_lose(&w, s);
}

static void they_take(const char *sid, const char *secret, unsigned seq)
{
    char payload[256];
    snprintf(payload, sizeof payload,
             "{\"type\":\"take\",\"ask\":9,\"sid\":\"%s\",\"secret\":\"%s\",\"seq\":%u}", sid,
             secret, seq);
    world_publish(&w, TO_US, payload, false);
    world_settle(&w);
}

static const char *last_answer(void)
{
    return settle_and_hear(TO_THEM);
}

static void a_session_goes(void **state)
{
    (void)state;
    struct world_socket a, b;
    char sid[32], secret[32], presence[256];
    begin(true);
    world_publish(&w, "p/rooms/r/peers/a/presence", "", true);
    world_settle(&w);
    world_join(&w, &b, "r", "b");
    lose_member(&a, sid, secret);
    world_say(&w, &b, "{\"type\":\"offer\",\"to\":\"a\",\"sdp\":\"x\"}"); /* refused: no SDP */
    world_say(&w, &b, "{\"type\":\"message\",\"to\":\"a\",\"data\":\"missed\"}");
    world_settle(&w);
    while (*world_read(&b))
        ;
    char take[256];
    snprintf(take, sizeof take,
             "{\"type\":\"take\",\"ask\":9,\"sid\":\"%s\",\"secret\":\"%s\",\"seq\":0}", sid,
             secret);
    world_publish(&w, TO_US, take, false);
    router_bus_message(&w.router, TO_US, text_of_str(take), false, text_of_str(""), w.now);
    HAS(last_answer(), "{\"type\":\"granted\",\"ask\":9,\"room\":\"r\",\"peer\":\"a\"}");
    world_publish(&w, INBOX "cam", "{\"type\":\"message\",\"data\":\"in front\"}", false);
    world_settle(&w);
    static const char mark[] = "{\"type\":\"takeover\",\"ask\":9,\"by\":\"b2\"}";
    router_bus_message(&w.router, INBOX "_bridge", text_of_str(mark), false, text_of_str(""),
                       w.now);
    const char *given = last_answer();
    HAS(given, "{\"type\":\"knows\",\"ask\":9,\"peers\":[");
    HAS(given, "\"cam\",5");
    HAS(given, "{\"type\":\"missed\",\"ask\":9}\n{\"type\":\"message\",\"from\":\"b\"");
    HAS(given, "\"in front\"");
    HAS(given, "{\"type\":\"state\",\"ask\":9,\"seq\":2,");
    /* It is theirs: we hear nothing for it any more, and nobody is told of anything. */
    world_publish(&w, INBOX "cam", "{\"type\":\"message\",\"data\":\"behind\"}", false);
    snprintf(presence, sizeof presence,
             "{\"kind\":\"browser\",\"since\":%lld,\"via\":\"b2\",\"sid\":\"run002%s\"}",
             (long long)w.now.wall_ms, sid + 6);
    world_publish(&w, "p/rooms/r/peers/a/presence", presence, true);
    world_settle(&w);
    assert_string_equal(world_read(&b), "");
    assert_false(world_subscribed(&w, INBOX "+"));
    assert_true(world_subscribed(&w, "p/rooms/r/all/+"));
    HAS(world_retained(&w, "p/rooms/r/peers/a/presence"), "\"via\":\"b2\"");
    assert_int_equal(w.router.joined_count, 1);
    /* Who asks us later is told where it went. */
    they_take(sid, secret, 0);
    router_bus_message(&w.router, TO_US, text_of_str(take), false, text_of_str(""), w.now);
    HAS(last_answer(), "{\"type\":\"moved\",\"ask\":9,\"to\":\"b2\"}");
    world_shut(&w, &a);
    world_shut(&w, &b);
    world_release(&w);
}

static void who_gets_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *name, *sid, *secret;
        unsigned seq;
    } rows[] = {
        {"another secret", NULL, SECRET, 0},    {"an empty secret", NULL, "", 0},
        {"no session of ours", SID, NULL, 0},   {"no session's id", "x", NULL, 0},
        {"what was never sent", NULL, NULL, 7},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct world_socket a;
        char sid[32], secret[32], take[256];
        begin(true);
        world_publish(&w, "p/rooms/r/peers/a/presence", "", true);
        world_settle(&w);
        lose_member(&a, sid, secret);
        snprintf(take, sizeof take,
                 "{\"type\":\"take\",\"ask\":9,\"sid\":\"%s\",\"secret\":\"%s\",\"seq\":%u}",
                 rows[i].sid ? rows[i].sid : sid, rows[i].secret ? rows[i].secret : secret,
                 rows[i].seq);
        router_bus_message(&w.router, TO_US, text_of_str(take), false, text_of_str(""), w.now);
        ROW(rows[i].name, strcmp(last_answer(), "{\"type\":\"refused\",\"ask\":9}\n") == 0);
        assert_int_equal(w.router.away_count, 1);
        world_shut(&w, &a);
        world_release(&w);
    }
}

/* The other bridge takes the mark's turn and is never heard of again: the presence ends. */
static void forget(const char *sid, const char *secret, int ask)
{
    char payload[256];
    snprintf(payload, sizeof payload,
             "{\"type\":\"forget\",\"ask\":%d,\"sid\":\"%s\",\"secret\":\"%s\",\"seq\":0}", ask,
             sid, secret);
    world_publish(&w, TO_US, payload, false);
    world_settle(&w);
}

/* Its client was told elsewhere that it is over: the name is free at once. */
static void a_session_that_was_given_up_ends(void **state)
{
    (void)state;
    static const struct {
        const char *name, *secret;
        bool alive, ends;
    } rows[] = {
        {"away", NULL, false, true},
        {"on a socket that its client has given up", NULL, true, true},
        {"with another secret", SECRET, false, false},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct world_socket a;
        char sid[32], secret[32];
        begin(true);
        world_publish(&w, "p/rooms/r/peers/a/presence", "", true);
        world_settle(&w);
        world_join(&w, &a, "r", "a");
        strcpy(sid, a.session->sid);
        strcpy(secret, a.session->secret);
        world_answer(&w, &a);
        if (!rows[i].alive)
            world_lose(&w, &a);
        forget(sid, rows[i].secret ? rows[i].secret : secret, 9);
        ROW(rows[i].name, !world_retained(&w, "p/rooms/r/peers/a/presence") == rows[i].ends);
        ROW(rows[i].name, a.close_code == (rows[i].alive ? 4409 : 0));
        world_shut(&w, &a);
        world_release(&w);
    }
}

static void goes_nowhere(bool said_so)
{
    struct world_socket a;
    char sid[32], secret[32];
    begin(true);
    world_publish(&w, "p/rooms/r/peers/a/presence", "", true);
    world_settle(&w);
    lose_member(&a, sid, secret);
    they_take(sid, secret, 0);
    they_say(INBOX "_bridge", "{\"type\":\"takeover\",\"ask\":#,\"by\":\"b2\"}", 9);
    world_settle(&w);
    assert_int_equal(w.router.joined_count, 0);
    assert_non_null(world_retained(&w, "p/rooms/r/peers/a/presence"));
    if (said_so)
        forget(sid, secret, 9);
    else
        world_later(&w, 10000);
    world_settle(&w);
    assert_null(world_retained(&w, "p/rooms/r/peers/a/presence"));
    world_shut(&w, &a);
    world_release(&w);
}

static void a_session_that_went_nowhere_ends(void **state)
{
    (void)state;
    goes_nowhere(false);
    goes_nowhere(true);
}

/* What the client sent last is settled before the session goes. */
static void what_is_on_its_way_goes_first(void **state)
{
    (void)state;
    struct world_socket a;
    begin(true);
    world_publish(&w, "p/rooms/r/peers/a/presence", "", true);
    world_settle(&w);
    world_join(&w, &a, "r", "a");
    char sid[32], secret[32];
    strcpy(sid, a.session->sid);
    strcpy(secret, a.session->secret);
    world_answer(&w, &a);
    they_take(sid, secret, 0);
    world_say(&w, &a, "{\"type\":\"message\",\"to\":\"cam\",\"data\":1,\"id\":\"i\"}");
    static const char mark[] = "{\"type\":\"takeover\",\"ask\":9,\"by\":\"b2\"}";
    router_bus_message(&w.router, INBOX "_bridge", text_of_str(mark), false, text_of_str(""),
                       w.now);
    assert_int_equal(a.close_code, 4409);
    for (size_t i = 0; i < w.queued; i++)
        assert_string_not_equal(w.queue[i].topic, TO_THEM);
    world_settle(&w);
    assert_int_equal(w.queued, 0);
    assert_int_equal(w.router.joined_count, 0);
    world_shut(&w, &a);
    world_release(&w);
}

#define RESUME                                                                                     \
    "{\"type\":\"resume\",\"session\":\"b2." SID "\",\"secret\":\"" SECRET "\",\"seq\":3}"
#define GRANTED "{\"type\":\"granted\",\"ask\":#,\"room\":\"r\",\"peer\":\"a\"}"
#define STATE                                                                                      \
    "{\"type\":\"state\",\"ask\":#,\"seq\":3,\"sent\":1,\"since\":7,\"calls\":[],\"ids\":[],"      \
    "\"seen\":[]}"

static void give_token(struct world_socket *s, const char *subject)
{
    char claims[64];
    struct json_member m[2];
    size_t n;
    struct access *access;
    snprintf(claims, sizeof claims, "{\"rooms\":[\"*\"],\"sub\":\"%s\"}", subject);
    assert_int_equal(json_object(claims, strlen(claims), m, 2, &n, NULL), STATUS_OK);
    assert_int_equal(access_create(m, n, w.now.wall_ms + 60000, &access, NULL), STATUS_OK);
    admission_take(&w.router, s->session, access);
}

/* On a socket with a token, while it is not known yet which room and name it is for. */
static void it_asks_again_before_the_answer(void **state)
{
    (void)state;
    struct world_socket s, again;
    begin(true);
    (void)ask_for(&s);
    world_open(&w, &again);
    give_token(&again, "a");
    world_say(&w, &again, RESUME);
    assert_int_equal(s.close_code, 4409);
    assert_int_equal(w.router.asking_count, 1);
    world_shut(&w, &s);
    world_shut(&w, &again);
    assert_int_equal(w.router.asking_count, 0);
    world_release(&w);
}

/* The last connection of its address is gone before the session is here. */
static void its_socket_breaks_meanwhile(void **state)
{
    (void)state;
    static const struct visitors_options o = {.sessions_max = 4, .addresses_max = 4};
    static const struct address_key key = {{1}};
    struct visitors *v = visitors_create(&o);
    struct world_socket s;
    begin(true);
    unsigned long long ask = ask_for(&s);
    s.session->visitor = visitors_enter(v, &key, w.now.mono_us);
    struct visitor *visitor = s.session->visitor;
    they_say(TO_US, GRANTED, ask);
    world_settle(&w);
    world_lose(&w, &s);
    visitor_leave(visitor, w.now.mono_us);
    they_say(TO_US, STATE, ask);
    world_settle(&w);
    assert_int_equal(w.router.away_count, 1);
    assert_int_equal(visitors_count(v), 0);
    world_shut(&w, &s);
    world_release(&w);
    visitors_destroy(v);
}

static void come_back(struct world_socket *s, const char *sid, const char *secret)
{
    char resume[256];
    snprintf(resume, sizeof resume,
             "{\"type\":\"resume\",\"session\":\"b1.%s\",\"secret\":\"%s\",\"seq\":0}", sid,
             secret);
    world_open(&w, s);
    world_say(&w, s, resume);
}

/* It was granted to another bridge, but its client is here again before that one takes it. */
static void its_client_stays_after_all(void **state)
{
    (void)state;
    struct world_socket a, back;
    char sid[32], secret[32];
    begin(true);
    world_publish(&w, "p/rooms/r/peers/a/presence", "", true);
    world_settle(&w);
    lose_member(&a, sid, secret);
    they_take(sid, secret, 0);
    come_back(&back, sid, secret);
    HAS(world_read(&back), "\"resumed\"");
    they_say(INBOX "_bridge", "{\"type\":\"takeover\",\"ask\":#,\"by\":\"b2\"}", 9);
    world_settle(&w);
    assert_int_equal(back.close_code, 0);
    assert_int_equal(w.router.joined_count, 1);
    world_shut(&w, &a);
    world_shut(&w, &back);
    world_release(&w);
}

/* What becomes of the presence while a session is handed over, and what stands in the end. */
static void others_may_have_the_name(void **state)
{
    (void)state;
    static const struct {
        const char *name, *own; /* NULL: the session's */
        bool cleared_before;
    } rows[] = {
        {"another session's", "-zzzzzzzzzzzzz", false},
        {"its own, cleared meanwhile", NULL, true},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct world_socket a;
        char sid[32], secret[32], presence[256];
        begin(true);
        world_publish(&w, "p/rooms/r/peers/a/presence", "", true);
        world_settle(&w);
        lose_member(&a, sid, secret);
        they_take(sid, secret, 0);
        they_say(INBOX "_bridge", "{\"type\":\"takeover\",\"ask\":#,\"by\":\"b2\"}", 9);
        if (rows[i].cleared_before)
            world_publish(&w, "p/rooms/r/peers/a/presence", "", true);
        snprintf(presence, sizeof presence,
                 "{\"kind\":\"browser\",\"since\":9,\"via\":\"b2\",\"sid\":\"run002%s\"}",
                 rows[i].own ? rows[i].own : sid + SESSION_RUN_LEN);
        world_publish(&w, "p/rooms/r/peers/a/presence", presence, true);
        world_settle(&w);
        ROW(rows[i].name, !world_subscribed(&w, INBOX "+") && list_empty(&w.router.handing));
        world_later(&w, 10001);
        world_settle(&w);
        assert_non_null(world_retained(&w, "p/rooms/r/peers/a/presence"));
        world_shut(&w, &a);
        world_release(&w);
    }
}

/* Whoever owns the name by his token takes it from one that is on its way. */
static void its_name_is_taken_meanwhile(void **state)
{
    (void)state;
    struct world_socket s, owner;
    begin(true);
    unsigned long long ask = ask_for(&s);
    they_say(TO_US, GRANTED, ask);
    world_settle(&w);
    world_open(&w, &owner);
    give_token(&owner, "a");
    world_say(&w, &owner, "{\"type\":\"join\",\"room\":\"r\",\"peer\":\"a\"}");
    world_settle(&w);
    HAS(world_read(&owner), "\"joined\"");
    assert_int_equal(s.close_code, 4409);
    assert_int_equal(w.router.asking_count, 0);
    world_shut(&w, &s);
    world_shut(&w, &owner);
    world_release(&w);
}

/* More than may wait behind the mark: not even a second mark makes that good. */
static void too_much_came_behind_the_mark(void **state)
{
    (void)state;
    struct world_socket s;
    begin(true);
    unsigned long long ask = ask_for(&s);
    they_say(TO_US, GRANTED, ask);
    world_settle(&w);
    for (unsigned i = 0; i < 17; i++)
        they_say(INBOX "cam", "{\"type\":\"message\",\"data\":#}", i);
    they_say(INBOX "_bridge", "{\"type\":\"takeover\",\"ask\":#,\"by\":\"b1\"}", ask);
    they_say(TO_US, STATE, ask);
    world_settle(&w);
    HAS(world_read(&s), "session-expired");
    world_shut(&w, &s);
    world_release(&w);
}

/* Who gave it away must not keep the name for somebody who does not want it any more. */
static void its_client_leaves_meanwhile(void **state)
{
    (void)state;
    struct world_socket s;
    begin(true);
    unsigned long long ask = ask_for(&s);
    they_say(TO_US, GRANTED, ask);
    world_settle(&w);
    world_shut(&w, &s);
    HAS(settle_and_hear(TO_THEM), "{\"type\":\"forget\",");
    assert_int_equal(w.router.asking_count, 0);
    world_release(&w);
}

/* We go down while it comes: it comes all the same, and waits for the next bridge. */
static void we_go_down_meanwhile(void **state)
{
    (void)state;
    for (int lost = 0; lost < 2; lost++) {
        struct world_socket s;
        begin(true);
        unsigned long long ask = ask_for(&s);
        they_say(TO_US, GRANTED, ask);
        world_settle(&w);
        if (lost)
            world_lose(&w, &s);
        router_drain(&w.router, "going down", 10000000, w.now);
        assert_false(router_drained(&w.router));
        if (!lost) {
            HAS(world_read(&s), "\"closing\"");
            assert_int_equal(s.close_code, 1012);
        }
        they_say(TO_US, STATE, ask);
        world_settle(&w);
        HAS(world_retained(&w, "p/rooms/r/peers/a/presence"), "\"via\":\"b1\"");
        assert_int_equal(w.router.away_count, 1);
        router_drain_end(&w.router, w.now);
        assert_true(router_drained(&w.router));
        world_shut(&w, &s);
        world_release(&w);
    }
}

/* It is on its way to b2, and its client comes back here or to b3: that is not its end. */
static void its_client_is_impatient(void **state)
{
    (void)state;
    struct world_socket a, back, s;
    char sid[32], secret[32], take[256];
    begin(true);
    world_publish(&w, "p/rooms/r/peers/a/presence", "", true);
    world_settle(&w);
    lose_member(&a, sid, secret);
    they_take(sid, secret, 0);
    they_say(INBOX "_bridge", "{\"type\":\"takeover\",\"ask\":#,\"by\":\"b2\"}", 9);
    world_settle(&w);
    come_back(&back, sid, secret);
    HAS(world_read(&back), "\"unavailable\"");
    assert_int_equal(back.close_code, 1013);
    snprintf(take, sizeof take,
             "{\"type\":\"take\",\"ask\":4,\"sid\":\"%s\",\"secret\":\"%s\",\"seq\":0}", sid,
             secret);
    router_bus_message(&w.router, "p/bridges/b1/in/b3", text_of_str(take), false, text_of_str(""),
                       w.now);
    HAS(settle_and_hear("p/bridges/b3/in/b1"), "{\"type\":\"later\",\"ask\":4}");
    world_shut(&w, &a);
    world_shut(&w, &back);
    world_release(&w);
    begin(true);
    they_say(TO_US, "{\"type\":\"later\",\"ask\":#}", ask_for(&s));
    world_settle(&w);
    HAS(world_read(&s), "\"unavailable\"");
    assert_int_equal(s.close_code, 1013);
    world_shut(&w, &s);
    world_release(&w);
}

/* As much as may wait (16, in this world), and one more that tells whom it did not hear of: what
 * another bridge kept is kept here. */
static void nothing_of_it_may_be_missing(void **state)
{
    (void)state;
    for (int over = 0; over < 2; over++) {
        struct world_socket s;
        begin(true);
        unsigned long long ask = ask_for(&s);
        they_say(TO_US, GRANTED, ask);
        world_settle(&w);
        they_say(TO_US,
                 over ? "{\"type\":\"knows\",\"ask\":#,\"peers\":[]}"
                      : "{\"type\":\"knows\",\"ask\":#,\"peers\":[\"cam\",5]}",
                 ask);
        for (int i = 0; i < 16; i++)
            they_say(TO_US, "{\"type\":\"missed\",\"ask\":#}\n{\"type\":\"message\"}", ask);
        they_say(TO_US,
                 "{\"type\":\"state\",\"ask\":#,\"seq\":19,\"sent\":1,\"since\":7,\"calls\":[],"
                 "\"ids\":[],\"seen\":[]}",
                 ask);
        world_settle(&w);
        HAS(world_read(&s), over ? ",\"seq\":20}" : ",\"seq\":19}");
        for (int i = 0; i < 16 + over; i++)
            assert_string_not_equal(world_read(&s), "");
        assert_string_equal(world_read(&s), "");
        world_shut(&w, &s);
        world_release(&w);
    }
}

/* The socket may have come with a newer token than the session had. */
static void the_token_of_the_socket_counts(void **state)
{
    (void)state;
    static const struct {
        const char *name, *subject;
        int64_t expires_in;
    } rows[] = {{"its own", "a", 60}, {"another one's", "b", 20}};
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct world_socket s;
        char text[512];
        begin(true);
        unsigned long long ask = ask_for(&s);
        give_token(&s, rows[i].subject);
        they_say(TO_US, GRANTED, ask);
        snprintf(text, sizeof text,
                 "{\"type\":\"state\",\"ask\":#,\"seq\":3,\"sent\":1,\"since\":7,\"calls\":[],"
                 "\"ids\":[],\"seen\":[],\"expires\":%lld,\"claims\":{\"rooms\":[\"r\"]}}",
                 (long long)w.now.wall_ms + 20000);
        world_settle(&w);
        they_say(TO_US, text, ask);
        world_settle(&w);
        HAS(world_read(&s), "\"resumed\"");
        ROW(rows[i].name, admission_seconds_left(&w.router, s.session) == rows[i].expires_in);
        world_shut(&w, &s);
        world_release(&w);
    }
}

/* We go down, our members wait for other bridges, and the broker is away for a moment. */
static void who_waits_for_others_is_still_there(void **state)
{
    (void)state;
    struct world_socket a;
    begin(true);
    world_join(&w, &a, "r", "c");
    world_answer(&w, &a);
    router_drain(&w.router, "going down", 200000000, w.now);
    world_settle(&w);
    world_drop_link(&w);
    world_restore_link(&w);
    world_settle(&w);
    HAS(world_retained(&w, "p/bridges/b1/status"), "\"online\":true");
    router_drain_end(&w.router, w.now);
    world_settle(&w);
    HAS(world_retained(&w, "p/bridges/b1/status"), "\"online\":false");
    world_drop_link(&w);
    world_restore_link(&w);
    world_settle(&w);
    HAS(world_retained(&w, "p/bridges/b1/status"), "\"online\":false");
    world_shut(&w, &a);
    world_release(&w);
}

/* What a device says twice and means twice comes twice: once before the grant took effect here,
 * once behind the mark. */
static void what_is_meant_twice_is_not_taken_for_the_same(void **state)
{
    (void)state;
    static const struct {
        const char *name, *message;
        bool told; /* in `taken` */
    } rows[] = {
        {"without id", "{\"type\":\"message\",\"data\":\"tick\"}", false},
        {"with id", "{\"type\":\"message\",\"data\":\"tick\",\"id\":\"1\"}", true},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct world_socket a;
        char sid[32], secret[32], digest[32];
        begin(true);
        world_publish(&w, "p/rooms/r/peers/a/presence", "", true);
        world_settle(&w);
        lose_member(&a, sid, secret);
        they_take(sid, secret, 0);
        world_publish(&w, INBOX "cam", rows[i].message, false);
        world_settle(&w);
        static const char mark[] = "{\"type\":\"takeover\",\"ask\":9,\"by\":\"b2\"}";
        router_bus_message(&w.router, INBOX "_bridge", text_of_str(mark), false, text_of_str(""),
                           w.now);
        const char *given = last_answer();
        snprintf(digest, sizeof digest, "\"taken\":[\"%016llx\"]",
                 (unsigned long long)seen_digest(text_of_str("cam"), text_of_str(rows[i].message)));
        ROW(rows[i].name, (strstr(given, digest) != NULL) == rows[i].told);
        world_shut(&w, &a);
        world_release(&w);
    }
}

static enum status (*publish_as_usual)(void *bus, const struct publication *p);

static enum status publish_no_presence(void *bus, const struct publication *p)
{
    return p->retain ? STATUS_NO_MEMORY : publish_as_usual(bus, p);
}

/* Its presence cannot be published at once: the next tick does it, whoever else is here. */
static void its_presence_may_be_late(void **state)
{
    (void)state;
    struct world_socket s, other;
    begin(true);
    world_join(&w, &other, "r", "other");
    unsigned long long ask = ask_for(&s);
    they_say(TO_US, "{\"type\":\"granted\",\"ask\":#,\"room\":\"r\",\"peer\":\"a\"}", ask);
    while (w.queued)
        world_settle(&w);
    they_say(TO_US, "{\"type\":\"state\",\"ask\":#,\"seq\":3,\"sent\":0,\"since\":7,\"calls\":[]}",
             ask);
    publish_as_usual = w.router.bus_ops.publish;
    w.router.bus_ops.publish = publish_no_presence;
    world_settle(&w);
    w.router.bus_ops.publish = publish_as_usual;
    HAS(world_read(&s), "resumed");
    HAS(world_retained(&w, "p/rooms/r/peers/a/presence"), "\"via\":\"b2\"");
    world_later(&w, 0);
    world_settle(&w);
    HAS(world_retained(&w, "p/rooms/r/peers/a/presence"), "\"via\":\"b1\"");
    world_shut(&w, &s);
    world_shut(&w, &other);
    world_settle(&w);
    world_release(&w);
}

/* Its presence is cleared while it is on its way, and then it is given up, all in one turn. */
static void who_is_given_up_has_left_for_a_reason(void **state)
{
    (void)state;
    struct world_socket s, other;
    begin(true);
    world_join(&w, &other, "r", "other");
    unsigned long long ask = ask_for(&s);
    they_say(TO_US, "{\"type\":\"granted\",\"ask\":#,\"room\":\"r\",\"peer\":\"a\"}", ask);
    world_settle(&w);
    router_bus_message(&w.router, "p/rooms/r/peers/a/presence", text_of_str(""), false,
                       text_of_str("drain"), w.now);
    world_shut(&w, &s);
    world_settle(&w);
    HAS(world_read(&other), "\"left\":[{\"peer\":\"a\",\"reason\":\"drain\"}]");
    world_shut(&w, &other);
    world_settle(&w);
    world_release(&w);
}

/* More comes between grant and mark than is kept: there is a word for that, and no gap. */
static void what_is_not_kept_is_not_handed_over(void **state)
{
    (void)state;
    struct world_socket a;
    char sid[32], secret[32];
    begin(true);
    world_publish(&w, "p/rooms/r/peers/a/presence", "", true);
    world_settle(&w);
    world_join(&w, &a, "r", "a");
    strcpy(sid, a.session->sid);
    strcpy(secret, a.session->secret);
    they_take(sid, secret, 0);
    for (int i = 0; i < 17; i++)
        world_publish(&w, INBOX "cam", "{\"type\":\"message\",\"data\":1}", false);
    world_settle(&w);
    static const char mark[] = "{\"type\":\"takeover\",\"ask\":9,\"by\":\"b2\"}";
    router_bus_message(&w.router, INBOX "_bridge", text_of_str(mark), false, text_of_str(""),
                       w.now);
    assert_string_equal(last_answer(), "{\"type\":\"refused\",\"ask\":9}\n");
    world_shut(&w, &a);
    world_later(&w, 10000);
    world_settle(&w);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_meant_twice_is_not_taken_for_the_same),
        cmocka_unit_test(a_session_comes),
        cmocka_unit_test(what_may_go_wrong),
        cmocka_unit_test(it_may_have_moved_on),
        cmocka_unit_test(its_presence_may_be_late),
        cmocka_unit_test(what_is_not_kept_is_not_handed_over),
        cmocka_unit_test(who_is_given_up_has_left_for_a_reason),
        cmocka_unit_test(who_is_asked),
        cmocka_unit_test(a_session_goes),
        cmocka_unit_test(who_gets_nothing),
        cmocka_unit_test(a_session_that_was_given_up_ends),
        cmocka_unit_test(a_session_that_went_nowhere_ends),
        cmocka_unit_test(what_is_on_its_way_goes_first),
        cmocka_unit_test(it_asks_again_before_the_answer),
        cmocka_unit_test(its_socket_breaks_meanwhile),
        cmocka_unit_test(its_client_stays_after_all),
        cmocka_unit_test(others_may_have_the_name),
        cmocka_unit_test(its_client_is_impatient),
        cmocka_unit_test(nothing_of_it_may_be_missing),
        cmocka_unit_test(the_token_of_the_socket_counts),
        cmocka_unit_test(who_waits_for_others_is_still_there),
        cmocka_unit_test(its_name_is_taken_meanwhile),
        cmocka_unit_test(its_client_leaves_meanwhile),
        cmocka_unit_test(we_go_down_meanwhile),
        cmocka_unit_test(too_much_came_behind_the_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
