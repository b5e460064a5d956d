#include "selftest.h"

#include "mqtt.h"
#include "ws.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- JSON ---- */

static const struct {
    const char *name, *a, *b;
    bool same;
} values[] = {
    {"equal strings", "\"abc\"", "\"abc\"", true},
    {"strings that differ", "\"abc\"", "\"abd\"", false},
    {"an escaped letter", "\"abc\"", "\"\\u0061bc\"", true},
    {"escaped slash", "\"a/b\"", "\"a\\/b\"", true},
    {"line ends", "\"a\\r\\nb\"", "\"a\\u000d\\u000Ab\"", true},
    {"quotes and backslashes", "\"\\\"\\\\\"", "\"\\u0022\\u005c\"", true},
    {"an umlaut", "\"\\u00e4\"", "\"\xc3\xa4\"", true},
    {"beyond 16 bits", "\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"", true},
    {"half an escape", "\"\\u00\"", "\"x\"", false},
    {"one longer", "\"abc\"", "\"abcd\"", false},
    {"string and number", "\"1\"", "1", false},
    {"null and empty", "null", "\"\"", false},
    {"members in another order", "{\"a\":1,\"b\":\"x\"}", "{ \"b\" : \"x\", \"a\" : 1 }", true},
    {"a member less", "{\"a\":1,\"b\":2}", "{\"a\":1}", false},
    {"a member more", "{\"a\":1}", "{\"a\":1,\"b\":2}", false},
    {"another number", "{\"a\":1}", "{\"a\":2}", false},
    {"inner objects", "{\"a\":{\"b\":{\"c\":\"}\"}},\"d\":[1,2]}",
     "{\"d\":[1,2],\"a\":{\"b\":{\"c\":\"\\u007d\"}}}", true},
    {"a text that looks like an end", "{\"a\":\"\\\"}\",\"b\":1}", "{\"b\":1,\"a\":\"\\\"}\"}",
     true},
    {"broken", "{\"a\":1", "{\"a\":1}", false},
};

static bool test_json(void)
{
    bool all = true;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct span a = span_of(values[i].a), b = span_of(values[i].b);
        all &= selftest_row("json", values[i].name,
                            json_same(a, b) == values[i].same && json_same(b, a) == values[i].same);
    }
    return all;
}

/* ---- sizes around which lengths are written differently ---- */

static const size_t sizes[] = {0,     1,     2,     125,   126,   127,   128,     300,
                               16382, 16383, 16384, 65535, 65536, 70000, 2097151, 2097152};

static char *make_payload(size_t size)
{
    char *payload = malloc(size + 1);
    for (size_t i = 0; payload && i < size; i++)
        payload[i] = (char)(i * 31 + i / 251);
    return payload;
}

/* Where to cut: each place at the front, some later, and the last byte. */
static size_t next_cut(size_t cut, size_t len)
{
    return cut < 32 || cut + 4096 > len ? cut + 1 : cut + 4096;
}

/* ---- WebSocket ---- */

static void unmask(unsigned char *frame, size_t size, size_t payload)
{
    unsigned char key[4];
    memcpy(key, frame + size - payload - 4, 4);
    for (size_t i = 0; i < payload; i++)
        frame[size - payload + i] ^= key[i % 4];
    memmove(frame + size - payload - 4, frame + size - payload, payload);
    frame[1] &= 0x7f;
}

/* What ws_write() writes, unmasked, is what ws_read() reads, and nothing less than all of it is. */
static bool frame_survives(size_t size)
{
    char *payload = make_payload(size);
    struct buf out;
    buf_init(&out, 1 << 24);
    const struct span pieces[] = {{payload, size / 3}, {payload + size / 3, size - size / 3}};
    ws_write(&out, WS_BINARY, pieces, 2);
    unsigned char *bytes = (unsigned char *)out.data;
    struct ws_frame frame;
    bool good = buf_ok(&out) && (bytes[1] & 0x80) && ws_read(bytes, out.len, &frame) == WS_BROKEN;
    unmask(bytes, out.len, size);
    size_t len = out.len - 4;
    for (size_t cut = 0; good && cut < len; cut = next_cut(cut, len))
        good = ws_read(bytes, cut, &frame) == WS_NOT_YET;
    good = good && ws_read(bytes, len, &frame) == WS_FRAME && frame.size == len &&
           frame.opcode == WS_BINARY && span_same(frame.payload, (struct span){payload, size});
    buf_release(&out);
    free(payload);
    return good;
}

