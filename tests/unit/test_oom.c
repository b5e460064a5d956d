/* Memory runs out in core: each story of the table is told with every allocation failing in turn,
 * and with all failing from one on, where all rooms are watched and where only some are. Nothing
 * crashes, nothing leaks, no broken frame goes out, everybody gets one answer or a closed socket,
 * members know who is there or are cut off, and afterwards the bridge works. */
#include "base/log.h"
#include "failing_memory.h"
#include "proto/json.h"
#include "sdp.h"
#include "test.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PEERS = 4, STEPS = 48, STEP_MAX = 4096, NAMES = 64, HEARS = 4 };

#define R                    "p/rooms/r/peers/"
#define JOIN(p)              "{\"type\":\"join\",\"room\":\"r\",\"peer\":\"" p "\"}"
#define OWN                  "abcdefghijklm"
#define SECRET               "0123456789abcdef0123456789abcdef"
#define HOST                 "a=candidate:1 1 udp 2 192.168.1.5 5000 typ host\\r\\n"
#define RELAY                "a=candidate:2 1 udp 1 198.51.100.7 6000 typ relay raddr 10.0.0.1 rport 7\\r\\n"
#define OFFER_OF(candidates) "{\"type\":\"offer\",\"sdp\":\"" SDP("actpass") candidates "\""

/* With an id, for somebody. */
#define TRICKLE(to, id)                                                                            \
    "{\"type\":\"candidate\",\"to\":\"" to "\",\"id\":\"" id "\",\"candidate\":{\"sdpMid\":\"0\"," \
    "\"candidate\":\"candidate:1 1 udp 2 192.0.2.1 5000 typ host\"}}"

/* A step is a digit and what this socket says, which opens it; behind a `+` the next step
 * is of the same turn of the loop. Or a topic and what somebody publishes there, retained if it is
 * a presence or a status. Or `down` and `up`, the connection to the broker; `wait MS`; `shut N`, a
 * socket; `lose N`, it breaks; `read N`, its client has read all. In what is said and published `$`
 * is a token; `%N` are the members `session` and `secret` that socket N was given, `&N` the same as
 * `sid` and `secret`, `~N` the part of the id that stays. A step with one that was not given is
 * left out. */
struct scenario {
    const char *name;
    bool tokens, policy;
    const char *steps[STEPS];
    const char *hears[HEARS]; /* when nothing fails: a digit, and what is in one of its frames */
};

