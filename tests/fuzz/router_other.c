/* The other bridges, b2 and b3: they answer our questions, with the number that was really asked,
 * and ask for sessions of ours. What we gave them they can give back. */
#include "router_play.h"

#define OTHER_RUN "bbbbbb"

enum { PAYLOAD_MAX = 4096, MEMBERS = 32, NAMES = 4 };

static const char *const other_names[NAMES] = {"a", "b", "cam", "x"};
struct question questions[QUESTIONS];
static size_t question_count; /* the last ones are kept */
struct taking taking;

static struct question *question_at(size_t back)
{
    return question_count > back && back < QUESTIONS
               ? &questions[(question_count - 1 - back) % QUESTIONS]
               : NULL;
}

const struct question *question_for(const struct session *s)
{
    struct text own = session_own(text_of_str(s->sid));
    for (size_t i = 0; i < QUESTIONS; i++) {
        struct question *q = question_at(i);
        if (q && text_equals(own, q->own))
            return q;
    }
    return NULL;
}

static void forget_said(void)
{
    while (taking.said_count)
        free(taking.said[--taking.said_count]);
}

void other_begin(void)
{
    question_count = 0;
    taking = (struct taking){0};
}

void other_end(void)
{
    forget_said();
}

static struct json_span member(const struct json_member *m, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (json_equals(m[i].key, name))
            return m[i].value;
    return (struct json_span){.type = JSON_NONE};
}

static struct text words(const struct json_member *m, size_t count, const char *name)
{
    struct json_span v = member(m, count, name);
    require(v.type == JSON_STRING);
    return text_of(v.p, v.len);
}

static uint64_t number(const struct json_member *m, size_t count, const char *name)
{
    uint64_t n;
    require(json_uint(member(m, count, name), UINT64_MAX, &n));
    return n;
}

static void hear_question(const char *to, const struct json_member *m, size_t count)
{
    struct question *q = &questions[question_count++ % QUESTIONS];
    *q = (struct question){
        .ask = number(m, count, "ask"), .seq = number(m, count, "seq"), .compare = true};
    copy_text(q->own, sizeof q->own, session_own(words(m, count, "sid")));
    copy_text(q->to, sizeof q->to, text_of_str(to));
}

/* What was missed rises by one from what the client has, and `state` names the last one. */
static void hear_given(const struct json_member *m, size_t count, struct text rest)
{
    struct json_member frame[MEMBERS];
    size_t n;
    if (json_equals(m[0].value, "missed")) {
        require(json_object(rest.p, text_len(&rest), frame, MEMBERS, &n, NULL) == STATUS_OK);
        require(number(frame, n, "seq") == taking.seq + ++taking.missed);
    } else if (json_equals(m[0].value, "state")) {
        require(number(m, count, "seq") == taking.seq + taking.missed);
    }
}

static void keep_given(struct text payload, const struct json_span *ask)
{
    size_t at = (size_t)(ask->p - payload.p), end = at + ask->len, len = text_len(&payload);
    if (taking.said_count == QUEUE_MAX)
        return;
    char *copy = malloc(len + 1);
    require(copy != NULL);
    memcpy(copy, payload.p, at);
    memcpy(copy + at, payload.p + end, len - end);
    copy[len - ask->len] = '\0';
    taking.said[taking.said_count] = copy;
    taking.said_len[taking.said_count] = len - ask->len;
    taking.said_at[taking.said_count++] = at;
}

static void hear_about_taking(const struct json_member *m, size_t count, struct text payload,
                              struct text rest)
{
    struct json_span ask = member(m, count, "ask");
    if (json_equals(m[0].value, "granted")) {
        taking.granted = true;
        copy_text(taking.room, sizeof taking.room, words(m, count, "room"));
        copy_text(taking.peer, sizeof taking.peer, words(m, count, "peer"));
        return;
    }
    if (!json_equals(m[0].value, "knows") && !json_equals(m[0].value, "missed") &&
        !json_equals(m[0].value, "state"))
        return;
    require(taking.granted);
    hear_given(m, count, rest);
    keep_given(payload, &ask);
}

