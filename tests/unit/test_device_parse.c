/* sigdev core: messages and presence in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sigdev/core.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct sigdev_self me = {"p", "r", "me"};

/* A payload of exactly its own size on the heap, so that the address sanitizer sees one byte more.
 */
static char *copy(const char *text, size_t len)
{
    char *p = malloc(len ? len : 1);
    assert_non_null(p);
    memcpy(p, text, len);
    return p;
}

static struct sigdev_topic topic_of(enum sigdev_topic_kind kind, const char *from)
{
    struct sigdev_topic t = {.kind = kind};
    snprintf(t.from, sizeof t.from, "%s", from);
    return t;
}

/* Everything of a message in one line, so that a table row can hold what is expected of it. */
static void put(char *out, size_t size, const char *name, struct sigdev_text t)
{
    size_t at = strlen(out);
    if (!t.p)
        return;
    assert_int_equal(strlen(t.p), t.len); /* NUL-terminated, and nothing lost */
    snprintf(out + at, size - at, " %s=<%s>", name, t.p);
}

static void put_number(char *out, size_t size, const char *name, long long n)
{
    size_t at = strlen(out);
    snprintf(out + at, size - at, " %s=%lld", name, n);
}

static void put_candidate(char *out, size_t size, const struct sigdev_candidate *c)
{
    put(out, size, "candidate", c->candidate);
    put(out, size, "mid", c->mid);
    if (c->has_mline)
        put_number(out, size, "mline", c->mline);
    put(out, size, "ufrag", c->ufrag);
    if (c->end)
        put(out, size, "end", sigdev_str(""));
}

static void put_lists(char *out, size_t size, struct sigdev_message *m)
{
    struct sigdev_list list = m->candidates;
    struct sigdev_candidate c;
    while (sigdev_next_candidate(&list, &c) == SIGDEV_OK)
        put_candidate(out, size, &c);
    struct sigdev_ice_walk walk = {.servers = m->ice_servers};
    struct sigdev_ice_server s;
    while (sigdev_next_ice_server(&walk, &s) == SIGDEV_OK) {
        put(out, size, "url", s.url);
        put(out, size, "username", s.username);
        put(out, size, "credential", s.credential);
    }
}

static void describe(struct sigdev_message *m, char *out, size_t size)
{
    snprintf(out, size, "%s", sigdev_type_text(m->type));
    if (m->call.len)
        put(out, size, "call", m->call);
    put(out, size, "id", m->id);
    if (m->sent_ms)
        put_number(out, size, "sent", m->sent_ms);
    put(out, size, "ext", m->ext);
    put(out, size, "sdp", m->sdp);
    put_candidate(out, size, &m->candidate);
    put(out, size, "reason", m->reason);
    put(out, size, "data", m->data);
    put(out, size, "sealed", m->sealed);
    if (m->media.audio)
        put_number(out, size, "audio", m->media.audio);
    if (m->media.video)
        put_number(out, size, "video", m->media.video);
    if (m->media.data)
        put_number(out, size, "datachannel", m->media.data);
    if (m->error.code)
        put_number(out, size, "code", m->error.code);
    put(out, size, "word", m->error.word);
    put(out, size, "text", m->error.text);
    put(out, size, "to", m->error.to);
    if (m->error.retry_after_ms)
        put_number(out, size, "retry", m->error.retry_after_ms);
    put_lists(out, size, m);
}

