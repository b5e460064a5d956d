/* Handshakes between the pairs of a world: the caller sends its offer and eight candidates, the
 * callee answers the offer with its answer and eight candidates, and it has ended when both have
 * all nine. */
#ifndef LOAD_HANDSHAKE_H
#define LOAD_HANDSHAKE_H

#include "delay.h"
#include "histogram.h"
#include "world.h"

enum { UNDER_WAY_MAX = 64 }; /* handshakes of one pair at the same time */

struct pair {
    struct session *caller, *callee;
    uint32_t started, ended;
    uint64_t
        planned_ns[UNDER_WAY_MAX]; /* when it was to begin, by its number modulo UNDER_WAY_MAX */
};

struct handshakes {
    struct world *world;
    struct pair *pairs;
    uint32_t count;
    uint64_t started, ended;
    bool recording;
    struct histogram
        times; /* from the planned time to the end, of those that end while recording */
    void (*on_end)(struct handshakes *h, struct pair *pair); /* may start the next one; or NULL */
    struct delay pace; /* senders whose next candidate is due later */
};

/* Makes the world as well: --pairs, and behind them --idle sessions, in rooms of --room-size. */
void handshakes_init(struct handshakes *h, struct world *world, const struct options *options,
                     const struct candidate *candidate);
void handshakes_close(struct handshakes *h); /* closes the world, too */

/* False, and the run has failed: too many of this pair are under way. */
bool handshake_start(struct handshakes *h, struct pair *pair, uint64_t planned_ns);

/* world_turn() that also sends what is paced. */
void handshakes_turn(struct handshakes *h, uint64_t until_ns);

/* Waits until all that were started have ended; false when they have not after `seconds`. */
bool handshakes_drain(struct handshakes *h, double seconds);

#endif