void other_hears(const char *topic, struct text payload)
{
    static const char before[] = "p/bridges/b", behind[] = "/in/b1";
    struct json_member m[MEMBERS];
    size_t count, len = text_len(&payload);
    if (strncmp(topic, before, sizeof before - 1) != 0 || strlen(topic) < sizeof before ||
        strcmp(topic + sizeof before, behind) != 0 || topic[sizeof before - 1] == '1')
        return;
    char to[] = {'b', topic[sizeof before - 1], '\0'};
    const char *end = memchr(payload.p, '\n', len);
    size_t line = end ? (size_t)(end - payload.p) : len;
    require(json_object(payload.p, line, m, MEMBERS, &count, NULL) == STATUS_OK);
    require(count > 1 && json_equals(m[0].key, "type"));
    if (json_equals(m[0].value, "take"))
        hear_question(to, m, count);
    else if (strcmp(to, taking.by) == 0 && number(m, count, "ask") == taking.ask)
        hear_about_taking(m, count, payload,
                          end ? text_of(end + 1, len - line - 1) : text_of_str(""));
}

static void publish(const char *topic, struct text payload, bool retained)
{
    if (router.bus_up)
        router_bus_message(&router, topic, payload, retained, text_of_str(""), now);
}

static void say(const struct question *q, const char *payload, size_t len)
{
    char topic[64];
    snprintf(topic, sizeof topic, "p/bridges/b1/in/%s", q->to);
    publish(topic, text_of(payload, len), false);
}

static void answer_granted(struct question *q, uint8_t which)
{
    char out[PAYLOAD_MAX];
    const char *peer = other_names[which % NAMES];
    int len = snprintf(out, sizeof out,
                       "{\"type\":\"granted\",\"ask\":%llu,\"room\":\"%s\",\"peer\":\"%s\"}",
                       (unsigned long long)q->ask, which & 8 ? "other" : "r", peer);
    if (!q->granted)
        copy_text(q->peer, sizeof q->peer, text_of_str(peer));
    q->granted = true;
    say(q, out, (size_t)len);
}

/* Each name once, and not its own. */
static void answer_knows(struct question *q, uint8_t which)
{
    char out[PAYLOAD_MAX];
    int len = snprintf(out, sizeof out, "{\"type\":\"knows\",\"ask\":%llu,\"peers\":[",
                       (unsigned long long)q->ask);
    const char *comma = "";
    for (unsigned i = 0; q->granted && i < NAMES; i++) {
        if (!(which >> i & 1) || q->said_known >> i & 1 || strcmp(other_names[i], q->peer) == 0)
            continue;
        q->said_known |= 1U << i;
        view_add(&q->view, text_of_str(other_names[i]));
        len += snprintf(out + len, sizeof out - (size_t)len, "%s\"%s\",%d", comma, other_names[i],
                        i < 2 ? 5 : 0);
        comma = ",";
    }
    len += snprintf(out + len, sizeof out - (size_t)len, "]}");
    say(q, out, (size_t)len);
}

static void answer_missed(struct question *q)
{
    char out[PAYLOAD_MAX];
    int len = snprintf(out, sizeof out,
                       "{\"type\":\"missed\",\"ask\":%llu}\n{\"type\":\"message\",\"from\":\"cam\","
                       "\"data\":1,\"seq\":%llu}",
                       (unsigned long long)q->ask, (unsigned long long)(q->seq + ++q->said_missed));
    say(q, out, (size_t)len);
}

