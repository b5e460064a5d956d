/* What a session does to become a peer (protocol sections 3 and 6): it asks, waits until the roster
 * is complete, takes the name if that is free, and publishes its presence. Threads: the loop's. */
#ifndef SIGBRIDGE_CORE_JOINING_H
#define SIGBRIDGE_CORE_JOINING_H

#include "core/router.h"

#define JOIN_WAIT_US INT64_C(30000000) /* for roster and presence to come back */

/* What a session asked for while the roster is not complete. */
struct join_request {
    uint8_t room_len, peer_len, id_len;
    char texts[]; /* room, peer, id */
};

void joining_ask(struct router *r, struct session *s, const struct envelope *e);
/* The roster that some sessions waited for may be complete now. */
void joining_roster_complete(struct router *r);
struct text joining_room(const struct session *s); /* while WATCHING */
/* The `join` that waits for its PUBACK, or NULL. */
struct delivery *joining_delivery(const struct session *s);
void joining_tick(struct router *r); /* gives up what took too long */

#endif