static const struct parse_row {
    const char *name;
    const char *from; /* NULL: tab, in the inbox; "*": tab, to the room */
    const char *json;
    enum sigdev_error want;
    const char *text; /* what describe() says, or a part of the refusal */
} rows[] = {
    {"offer", NULL, "{\"type\":\"offer\",\"sdp\":\"v=0\\r\\ns=-\\r\\n\"}", SIGDEV_OK,
     "offer sdp=<v=0\r\ns=-\r\n>"},
    {"answer with everything", NULL,
     " {\"sent\":1767225600000,\"ext\":{\"a\":[1,\"]\"]},\"call\":\"c\\u0031\",\"id\":\"i\\\"\","
     "\"sdp\":\"s=\\u00fc\\ud83d\\ude00\\/\",\"type\":\"answer\"} ",
     SIGDEV_OK,
     "answer call=<c1> id=<i\"> sent=1767225600000 ext=<{\"a\":[1,\"]\"]}> "
     "sdp=<s=\xc3\xbc\xf0\x9f\x98\x80/>"},
    {"unknown fields are dropped", NULL,
     "{\"type\":\"bye\",\"sdp\":\"x\",\"zzz\":{\"deep\":[[[]]]},\"candidate\":5}", SIGDEV_OK,
     "bye"},
    {"payload agrees with its topic", NULL, "{\"type\":\"bye\",\"from\":\"tab\",\"to\":\"me\"}",
     SIGDEV_OK, "bye"},
    {"candidate", NULL,
     "{\"type\":\"candidate\",\"candidate\":{\"candidate\":\"candidate:\\t1\",\"sdpMid\":\"0\","
     "\"sdpMLineIndex\":0,\"usernameFragment\":\"abcd\"}}",
     SIGDEV_OK, "candidate candidate=<candidate:\t1> mid=<0> mline=0 ufrag=<abcd>"},
    {"candidate with nulls", NULL,
     "{\"type\":\"candidate\",\"candidate\":{\"candidate\":\"x\",\"sdpMid\":null,"
     "\"sdpMLineIndex\":1,\"usernameFragment\":null}}",
     SIGDEV_OK, "candidate candidate=<x> mline=1"},
    {"end of candidates, null", NULL, "{\"type\":\"candidate\",\"candidate\":null}", SIGDEV_OK,
     "candidate end=<>"},
    {"end of candidates, empty", NULL,
     "{\"type\":\"candidate\",\"candidate\":{\"candidate\":\"\",\"sdpMid\":\"1\"}}", SIGDEV_OK,
     "candidate candidate=<> mid=<1> end=<>"},
    {"bundle", NULL,
     "{\"type\":\"candidates\",\"call\":\"c\",\"candidates\":[ {\"candidate\":\"a\\\"]}\","
     "\"sdpMid\":\"\",\"x\":[{\"y\":\"\\\\\"}]} , null,{\"candidate\":\"b\",\"sdpMid\":\"1\"}]}",
     SIGDEV_OK, "candidates call=<c> candidate=<a\"]}> mid=<> end=<> candidate=<b> mid=<1>"},
    {"bye with a reason", NULL, "{\"type\":\"bye\",\"call\":\"\",\"reason\":\"so \\\"long\\\"\"}",
     SIGDEV_OK, "bye reason=<so \"long\">"},
    {"bare invite", NULL, "{\"type\":\"invite\"}", SIGDEV_OK, "invite"},
    {"invite with media", NULL,
     "{\"type\":\"invite\",\"media\":{\"audio\":false,\"video\":true,\"smell\":1}}", SIGDEV_OK,
     "invite audio=2 video=1"},
    {"message, object", NULL, "{\"type\":\"message\",\"data\":{\"a\":\"\\n\"}}", SIGDEV_OK,
     "message data=<{\"a\":\"\\n\"}>"},
    {"message, string stays JSON", NULL, "{\"type\":\"message\",\"data\":\"a\\\"b\"}", SIGDEV_OK,
     "message data=<\"a\\\"b\">"},
    {"message, number before a field", NULL, "{\"type\":\"message\",\"data\":12,\"id\":\"x\"}",
     SIGDEV_OK, "message id=<x> data=<12>"},
    {"message to the room", "*", "{\"type\":\"message\",\"data\":null}", SIGDEV_OK,
     "message data=<null>"},
    {"sealed", NULL, "{\"type\":\"sealed\",\"data\":\"aGk=\"}", SIGDEV_OK, "sealed sealed=<aGk=>"},
    {"error of the bridge", "_bridge",
     "{\"type\":\"error\",\"code\":429,\"error\":\"rate-limited\",\"message\":\"slow "
     "\\\"down\\\"\",\"id\":\"7\",\"to\":\"tab\",\"retryAfter\":1500}",
     SIGDEV_OK,
     "error id=<7> code=429 word=<rate-limited> text=<slow \"down\"> to=<tab> retry=1500"},
    {"ICE servers", "_bridge",
     "{\"type\":\"ice-servers\",\"id\":\"q\",\"iceServers\":[{\"urls\":\"stun:a\"},"
     "{\"urls\":[\"turn:b\",\"turns:c\"],\"username\":\"u\\u0031\",\"credential\":\"s\\/3\"},"
     "{\"credential\":\"k\",\"username\":\"n\",\"urls\":\"turn:d\"},{\"urls\":[]}]}",
     SIGDEV_OK,
     "ice-servers id=<q> url=<stun:a> url=<turn:b> username=<u1> credential=<s/3> url=<turns:c> "
     "username=<u1> credential=<s/3> url=<turn:d> username=<n> credential=<k>"},
    {"no ICE servers", "_bridge", "{\"type\":\"ice-servers\",\"iceServers\":[]}", SIGDEV_OK,
     "ice-servers"},

    {"nothing", NULL, "", SIGDEV_ERR_JSON, "object"},
    {"an array", NULL, "[]", SIGDEV_ERR_JSON, "object"},
    {"something behind", NULL, "{\"type\":\"bye\"}x", SIGDEV_ERR_JSON, "follows"},
    {"duplicate key", NULL, "{\"type\":\"bye\",\"type\":\"offer\"}", SIGDEV_ERR_JSON, "duplicate"},
    {"duplicate key, written differently", NULL, "{\"type\":\"bye\",\"t\\u0079pe\":\"offer\"}",
     SIGDEV_ERR_JSON, "duplicate"},
    {"NUL in a string", NULL, "{\"type\":\"offer\",\"sdp\":\"a\\u0000\"}", SIGDEV_ERR_JSON, "NUL"},
    {"bad UTF-8", NULL, "{\"type\":\"offer\",\"sdp\":\"\xc0\xaf\"}", SIGDEV_ERR_JSON, "UTF-8"},
    {"no type", NULL, "{}", SIGDEV_ERR_MESSAGE, "`type`"},
    {"unknown type", NULL, "{\"type\":\"dance\"}", SIGDEV_ERR_UNKNOWN_TYPE, "`type`"},
    {"unknown type of the bridge", "_bridge", "{\"type\":\"takeover-of-tomorrow\",\"n\":[1]}",
     SIGDEV_ERR_UNKNOWN_TYPE, "`type`"},
    {"unknown type to the room", "*", "{\"type\":\"\"}", SIGDEV_ERR_UNKNOWN_TYPE, "`type`"},
    {"the bridge's probe", "_bridge", "{\"type\":\"ping\"}", SIGDEV_ERR_UNKNOWN_TYPE, "`type`"},
    {"a peer's probe", NULL, "{\"type\":\"ping\"}", SIGDEV_ERR_UNKNOWN_TYPE, "`type`"},
    {"type that is a number", NULL, "{\"type\":1}", SIGDEV_ERR_MESSAGE, "`type`"},
    {"a browser's type", NULL, "{\"type\":\"join\",\"room\":\"r\"}", SIGDEV_ERR_MESSAGE, "`type`"},
    {"offer without SDP", NULL, "{\"type\":\"offer\"}", SIGDEV_ERR_MESSAGE, "`sdp`"},
    {"SDP that is an object", NULL, "{\"type\":\"offer\",\"sdp\":{}}", SIGDEV_ERR_MESSAGE, "`sdp`"},
    {"call with a line end", NULL, "{\"type\":\"bye\",\"call\":\"a\\nb\"}", SIGDEV_ERR_MESSAGE,
     "`call`"},
    {"sender is another", NULL, "{\"type\":\"bye\",\"from\":\"eve\"}", SIGDEV_ERR_MESSAGE,
     "`from`"},
    {"meant for another", NULL, "{\"type\":\"bye\",\"to\":\"you\"}", SIGDEV_ERR_MESSAGE, "`to`"},
    {"error from a peer", NULL, "{\"type\":\"error\",\"code\":404,\"error\":\"peer-not-found\"}",
     SIGDEV_ERR_MESSAGE, "`type`"},
    {"ICE servers from a peer", NULL, "{\"type\":\"ice-servers\",\"iceServers\":[]}",
     SIGDEV_ERR_MESSAGE, "`type`"},
    {"offer from the bridge", "_bridge", "{\"type\":\"offer\",\"sdp\":\"v=0\"}", SIGDEV_ERR_MESSAGE,
     "`type`"},
    {"offer to the whole room", "*", "{\"type\":\"offer\",\"sdp\":\"v=0\"}", SIGDEV_ERR_MESSAGE,
     "room"},
    {"room message with a target", "*", "{\"type\":\"message\",\"data\":1,\"to\":\"me\"}",
     SIGDEV_ERR_MESSAGE, "`to`"},
    {"code out of range", "_bridge", "{\"type\":\"error\",\"code\":200,\"error\":\"x\"}",
     SIGDEV_ERR_MESSAGE, "`code`"},
    {"ICE servers missing", "_bridge", "{\"type\":\"ice-servers\"}", SIGDEV_ERR_MESSAGE,
     "`iceServers`"},
    {"ICE server without urls", "_bridge",
     "{\"type\":\"ice-servers\",\"iceServers\":[{\"username\":\"u\"}]}", SIGDEV_ERR_MESSAGE,
     "`iceServers`"},
    {"ICE server that is a string", "_bridge", "{\"type\":\"ice-servers\",\"iceServers\":[\"s\"]}",
     SIGDEV_ERR_MESSAGE, "`iceServers`"},
    {"url that is a number", "_bridge",
     "{\"type\":\"ice-servers\",\"iceServers\":[{\"urls\":[\"a\",5]}]}", SIGDEV_ERR_MESSAGE,
     "`urls`"},
    {"candidate that is a string", NULL, "{\"type\":\"candidate\",\"candidate\":\"x\"}",
     SIGDEV_ERR_MESSAGE, "`candidate`"},
    {"candidate without its place", NULL,
     "{\"type\":\"candidate\",\"candidate\":{\"candidate\":\"x\",\"sdpMid\":null}}",
     SIGDEV_ERR_MESSAGE, "media section"},
    {"index out of range", NULL,
     "{\"type\":\"candidate\",\"candidate\":{\"candidate\":\"x\",\"sdpMLineIndex\":65536}}",
     SIGDEV_ERR_MESSAGE, "sdpMLineIndex"},
    {"empty bundle", NULL, "{\"type\":\"candidates\",\"candidates\":[]}", SIGDEV_ERR_MESSAGE,
     "`candidates`"},
    {"second of a bundle is bad", NULL,
     "{\"type\":\"candidates\",\"candidates\":[{\"candidate\":\"a\",\"sdpMid\":\"0\"},{}]}",
     SIGDEV_ERR_MESSAGE, "candidate"},
};

