/* Publications on their way: those that wait, in order, and those that are with the broker.
 * Threads: the loop's. */
#ifndef SIGBRIDGE_IO_MQTT_QUEUE_H
#define SIGBRIDGE_IO_MQTT_QUEUE_H

#include "base/list.h"
#include "core/ports.h"

#include <stdint.h>

struct mqtt_item {
    struct link at; /* in waiting or in_flight */
    struct delivery *delivery;
    int64_t queued_us;
    size_t len;
    size_t bytes; /* what it counts against the bound */
    uint32_t expiry_s;
    int mid;
    bool retain;
    bool ours;
    const char *reason;
    const char *payload; /* behind the topic, in the same allocation */
    char topic[];
};

struct mqtt_queue {
    struct link waiting;
    struct link in_flight;
    size_t waiting_count, in_flight_count;
    size_t bytes; /* of clients' messages that wait */
    size_t bytes_max;
};

void mqtt_queue_init(struct mqtt_queue *q, size_t bytes_max);
/* Copies the publication to the end of the waiting ones. at_once: it will not wait, so the bound
 * does not count. NULL: *why says UNAVAILABLE for the bound or NO_MEMORY. */
struct mqtt_item *mqtt_queue_add(struct mqtt_queue *q, const struct publication *p, int64_t now_us,
                                 bool at_once, enum status *why);
struct mqtt_item *mqtt_queue_first(const struct mqtt_queue *q); /* the next to send, or NULL */
void mqtt_queue_sent(struct mqtt_queue *q, struct mqtt_item *i, int mid);
/* The connection broke: what was in flight waits again, in front, and as old as it is. */
void mqtt_queue_return(struct mqtt_queue *q);
struct mqtt_item *mqtt_queue_by_mid(const struct mqtt_queue *q, int mid); /* in flight, or NULL */
/* The oldest client message that waits since before then, or NULL. */
struct mqtt_item *mqtt_queue_older(const struct mqtt_queue *q, int64_t then_us);
void mqtt_queue_drop(struct mqtt_queue *q, struct mqtt_item *i); /* out of its list, freed */

#endif
