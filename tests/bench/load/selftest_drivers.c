/* Each driver hears what its server would say: one welcome, one join, one handshake's nine
 * messages. It comes whole, and byte by byte, and must be the same. No socket: what the driver says
 * goes nowhere. */
#include "selftest.h"

#include "envelope.h"
#include "mqtt.h"
#include "world.h"
#include "ws.h"

#include <stdio.h>
#include <stdlib.h>

enum { SCRIPT_MAX = 1 << 20 };

static const char welcome[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                              "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/* A frame as servers write them. */
static void put_frame(struct buf *out, const char *text, size_t n)
{
    buf_char(out, (char)(0x80 | WS_TEXT));
    buf_char(out, n < 126 ? (char)n : 126);
    if (n >= 126) {
        buf_char(out, (char)(n >> 8));
        buf_char(out, (char)n);
    }
    buf_add(out, text, n);
}

static struct span payload_of(const struct session *me, int i)
{
    struct payload_id id = {me->lane.id, (uint32_t)i};
    return payload_json(i == 0 ? KIND_OFFER : KIND_CANDIDATE, id);
}

static const char *partner_of(const struct session *me)
{
    return me->world->sessions[me->lane.id].name;
}

/* ---- what the servers say ---- */

static void put_text(struct buf *out, const char *before, const char *text, const char *behind)
{
    struct buf whole;
    buf_init(&whole, SCRIPT_MAX);
    buf_str(&whole, before);
    buf_str(&whole, text);
    buf_str(&whole, behind);
    put_frame(out, whole.data, whole.len);
    buf_release(&whole);
}

/* {"type":…,MEMBER:payload,"from":…, between two texts; the one behind it closes it. */
static void put_envelope(struct buf *out, const struct session *me, int i, const char *before,
                         const char *behind, bool from)
{
    struct span payload = payload_of(me, i);
    char text[8192];
    snprintf(text, sizeof text, "%s{\"type\":\"%s\",\"call\":\"00000000\",\"%s\":%.*s%s%s%s%s",
             before, i ? "candidate" : "offer", i ? "candidate" : "sdp", (int)payload.n, payload.p,
             from ? ",\"from\":\"" : "", from ? partner_of(me) : "", from ? "\"" : "", behind);
    put_frame(out, text, strlen(text));
}

static void say_json(struct buf *out, const struct session *me)
{
    buf_str(out, welcome);
    put_text(out, "{\"type\":\"joined\",\"peers\":[{\"peer\":\"", partner_of(me),
             "\"}],\"limits\":{}}");
    for (int i = 0; i < EACH_WAY; i++)
        put_envelope(out, me, i, "", "}", true);
}

/* The same, but who is there comes as a change of its own, and `numbers` are what `seq` says in
 * each frame: one behind the other, with a space between. */
static void say_numbered(struct buf *out, const struct session *me, const char *numbers)
{
    char end[64], *next;
    buf_str(out, welcome);
    put_text(out, "{\"type\":\"joined\",\"peers\":[]", "", "}");
    snprintf(end, sizeof end, "\"}],\"seq\":%ld}", strtol(numbers, &next, 10));
    put_text(out, "{\"type\":\"presence\",\"joined\":[{\"peer\":\"", partner_of(me), end);
    for (int i = 0; i < EACH_WAY; i++) {
        if (*next)
            snprintf(end, sizeof end, ",\"seq\":%ld}", strtol(next, &next, 10));
        else
            strcpy(end, "}");
        put_envelope(out, me, i, "", end, true);
    }
}

static void say_sigbridge(struct buf *out, const struct session *me)
{
    say_numbered(out, me, "1 2 3 4 5 6 7 8 9 10");
}

static void say_relay(struct buf *out, const struct session *me)
{
    buf_str(out, welcome);
    for (int i = 0; i < EACH_WAY; i++)
        put_envelope(out, me, i, "", "}", false);
}

static void say_socketio(struct buf *out, const struct session *me)
{
    buf_str(out, welcome);
    put_text(out, "0{\"sid\":\"", "x", "\",\"upgrades\":[]}");
    put_text(out, "40{\"sid\":\"", "y", "\"}");
    put_text(out, "42[\"joined\",{\"peers\":[{\"peer\":\"", partner_of(me), "\"}]}]");
    put_text(out, "", "2", "");
    for (int i = 0; i < EACH_WAY; i++)
        put_envelope(out, me, i, "42[\"signal\",", "}]", true);
}

static void say_peerjs(struct buf *out, const struct session *me)
{
    buf_str(out, welcome);
    put_text(out, "{\"type\":\"OPEN\"", "", "}");
    for (int i = 0; i < EACH_WAY; i++) {
        struct span payload = payload_of(me, i);
        char text[8192];
        snprintf(text, sizeof text,
                 "{\"type\":\"%s\",\"payload\":{\"connectionId\":\"00000000\",\"%s\":%s%.*s%s},"
                 "\"dst\":\"%s\",\"src\":\"%s\"}",
                 i ? "CANDIDATE" : "OFFER", i ? "candidate" : "sdp",
                 i ? "" : "{\"type\":\"offer\",\"sdp\":", (int)payload.n, payload.p, i ? "" : "}",
                 me->name, partner_of(me));
        put_frame(out, text, strlen(text));
    }
}

static void say_mqtt(struct buf *out, const struct session *me)
{
    static const char answers[] = "\x20\x03\x00\x00\x00"         /* CONNACK */
                                  "\x90\x05\x00\x01\x00\x01\x01" /* SUBACK of two filters */
                                  "\x40\x02\x00\x02";            /* PUBACK of the presence */
    char topic[128], head[MQTT_HEAD_MAX];
    snprintf(topic, sizeof topic, "sigbridge/v1/rooms/%s/peers/%s/in/%s", me->room_name, me->name,
             partner_of(me));
    buf_add(out, answers, sizeof answers - 1);
    for (int i = 0; i < EACH_WAY; i++) {
        const struct message message = {i ? KIND_CANDIDATE : KIND_OFFER, me, (uint32_t)i};
        struct span pieces[ENVELOPE_PIECES];
        size_t n = 0, count = envelope_write(pieces, me->lane.id, &message, NULL);
        for (size_t k = 0; k < count; k++)
            n += pieces[k].n;
        buf_add(out, head, mqtt_write_head(head, topic, n, 1, false, (uint16_t)(i + 1)));
        for (size_t k = 0; k < count; k++)
            buf_add(out, pieces[k].p, pieces[k].n);
    }
}

/* The same in frames that are cut without regard for packets. */
static void say_mqtt_over_ws(struct buf *out, const struct session *me)
{
    enum { EACH = 100 };
    struct buf packets;
    buf_init(&packets, SCRIPT_MAX);
    say_mqtt(&packets, me);
    buf_str(out, welcome);
    for (size_t at = 0; at < packets.len; at += EACH)
        put_frame(out, packets.data + at, packets.len - at < EACH ? packets.len - at : EACH);
    buf_release(&packets);
}

/* ---- */

static const struct {
    const char *kind;
    void (*say)(struct buf *out, const struct session *me);
} scripts[] = {
    {"sigbridge", say_sigbridge},         {"room-server", say_json}, {"relay", say_relay},
    {"socketio", say_socketio},           {"peerjs", say_peerjs},    {"mosquitto-tcp-1", say_mqtt},
    {"mosquitto-ws-1", say_mqtt_over_ws},
};

/* As the loop does it: what was not used up comes again, with `step` more bytes behind it. */
static void hear(struct session *me, const struct buf *script, size_t step)
{
    size_t used = 0;
    unsigned char *space = malloc(script->len);
    for (size_t end = step; space && used < script->len; end += step) {
        if (end > script->len)
            end = script->len;
        memcpy(space, script->data + used, end - used);
        used += me->protocol->bytes(me, space, end - used);
        if (end == script->len)
            break;
    }
    free(space);
}

/* A session whose socket has just been opened, without a socket. */
static struct session *begin(struct world *world, const char *kind, struct buf *script)
{
    static const struct options options = {.mode = "self-test", .path = "/ws"};
    world_init(world, &options, driver_find(kind), 2, 2);
    world_count_presence(world);
    struct session *me = &world->sessions[1];
    buf_init(script, SCRIPT_MAX);
    buf_init(&me->conn.out, SCRIPT_MAX);
    me->state = SESSION_OPENING;
    me->lane.sent = EACH_WAY;
    world->opening = 1;
    return me;
}

/* Whether it took the whole script as right. */
static bool end(struct session *me, struct buf *script)
{
    struct world *world = me->world;
    bool good = !world->failed && world->joined == 1 && world->opening == 0 &&
                world->work.delivered == EACH_WAY && work_is_right(&world->work) &&
                buf_ok(&me->conn.out) && me->conn.out.len > 0;
    buf_release(&me->conn.out);
    buf_release(script);
    world_close(world);
    return good;
}

static bool understands(size_t which, size_t step)
{
    static struct world world;
    struct buf script;
    struct session *me = begin(&world, scripts[which].kind, &script);
    scripts[which].say(&script, me);
    me->protocol->opened(me);
    hear(me, &script, step);
    return end(me, &script);
}

static bool test_scripts(void)
{
    static const size_t steps[] = {SCRIPT_MAX, 1, 7, 1000};
    bool all = true;
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
        for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
            char name[64];
            snprintf(name, sizeof name, "%s, %zu bytes at a time", scripts[i].kind, steps[k]);
            all &= selftest_row("drivers", name, understands(i, steps[k]));
        }
    return all;
}

