/* Joining, leaving and being replaced: what a session does to become a peer and to stop being one
 * (protocol sections 3 and 6). The broker decides: a session has joined when its presence comes
 * back. */
#ifndef SIGBRIDGE_CORE_MEMBERSHIP_H
#define SIGBRIDGE_CORE_MEMBERSHIP_H

#include "core/router.h"

#define JOIN_WAIT_US INT64_C(30000000) /* for roster and presence to come back */

/* What a session asked for while the roster is not complete. */
struct join_request {
    uint8_t room_len, peer_len, id_len;
    char texts[]; /* room, peer, id */
};

void membership_join(struct router *r, struct session *s, const struct envelope *e);
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

/* The roster that some sessions waited for may be complete now. */
void membership_roster_complete(struct router *r);
/* The session's own presence came back. */
void membership_arrived(struct router *r, struct session *s);
/* Publishes the presence again: in time before it expires, after a reconnect, when it was cleared.
 */
enum status membership_publish(struct router *r, struct session *s, struct delivery *d);
void membership_subscribe_all(struct router *r);
void membership_tick(struct router *r);

#endif
