/* What came last for a session or a room, as digests, so that a message which comes again is
 * recognized: MQTT's QoS 1 delivers at least once. Only for messages that say which one they are
 * (`id` or `sent`); others may be meant twice.
 *
 * Remembers the last 64 at least, and where more came within a minute as many as that, up to
 * SEEN_MAX. Costs one pointer until the first one comes. Threads: one owner. */
#ifndef SIGBRIDGE_CORE_SEEN_H
#define SIGBRIDGE_CORE_SEEN_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SEEN_MIN = 64, SEEN_MAX = 4096 };

#define SEEN_US INT64_C(60000000)

struct seen_ring;

struct seen {
    struct seen_ring *ring;
};

void seen_init(struct seen *s);
void seen_release(struct seen *s);

uint64_t seen_digest(struct text from, struct text payload); /* never 0 */
/* True: it came before. Else it is remembered; without memory it just is not. */
bool seen_before(struct seen *s, uint64_t digest, int64_t now_us);
/* The last ones, for another bridge; how many. */
size_t seen_list(const struct seen *s, uint64_t *out, size_t max);

#endif
