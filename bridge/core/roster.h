/* Presence as the broker tells it: changes the registry, tells the members (many changes in one
 * frame), records the history (protocol section 5). */
#ifndef SIGBRIDGE_CORE_ROSTER_H
#define SIGBRIDGE_CORE_ROSTER_H

#include "core/router.h"

/* A message on a presence topic. retained: replayed for a new subscription, not live. */
void roster_message(struct router *r, const struct topic *t, struct text payload, bool retained,
                    struct text reason);
/* The peer is gone; reason: a static word. */
void roster_remove(struct router *r, struct peer *p, const char *reason);
/* Tells the members of a room what changed since the last time. */
void roster_flush_room(struct router *r, struct room *room);
void roster_flush(struct router *r);
void roster_mark_dirty(struct router *r, struct room *room);
/* Clears the presence of peers that promised to come back and did not. */
void roster_tick(struct router *r);
/* Publishes an empty retained presence. */
void roster_clear(struct router *r, struct text room, struct text peer, const char *reason,
                  struct delivery *d);

#endif
