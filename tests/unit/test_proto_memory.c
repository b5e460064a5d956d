/* Memory runs out around proto: reading and checking takes none, and what is written into a buffer
 * of the heap is there whole or the buffer says that it is not. */
#include "failing_memory.h"

#include "proto/candidate.h"
#include "proto/envelope.h"
#include "proto/json.h"
#include "proto/message.h"
#include "proto/meta.h"
#include "proto/network.h"
#include "proto/sdp.h"
#include "proto/topic.h"
#include "sdp.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

#define CANDIDATE                                                                                  \
    "{\"candidate\":\"candidate:1 1 udp 2122260223 192.0.2.1 54400 typ host\",\"sdpMid\":\"0\"}"

static const char *const client_messages[] = {
    "{\"type\":\"join\",\"room\":\"r\",\"peer\":\"a\",\"meta\":{\"x\":1}}",
    "{" OFFER ",\"to\":\"b\",\"id\":\"1\",\"call\":\"c\"}",
    "{" ANSWER ",\"to\":\"b\"}",
    "{\"type\":\"candidate\",\"to\":\"b\",\"candidate\":" CANDIDATE "}",
    "{\"type\":\"candidate\",\"to\":\"b\",\"candidate\":null}",
    "{\"type\":\"bye\",\"to\":\"b\",\"reason\":\"busy \\u00e9\"}",
    "{\"type\":\"invite\",\"to\":\"b\",\"media\":{\"video\":true}}",
    "{\"type\":\"message\",\"data\":{\"long\":[1,2,3,\"four\"]},\"ext\":{\"k\":1}}",
    "{\"type\":\"sealed\",\"to\":\"b\",\"data\":\"AAAA\"}",
};

static char scratch[ENVELOPE_SDP_MAX];

static struct envelope parsed(const char *json, enum msg_side side)
{
    struct envelope e;
    HOLDS(envelope_parse(json, strlen(json), side, &e, NULL) == STATUS_OK);
    return e;
}

static bool reading_takes_none(void)
{
    struct problem why;
    struct presence p;
    struct topic t;
    struct candidate c;
    struct network n;
    const char *fragment = NULL;
    static const char topic[] = "p/rooms/r/peers/a/in/b",
                      line[] = "candidate:1 1 udp 1 ::1 9 typ host",
                      presence[] = "{\"kind\":\"device\",\"ttl\":60,\"meta\":{\"a\":[1]}}";
    for (size_t i = 0; i < ROWS(client_messages); i++) {
        struct envelope e = parsed(client_messages[i], SIDE_CLIENT);
        HOLDS(envelope_check(&e, scratch, sizeof scratch, &why) == STATUS_OK);
    }
    HOLDS(presence_parse(presence, strlen(presence), &p, &why) == STATUS_OK);
    HOLDS(topic_parse("p", topic, strlen(topic), &t));
    HOLDS(candidate_parse(line, strlen(line), &c, &why) == STATUS_OK);
    HOLDS(network_parse("10.0.0.0/8", &n, &fragment));
    HOLDS(sdp_check(SDP_OFFER, "v=1", 3, &why) == STATUS_INVALID_SDP);
    return true;
}

/* The same written with memory enough, to compare. */
static bool as_well(struct buf *b, void (*put)(struct buf *, size_t), size_t i)
{
    static char whole[8192];
    struct buf fixed;
    bool well = buf_ok(b);
    buf_init_fixed(&fixed, whole, sizeof whole);
    put(&fixed, i);
    HOLDS(buf_ok(&fixed));
    HOLDS(!well || (b->len == fixed.len && memcmp(b->data, fixed.data, b->len) == 0));
    HOLDS(b->len <= fixed.len);
    buf_release(b);
    return well;
}

static bool write_all(void (*put)(struct buf *, size_t), size_t count)
{
    bool well = true;
    for (size_t i = 0; i < count; i++) {
        struct buf b;
        buf_init(&b, 8192);
        put(&b, i);
        well = as_well(&b, put, i) && well;
    }
    return well;
}