static const struct scenario scenarios[] = {
    {"joining, updating, leaving",
     .steps =
         {"0 {\"type\":\"join\",\"room\":\"r\",\"peer\":\"a\",\"id\":\"1\",\"meta\":{\"x\":1}}",
          "1 {\"type\":\"join\",\"room\":\"r\",\"id\":\"2\"}", "2 " JOIN("c"),
          "1 {\"type\":\"update\",\"meta\":{\"y\":\"" FP "\"},\"id\":\"3\"}",
          "1 {\"type\":\"update\",\"meta\":{},\"id\":\"4\"}", "2 {\"type\":\"ping\",\"id\":\"5\"}",
          "0 {\"type\":\"leave\",\"id\":\"6\"}",
          "0 {\"type\":\"join\",\"room\":\"other\",\"id\":\"7\"}", "shut 1"},
     .hears = {"2\"reason\":\"leave\"", "2\"updated\"", "0\"room\":\"other\"", "2\"left\""}},
    {"a room fills and empties",
     .steps = {"0 " JOIN("a"),     R "1/presence {}",  R "2/presence {}",  R "3/presence {}",
               R "4/presence {}",  R "5/presence {}",  R "6/presence {}",  R "7/presence {}",
               R "8/presence {}",  R "9/presence {}",  R "10/presence {}", R "11/presence {}",
               R "12/presence {}", R "13/presence {}", "1 " JOIN("b"),     R "1/presence ",
               R "2/presence ",    R "3/presence ",    R "4/presence ",    R "5/presence ",
               R "6/presence ",    R "7/presence ",    R "8/presence ",    R "9/presence ",
               R "10/presence ",   R "11/presence ",   R "12/presence ",   R "13/presence "},
     .hears = {"0\"joined\":[{\"peer\":\"13\"", "1\"peer\":\"7\"", "1\"left\":[{\"peer\":\"13\""}},
    {"many rooms",
     .steps = {"0 " JOIN("a"), "p/rooms/1/peers/x/presence {}", "p/rooms/2/peers/x/presence {}",
               "p/rooms/3/peers/x/presence {}", "p/rooms/4/peers/x/presence {}",
               "p/rooms/5/peers/x/presence {}", "p/rooms/6/peers/x/presence {}",
               "p/rooms/7/peers/x/presence {\"ttl\":60}", "p/rooms/8/peers/x/presence {}",
               "1 {\"type\":\"join\",\"room\":\"7\"}", "2 {\"type\":\"join\",\"room\":\"8\"}",
               "wait 61000", "p/rooms/8/peers/x/presence {\"meta\":{\"a\":1}}"},
     .hears = {"1\"joined\"", "2\"updated\"", "1\"left\""}},
    {"a call between browsers",
     .steps = {"0 " JOIN("a"), "1 " JOIN("b"), "0 {\"type\":\"invite\",\"to\":\"b\",\"id\":\"1\"}",
               "0 {" OFFER ",\"to\":\"b\",\"id\":\"2\"}",
               "0 {" OFFER ",\"to\":\"b\",\"id\":\"2\"}", /* again: it is known */
               "1 {" ANSWER ",\"to\":\"a\",\"id\":\"3\"}",
               "1 {" ANSWER ",\"to\":\"a\",\"id\":\"4\"}", /* nobody waits for it */
               "0 {\"type\":\"candidate\",\"candidate\":null,\"to\":\"b\",\"id\":\"5\"}",
               "1 {\"type\":\"message\",\"data\":[1],\"id\":\"6\"}",
               "1 {\"type\":\"message\",\"data\":1,\"to\":\"nobody\",\"id\":\"7\"}",
               "0 {\"type\":\"sealed\",\"data\":\"AAAA\",\"to\":\"b\",\"id\":\"8\"}",
               "0 {\"type\":\"bye\",\"to\":\"b\",\"id\":\"9\"}"},
     .hears = {"1\"offer\"", "0\"answer\"", "1\"sealed\"", "1peer-not-found"}},
    {"a call in few turns",
     .steps = {"0 " JOIN("a"), "1 " JOIN("b"), R "cam/presence {\"bundle\":true}",
               "+0 {" OFFER ",\"to\":\"b\",\"id\":\"1\"}", "+0 " TRICKLE("b", "2"),
               "+0 " TRICKLE("b", "3"), "0 " TRICKLE("b", "2"), "+1 " TRICKLE("a", "4"),
               "1 {" ANSWER ",\"to\":\"a\",\"id\":\"5\"}", "+0 " TRICKLE("cam", "6"),
               "+0 " TRICKLE("cam", "7"), "0 " TRICKLE("nobody", "8"), "+0 " TRICKLE("b", "9"),
               "+0 " TRICKLE("b", "10"), "0 {\"type\":\"leave\",\"id\":\"11\"}",
               "+1 " TRICKLE("cam", "12"), "+1 " TRICKLE("cam", "13"), "lose 1"},
     .hears = {"1\"offer\"", "1\"id\":\"3\"", "0\"candidate\"", "1\"id\":\"10\""}},
    {"a bundle from a device",
     .steps = {"0 " JOIN("a"), R "cam/presence {}",
               R "a/in/cam {\"type\":\"together\",\"messages\":[{" OFFER
                 "},{\"type\":\"candidates\",\"candidates\":[null,null]},{\"type\":\"bye\"}]}"},
     .hears = {"0\"offer\"", "0\"candidate\":null", "0\"bye\""}},
    {"a call with a device",
     .steps = {"0 " JOIN("a"), R "cam/presence {\"ttl\":60,\"meta\":{\"name\":\"door\"}}",
               "0 {\"type\":\"invite\",\"to\":\"cam\",\"id\":\"1\"}", R "a/in/cam {" OFFER "}",
               "0 {" ANSWER ",\"to\":\"cam\",\"id\":\"2\"}",
               R "a/in/cam {\"type\":\"candidates\",\"candidates\":[null,null]}",
               R "a/in/cam {\"type\":\"nonsense\"}", R "a/in/cam {" ANSWER "}",
               R "a/in/_bridge {\"type\":\"error\",\"code\":404,\"error\":\"x\"}",
               R "_bridge/in/cam {\"type\":\"ice-servers\",\"id\":\"1\"}",
               "p/rooms/r/all/cam {\"type\":\"message\",\"data\":2}", "wait 31000"},
     .hears = {"0\"offer\"", "0\"candidate\":null", "0\"data\":2"}},
    {"a policy and a small device", .policy = true,
     .steps = {"0 " JOIN("a"), "1 " JOIN("b"),
               R "cam/presence {\"limits\":{\"sdp\":700,\"candidates\":1}}",
               "0 " OFFER_OF(HOST RELAY) ",\"to\":\"b\",\"id\":\"1\"}",
               "0 " OFFER_OF(RELAY RELAY) ",\"to\":\"cam\",\"id\":\"2\"}",
               R "a/in/cam " OFFER_OF(HOST) "}",
               R "b/in/a {\"type\":\"candidate\",\"candidate\":{\"candidate\":\"candidate:1 1 udp 2"
                 " 192.168.1.5 5000 typ host\",\"sdpMid\":\"0\"}}",
               "0 {\"type\":\"sealed\",\"data\":\"AAAA\",\"to\":\"b\",\"id\":\"3\"}"},
     .hears = {"1typ relay", "0\"offer\"", "0forbidden"}},
    {"tokens", .tokens = true,
     .steps = {"0 {\"type\":\"join\",\"room\":\"r\",\"peer\":\"a\",\"token\":\"$\",\"id\":\"1\"}",
               "1 {\"type\":\"join\",\"room\":\"r\",\"token\":\"no\",\"id\":\"2\"}",
               "0 {\"type\":\"refresh\",\"token\":\"$\",\"id\":\"3\"}",
               "0 {\"type\":\"refresh\",\"token\":\"no\",\"id\":\"4\"}", "wait 101000"},
     .hears = {"0\"joined\"", "0\"ack\"", "0unauthorized"}},
    {"other bridges",
     .steps = {"0 " JOIN("a"), "p/bridges/b2/status {\"online\":true,\"run\":\"run\"}",
               "p/bridges/b3/status {\"online\":true,\"run\":\"run\"}",
               R "x/presence {\"via\":\"b2\",\"sid\":\"run-1\"}",
               R "y/presence {\"via\":\"b4\",\"sid\":\"run-1\"}",
               "p/bridges/b2/status {\"online\":false,\"run\":\"run\"}", "wait 9000", "wait 1000",
               "p/bridges/b3/status {\"online\":true,\"run\":\"new\"}", "wait 200000"},
     .hears = {"0\"left\":[{\"peer\":\"x\"", "0\"left\":[{\"peer\":\"y\""}},
    {"the same name elsewhere",
     .steps = {"0 " JOIN("a"), "1 " JOIN("b"), "2 " JOIN("b"),
               R "a/presence {\"via\":\"b2\",\"sid\":\"x\"}", "wait 2000", R "a/presence ",
               "3 " JOIN("a")},
     .hears = {"2peer-taken", "3\"joined\"", "1\"left\""}},
    {"the broker is away",
     .steps = {"0 " JOIN("a"), "1 " JOIN("b"), "2 {\"type\":\"join\",\"room\":\"r\"}",
               R "stays/presence {}", R "goes/presence {}", "down",
               "0 {\"type\":\"message\",\"data\":1,\"id\":\"1\"}", "2 {\"type\":\"leave\"}",
               "3 {\"type\":\"join\",\"room\":\"r\",\"peer\":\"d\",\"id\":\"2\"}", "shut 1",
               R "goes/presence ", R "comes/presence {}", "up", "wait 31000",
               "3 {\"type\":\"ping\",\"id\":\"3\"}"},
     .hears = {"0\"comes\"", "0\"left\"", "3\"pong\""}},
    {"presence is renewed",
     .steps = {"0 " JOIN("a"), "wait 301000", "down", R "a/presence ", "up", "wait 301000",
               R "a/presence ", "wait 61000"},
     .hears = {"0\"joined\""}},
    {"coming back",
     .steps = {"0 " JOIN("a"), "read 0", "1 " JOIN("b"), "lose 0",
               "1 {\"type\":\"message\",\"to\":\"a\",\"data\":1,\"id\":\"1\"}",
               "1 {\"type\":\"message\",\"data\":2,\"id\":\"2\"}", R "cam/presence {}",
               "2 {\"type\":\"resume\",%0,\"seq\":0}", "read 2",
               "2 {\"type\":\"message\",\"to\":\"b\",\"data\":3,\"id\":\"3\"}", "lose 2",
               "3 {\"type\":\"resume\",%2,\"seq\":4}"},
     .hears = {"2\"resumed\"", "2\"data\":2", "1\"data\":3", "3\"resumed\""}},
    {"not coming back",
     .steps = {"0 " JOIN("a"), "read 0", "1 " JOIN("b"), "read 1", "lose 0", "wait 31000",
               "2 {\"type\":\"resume\",%0,\"seq\":0,\"id\":\"1\"}"},
     .hears = {"1\"left\"", "2session-expired"}},
    {"going to another bridge",
     .steps = {"0 " JOIN("a"), "read 0", "1 " JOIN("b"), "0 {" OFFER ",\"to\":\"b\",\"id\":\"1\"}",
               "p/bridges/b2/status {\"online\":true,\"run\":\"run002\"}", "lose 0",
               "1 {\"type\":\"message\",\"to\":\"a\",\"data\":1}",
               "p/bridges/b1/in/b2 {\"type\":\"take\",\"ask\":1,&0,\"seq\":0}",
               R "a/in/_bridge {\"type\":\"takeover\",\"ask\":1,\"by\":\"b2\"}",
               "1 {\"type\":\"message\",\"to\":\"a\",\"data\":2}",
               R "a/presence {\"via\":\"b2\",\"sid\":\"run002-~0\"}", "wait 1000", R "a/presence "},
     .hears = {"1\"joined\"", "1\"left\""}},
    {"coming from another bridge",
     .steps = {"0 " JOIN("a"), "p/bridges/b2/status {\"online\":true,\"run\":\"run002\"}",
               R "x/presence {\"via\":\"b2\",\"sid\":\"run002-" OWN "\",\"since\":1}",
               "1 {\"type\":\"resume\",\"session\":\"b2.run002-" OWN "\",\"secret\":\"" OWN
               "nopqrstuvwx\",\"seq\":0}",
               "p/bridges/b1/in/b2 {\"type\":\"granted\",\"ask\":1,\"room\":\"r\",\"peer\":\"x\"}",
               "0 {\"type\":\"message\",\"to\":\"x\",\"data\":2}",
               "p/bridges/b1/in/b2 {\"type\":\"knows\",\"ask\":1,\"peers\":[\"a\",1700000000000]}",
               "p/bridges/b1/in/b2 {\"type\":\"missed\",\"ask\":1}\n"
               "{\"type\":\"message\",\"from\":\"a\",\"data\":1,\"seq\":1}",
               "p/bridges/b1/in/b2 {\"type\":\"state\",\"ask\":1,\"seq\":1,\"sent\":1,\"since\":1,"
               "\"meta\":{\"m\":1},\"calls\":[[\"a\",\"\",3]],\"ids\":[\"0123456789abcdef\"],"
               "\"seen\":[\"0123456789abcdef\"],\"taken\":[]}"},
     .hears = {"1\"resumed\"", "1\"data\":1", "1\"data\":2"}},
    {"what is not ours",
     .steps = {"0 " JOIN("a"),
               "0 {\"type\":\"resume\",\"session\":\"s\",\"secret\":\"s\",\"seq\":0}",
               "1 {\"type\":\"offer\",\"id\":\"1\"}", "2 nonsense", "p/other topic",
               "p/rooms/r/peers/bad!/presence {}", R "x/presence {\"ttl\":0}", R "x/presence no",
               "1 {\"type\":\"leave\",\"id\":\"2\"}", "wait 11000"},
     .hears = {"1invalid-message", "1not-joined", "2invalid-json"}},
};

