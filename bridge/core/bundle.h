/* Candidates that one session sends to one peer in one turn of the loop travel together, as
 * `candidates`, where the peer's presence says `bundle`. A single one goes as it is.
 *
 * The router has one bundle at a time and sends it before it does anything else: with each entry
 * but for the next message of the same session. So nothing overtakes it, and its session and peer
 * are there. Each candidate keeps its own delivery, so each sender's message its own answer.
 * Threads: the loop's. */
#ifndef SIGBRIDGE_CORE_BUNDLE_H
#define SIGBRIDGE_CORE_BUNDLE_H

#include "base/buf.h"
#include "core/delivery.h"

struct router;

enum { BUNDLE_BYTES_MAX = 16 * 1024 }; /* beside ENVELOPE_CANDIDATES_MAX */

struct bundle {
    struct session *session; /* NULL: it is empty */
    struct delivery *first, *last;
    size_t count;
    struct buf items; /* `,"candidates":[…`, the array's items alone */
};

void bundle_init(struct bundle *b);
void bundle_release(struct bundle *b);

/* May this message travel with others at all? */
bool bundle_takes(const struct session *s, const struct envelope *e);
/* Takes a checked candidate. d: its delivery, then the bundle's. False: no memory, nothing is
 * taken. */
bool bundle_add(struct router *r, const struct envelope *e, struct delivery *d);
void bundle_send(struct router *r);

#endif