static void answer_state(const struct question *q, uint8_t which)
{
    static const char *const rest[] = {
        "",
        ",\"meta\":{\"x\":1}",
        ",\"ids\":[\"0123456789abcdef\"],\"seen\":[\"0000000000000001\",\"ffffffffffffffff\"]",
        ",\"taken\":[\"0123456789abcdef\"]",
        ",\"expires\":60,\"claims\":{\"rooms\":[\"r\"],\"can\":[\"offer\"]}",
        ",\"expires\":1700000060000,\"claims\":{\"rooms\":[\"r\"],\"can\":[],\"sub\":\"a\"}",
        ",\"expires\":18446744073709551615,\"claims\":{\"rooms\":[\"+\"],\"can\":[]}",
        ",\"expires\":9223372036854775807,\"claims\":{\"rooms\":[\"r\"],\"can\":[\"offer\"]}",
    };
    static const char *const since[] = {"7", "1000", "9223372036854775807", "18446744073709551615"};
    char out[PAYLOAD_MAX];
    forget_sent(q->own);
    int len = snprintf(out, sizeof out,
                       "{\"type\":\"state\",\"ask\":%llu,\"seq\":%llu,\"sent\":%s,\"since\":%s,"
                       "\"calls\":[[\"cam\",\"c\",3],[\"b\",\"\",1]]%s}",
                       (unsigned long long)q->ask,
                       (unsigned long long)(q->seq + q->said_missed + (which >> 5 == 7)),
                       which & 128 ? "18446744073709551615" : "2000000000000",
                       since[which >> 3 & 3], rest[which & 7]);
    say(q, out, (size_t)len);
}

/* What we gave for the session that was taken last: it comes back to us. */
static void give_back(struct question *q)
{
    char out[2 * PAYLOAD_MAX + 1];
    q->compare = false;
    for (size_t i = 0; i < taking.said_count; i++) {
        size_t at = taking.said_at[i], rest = taking.said_len[i] - at;
        if (taking.said_len[i] > PAYLOAD_MAX)
            return;
        int len = snprintf(out, sizeof out, "%.*s%llu", (int)at, taking.said[i],
                           (unsigned long long)q->ask);
        memcpy(out + len, taking.said[i] + at, rest);
        say(q, out, (size_t)len + rest);
    }
}

/* Anything, with the number of the question for `#`. Frames are what a bridge made: of those and
 * of who is known there is none in it. */
static void answer_anything(struct question *q, const char *bytes, size_t len)
{
    char out[PAYLOAD_MAX];
    const char *sharp = memchr(bytes, '#', len);
    size_t before = sharp ? (size_t)(sharp - bytes) : len;
    char *text = malloc(len + 1);
    require(text != NULL);
    memcpy(text, bytes, len);
    text[len] = '\0';
    bool frame = strstr(text, "missed") || strstr(text, "\\u") || strlen(text) < len;
    free(text);
    if (frame)
        return;
    q->compare = false;
    forget_sent(q->own);
    int n =
        snprintf(out, sizeof out, "%.*s%llu%.*s", (int)before, bytes, (unsigned long long)q->ask,
                 sharp ? (int)(len - before - 1) : 0, sharp ? sharp + 1 : "");
    say(q, out, (size_t)n);
}

/* Bits of how: 0-2 what; the others differ. */
void other_answers(uint8_t how, const char *bytes, size_t len)
{
    struct question *q = question_at(0);
    char out[PAYLOAD_MAX];
    if (!q || !router.bus_up)
        return;
    uint8_t which = how >> 3;
    switch (how & 7) {
    case 0:
        answer_granted(q, which);
        return;
    case 1:
        snprintf(out, sizeof out, "{\"type\":\"refused\",\"ask\":%llu}",
                 (unsigned long long)q->ask);
        break;
    case 2:
        snprintf(out, sizeof out, "{\"type\":\"moved\",\"ask\":%llu,\"to\":\"b%u\"}",
                 (unsigned long long)q->ask, 1 + which % 3);
        break;
    case 3:
        answer_knows(q, which);
        return;
    case 4:
        answer_missed(q);
        return;
    case 5:
        answer_state(q, len ? (uint8_t)*bytes : which);
        return;
    case 6:
        give_back(q);
        return;
    default:
        answer_anything(q, bytes, len);
        return;
    }
    say(q, out, strlen(out));
}