static const struct scenario *scenario;
static bool watch_all;
static struct world w;
static struct world_socket sockets[PEERS];
static struct token_keys *keys;
static struct ice_policies *policies;
static char token[512];
static char ids[PEERS][NAMES][8]; /* what each was to have an answer to */
static size_t id_counts[PEERS];

/* ---- the telling ---- */

static void note_id(int who, const char *json)
{
    const char *at = strstr(json, "\"id\":\"");
    if (at && id_counts[who] < NAMES)
        sscanf(at + 6, "%7[^\"]", ids[who][id_counts[who]++]);
}

/* What stands behind `"name":"` in the last frame of a socket that has it, up to the quote. */
static struct text given(int who, const char *name)
{
    const struct world_socket *s = &sockets[who];
    char start[16];
    snprintf(start, sizeof start, "\"%s\":\"", name);
    for (size_t i = s->count; i > 0; i--) {
        const char *at = strstr(s->frames[i - 1], start);
        if (at && strstr(s->frames[i - 1], "\"secret\":\""))
            return text_of(at + strlen(start), strcspn(at + strlen(start), "\""));
    }
    return text_of_str("");
}

static void put_given(struct buf *b, char what, int who)
{
    struct text session = given(who, "session"), secret = given(who, "secret"), sid = session;
    if (text_end(&session)) {
        b->failed = true; /* it is left out */
        return;
    }
    sid.p += strlen("b1.");
    if (what == '~') {
        buf_add(b, sid.p + strlen("run001-"), text_len(&sid) - strlen("run001-"));
        return;
    }
    buf_str(b, what == '%' ? "\"session\":" : "\"sid\":");
    json_put_text(b, what == '%' ? session : sid);
    buf_str(b, ",\"secret\":");
    json_put_text(b, secret);
}

