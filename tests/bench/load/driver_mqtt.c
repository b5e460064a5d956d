/* Peers on MQTT, as clients/PROTOCOL.md has them: an inbox, a retained presence with a will that
 * takes it back, messages in the inbox of the other one. Over TCP or over a broker's WebSocket
 * listener; beside a bridge as its devices, or among themselves, and then they watch the room's
 * presence as well. */
#include "drivers.h"
#include "envelope.h"
#include "mqtt.h"
#include "ws_link.h"

#include <stdio.h>
#include <stdlib.h>

#define ROOMS "sigbridge/v1/rooms/"

enum {
    TOPIC_MAX = 128,
    PIECES_MAX = ENVELOPE_PIECES + 1,
    PART_MAX = 1 << 20,
    HELD_MAX = 64 << 20,
    PRESENCE_ID = 2,
    FIRST_ID = 3,
};

struct mqtt_session {
    uint16_t next_id;
    uint16_t under_way, most; /* QoS 1 messages without PUBACK; how many the broker allows */
    bool subscribed, present;
    struct buf part; /* over WebSocket: what a packet has so far */
    struct buf held; /* messages that wait for PUBACKs, each behind its length */
    size_t held_from;
};

static void topic_of(const struct session *s, char out[TOPIC_MAX], const char *rest,
                     const char *name, const char *last)
{
    char room[NAME_LENGTH + 1];
    world_room_name(s, room);
    snprintf(out, TOPIC_MAX, ROOMS "%s/%s%s%s", room, rest, name, last);
}

