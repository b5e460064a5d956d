/* Whether a broker that owes us an answer is still there.
 *
 * The keepalive tells only that it answers pings, and takes up to twice its time. A broker that
 * owes a PUBACK or SUBACK and lets nothing at all be seen for MQTT_ALIVE_US has stopped, or its
 * line is gone: the connection is given up and begun anew. Anything counts as a sign of life: a
 * message, an answer to something else, and that the kernel gets rid of what we sent, so that a
 * line may be as slow as it likes.
 *
 * That is why TCP_USER_TIMEOUT is not set: it sees no more than this does, and nothing of a broker
 * that is frozen, whose kernel acknowledges for it. Measured: a frozen broker and a cable that is
 * out are noticed 10 to 12 s after the first message that they did not take, in silence within
 * twice the keepalive.
 *
 * Threads: plain data. Times are monotonic [us]. */
#ifndef SIGBRIDGE_IO_MQTT_ALIVE_H
#define SIGBRIDGE_IO_MQTT_ALIVE_H

#include <stdbool.h>
#include <stdint.h>

#define MQTT_ALIVE_US  INT64_C(10000000)
#define MQTT_SUBACK_US INT64_C(60000000) /* for a SUBACK, whatever else comes */

struct mqtt_alive {
    int64_t seen_us; /* the last sign of life */
    int64_t tick_us;
    int unsent;
};

void mqtt_alive_begin(struct mqtt_alive *a, int64_t now_us);
void mqtt_alive_seen(struct mqtt_alive *a, int64_t now_us);
/* Each second: how many bytes the kernel still has of what we sent. */
void mqtt_alive_tick(struct mqtt_alive *a, int unsent, int64_t now_us);
/* Since when a PUBACK and a SUBACK are owed; -1: none is. */
bool mqtt_alive_lost(const struct mqtt_alive *a, int64_t puback_us, int64_t suback_us,
                     int64_t now_us);

#endif