static bool fill_in(const char *step, char out[STEP_MAX])
{
    struct buf b;
    buf_init_fixed(&b, out, STEP_MAX);
    for (; *step; step++) {
        if (*step == '$') {
            buf_str(&b, token);
        } else if (strchr("%&~", *step)) {
            put_given(&b, *step, step[1] - '0');
            step++;
        } else {
            buf_char(&b, *step);
        }
    }
    buf_cstr(&b);
    return buf_ok(&b);
}

static void say(int who, const char *json)
{
    struct world_socket *s = &sockets[who];
    if (!s->session && !s->close_code && s->count == 0)
        s->session = router_open(&w.router, s, NULL, text_of_str(""), w.now);
    if (!s->session || s->close_code)
        return;
    note_id(who, json);
    world_say(&w, s, json);
}

static void publish(const char *step)
{
    char topic[128];
    const char *space = strchr(step, ' ');
    snprintf(topic, sizeof topic, "%.*s", (int)(space - step), step);
    bool retain = strstr(topic, "/presence") || strstr(topic, "/status");
    world_publish(&w, topic, space + 1, retain);
}

static void check_frames(const struct world_socket *s);

/* Something happens to a socket. */
static void happen(const char *what, int who)
{
    struct world_socket *s = &sockets[who];
    if (strncmp(what, "shut", 4) == 0) {
        check_frames(s);
        world_shut(&w, s);
    } else if (!s->session || s->close_code) {
        return;
    } else if (strncmp(what, "lose", 4) == 0) {
        world_lose(&w, s);
    } else {
        world_answer(&w, s);
        return;
    }
    id_counts[who] = 0; /* nobody waits for these answers any more */
}

