/* SUBSCRIBE packets whose SUBACK is still to come, so that a refused filter can be named, and the
 * filters that were refused, to be tried again: a broker's rights change while we are connected.
 * Threads: the loop's. */
#ifndef SIGBRIDGE_IO_MQTT_SUBS_H
#define SIGBRIDGE_IO_MQTT_SUBS_H

#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MQTT_SUBS_REFUSED_MAX = 256, /* beyond: tried again after the next connect only */
    MQTT_SUBS_RETRY_MAX = 8      /* in one packet, for brokers that take small ones only */
};

struct mqtt_sub {
    struct link at;
    int mid;
    int64_t sent_us;
    bool again; /* it was refused before on this connection */
    size_t count;
    char *filters[]; /* copies */
};

struct mqtt_subs {
    struct link waiting; /* in the order they were sent */
    struct link refused; /* one filter each */
    size_t refused_count;
};

void mqtt_subs_init(struct mqtt_subs *s);
void mqtt_subs_release(struct mqtt_subs *s); /* forgets all; usable after it */
/* Copies the filters. NULL: no memory. The caller sets `mid`. */
struct mqtt_sub *mqtt_subs_add(struct mqtt_subs *s, const char *const *filters, size_t count);
struct mqtt_sub *mqtt_subs_by_mid(const struct mqtt_subs *s, int mid); /* or NULL */
void mqtt_subs_drop(struct mqtt_sub *sub);                             /* NULL is fine */
int64_t mqtt_subs_oldest_us(const struct mqtt_subs *s); /* sent, without SUBACK; -1: none */

void mqtt_subs_refuse(struct mqtt_subs *s, const char *filter);
void mqtt_subs_forget(struct mqtt_subs *s, const char *filter); /* nobody wants it any more */
/* Moves some that were refused into one that waits for its SUBACK, or NULL: none, or no memory. */
struct mqtt_sub *mqtt_subs_retry(struct mqtt_subs *s);

#endif