static void test_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct parse_row *r = &rows[i];
        bool room = r->from && r->from[0] == '*';
        struct sigdev_topic topic = topic_of(room ? SIGDEV_TOPIC_ROOM : SIGDEV_TOPIC_INBOX,
                                             r->from && !room ? r->from : "tab");
        struct sigdev_message m;
        char why[200] = "", text[1024];
        size_t len = strlen(r->json);
        char *payload = copy(r->json, len);
        enum sigdev_error e = sigdev_parse(&me, &topic, payload, len, &m, why, sizeof why);
        if (e != r->want)
            fail_msg("%s: error %d (%s)", r->name, e, why);
        if (e == SIGDEV_OK)
            describe(&m, text, sizeof text);
        if (e == SIGDEV_OK && strcmp(text, r->text) != 0)
            fail_msg("%s: %s", r->name, text);
        if (e != SIGDEV_OK && !strstr(why, r->text))
            fail_msg("%s: refused because \"%s\"", r->name, why);
        free(payload);
    }
}

/* Every beginning of every message is refused, and none is read past its end. */
static void test_truncated(void **state)
{
    (void)state;
    struct sigdev_topic topic = topic_of(SIGDEV_TOPIC_INBOX, "tab");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t full = strlen(rows[i].json);
        while (full && rows[i].json[full - 1] == ' ')
            full--;
        for (size_t len = 0; len + 1 < full; len++) {
            struct sigdev_message m;
            char *payload = copy(rows[i].json, len);
            if (sigdev_parse(&me, &topic, payload, len, &m, NULL, 0) == SIGDEV_OK)
                fail_msg("%s: cut at %zu", rows[i].name, len);
            free(payload);
        }
    }
}

