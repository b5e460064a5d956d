/* Peers on MQTT, as clients/PROTOCOL.md has them: an inbox, a retained presence with a will that
 * takes it back, messages in the inbox of the other one. Over TCP or over a broker's WebSocket
 * listener; beside a bridge as its devices, or among themselves, and then they watch the room's
 * presence as well. */
#include "drivers.h"
#include "envelope.h"
#include "mqtt_link.h"

#include <assert.h>

#define ROOMS "sigbridge/v1/rooms/"

enum { TOPIC_MAX = 128, PRESENCE_ID = 2 };

static_assert((int)PRESENCE_ID < (int)MQTT_LINK_FIRST_ID, "no message has it");

/* ROOMS, the room, and these three behind it. */
static void topic_of(const struct session *s, char out[TOPIC_MAX], const char *rest,
                     const char *name, const char *last)
{
    struct buf topic;
    buf_init_fixed(&topic, out, TOPIC_MAX);
    buf_str(&topic, ROOMS);
    buf_str(&topic, s->room_name);
    buf_str(&topic, rest);
    buf_str(&topic, name);
    buf_str(&topic, last);
    buf_cstr(&topic);
    assert(buf_ok(&topic)); /* all names are our own, and short */
}

/* ---- coming ---- */

static void connect_to_broker(struct session *s)
{
    char will[TOPIC_MAX];
    struct buf packet;
    topic_of(s, will, "/peers/", s->name, "/presence");
    buf_init(&packet, 512);
    mqtt_write_connect(&packet, s->name, will);
    mqtt_link_put_buf(s, &packet);
}

static void subscribe(struct session *s)
{
    const struct world *world = s->world;
    char inbox[TOPIC_MAX], presence[TOPIC_MAX], all[TOPIC_MAX];
    topic_of(s, inbox, "/peers/", s->name, "/in/+");
    topic_of(s, presence, "/peers/", "+", "/presence");
    topic_of(s, all, "/all/", "+", "");
    const char *filters[4] = {inbox};
    size_t n = 1;
    if (world->candidate->no_bridge || s->heard)
        filters[n++] = presence;
    if (world->broadcasts)
        filters[n++] = all;
    struct buf packet;
    buf_init(&packet, 1024);
    mqtt_write_subscribe(&packet, 1, filters, world->candidate->qos);
    mqtt_link_put_buf(s, &packet);
}

static void join(struct session *s)
{
    const char *presence = s->world->options->bundle ? "{\"kind\":\"device\",\"bundle\":true}"
                                                     : "{\"kind\":\"device\"}";
    subscribe(s);
    char topic[TOPIC_MAX], head[MQTT_HEAD_MAX];
    topic_of(s, topic, "/peers/", s->name, "/presence");
    int qos = s->world->candidate->qos;
    size_t n = mqtt_write_head(head, topic, strlen(presence), qos, true, PRESENCE_ID);
    const struct span pieces[] = {{head, n}, span_of(presence)};
    mqtt_link_put(s, pieces, 2);
    s->mqtt->present = qos == 0;
}

static void join_if_complete(struct session *s)
{
    if (s->mqtt->subscribed && s->mqtt->present)
        world_is_joined(s);
}

/* ---- messages ---- */

static void send_message(struct session *s, const struct message *m)
{
    char topic[TOPIC_MAX], from[NAME_LENGTH + 5] = "/in/";
    struct span pieces[1 + ENVELOPE_PIECES];
    size_t count = 1 + envelope_write(pieces + 1, s->index, m, NULL);
    memcpy(from + 4, s->name, NAME_LENGTH + 1);
    if (m->to)
        topic_of(s, topic, "/peers/", m->to->name, from);
    else
        topic_of(s, topic, "/all/", s->name, "");
    mqtt_link_publish(s, topic, pieces, count, s->world->candidate->qos);
}

/* The level behind `level` in a topic. */
static struct span level_behind(struct span topic, const char *level)
{
    size_t n = strlen(level);
    const char *p = memmem(topic.p, topic.n, level, n);
    if (!p)
        return (struct span){topic.p, 0};
    p += n;
    const char *end = topic.p + topic.n, *slash = memchr(p, '/', (size_t)(end - p));
    return (struct span){p, (size_t)((slash ? slash : end) - p)};
}