static const struct {
    const char *name, *answer;
    long expected;
} answers[] = {
    {"a welcome",
     "HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: "
     "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nx",
     88},
    {"not all of it", "HTTP/1.1 101 Switching Protocols\r\nsec-websocket-acc", 0},
    {"the first byte", "H", 0},
    {"another key", "HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: x\r\n\r\n", -1},
    {"a refusal", "HTTP/1.1 404 Not Found\r\n\r\n", -1},
};

static bool test_ws(void)
{
    bool all = true;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char name[32];
        snprintf(name, sizeof name, "payload of %zu bytes", sizes[i]);
        all &= selftest_row("ws", name, frame_survives(sizes[i]));
    }
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        const char *text = answers[i].answer;
        long n = ws_read_answer((const unsigned char *)text, strlen(text));
        all &= selftest_row("ws", answers[i].name, n == answers[i].expected);
    }
    return all;
}

/* ---- MQTT ---- */

static bool publish_survives(size_t size, int qos)
{
    char *payload = make_payload(size), head[MQTT_HEAD_MAX];
    struct buf out;
    buf_init(&out, 1 << 24);
    buf_add(&out, head, mqtt_write_head(head, "a/topic", size, qos, false, 0x1234));
    buf_add(&out, payload, size);
    const unsigned char *bytes = (const unsigned char *)out.data;
    struct mqtt_packet packet;
    struct mqtt_publish publish;
    bool good = buf_ok(&out);
    for (size_t cut = 0; good && cut < out.len; cut = next_cut(cut, out.len))
        good = mqtt_read(bytes, cut, &packet) == MQTT_NOT_YET;
    good = good && mqtt_read(bytes, out.len, &packet) == MQTT_PACKET && packet.size == out.len &&
           packet.type == MQTT_PUBLISH && mqtt_read_publish(&packet, &publish) &&
           publish.qos == qos && publish.id == (qos ? 0x1234 : 0) &&
           span_is(publish.topic, "a/topic") &&
           span_same(publish.payload, (struct span){payload, size});
    buf_release(&out);
    free(payload);
    return good;
}

#define PACKET(text) text, sizeof text - 1

static const struct {
    const char *name, *bytes;
    size_t size;
    bool good;
    uint16_t most;
} connacks[] = {
    {"plain", PACKET("\x20\x03\x00\x00\x00"), true, 65535},
    {"receive maximum", PACKET("\x20\x06\x00\x00\x03\x21\x00\x14"), true, 20},
    {"as mosquitto has it", PACKET("\x20\x09\x00\x00\x06\x22\x00\x0a\x21\x00\x14"), true, 20},
    {"with a client's name",
     PACKET("\x20\x09\x00\x00\x06\x12\x00\x03"
            "abc"),
     true, 65535},
    {"a property that is cut", PACKET("\x20\x05\x00\x00\x02\x21\x00"), false, 0},
    {"an unknown property", PACKET("\x20\x05\x00\x00\x02\x7f\x00"), false, 0},
    {"cut", PACKET("\x20\x01\x00"), false, 0},
};

static bool test_connack(void)
{
    bool all = true;
    for (size_t i = 0; i < sizeof connacks / sizeof *connacks; i++) {
        struct mqtt_packet packet;
        int reason;
        uint16_t most = 0;
        bool good = mqtt_read((const unsigned char *)connacks[i].bytes, connacks[i].size,
                              &packet) == MQTT_PACKET &&
                    mqtt_read_connack(&packet, &reason, &most);
        all &= selftest_row("connack", connacks[i].name,
                            good == connacks[i].good && (!good || most == connacks[i].most));
    }
    return all;
}

static bool test_mqtt(void)
{
    static const unsigned char endless[] = {0x30, 0xff, 0xff, 0xff, 0xff, 0x01};
    struct mqtt_packet packet;
    bool all = selftest_row("mqtt", "a length without end",
                            mqtt_read(endless, sizeof endless, &packet) == MQTT_BROKEN);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char name[48];
        snprintf(name, sizeof name, "publish of %zu bytes", sizes[i]);
        all &= selftest_row("mqtt", name,
                            publish_survives(sizes[i], 0) && publish_survives(sizes[i], 1));
    }
    return all & test_connack();
}

bool selftest_codecs(void)
{
    bool json = test_json(), ws = test_ws(), mqtt = test_mqtt();
    return json && ws && mqtt;
}
