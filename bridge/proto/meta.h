/* Joins what a peer says about itself with what its token says (protocol section 9): the token's
 * members count, and the peer's own stand beside them. Threads: pure. */
#ifndef SIGBRIDGE_PROTO_META_H
#define SIGBRIDGE_PROTO_META_H

#include "proto/json.h"

/* asked: the client's `meta`, or a zeroed span; trusted: a JSON object, or empty. Both were
 * checked. Appends one object, or nothing when there is none. STATUS_TOO_LARGE when it has more
 * than ENVELOPE_META_MAX bytes or 128 members on either side. */
enum status meta_merge(struct buf *out, struct json_span asked, struct text trusted,
                       struct problem *why);

#endif
