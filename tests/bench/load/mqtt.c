#include "mqtt.h"

#include <assert.h>

/* ---- reading ---- */

enum mqtt_found mqtt_read(const unsigned char *bytes, size_t len, struct mqtt_packet *packet)
{
    size_t n = 0, at = 1;
    for (unsigned shift = 0;; shift += 7) {
        if (shift > 21)
            return MQTT_BROKEN;
        if (at >= len)
            return MQTT_NOT_YET;
        n |= (size_t)(bytes[at] & 0x7f) << shift;
        if (!(bytes[at++] & 0x80))
            break;
    }
    if (n > len - at)
        return MQTT_NOT_YET;
    packet->type = bytes[0] >> 4;
    packet->flags = bytes[0] & 0x0f;
    packet->body = (struct span){(const char *)bytes + at, n};
    packet->size = at + n;
    return MQTT_PACKET;
}

/* Each takes something from the front of `rest`; false when it is not there. */
static bool take_bytes(struct span *rest, size_t n, struct span *bytes)
{
    if (n > rest->n)
        return false;
    *bytes = (struct span){rest->p, n};
    *rest = (struct span){rest->p + n, rest->n - n};
    return true;
}

static bool take_number(struct span *rest, size_t size, uint32_t *n)
{
    struct span bytes;
    if (!take_bytes(rest, size, &bytes))
        return false;
    *n = 0;
    for (size_t i = 0; i < size; i++)
        *n = *n << 8 | (unsigned char)bytes.p[i];
    return true;
}

static bool take_properties(struct span *rest, struct span *properties)
{
    uint32_t n = 0, byte = 0x80;
    for (unsigned shift = 0; byte & 0x80; shift += 7) {
        if (shift > 21 || !take_number(rest, 1, &byte))
            return false;
        n |= (byte & 0x7f) << shift;
    }
    return take_bytes(rest, n, properties);
}

bool mqtt_read_publish(const struct mqtt_packet *packet, struct mqtt_publish *publish)
{
    struct span rest = packet->body, properties;
    uint32_t length, id = 0;
    publish->qos = packet->flags >> 1 & 3;
    if (!take_number(&rest, 2, &length) || !take_bytes(&rest, length, &publish->topic) ||
        (publish->qos > 0 && !take_number(&rest, 2, &id)) || !take_properties(&rest, &properties))
        return false;
    publish->id = (uint16_t)id;
    publish->payload = rest;
    return true;
}

/* Bytes of the value of a CONNACK's property; 0: unknown. */
static size_t property_size(uint32_t property, struct span value)
{
    switch (property) {
    case 0x11: /* session expiry */
    case 0x27: /* maximum packet size */
        return 4;
    case 0x13: /* keepalive */
    case 0x21: /* receive maximum */
    case 0x22: /* topic aliases */
        return 2;
    case 0x24: /* maximum QoS */
    case 0x25: /* retain */
    case 0x28: /* wildcards */
    case 0x29: /* subscription identifiers */
    case 0x2a: /* shared subscriptions */
        return 1;
    case 0x12: /* client identifier that was given */
    case 0x1f: /* reason */
        return value.n < 2
                   ? 0
                   : 2 + ((size_t)(unsigned char)value.p[0] << 8 | (unsigned char)value.p[1]);
    default:
        return 0;
    }
}

bool mqtt_read_connack(const struct mqtt_packet *packet, int *reason, uint16_t *most)
{
    struct span rest = packet->body, properties, value;
    uint32_t flags, code, property, n;
    if (!take_number(&rest, 1, &flags) || !take_number(&rest, 1, &code) ||
        !take_properties(&rest, &properties))
        return false;
    *reason = (int)code;
    *most = UINT16_MAX;
    while (properties.n > 0) {
        if (!take_number(&properties, 1, &property))
            return false;
        size_t size = property_size(property, properties);
        if (size == 0 || !take_bytes(&properties, size, &value))
            return false;
        if (property == 0x21 && take_number(&value, 2, &n))
            *most = (uint16_t)n;
    }
    return true;
}

bool mqtt_read_puback(const struct mqtt_packet *packet, uint16_t *id, int *reason)
{
    struct span rest = packet->body;
    uint32_t n, code = 0;
    if (!take_number(&rest, 2, &n))
        return false;
    if (rest.n > 0)
        take_number(&rest, 1, &code);
    *id = (uint16_t)n;
    *reason = (int)code;
    return true;
}

bool mqtt_suback_is_good(const struct mqtt_packet *packet)
{
    struct span rest = packet->body, properties;
    uint32_t id, code = 0;
    if (!take_number(&rest, 2, &id) || !take_properties(&rest, &properties) || rest.n == 0)
        return false;
    while (code < 0x80 && take_number(&rest, 1, &code))
        ;
    return code < 0x80;
}

/* ---- writing ---- */

static void put16(struct buf *out, size_t n)
{
    buf_char(out, (char)(n >> 8));
    buf_char(out, (char)n);
}

static void put_length(struct buf *out, size_t n)
{
    do {
        buf_char(out, (char)((n & 0x7f) | (n > 0x7f ? 0x80 : 0)));
        n >>= 7;
    } while (n > 0);
}

static void put_string(struct buf *out, const char *text)
{
    put16(out, strlen(text));
    buf_str(out, text);
}

void mqtt_write_connect(struct buf *out, const char *client, const char *will_topic)
{
    static const char begin[] = "\x00\x04MQTT\x05\x26" /* clean start, retained will of QoS 0 */
                                "\x00\x00"             /* no keepalive */
                                "\x03\x21\xff\xff";    /* receive maximum 65535 */
    static const char will[] = "\x00";                 /* no properties */
    size_t n = sizeof begin - 1 + 2 + strlen(client) + sizeof will - 1 + 2 + strlen(will_topic) + 2;
    buf_char(out, MQTT_CONNECT << 4);
    put_length(out, n);
    buf_add(out, begin, sizeof begin - 1);
    put_string(out, client);
    buf_add(out, will, sizeof will - 1);
    put_string(out, will_topic);
    put16(out, 0);
}

void mqtt_write_subscribe(struct buf *out, uint16_t id, const char *const *filters, int qos)
{
    enum { NO_LOCAL = 4 };
    size_t n = 3;
    for (const char *const *f = filters; *f; f++)
        n += 2 + strlen(*f) + 1;
    buf_char(out, (char)(MQTT_SUBSCRIBE << 4 | 2));
    put_length(out, n);
    put16(out, id);
    buf_char(out, 0);
    for (const char *const *f = filters; *f; f++) {
        put_string(out, *f);
        buf_char(out, (char)(NO_LOCAL | qos));
    }
}

void mqtt_write_puback(struct buf *out, uint16_t id)
{
    buf_char(out, MQTT_PUBACK << 4);
    buf_char(out, 2);
    put16(out, id);
}

size_t mqtt_write_head(char out[MQTT_HEAD_MAX], const char *topic, size_t payload, int qos,
                       bool retain, uint16_t id)
{
    struct buf head;
    buf_init_fixed(&head, out, MQTT_HEAD_MAX);
    buf_char(&head, (char)(MQTT_PUBLISH << 4 | qos << 1 | (retain ? 1 : 0)));
    put_length(&head, 2 + strlen(topic) + (qos > 0 ? 2 : 0) + 1 + payload);
    put_string(&head, topic);
    if (qos > 0)
        put16(&head, id);
    buf_char(&head, 0);
    assert(buf_ok(&head)); /* topics are our own, and short */
    return head.len;
}