static void take(const char *as_written)
{
    char step[STEP_MAX];
    bool more = *as_written == '+'; /* the turn goes on */
    if (!fill_in(as_written + more, step))
        return;
    if (*step >= '0' && *step < '0' + PEERS)
        say(*step - '0', step + 2);
    else if (strcmp(step, "down") == 0)
        world_drop_link(&w);
    else if (strcmp(step, "up") == 0)
        world_restore_link(&w);
    else if (strncmp(step, "wait ", 5) == 0)
        world_later(&w, atoi(step + 5));
    else if (step[4] == ' ' && step[5] && !step[6])
        happen(step, step[5] - '0');
    else
        publish(step);
    if (!more)
        world_settle(&w);
}

/* ---- what must hold ---- */

/* One ack or one error; the receiver's side may have its say after the broker's ack. */
static void check_answers(int who)
{
    const struct world_socket *s = &sockets[who];
    for (size_t i = 0; i < id_counts[who] && s->session && !s->close_code; i++) {
        char member[32];
        size_t acks = 0, errors = 0, asked = 0;
        snprintf(member, sizeof member, "\"id\":\"%.7s\"", ids[who][i]);
        for (size_t k = 0; k < id_counts[who]; k++)
            asked += strcmp(ids[who][k], ids[who][i]) == 0;
        for (size_t k = 0; k < s->count; k++) {
            bool about = strstr(s->frames[k], member) != NULL;
            acks += about && strstr(s->frames[k], "\"type\":\"ack\"");
            errors += about && strstr(s->frames[k], "\"type\":\"error\"");
        }
        HOLDS(acks <= asked && errors <= asked && acks + errors >= asked);
    }
}

