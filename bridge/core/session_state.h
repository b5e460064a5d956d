/* What of a session goes to another bridge, beside what its client missed: numbers, the order of
 * offers and answers, ids, what came last, what its token allows. The fields are described in
 * takeover.h. Threads: the loop's. */
#ifndef SIGBRIDGE_CORE_SESSION_STATE_H
#define SIGBRIDGE_CORE_SESSION_STATE_H

#include "core/router.h"

/* Adds the fields to r->out. */
void session_state_put(struct router *r, const struct session *s);
/* Reads them into a session that has nothing of the kind yet. False: something is missing, wrong,
 * or not allowed here; the session is to be given up. */
bool session_state_read(struct router *r, struct session *s, const struct json_member *m, size_t n);

/* A field of digests. */
void session_state_put_digests(struct buf *b, const char *name, const uint64_t *digests,
                               size_t count);

#endif
