/* A session over MQTT: packets in pieces, over TCP or in WebSocket frames, and not more QoS 1
 * messages under way than the broker allows. For drivers. */
#ifndef LOAD_MQTT_LINK_H
#define LOAD_MQTT_LINK_H

#include "mqtt.h"
#include "world.h"

enum { MQTT_LINK_FIRST_ID = 3 }; /* ids below are the driver's own */

struct mqtt_session {
    uint16_t next_id;
    uint16_t under_way, most; /* QoS 1 messages without PUBACK; how many the broker allows */
    bool subscribed, present; /* what joining takes, for the driver */
    struct buf part;          /* over WebSocket: what a packet has so far */
    struct buf held;          /* messages that wait for PUBACKs, each behind its length */
    size_t held_from;
};

struct mqtt_link_handlers {
    void (*up)(struct session *s); /* CONNECT may be sent */
    /* `acks` are sent when all packets that came together have been taken. */
    void (*packet)(struct session *s, const struct mqtt_packet *packet, struct buf *acks);
};

/* The TCP connection is there. */
void mqtt_link_opened(struct session *s, const struct mqtt_link_handlers *handlers);
size_t mqtt_link_bytes(struct session *s, unsigned char *bytes, size_t len,
                       const struct mqtt_link_handlers *handlers);
void mqtt_link_release(struct session *s);

/* Sends a packet; mqtt_link_put_buf() releases the buffer as well. */
void mqtt_link_put(struct session *s, const struct span *pieces, size_t count);
void mqtt_link_put_buf(struct session *s, struct buf *packet);

/* Publishes what pieces[1] and those behind it hold; pieces[0] is free for the head. */
void mqtt_link_publish(struct session *s, const char *topic, struct span *pieces, size_t count,
                       int qos);
/* A PUBACK has come for one of these; false: none was due. */
bool mqtt_link_acknowledged(struct session *s);

#endif
