/* From a session to the broker: invite, offer, answer, candidate, bye, message, sealed. */
#ifndef SIGBRIDGE_CORE_OUTBOUND_H
#define SIGBRIDGE_CORE_OUTBOUND_H

#include "core/router.h"

void outbound_forward(struct router *r, struct session *s, struct envelope *e);
/* What became of it. */
void outbound_published(struct router *r, struct delivery *d, enum status status, bool found);

#endif