static size_t members(const char *frame, struct json_member m[32])
{
    size_t count = 0;
    HOLDS(json_object(frame, strlen(frame), m, 32, &count, NULL) == STATUS_OK);
    return count;
}

/* Whole frames, numbered without a gap. */
static void check_frames(const struct world_socket *s)
{
    uint64_t last = 0;
    bool resumed = false; /* the next number follows what the client had */
    bool member = false;  /* a correction may come in front of `resumed`, and again behind it */
    for (size_t i = 0; i < s->count; i++) {
        struct json_member m[32];
        size_t count = members(s->frames[i], m);
        uint64_t seq = 0;
        if (count && json_equals(m[0].value, "joined")) {
            member = true;
            last = 0;
        }
        if (count && json_equals(m[0].value, "resumed")) {
            member = resumed = true;
            continue;
        }
        for (size_t k = 0; k < count; k++) {
            if (!json_equals(m[k].key, "seq") || !member)
                continue;
            HOLDS(json_uint(m[k].value, UINT64_MAX, &seq) && (resumed || seq == last + 1));
            last = seq;
            resumed = false;
        }
    }
}

struct roster {
    char names[NAMES][NAME_MAX_BYTES + 1];
    size_t count;
};

static size_t find_name(const struct roster *r, const char *name)
{
    size_t i = 0;
    while (i < r->count && strcmp(r->names[i], name) != 0)
        i++;
    return i;
}

/* A list of peers out of a frame: they are there from now on, or are gone. */
static void read_peers(struct roster *r, struct json_span list, bool there)
{
    struct json_span items[NAMES];
    struct json_member m[16];
    size_t count, n, len = 0;
    HOLDS(json_array(list.p, list.len, items, NAMES, &count, NULL) == STATUS_OK);
    for (size_t i = 0; i < count; i++) {
        char name[NAME_MAX_BYTES + 1] = "";
        HOLDS(json_object(items[i].p, items[i].len, m, 16, &n, NULL) == STATUS_OK);
        for (size_t k = 0; k < n; k++)
            if (json_equals(m[k].key, "peer"))
                HOLDS(json_decode(m[k].value, name, NAME_MAX_BYTES, &len));
        name[len] = '\0';
        size_t at = find_name(r, name);
        HOLDS(there == (at == r->count)); /* nobody comes twice, nobody goes who was not there */
        if (there)
            snprintf(r->names[r->count++], sizeof r->names[0], "%s", name);
        else
            memmove(r->names[at], r->names[--r->count], sizeof r->names[0]);
    }
}