static void take_presence(struct session *s, struct span peer, struct span payload)
{
    if (span_is(peer, s->name))
        return;
    s->world->presence_frames++;
    if (payload.n > 0)
        world_heard(s, peer);
    else
        world_fail(s, "%.*s has left", (int)peer.n, peer.p);
}

static void take_bundle(struct session *s, const struct envelope *e, struct span from,
                        struct span to)
{
    struct json_walk walk = json_enter(e->candidates);
    struct span none;
    struct arrival arrival = {.kind = KIND_CANDIDATE, .call = e->arrival.call};
    while (json_next(&walk, &none, &arrival.value))
        world_message(s, from, to, &arrival);
}

static void take_message(struct session *s, const struct mqtt_publish *publish, struct span from,
                         struct span to)
{
    struct envelope e;
    if (!envelope_read(publish->payload, &e))
        world_unexpected(s, publish->payload);
    else if (e.is_message)
        world_message(s, from, to, &e.arrival);
    else if (e.candidates.n > 0 && s->world->options->bundle)
        take_bundle(s, &e, from, to);
    else
        world_unexpected(s, publish->payload);
}

static void take_publish(struct session *s, const struct mqtt_publish *publish)
{
    if (!span_is(level_behind(publish->topic, "/rooms/"), s->room_name)) {
        world_fail(s, "misrouted: topic %.*s", (int)publish->topic.n, publish->topic.p);
        return;
    }
    struct span peer = level_behind(publish->topic, "/peers/");
    struct span from = level_behind(publish->topic, "/in/");
    if (from.n > 0)
        take_message(s, publish, from, peer);
    else if (peer.n > 0)
        take_presence(s, peer, publish->payload);
    else
        take_message(s, publish, level_behind(publish->topic, "/all/"), peer);
}

static void take_puback(struct session *s, const struct mqtt_packet *packet)
{
    enum { NOBODY_SUBSCRIBES = 0x10 };
    uint16_t id;
    int reason;
    if (!mqtt_read_puback(packet, &id, &reason)) {
        world_fail(s, "a broken PUBACK");
    } else if (id == PRESENCE_ID) {
        s->mqtt->present = true;
        join_if_complete(s);
    } else if (!mqtt_link_acknowledged(s) || reason >= NOBODY_SUBSCRIBES) {
        world_fail(s, "PUBACK %u with reason 0x%02x", id, (unsigned)reason);
    }
}

static void take_connack(struct session *s, const struct mqtt_packet *packet)
{
    int reason;
    if (!mqtt_read_connack(packet, &reason, &s->mqtt->most) || reason >= 0x80)
        world_fail(s, "the broker refuses the connection");
    else
        world_is_open(s);
}

static void take_suback(struct session *s, const struct mqtt_packet *packet)
{
    s->mqtt->subscribed = mqtt_suback_is_good(packet);
    if (s->mqtt->subscribed)
        join_if_complete(s);
    else
        world_fail(s, "the broker refuses a subscription");
}

static void take_packet(struct session *s, const struct mqtt_packet *packet, struct buf *acks)
{
    struct mqtt_publish publish;
    if (packet->type == MQTT_PUBLISH && mqtt_read_publish(packet, &publish)) {
        if (publish.qos > 0)
            mqtt_write_puback(acks, publish.id);
        take_publish(s, &publish);
    } else if (packet->type == MQTT_PUBACK) {
        take_puback(s, packet);
    } else if (packet->type == MQTT_SUBACK) {
        take_suback(s, packet);
    } else if (packet->type == MQTT_CONNACK) {
        take_connack(s, packet);
    } else {
        world_fail(s, "an MQTT packet of type %d", packet->type);
    }
}

/* With its will, which takes the presence back. */
static void leave(struct session *s)
{
    const struct span disconnect = {"\xe0\x02\x04\x00", 4};
    mqtt_link_put(s, &disconnect, 1);
}

static const struct mqtt_link_handlers handlers = {connect_to_broker, take_packet};

static void opened(struct session *s)
{
    mqtt_link_opened(s, &handlers);
}

static size_t on_bytes(struct session *s, unsigned char *bytes, size_t len)
{
    return mqtt_link_bytes(s, bytes, len, &handlers);
}

const struct protocol driver_mqtt = {.opened = opened,
                                     .bytes = on_bytes,
                                     .join = join,
                                     .send = send_message,
                                     .leave = leave,
                                     .release = mqtt_link_release};
