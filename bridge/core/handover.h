/* A session of ours goes to another bridge, to which its client came back; takeover.h has the other
 * side and what is said between them.
 *
 * From the mark on the session is HANDING: nothing that comes for it is ours any more. What its
 * client sent is settled with the broker first, so that the order holds. Then the other bridge gets
 * all of it, and when its presence shows the session is forgotten here. If that takes longer than
 * HANDOVER_US the membership ends. Threads: the loop's. */
#ifndef SIGBRIDGE_CORE_HANDOVER_H
#define SIGBRIDGE_CORE_HANDOVER_H

#include "core/router.h"

#define HANDOVER_US INT64_C(10000000)

/* `take`, from another bridge. */
void handover_asked(struct router *r, struct text from, const struct json_member *members,
                    size_t count);
/* `forget`: what was handed over to nobody ends. With the secret its client was told that it is
 * over, and has no other one: then it ends whatever it was. */
void handover_given_up(struct router *r, struct text from, const struct json_member *members,
                       size_t count);
/* A message from `_bridge` in the inbox of a session of ours: true when it was a mark. */
bool handover_mark(struct router *r, struct session *s, struct text payload);
/* A message that was taken for the session. */
void handover_note(struct session *s, uint64_t digest);
/* One of its messages was settled. */
void handover_settled(struct router *r, struct session *s);
/* The presence of the other bridge is there. */
void handover_done(struct router *r, struct session *s, struct text via);
void handover_tick(struct router *r);
void handover_release(struct session *s); /* frees; for session_destroy() */

#endif
