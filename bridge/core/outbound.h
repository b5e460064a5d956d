/* From a session to the broker: invite, offer, answer, candidate, bye, message, sealed. */
#ifndef SIGBRIDGE_CORE_OUTBOUND_H
#define SIGBRIDGE_CORE_OUTBOUND_H

#include "core/router.h"

void outbound_forward(struct router *r, struct session *s, struct envelope *e);
/* What became of it, and of all that travelled with it. */
void outbound_published(struct router *r, struct delivery *d, enum status status, bool found);
/* The same for what the bus did not take, for this reason. */
void outbound_unsent(struct router *r, struct delivery *d, enum status status);
/* The `sent` of its next message: it rises with each one, whatever the clock does, so that who gets
 * the same one twice can tell. */
uint64_t outbound_stamp(const struct router *r, struct session *s);

#endif