static uint64_t number_of(const struct json_member *m, size_t count)
{
    uint64_t seq = 0;
    for (size_t k = 0; k < count; k++)
        if (json_equals(m[k].key, "seq"))
            HOLDS(json_uint(m[k].value, UINT64_MAX, &seq));
    return seq;
}

static struct roster believed(const struct world_socket *s)
{
    struct roster r = {.count = 0};
    uint64_t known = 0;
    bool member = false;
    for (size_t i = 0; i < s->count; i++) {
        struct json_member m[32];
        size_t count = members(s->frames[i], m);
        bool resumed = count && json_equals(m[0].value, "resumed");
        bool joined = resumed || (count && json_equals(m[0].value, "joined"));
        bool presence = count && json_equals(m[0].value, "presence");
        uint64_t seq = number_of(m, count);
        if (resumed)
            known = seq; /* what the list of peers has in it already */
        member = member || joined;
        if (presence && (seq <= known || !member))
            continue;
        if (joined)
            r.count = 0;
        for (size_t k = 0; k < count; k++) {
            if ((joined && json_equals(m[k].key, "peers")) ||
                (presence && json_equals(m[k].key, "joined")))
                read_peers(&r, m[k].value, true);
            else if (presence && json_equals(m[k].key, "left"))
                read_peers(&r, m[k].value, false);
        }
    }
    return r;
}

static bool is_member(const struct world_socket *s)
{
    return s->session && !s->close_code && s->session->state == SESSION_JOINED;
}

/* Who is there, as members were told, as the registry has it, and as the broker has it. */
static void check_roster(const struct world_socket *s)
{
    struct roster r = believed(s);
    size_t at = 0, present = 0;
    char topic[TOPIC_MAX];
    const struct peer *me = s->session->peer, *p;
    while ((p = map_next(&me->room->peers, &at))) {
        char name[NAME_MAX_BYTES + 1];
        snprintf(name, sizeof name, "%.*s", p->name_len, p->name);
        if (p != me && p->info)
            HOLDS(find_name(&r, name) < r.count);
        present += p != me && p->info;
    }
    HOLDS(present == r.count);
    snprintf(topic, sizeof topic, "p/rooms/%s/peers/%.*s/presence", me->room->name, me->name_len,
             me->name);
    const char *held = world_retained(&w, topic);
    HOLDS(held && strstr(held, s->session->sid));
}

static void check_broker(void)
{
    for (size_t i = 0; i < WORLD_RETAINED; i++) {
        struct json_member m[32];
        const struct world_message *at = &w.retained[i];
        bool garbage = !at->payload || strcmp(at->payload, "no") == 0; /* not ours */
        if (!garbage)
            members(at->payload, m);
    }
}

/* Presence that we hold for nobody. */
static void check_ghosts(void)
{
    for (size_t i = 0; i < WORLD_RETAINED; i++) {
        const struct world_message *at = &w.retained[i];
        bool ours = at->payload && strstr(at->payload, "\"via\":\"b1\""), held = false;
        LIST_EACH(l, &w.router.sessions)
        {
            const struct session *s = LIST_ITEM(l, struct session, in_all);
            held = held || (ours && s->peer && strstr(at->payload, s->sid));
        }
        HOLDS(!ours || held);
    }
}

static bool all_heard(void)
{
    for (size_t i = 0; i < HEARS && scenario->hears[i]; i++) {
        const char *what = scenario->hears[i];
        const struct world_socket *s = &sockets[*what - '0'];
        bool heard = false;
        for (size_t k = 0; k < s->count; k++)
            heard = heard || strstr(s->frames[k], what + 1);
        if (!heard)
            return false;
    }
    return true;
}

