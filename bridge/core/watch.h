/* Which presence the bridge subscribes to, and when it can believe its roster (protocol section 5).
 *
 * After subscribing it publishes a marker, a fence, to its own inbox. The broker sends the retained
 * presences first and the fence behind them: when the fence is back, the roster is complete, and
 * who was not seen again is gone. */
#ifndef SIGBRIDGE_CORE_WATCH_H
#define SIGBRIDGE_CORE_WATCH_H

#include "core/router.h"

/* Everything anew after a (re)connect: subscriptions, roster, our status. kept: the broker still
 * has what it held for us, so it did not begin anew. */
void watch_restart(struct router *r, bool kept);
void watch_lost(struct router *r);
/* Another bridge was heard of: all that ran before may be back. */
void watch_bridges_back(struct router *r);
void watch_tick(struct router *r); /* renews the status; says so when the roster does not come */
bool watch_complete(const struct router *r, const struct room *room);
void watch_room(struct router *r, struct room *room); /* presence.scope = rooms */
/* Looks once into a room where an earlier run left somebody, so that it is cleared. */
void watch_check(struct router *r, struct text name);
void watch_release(struct router *r, struct room *room); /* nobody of ours is in it any more */
void watch_bridge_status(struct router *r, const struct topic *t, struct text payload,
                         bool retained);
void watch_bridge_inbox(struct router *r, const struct topic *t, struct text payload);
void watch_publish_status(struct router *r, bool online);
/* The retained will of this process. */
void watch_put_status(struct buf *b, const struct router_options *o, bool online, int64_t since_ms);

#endif