/* The reason is cut to the caller's size and always ends. */
static void test_why_sizes(void **state)
{
    (void)state;
    struct sigdev_topic topic = topic_of(SIGDEV_TOPIC_INBOX, "tab");
    for (size_t size = 0; size < 80; size++) {
        char *why = malloc(size ? size : 1), payload[] = "{\"type\":\"offer\"}";
        struct sigdev_message m;
        assert_int_equal(sigdev_parse(&me, &topic, payload, sizeof payload - 1, &m, why, size),
                         SIGDEV_ERR_MESSAGE);
        if (size)
            assert_true(strlen(why) < size);
        free(why);
    }
}

static void test_too_large(void **state)
{
    (void)state;
    static char payload[SIGDEV_PAYLOAD_MAX + 1];
    struct sigdev_topic topic = topic_of(SIGDEV_TOPIC_INBOX, "tab");
    struct sigdev_message m;
    struct sigdev_presence p;
    memset(payload, ' ', sizeof payload);
    assert_int_equal(sigdev_parse(&me, &topic, payload, sizeof payload, &m, NULL, 0),
                     SIGDEV_ERR_TOO_LARGE);
    assert_int_equal(sigdev_parse_presence(payload, sizeof payload, &p, NULL, 0),
                     SIGDEV_ERR_TOO_LARGE);
    assert_int_equal(sigdev_parse(&me, &topic, payload, sizeof payload - 1, &m, NULL, 0),
                     SIGDEV_ERR_JSON);
}

