/* The order of offer and answer, as one session sees it (RFC 3264; protocol, "Order").
 *
 * An offer waits for its answer, per other peer, call and direction. Glare is allowed: both may
 * wait at the same time. A renewed offer replaces the older one. An answer passes only when an
 * offer waits the other way, and clears both.
 *
 * At most CALL_MAX offers wait per session; the oldest is forgotten when one more comes. A session
 * that never called costs one pointer. Threads: one owner. */
#ifndef SIGBRIDGE_CORE_CALL_H
#define SIGBRIDGE_CORE_CALL_H

#include "base/status.h"
#include "base/text.h"

#include <stdbool.h>

enum { CALL_MAX = 256 };

enum call_direction { CALL_OUT = 1, CALL_IN = 2 }; /* who made the offer: this session, the other */

struct call;

struct calls {
    struct call *newest; /* newest first */
    unsigned count;
};

void calls_init(struct calls *c);
void calls_release(struct calls *c);

/* STATUS_OK or STATUS_NO_MEMORY (then the offer is not noted). */
enum status calls_offer(struct calls *c, struct text peer, struct text call,
                        enum call_direction made);
/* Does an offer made in that direction wait for its answer? */
bool calls_waiting(const struct calls *c, struct text peer, struct text call,
                   enum call_direction made);
/* The offer made in that direction did not get through: only it waits no more. */
void calls_withdraw(struct calls *c, struct text peer, struct text call, enum call_direction made);
/* An answer passed, or the call ended: nothing waits any more, in either direction. */
void calls_clear(struct calls *c, struct text peer, struct text call);
/* Each call once, the newest first, for another bridge that is to know them. */
void calls_each(const struct calls *c,
                void (*each)(void *arg, struct text peer, struct text call, unsigned waiting),
                void *arg);

#endif