/* Bits of how: 0-1 whose session, 2-3 what is wrong, 4 who takes it. */
void other_takes(uint8_t how)
{
    char out[PAYLOAD_MAX], topic[64], secret[SESSION_SECRET_LEN + 1];
    const struct client *c = &clients[how & 3];
    uint64_t ask = taking.ask + 1;
    if (strlen(c->session) < SESSION_ID_LEN || strlen(c->secret) != SESSION_SECRET_LEN)
        return;
    forget_said();
    taking = (struct taking){.ask = ask, .seq = c->seq};
    memcpy(secret, c->secret, sizeof secret);
    strcpy(taking.sid, c->session + strlen(c->session) - SESSION_ID_LEN);
    strcpy(taking.by, how & 16 ? "b3" : "b2");
    if ((how >> 2 & 3) == 1)
        secret[0] ^= 1;
    if ((how >> 2 & 3) == 2)
        taking.seq++;
    if ((how >> 2 & 3) == 3 && taking.seq)
        taking.seq--;
    snprintf(topic, sizeof topic, "p/bridges/b1/in/%s", taking.by);
    snprintf(out, sizeof out,
             "{\"type\":\"take\",\"ask\":%llu,\"sid\":\"%s\",\"secret\":\"%s\","
             "\"seq\":%llu}",
             (unsigned long long)ask, taking.sid, secret, (unsigned long long)taking.seq);
    publish(topic, text_of_str(out), false);
}

/* Its mark in the inbox, a wrong one, or that it gave up. */
void other_marks(uint8_t how)
{
    char out[PAYLOAD_MAX], topic[TOPIC_MAX];
    unsigned long long ask = taking.ask + ((how & 3) == 1);
    if ((how & 3) == 3) {
        snprintf(topic, sizeof topic, "p/bridges/b1/in/%s", taking.by);
        snprintf(out, sizeof out, "{\"type\":\"forget\",\"ask\":%llu}", ask);
    } else {
        snprintf(topic, sizeof topic, "p/rooms/%s/peers/%s/in/_bridge", taking.room, taking.peer);
        snprintf(out, sizeof out, "{\"type\":\"takeover\",\"ask\":%llu,\"by\":\"%s\"}", ask,
                 (how & 3) == 2 ? "b9" : taking.by);
    }
    if (taking.by[0] && (taking.granted || (how & 3) == 3))
        publish(topic, text_of_str(out), false);
}

/* The presence of what it took; of a session of its own; of somebody else under that name. */
void other_shows(uint8_t how)
{
    char out[PAYLOAD_MAX], topic[TOPIC_MAX];
    const char *sid = "abcdefghijklm";
    const char *room = "r", *peer = other_names[how >> 2 & 3], *by = "b2";
    if ((how & 3) == 0 && taking.granted) {
        sid = taking.sid + SESSION_RUN_LEN + 1;
        room = taking.room;
        peer = taking.peer;
        by = taking.by;
    } else if ((how & 3) == 1) {
        sid = "nopqrstuvwxyz";
    }
    snprintf(topic, sizeof topic, "p/rooms/%s/peers/%s/presence", room, peer);
    snprintf(out, sizeof out, "{\"since\":%d,\"via\":\"%s\",\"sid\":\"" OTHER_RUN "-%s\"%s}",
             how & 16 ? 5 : 7, by, sid,
             how & 32   ? ",\"ttl\":60,\"bundle\":true"
             : how & 16 ? ",\"together\":true"
                        : "");
    publish(topic, text_of_str(how & 64 ? "" : out), how & 128);
}

/* Bits of how: 0 online, 1 who, 2 another run, 3 replayed. */
void other_status(uint8_t how)
{
    char out[128];
    snprintf(out, sizeof out, "{\"online\":%s,\"run\":\"%s\"}", how & 1 ? "true" : "false",
             how & 4 ? "cccccc" : OTHER_RUN);
    publish(how & 2 ? "p/bridges/b3/status" : "p/bridges/b2/status", text_of_str(out), how & 8);
}