static void clear_the_broker(void)
{
    for (size_t i = 0; i < WORLD_RETAINED; i++)
        if (w.retained[i].payload && strstr(w.retained[i].topic, "/presence"))
            world_publish(&w, w.retained[i].topic, "", true);
    world_settle(&w);
}

static void begin(void)
{
    static const struct ice_policy_source rows[] = {{.rooms = "r", .relay_only = true}};
    struct buf b;
    memset(id_counts, 0, sizeof id_counts);
    memset(sockets, 0, sizeof sockets);
    world_init(&w, watch_all);
    w.filters[WORLD_FILTERS - 1] = strdup("p/bridges/b2/in/b1"); /* the other bridge listens */
    w.router.ask = 0;                                            /* questions to it begin with 1 */
    if (scenario->policy)
        HOLDS(ice_policies_create(&policies, rows, 1, NULL) == STATUS_OK);
    w.router.o.ice_policies = policies;
    if (!scenario->tokens)
        return;
    keys = token_keys_create();
    HOLDS(token_keys_add(keys, TOKEN_HS256, text_of_str(""), text_of_str(SECRET), NULL) ==
          STATUS_OK);
    buf_init_fixed(&b, token, sizeof token);
    HOLDS(token_sign(TOKEN_HS256, text_of_str(""), text_of_str(SECRET),
                     text_of_str("{\"exp\":1700000100,\"rooms\":[\"*\"]}"), &b, NULL) == STATUS_OK);
    buf_cstr(&b);
    router_set_keys(&w.router, keys);
}

/* A room whose first peer found no memory may stay, until somebody comes. */
static bool rooms_left_are_empty(void)
{
    struct room *room;
    size_t at = 0, peers = 0;
    while ((room = map_next(&w.router.registry.rooms, &at)))
        peers += room->peers.count + room->session_count + room->waiting_count;
    return peers == 0;
}

static void end(void)
{
    for (int i = 0; i < PEERS; i++)
        world_shut(&w, &sockets[i]);
    world_later(&w, 60000); /* who is away does not come back */
    world_settle(&w);
    clear_the_broker();
    world_later(&w, 60000);
    world_settle(&w);
    HOLDS(!w.router.session_count && !w.router.joined_count);
    HOLDS(!w.router.registry.present_count && !w.router.registry.peer_count);
    HOLDS(rooms_left_are_empty());
    router_set_keys(&w.router, NULL);
    world_join(&w, &sockets[0], "r", "a"); /* and it still works */
    world_shut(&w, &sockets[0]);
    world_release(&w);
    token_keys_destroy(keys);
    keys = NULL;
    ice_policies_destroy(policies);
    policies = NULL;
}

static bool tell(void)
{
    memory_spare(true);
    begin();
    memory_spare(false);
    for (size_t i = 0; i < STEPS && scenario->steps[i]; i++)
        take(scenario->steps[i]);
    memory_spare(true);
    world_later(&w, 31000); /* whoever still waits is told */
    world_settle(&w);
    check_broker();
    if (!memory_is_gone()) /* else they end with their expiry */
        check_ghosts();
    for (int i = 0; i < PEERS; i++) {
        check_answers(i);
        check_frames(&sockets[i]);
        if (is_member(&sockets[i]))
            check_roster(&sockets[i]);
    }
    bool well = all_heard();
    end();
    memory_spare(false);
    return well;
}

static void memory_runs_out(void **state)
{
    (void)state;
    for (scenario = scenarios; scenario < scenarios + ROWS(scenarios); scenario++) {
        for (int all = 0; all < 2; all++) {
            char name[96];
            struct memory_story story = {name, tell, MEMORY_QUIET};
            watch_all = all;
            snprintf(name, sizeof name, "%s, %s", scenario->name,
                     all ? "all rooms watched" : "some rooms watched");
            memory_tell(&story, 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(memory_runs_out)};
    log_setup(LOG_ERROR, false); /* too much is refused here */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