/* 64 candidates pass, 65 do not. */
static void test_bundle_bound(void **state)
{
    (void)state;
    struct sigdev_topic topic = topic_of(SIGDEV_TOPIC_INBOX, "tab");
    for (int count = SIGDEV_BUNDLE_MAX; count <= SIGDEV_BUNDLE_MAX + 1; count++) {
        char payload[2048];
        struct sigdev_message m;
        struct sigdev_candidate c;
        size_t at = (size_t)snprintf(payload, sizeof payload,
                                     "{\"type\":\"candidates\",\"candidates\":[null");
        for (int i = 1; i < count; i++)
            at += (size_t)snprintf(payload + at, sizeof payload - at, ",null");
        at += (size_t)snprintf(payload + at, sizeof payload - at, "]}");
        enum sigdev_error e = sigdev_parse(&me, &topic, payload, at, &m, NULL, 0);
        if (count > SIGDEV_BUNDLE_MAX) {
            assert_int_equal(e, SIGDEV_ERR_MESSAGE);
            continue;
        }
        assert_int_equal(e, SIGDEV_OK);
        struct sigdev_list list = m.candidates;
        int walked = 0;
        while (sigdev_next_candidate(&list, &c) == SIGDEV_OK)
            walked++;
        assert_int_equal(walked, count);
        assert_int_equal(sigdev_next_candidate(&list, &c), SIGDEV_END); /* and stays there */
    }
}

