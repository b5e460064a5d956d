/* What one published message still owes its sender: an `ack`, or an error.
 *
 * Made when a session's message goes to the bus; ended exactly once by router_published(), or with
 * the bus. A session that ends earlier orphans it. Threads: the loop's. */
#ifndef SIGBRIDGE_CORE_DELIVERY_H
#define SIGBRIDGE_CORE_DELIVERY_H

#include "base/list.h"
#include "base/text.h"
#include "proto/envelope.h"

#include <stdint.h>

struct session;

struct delivery {
    struct session *session; /* NULL: it ended meanwhile, or the message is the bridge's */
    struct delivery *with;   /* of the next message that travels in the same publication */
    struct echo *echo;       /* of the publication whose first one it is; NULL: none is kept */
    struct link in_session;
    int64_t started_us;
    enum msg_type type;
    uint8_t id_len, to_len, call_len;
    char texts[]; /* id, to, call */
};

struct delivery *delivery_create(struct session *s, enum msg_type type, struct text id,
                                 struct text to, struct text call, int64_t now_us);
void delivery_destroy(struct delivery *d);
void delivery_orphan(struct delivery *d);

struct text delivery_id(const struct delivery *d);
struct text delivery_to(const struct delivery *d);
struct text delivery_call(const struct delivery *d);

#endif
