/* SUBSCRIBE packets whose SUBACK is still to come, so that a refused filter can be named.
 * Threads: the loop's. */
#ifndef SIGBRIDGE_IO_MQTT_SUBS_H
#define SIGBRIDGE_IO_MQTT_SUBS_H

#include "base/list.h"

#include <stddef.h>

struct mqtt_sub {
    struct link at;
    int mid;
    size_t count;
    char *filters[]; /* copies */
};

struct mqtt_subs {
    struct link waiting;
};

void mqtt_subs_init(struct mqtt_subs *s);
void mqtt_subs_release(struct mqtt_subs *s); /* forgets all; usable after it */
/* Copies the filters. NULL: no memory. The caller sets `mid`. */
struct mqtt_sub *mqtt_subs_add(struct mqtt_subs *s, const char *const *filters, size_t count);
struct mqtt_sub *mqtt_subs_by_mid(const struct mqtt_subs *s, int mid); /* or NULL */
void mqtt_subs_drop(struct mqtt_sub *sub);                             /* NULL is fine */

#endif