/* An SDP with every byte that JSON escapes comes back as it was. */
static void test_round_trip(void **state)
{
    (void)state;
    char sdp[128], payload[SIGDEV_MESSAGE_SIZE(2 * sizeof sdp)];
    struct sigdev_topic topic = topic_of(SIGDEV_TOPIC_INBOX, "tab");
    struct sigdev_message in;
    size_t len;
    for (size_t i = 0; i < sizeof sdp - 1; i++)
        sdp[i] = (char)(i + 1);
    sdp[sizeof sdp - 1] = '\0';
    struct sigdev_message out = {.type = SIGDEV_OFFER,
                                 .sdp = sigdev_str(sdp),
                                 .call = sigdev_str("\"call\\"),
                                 .sent_ms = 42};
    assert_int_equal(sigdev_write(&out, payload, sizeof payload, &len), SIGDEV_OK);
    assert_int_equal(sigdev_parse(&me, &topic, payload, len, &in, NULL, 0), SIGDEV_OK);
    assert_int_equal(in.sdp.len, sizeof sdp - 1);
    assert_memory_equal(in.sdp.p, sdp, sizeof sdp);
    assert_string_equal(in.call.p, "\"call\\");
    assert_int_equal(in.sent_ms, 42);
}

/* Which of these, one after the other, is taken for a repetition of an earlier one. */
static const struct repeat_row {
    const char *name;
    const char *from; /* "*": tab, to the room */
    const char *json;
    bool repeated;
} repeat_rows[] = {
    {"new", "tab", "{\"type\":\"bye\",\"sent\":1}", false},
    {"the same", "tab", "{\"type\":\"bye\",\"sent\":1}", true},
    {"of somebody else", "eve", "{\"type\":\"bye\",\"sent\":1}", false},
    {"one millisecond later", "tab", "{\"type\":\"bye\",\"sent\":2}", false},
    {"with an id", "tab", "{\"type\":\"bye\",\"id\":\"1\"}", false},
    {"with that id", "tab", "{\"type\":\"bye\",\"id\":\"1\"}", true},
    {"other words with that id", "tab", "{\"type\":\"bye\",\"id\":\"1\",\"reason\":\"x\"}", false},
    {"neither", "tab", "{\"type\":\"bye\"}", false},
    {"neither, again", "tab", "{\"type\":\"bye\"}", false},
    {"to us", "tab", "{\"type\":\"message\",\"data\":1,\"id\":\"m\"}", false},
    {"to the room", "*", "{\"type\":\"message\",\"data\":1,\"id\":\"m\"}", false},
    {"to the room, again", "*", "{\"type\":\"message\",\"data\":1,\"id\":\"m\"}", true},
    {"the first one still", "tab", "{\"type\":\"bye\",\"sent\":1}", true},
};

static bool repeated(struct sigdev_recent *recent, const char *from, const char *json)
{
    struct sigdev_topic t = topic_of(from[0] == '*' ? SIGDEV_TOPIC_ROOM : SIGDEV_TOPIC_INBOX,
                                     from[0] == '*' ? "tab" : from);
    struct sigdev_message m;
    char *payload = copy(json, strlen(json));
    uint64_t digest = sigdev_digest(recent, &t, payload, strlen(json));
    assert_int_equal(sigdev_parse(&me, &t, payload, strlen(json), &m, NULL, 0), SIGDEV_OK);
    bool is = sigdev_is_repeated(recent, &m, digest);
    free(payload);
    return is;
}

static void test_repeated(void **state)
{
    uint64_t digests[SIGDEV_RECENT] = {0};
    struct sigdev_recent recent = {digests, SIGDEV_RECENT, 0, 7}, none = {0};
    char json[64];
    (void)state;
    for (size_t i = 0; i < sizeof repeat_rows / sizeof *repeat_rows; i++) {
        const struct repeat_row *r = &repeat_rows[i];
        if (repeated(&recent, r->from, r->json) != r->repeated)
            fail_msg("%s", r->name);
        assert_false(repeated(&none, r->from, r->json)); /* no ring: nothing is remembered */
    }
    /* The ring is as long as it says: the oldest is forgotten when there is one more. */
    for (int i = 0; i <= SIGDEV_RECENT; i++) {
        snprintf(json, sizeof json, "{\"type\":\"bye\",\"sent\":%d}", 100 + i);
        assert_false(repeated(&recent, "tab", json));
    }
    assert_true(repeated(&recent, "tab", "{\"type\":\"bye\",\"sent\":101}"));
    assert_false(repeated(&recent, "tab", "{\"type\":\"bye\",\"sent\":100}"));
}