static void put(struct session *s, const struct span *pieces, size_t count)
{
    struct buf *out = session_out(s);
    if (!s->on_mqtt) {
        ws_write(out, WS_BINARY, pieces, count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        buf_add(out, pieces[i].p, pieces[i].n);
}

static void put_buf(struct session *s, struct buf *packet)
{
    const struct span piece = {packet->data, packet->len};
    put(s, &piece, 1);
    buf_release(packet);
}

/* ---- coming ---- */

static void connect_to_broker(struct session *s)
{
    char will[TOPIC_MAX];
    struct buf packet;
    topic_of(s, will, "peers/", s->name, "/presence");
    buf_init(&packet, 512);
    mqtt_write_connect(&packet, s->name, will);
    put_buf(s, &packet);
}

static void opened(struct session *s)
{
    s->mqtt = calloc(1, sizeof *s->mqtt);
    if (!s->mqtt) {
        world_fail(s, "no memory");
        return;
    }
    s->mqtt->next_id = FIRST_ID;
    buf_init(&s->mqtt->part, PART_MAX);
    buf_init(&s->mqtt->held, HELD_MAX);
    if (s->on_mqtt)
        connect_to_broker(s);
    else
        ws_link_open(s, s->world->options->path);
}

static void subscribe(struct session *s)
{
    const struct world *world = s->world;
    char inbox[TOPIC_MAX], presence[TOPIC_MAX], all[TOPIC_MAX];
    topic_of(s, inbox, "peers/", s->name, "/in/+");
    topic_of(s, presence, "peers/", "+", "/presence");
    topic_of(s, all, "all/", "+", "");
    const char *filters[4] = {inbox};
    size_t n = 1;
    if (world->candidate->no_bridge || s->heard)
        filters[n++] = presence;
    if (world->broadcasts)
        filters[n++] = all;
    struct buf packet;
    buf_init(&packet, 1024);
    mqtt_write_subscribe(&packet, 1, filters, world->candidate->qos);
    put_buf(s, &packet);
}

static void join(struct session *s)
{
    const char *presence = s->world->options->bundle ? "{\"kind\":\"device\",\"bundle\":true}"
                                                     : "{\"kind\":\"device\"}";
    subscribe(s);
    char topic[TOPIC_MAX], head[MQTT_HEAD_MAX];
    topic_of(s, topic, "peers/", s->name, "/presence");
    int qos = s->world->candidate->qos;
    size_t n = mqtt_write_head(head, topic, strlen(presence), qos, true, PRESENCE_ID);
    const struct span pieces[] = {{head, n}, span_of(presence)};
    put(s, pieces, 2);
    s->mqtt->present = qos == 0;
}

static void join_if_complete(struct session *s)
{
    if (s->mqtt->subscribed && s->mqtt->present)
        world_is_joined(s);
}

/* ---- messages ---- */

static void hold(struct mqtt_session *mqtt, const struct span *pieces, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += pieces[i].n;
    buf_add(&mqtt->held, &n, sizeof n);
    for (size_t i = 0; i < count; i++)
        buf_add(&mqtt->held, pieces[i].p, pieces[i].n);
}

static void let_go(struct session *s)
{
    struct mqtt_session *mqtt = s->mqtt;
    if (mqtt->held_from == mqtt->held.len || mqtt->under_way == mqtt->most)
        return;
    struct span packet;
    memcpy(&packet.n, mqtt->held.data + mqtt->held_from, sizeof packet.n);
    packet.p = mqtt->held.data + mqtt->held_from + sizeof packet.n;
    put(s, &packet, 1);
    mqtt->under_way++;
    mqtt->held_from += sizeof packet.n + packet.n;
    if (mqtt->held_from == mqtt->held.len) {
        buf_clear(&mqtt->held);
        mqtt->held_from = 0;
    }
}

static uint16_t take_id(struct mqtt_session *mqtt)
{
    uint16_t id = mqtt->next_id;
    mqtt->next_id = id == UINT16_MAX ? FIRST_ID : (uint16_t)(id + 1);
    return id;
}

static void send_message(struct session *s, const struct message *m)
{
    struct mqtt_session *mqtt = s->mqtt;
    char topic[TOPIC_MAX], head[MQTT_HEAD_MAX];
    struct span pieces[PIECES_MAX];
    size_t count = 1 + envelope_write(pieces + 1, s->index, m, NULL), payload = 0;
    for (size_t i = 1; i < count; i++)
        payload += pieces[i].n;
    if (m->to) {
        topic_of(s, topic, "peers/", m->to->name, "/in/");
        strcat(topic, s->name);
    } else {
        topic_of(s, topic, "all/", s->name, "");
    }
    int qos = s->world->candidate->qos;
    pieces[0].p = head;
    pieces[0].n = mqtt_write_head(head, topic, payload, qos, false, qos ? take_id(mqtt) : 0);
    if (qos > 0 && mqtt->under_way == mqtt->most) {
        hold(mqtt, pieces, count);
        if (!buf_ok(&mqtt->held))
            world_fail(s, "too many messages wait for the broker's PUBACKs");
        return;
    }
    mqtt->under_way = (uint16_t)(mqtt->under_way + qos);
    put(s, pieces, count);
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
    char room[NAME_LENGTH + 1];
    world_room_name(s, room);
    if (!span_is(level_behind(publish->topic, "/rooms/"), room)) {
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
    } else if (reason >= NOBODY_SUBSCRIBES || s->mqtt->under_way == 0) {
        world_fail(s, "PUBACK %u with reason 0x%02x", id, (unsigned)reason);
    } else {
        s->mqtt->under_way--;
        let_go(s);
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
    s->world->frames++;
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

/* All packets that are complete; their PUBACKs go together, behind what was said because of them.
 */
static size_t take_packets(struct session *s, const unsigned char *bytes, size_t len)
{
    struct buf acks;
    struct mqtt_packet packet;
    enum mqtt_found found;
    size_t used = 0;
    buf_init(&acks, PART_MAX);
    while ((found = mqtt_read(bytes + used, len - used, &packet)) == MQTT_PACKET) {
        take_packet(s, &packet, &acks);
        used += packet.size;
    }
    if (acks.len > 0)
        put_buf(s, &acks);
    if (found == MQTT_BROKEN) {
        world_fail(s, "a broken MQTT packet");
        return len;
    }
    return used;
}

/* ---- bytes ---- */

static void on_payload(struct session *s, struct span bytes)
{
    struct buf *part = &s->mqtt->part;
    bool whole = part->len == 0;
    if (!whole) {
        buf_add(part, bytes.p, bytes.n);
        bytes = (struct span){part->data, part->len};
    }
    size_t used = take_packets(s, (const unsigned char *)bytes.p, bytes.n);
    if (whole)
        buf_add(part, bytes.p + used, bytes.n - used);
    else {
        memmove(part->data, part->data + used, part->len - used);
        part->len -= used;
    }
    if (!buf_ok(part))
        world_fail(s, "an MQTT packet that is too large");
}

static size_t on_bytes(struct session *s, unsigned char *bytes, size_t len)
{
    static const struct ws_link_handlers handlers = {connect_to_broker, on_payload};
    return s->on_mqtt ? take_packets(s, bytes, len) : ws_link_bytes(s, bytes, len, &handlers);
}

/* With its will, which takes the presence back. */
static void leave(struct session *s)
{
    const struct span disconnect = {"\xe0\x02\x04\x00", 4};
    put(s, &disconnect, 1);
}

static void release(struct session *s)
{
    if (!s->mqtt)
        return;
    buf_release(&s->mqtt->part);
    buf_release(&s->mqtt->held);
    free(s->mqtt);
    s->mqtt = NULL;
}

const struct protocol driver_mqtt = {.opened = opened,
                                     .bytes = on_bytes,
                                     .join = join,
                                     .send = send_message,
                                     .leave = leave,
                                     .release = release};
