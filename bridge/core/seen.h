/* The last 64 messages that came for a session or a room, as digests, so that one which comes again
 * is recognized: MQTT's QoS 1 delivers at least once. Only for messages that say which one they are
 * (`id` or `sent`); others may be meant twice. Costs one pointer until the first one comes.
 * Threads: one owner. */
#ifndef SIGBRIDGE_CORE_SEEN_H
#define SIGBRIDGE_CORE_SEEN_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

enum { SEEN_MAX = 64 };

struct seen_ring {
    unsigned next;
    uint64_t digests[SEEN_MAX]; /* 0: free */
};

struct seen {
    struct seen_ring *ring;
};

void seen_init(struct seen *s);
void seen_release(struct seen *s);

uint64_t seen_digest(struct text from, struct text payload); /* never 0 */
/* True: it came before. Else it is remembered, for the oldest; without memory it just is not. */
bool seen_before(struct seen *s, uint64_t digest);

#endif
