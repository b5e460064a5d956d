/* Being a peer, leaving and being replaced (protocol sections 3 and 6). How a session becomes one:
 * joining.h. The broker decides: a session has joined when its presence comes back. */
#ifndef SIGBRIDGE_CORE_MEMBERSHIP_H
#define SIGBRIDGE_CORE_MEMBERSHIP_H

#include "core/router.h"

void membership_update(struct router *r, struct session *s, const struct envelope *e);
/* Ends it, whatever state it is in; afterwards the session is IDLE. reason: a static word. The
 * PUBACK for the cleared presence is owed to `id` when that is not empty. */
void membership_leave(struct router *r, struct session *s, const char *reason, struct text id);
/* The presence stands with somebody else's name on it: ends it without touching the broker's. */
void membership_replaced(struct router *r, struct session *s);
/* The same where nobody lost anything: it is another bridge's, or still is. */
void membership_forget(struct router *r, struct session *s);

/* The session is the peer's from now on; what is sent to it comes to this bridge. */
void membership_attach(struct router *r, struct session *s, struct peer *p);
/* Taken over, in all its state: a member of this bridge. */
void membership_resumed(struct router *r, struct session *s);

/* `meta` as it may have it: what it asks for, and what its token says. */
enum status membership_set_meta(struct router *r, struct session *s, const struct envelope *e,
                                struct problem *why);
/* In one of the router's timer lists, at the end. */
void membership_wait(struct session *s, struct link *list, int64_t deadline_us);
/* The session's own presence came back. */
void membership_arrived(struct router *r, struct session *s);
/* Publishes the presence again: in time before it expires, after a reconnect, when it was cleared.
 */
enum status membership_publish(struct router *r, struct session *s, struct delivery *d);
void membership_subscribe_all(struct router *r);
void membership_tick(struct router *r);

#endif