/* From the second on: a join is not passed on. */
static void put_mqtt(struct buf *b, size_t i)
{
    struct envelope e = parsed(client_messages[i + 1], SIDE_CLIENT);
    message_put_mqtt(b, &e, 9);
}

static void put_websocket(struct buf *b, size_t i)
{
    struct envelope e = parsed(client_messages[i + 1], SIDE_CLIENT);
    message_put_ws(b, &e, text_of_str("a"));
}

static bool messages_for_mqtt(void)
{
    return write_all(put_mqtt, ROWS(client_messages) - 1);
}

static bool messages_for_websockets(void)
{
    return write_all(put_websocket, ROWS(client_messages) - 1);
}

static void put_candidate(struct buf *b, size_t i)
{
    static const char bundle[] =
        "{\"type\":\"candidates\",\"call\":\"c\",\"candidates\":[" CANDIDATE ",null]}";
    struct envelope e = parsed(bundle, SIDE_PEER);
    struct candidate_init c;
    struct json_span items[2];
    size_t count;
    HOLDS(json_array(e.field[FIELD_CANDIDATES].p, e.field[FIELD_CANDIDATES].len, items, 2, &count,
                     NULL) == STATUS_OK);
    HOLDS(candidate_init_parse(items[i], &c, NULL) == STATUS_OK);
    message_put_candidate(b, &e, &c, text_of_str("a"));
    message_put_candidate_init(b, &c);
}

static bool candidates(void)
{
    return write_all(put_candidate, 2);
}

static void put_error(struct buf *b, size_t i)
{
    struct problem why;
    problem_set(&why, i ? STATUS_RATE_LIMITED : STATUS_INVALID_SDP, 7, "sdp-x", "a sentence: %s",
                "\"quoted\"");
    why.retry_ms = i ? 100 : 0;
    message_put_error(b, &why, text_of_str(i ? "id" : ""), text_of_str(i ? "" : "b"));
}

static bool errors(void)
{
    return write_all(put_error, 2);
}

static void put_topic(struct buf *b, size_t i)
{
    struct text a = text_of_str("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
                c = text_of_str("cc");
    switch (i) {
    case 0:
        topic_presence(b, "p", a, c);
        break;
    case 1:
        topic_inbox(b, "p", a, c, a);
        break;
    case 2:
        topic_all(b, "p", a, c);
        break;
    case 3:
        topic_bridge_status(b, "p", a);
        break;
    default:
        topic_bridge_inbox(b, "p", a, c);
    }
}

static bool topics(void)
{
    return write_all(put_topic, 5);
}

static void put_json(struct buf *b, size_t i)
{
    static const char text[] =
        "a \"text\" of \x01 and \\ and \xc3\xa9, longer than a first buffer's 64 bytes";
    struct json_span number = {"12", 2, JSON_NUMBER, false};
    if (i == 0)
        json_put_str(b, text);
    else if (i == 1)
        json_put_text(b, text_of_str(text));
    else if (i == 2)
        json_put_string(b, text, strlen(text));
    else
        json_put_span(b, number);
}

static bool json(void)
{
    return write_all(put_json, 4);
}

static bool what_peers_and_tokens_say(void)
{
    struct buf b;
    struct json_span asked = {"{\"a\":1,\"b\":[1,2,3]}", 19, JSON_OBJECT, false};
    buf_init(&b, 8192);
    enum status s = meta_merge(&b, asked, text_of_str("{\"a\":2,\"c\":\"token\"}"), NULL);
    HOLDS(s == STATUS_OK);
    HOLDS(!buf_ok(&b) || b.len > 20);
    bool well = buf_ok(&b);
    buf_release(&b);
    return well;
}

static void memory_runs_out(void **state)
{
    static const struct memory_story stories[] = {
        {"reading", reading_takes_none, MEMORY_NONE},
        {"messages for MQTT", messages_for_mqtt, 0},
        {"messages for WebSockets", messages_for_websockets, 0},
        {"candidates", candidates, 0},
        {"errors", errors, 0},
        {"topics", topics, 0},
        {"JSON", json, 0},
        {"what peers and tokens say", what_peers_and_tokens_say, 0},
    };
    (void)state;
    memory_tell(stories, ROWS(stories));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(memory_runs_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