static const struct old_row {
    const char *name;
    int64_t sent, now, max;
    bool old;
} old_rows[] = {
    {"not said", 0, INT64_C(1767225600000), 10, false},
    {"just in time", 1000, 1010, 10, false},
    {"one too many", 1000, 1011, 10, true},
    {"from the future", 2000, 1000, 10, false},
};

static void test_old(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof old_rows / sizeof *old_rows; i++) {
        const struct old_row *r = &old_rows[i];
        struct sigdev_message m = {.type = SIGDEV_BYE, .sent_ms = r->sent};
        if (sigdev_is_old(&m, r->now, r->max) != r->old)
            fail_msg("%s", r->name);
    }
}

static const struct presence_row {
    const char *name;
    const char *json;
    enum sigdev_error want;
    const char *text;
} presence_rows[] = {
    {"gone", "", SIGDEV_OK, " gone"},
    {"empty object", "{}", SIGDEV_OK, ""},
    {"everything",
     "{\"kind\":\"browser\",\"meta\":{\"n\":\"\\u0041\"},\"since\":7,\"ttl\":60,\"bundle\":true,"
     "\"via\":\"b-1\",\"sid\":\"s1\",\"limits\":{\"sdp\":1,\"line\":2,\"candidates\":3},\"x\":[]}",
     SIGDEV_OK,
     " kind=<browser> meta=<{\"n\":\"\\u0041\"}> via=<b-1> sid=<s1> since=7 ttl=60 bundle=1 "
     "sdp=1 line=2 candidates=3"},
    {"unknown kind", "{\"kind\":\"toaster\"}", SIGDEV_OK, ""},
    {"meta is a string", "{\"meta\":\"x\"}", SIGDEV_ERR_MESSAGE, "`meta`"},
    {"bundle is a number", "{\"bundle\":1}", SIGDEV_ERR_MESSAGE, "`bundle`"},
    {"no JSON", "online", SIGDEV_ERR_JSON, "object"},
};

static void describe_presence(const struct sigdev_presence *p, char *out, size_t size)
{
    const struct {
        const char *name;
        long long n;
    } numbers[] = {{"since", p->since_ms},  {"ttl", p->ttl_s},
                   {"bundle", p->bundle},   {"sdp", p->limit_sdp},
                   {"line", p->limit_line}, {"candidates", p->limit_candidates}};
    snprintf(out, size, "%s", p->gone ? " gone" : "");
    put(out, size, "kind", p->kind);
    put(out, size, "meta", p->meta);
    put(out, size, "via", p->via);
    put(out, size, "sid", p->sid);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].n)
            put_number(out, size, numbers[i].name, numbers[i].n);
}

static void test_presence(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof presence_rows / sizeof *presence_rows; i++) {
        const struct presence_row *r = &presence_rows[i];
        struct sigdev_presence p;
        char why[200] = "", text[512] = "";
        size_t len = strlen(r->json);
        char *payload = copy(r->json, len);
        enum sigdev_error e = sigdev_parse_presence(payload, len, &p, why, sizeof why);
        if (e == SIGDEV_OK)
            describe_presence(&p, text, sizeof text);
        if (e != r->want || (e == SIGDEV_OK ? strcmp(text, r->text) != 0 : !strstr(why, r->text)))
            fail_msg("%s: error %d, \"%s\" \"%s\"", r->name, e, text, why);
        free(payload);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_why_sizes),    cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_bundle_bound), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_old),          cmocka_unit_test(test_presence),
        cmocka_unit_test(test_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
