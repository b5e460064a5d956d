/* Tells messages that the broker sends once more from those that it sends for the first time.
 *
 * A PUBACK that is lost with its connection makes a broker that kept our session send the message
 * again, and libmosquitto passes it on without its DUP flag. MQTT 5 4.4 has the broker repeat, at
 * once after CONNACK, what had no PUBACK, in order and under the packet identifiers of before. As
 * we acknowledge in order too, that is a run at the end of what we had, followed by what we never
 * saw.
 *
 * Found so in mosquitto 2.0.11 (broker_again.test.mjs): with the PUBACKs swallowed and the
 * connection cut, it sends exactly those messages again, with DUP, their packet identifiers and the
 * RETAIN flag of the first time, before its SUBACKs; what came meanwhile follows, and its
 * identifiers go on counting. A mosquitto that was killed goes on from what it had saved:
 * identifiers may come again with other content.
 *
 * So a message is a repetition when identifier, topic, payload and RETAIN are those of one of the
 * last ones, and each further one when it is like one after that. The first that is not ends it; so
 * does the first SUBACK, because what a subscription brings may be like what an earlier one
 * brought, and is wanted. What remains possible: a broker that goes on from the same file for the
 * second time gives a new message the identifier that the same message had then, before its first
 * SUBACK. That is the bridge's own status, as a rule.
 *
 * Memory: 8 bytes for each of MQTT_AGAIN_MAX messages. Threads: one owner. */
#ifndef SIGBRIDGE_IO_MQTT_AGAIN_H
#define SIGBRIDGE_IO_MQTT_AGAIN_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As many as a broker may have on the way to us: the Receive Maximum that we announce. */
enum { MQTT_AGAIN_MAX = 65535 };

struct mqtt_again {
    uint64_t *ring; /* digests, the newest before `end` */
    size_t end;
    size_t count;
    size_t left; /* how many of the newest are still to be repeated, once `found` */
    bool comparing;
    bool found;
};

bool mqtt_again_init(struct mqtt_again *a); /* false: no memory */
void mqtt_again_release(struct mqtt_again *a);

/* A connection begins, with the session that the broker kept or with a new one. */
void mqtt_again_up(struct mqtt_again *a, bool kept);
/* The broker has answered what we asked on this connection: nothing from here on is repeated. */
void mqtt_again_over(struct mqtt_again *a);
/* Of each message with QoS 1 as it comes: true when we had it. Otherwise it is remembered. */
bool mqtt_again_had(struct mqtt_again *a, uint16_t id, const char *topic, struct text payload,
                    bool retain);

#endif
