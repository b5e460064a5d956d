/* MQTT 5 packets, the client's side, as far as the load needs them. Bytes in, bytes out; no socket.
 */
#ifndef LOAD_MQTT_H
#define LOAD_MQTT_H

#include "base/buf.h"
#include "json.h"

#include <stdint.h>

enum {
    MQTT_CONNECT = 1,
    MQTT_CONNACK = 2,
    MQTT_PUBLISH = 3,
    MQTT_PUBACK = 4,
    MQTT_SUBSCRIBE = 8,
    MQTT_SUBACK = 9,
};

struct mqtt_packet {
    int type, flags;
    struct span body; /* behind the length */
    size_t size;      /* of the whole packet */
};

enum mqtt_found { MQTT_NOT_YET, MQTT_PACKET, MQTT_BROKEN };

enum mqtt_found mqtt_read(const unsigned char *bytes, size_t len, struct mqtt_packet *packet);

struct mqtt_publish {
    struct span topic, payload;
    int qos;
    uint16_t id; /* 0 with QoS 0 */
};

/* Each of them: false when the packet is broken. */
bool mqtt_read_publish(const struct mqtt_packet *packet, struct mqtt_publish *publish);
/* `reason` below 0x80 is a welcome; `most` is how many QoS 1 messages may be under way. */
bool mqtt_read_connack(const struct mqtt_packet *packet, int *reason, uint16_t *most);
bool mqtt_read_puback(const struct mqtt_packet *packet, uint16_t *id, int *reason);
bool mqtt_suback_is_good(const struct mqtt_packet *packet); /* all filters were taken */

/* With a will that takes back what is retained on `will_topic`; no keepalive. */
void mqtt_write_connect(struct buf *out, const char *client, const char *will_topic);
/* `filters` end with NULL. What this client publishes itself does not come back to it. */
void mqtt_write_subscribe(struct buf *out, uint16_t id, const char *const *filters, int qos);
void mqtt_write_puback(struct buf *out, uint16_t id);

/* What stands in front of a payload of this size. `id` counts with QoS 1. */
enum { MQTT_HEAD_MAX = 160 };
size_t mqtt_write_head(char out[MQTT_HEAD_MAX], const char *topic, size_t payload, int qos,
                       bool retain, uint16_t id);

#endif