/* `seq` of the frame with presence, and of the nine messages. */
static const struct {
    const char *name, *numbers;
    bool right;
} numberings[] = {
    {"one by one", "1 2 3 4 5 6 7 8 9 10", true},
    {"from 0", "0 1 2 3 4 5 6 7 8 9", false},
    {"from 2", "2 3 4 5 6 7 8 9 10 11", false},
    {"one is missing", "1 2 3 4 5 7 8 9 10 11", false},
    {"one comes twice", "1 2 3 4 5 5 6 7 8 9", false},
    {"two change places", "1 2 3 4 6 5 7 8 9 10", false},
    {"the last one is far off", "1 2 3 4 5 6 7 8 9 1000", false},
    {"the last one has none", "1 2 3 4 5 6 7 8 9", false},
};

static bool takes(const char *numbers)
{
    static struct world world;
    struct buf script;
    struct session *me = begin(&world, "sigbridge", &script);
    world.complaints = UINT16_MAX; /* as said in the table: nothing to tell the user */
    say_numbered(&script, me, numbers);
    me->protocol->opened(me);
    hear(me, &script, SCRIPT_MAX);
    return end(me, &script);
}

bool selftest_drivers(void)
{
    bool all = test_scripts();
    for (size_t i = 0; i < sizeof numberings / sizeof *numberings; i++)
        all &= selftest_row("seq", numberings[i].name,
                            takes(numberings[i].numbers) == numberings[i].right);
    return all;
}
