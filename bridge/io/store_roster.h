/* What the history will show once the queue is written, and what is missing from it: so that the
 * store tells the truth about who is present even after it had to drop events, or to begin a new
 * file because the old one is damaged.
 *
 * Each peer with an open membership has an entry with its last state. When an event of a peer finds
 * the queue full, its entry becomes unsettled until the queue has room for its state. A peer that
 * joined and left in the meantime, unrecorded, leaves nothing behind.
 *
 * Bound: one entry per peer that is present, and one per peer that left while the queue was full;
 * each about 150 bytes and its texts. Settling goes before new events, so that the latter are at
 * most as many as the former.
 *
 * Threads: under the store's mutex. */
#ifndef SIGBRIDGE_IO_STORE_ROSTER_H
#define SIGBRIDGE_IO_STORE_ROSTER_H

#include "base/list.h"
#include "base/map.h"
#include "io/store_queue.h"

struct store_roster {
    struct map peers;       /* room NUL peer -> struct roster_peer */
    struct link unsettled;  /* oldest first */
    size_t unsettled_count; /* members of the list */
    bool swept;             /* there was a STORE_SWEEP */
    bool sweep_waits;       /* a STORE_SWEEP that must not overtake the unsettled */
    int64_t sweep_at_ms;
};

void store_roster_init(struct store_roster *r);
void store_roster_release(struct store_roster *r);

/* Puts the event into the queue and notes it; or, when it is full, notes what is missing. False:
 * dropped. A sweep is never dropped, it waits. */
bool store_roster_push(struct store_roster *r, struct store_queue *q, const struct store_event *e);

/* Moves at most `max` unsettled states into the queue, as far as it has room. */
void store_roster_settle(struct store_roster *r, struct store_queue *q, size_t max);

/* Another file knows nobody, or others: everybody who is present becomes unsettled, and a sweep
 * follows if there was one. */
void store_roster_begin_anew(struct store_roster *r, int64_t now_ms);

#endif
