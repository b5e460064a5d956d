#include "mqtt_link.h"

#include "ws_link.h"

#include <stdlib.h>

enum { PART_MAX = 1 << 20, HELD_MAX = 64 << 20 };

void mqtt_link_opened(struct session *s, const struct mqtt_link_handlers *handlers)
{
    s->mqtt = calloc(1, sizeof *s->mqtt);
    if (!s->mqtt) {
        world_fail(s, "no memory");
        return;
    }
    s->mqtt->next_id = MQTT_LINK_FIRST_ID;
    buf_init(&s->mqtt->part, PART_MAX);
    buf_init(&s->mqtt->held, HELD_MAX);
    if (s->on_mqtt)
        handlers->up(s);
    else
        ws_link_open(s, s->world->options->path);
}

void mqtt_link_release(struct session *s)
{
    if (!s->mqtt)
        return;
    buf_release(&s->mqtt->part);
    buf_release(&s->mqtt->held);
    free(s->mqtt);
    s->mqtt = NULL;
}

/* ---- out ---- */

void mqtt_link_put(struct session *s, const struct span *pieces, size_t count)
{
    struct buf *out = session_out(s);
    if (!s->on_mqtt) {
        ws_write(out, WS_BINARY, pieces, count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        buf_add(out, pieces[i].p, pieces[i].n);
}

void mqtt_link_put_buf(struct session *s, struct buf *packet)
{
    const struct span piece = {packet->data, packet->len};
    mqtt_link_put(s, &piece, 1);
    buf_release(packet);
}

static uint16_t take_id(struct mqtt_session *mqtt)
{
    uint16_t id = mqtt->next_id;
    mqtt->next_id = id == UINT16_MAX ? MQTT_LINK_FIRST_ID : (uint16_t)(id + 1);
    return id;
}

static size_t size_of(const struct span *pieces, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += pieces[i].n;
    return n;
}

static void hold(struct session *s, const struct span *pieces, size_t count)
{
    struct buf *held = &s->mqtt->held;
    size_t n = size_of(pieces, count);
    buf_add(held, &n, sizeof n);
    for (size_t i = 0; i < count; i++)
        buf_add(held, pieces[i].p, pieces[i].n);
    if (!buf_ok(held))
        world_fail(s, "too many messages wait for the broker's PUBACKs");
}

void mqtt_link_publish(struct session *s, const char *topic, struct span *pieces, size_t count,
                       int qos)
{
    struct mqtt_session *mqtt = s->mqtt;
    char head[MQTT_HEAD_MAX];
    size_t payload = size_of(pieces + 1, count - 1);
    pieces[0].p = head;
    pieces[0].n = mqtt_write_head(head, topic, payload, qos, false, qos ? take_id(mqtt) : 0);
    if (qos > 0 && mqtt->under_way == mqtt->most) {
        hold(s, pieces, count);
        return;
    }
    mqtt->under_way = (uint16_t)(mqtt->under_way + qos);
    mqtt_link_put(s, pieces, count);
}

bool mqtt_link_acknowledged(struct session *s)
{
    struct mqtt_session *mqtt = s->mqtt;
    if (mqtt->under_way == 0)
        return false;
    mqtt->under_way--;
    if (mqtt->held_from == mqtt->held.len)
        return true;
    struct span packet;
    memcpy(&packet.n, mqtt->held.data + mqtt->held_from, sizeof packet.n);
    packet.p = mqtt->held.data + mqtt->held_from + sizeof packet.n;
    mqtt_link_put(s, &packet, 1);
    mqtt->under_way++;
    mqtt->held_from += sizeof packet.n + packet.n;
    if (mqtt->held_from == mqtt->held.len) {
        buf_clear(&mqtt->held);
        mqtt->held_from = 0;
    }
    return true;
}

/* ---- in ---- */

/* All packets that are complete; their PUBACKs go together, behind what was said because of them.
 */
static size_t take_packets(struct session *s, const unsigned char *bytes, size_t len,
                           const struct mqtt_link_handlers *handlers)
{
    struct buf acks;
    struct mqtt_packet packet;
    enum mqtt_found found;
    size_t used = 0;
    buf_init(&acks, PART_MAX);
    while ((found = mqtt_read(bytes + used, len - used, &packet)) == MQTT_PACKET) {
        s->world->frames++;
        handlers->packet(s, &packet, &acks);
        used += packet.size;
    }
    if (acks.len > 0)
        mqtt_link_put_buf(s, &acks);
    if (found == MQTT_BROKEN) {
        world_fail(s, "a broken MQTT packet");
        return len;
    }
    return used;
}

/* A frame may hold several packets, and a packet may take several frames. Mostly it is one for one,
 * and nothing is copied. */
static void on_frame(struct session *s, struct span bytes, const void *context)
{
    struct buf *part = &s->mqtt->part;
    bool continued = part->len > 0;
    if (continued) {
        buf_add(part, bytes.p, bytes.n);
        bytes = (struct span){part->data, part->len};
    }
    size_t used = take_packets(s, (const unsigned char *)bytes.p, bytes.n, context);
    if (!continued) {
        buf_add(part, bytes.p + used, bytes.n - used);
    } else {
        memmove(part->data, part->data + used, part->len - used);
        part->len -= used;
    }
    if (!buf_ok(part))
        world_fail(s, "an MQTT packet that is too large");
}

static void on_up(struct session *s, const void *context)
{
    const struct mqtt_link_handlers *handlers = context;
    handlers->up(s);
}

size_t mqtt_link_bytes(struct session *s, unsigned char *bytes, size_t len,
                       const struct mqtt_link_handlers *handlers)
{
    if (s->on_mqtt)
        return take_packets(s, bytes, len, handlers);
    const struct ws_link_handlers frames = {on_up, on_frame, handlers};
    return ws_link_bytes(s, bytes, len, &frames);
}
