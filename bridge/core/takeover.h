/* A session that another bridge holds comes to this one (protocol, section 7). The other side is
 * handover.h.
 *
 * On {prefix}/bridges/{other}/in/{me} we ask:
 *     {"type":"take","ask":N,"sid":…,"secret":…,"seq":M}    M: the last frame that its client has
 * and on our own inbox we hear one of
 *     {"type":"refused","ask":N}
 *     {"type":"later","ask":N}                              it is on its way between two bridges
 *     {"type":"moved","ask":N,"to":BRIDGE}                  ask that one
 *     {"type":"granted","ask":N,"room":…,"peer":…}
 * Then we subscribe as the peer, and publish to its inbox, from `_bridge`, the mark
 *     {"type":"takeover","ask":N,"by":ME}
 * What the broker brings in front of the mark is the other bridge's to deliver, what comes behind
 * it ours: it waits here until we have the rest:
 *     {"type":"knows","ask":N,"peers":[NAME,SINCE,…]}       whom the client was told of; several
 *     {"type":"missed","ask":N}\n{…}                        one frame as it was to be sent; several
 *     {"type":"state","ask":N,"seq":…,"sent":…,"since":…,"meta"?:{…},
 *      "calls":[[PEER,CALL,WAITING],…],   WAITING: 1 its offer, 2 the peer's, 3 both
 *      "ids":[DIGEST,…],                  message ids that were acknowledged; 16 hex digits
 *      "seen":[DIGEST,…],                 what came for it last (seen.h)
 *      "taken":[DIGEST,…],                of these, what came since the grant
 *      "expires"?:MS,"claims"?:{…}}       what its token allows
 * `state` comes last and ends it: our presence with the same own part of the id takes the place of
 * the other's, which forgets the session when it sees that.
 *
 * Between brokers that are joined, what the other bridge got in front of the mark may come to us
 * behind it: that is what `taken` tells. TAKEOVER_US after the question it is over, and
 * session-expired; with `forget`, and `sid`, we say that we gave
 * up, and with `secret`, too, that its client knows. Threads: the loop's. */
#ifndef SIGBRIDGE_CORE_TAKEOVER_H
#define SIGBRIDGE_CORE_TAKEOVER_H

#include "core/router.h"

#define TAKEOVER_US INT64_C(2000000)

enum { TAKEOVER_MAX = 4096 }; /* at the same time; beyond it: 1013 */

struct takeover_wish {
    struct text bridge, run; /* run: empty where it is not known */
    struct text sid, secret;
    uint64_t seq;
    struct text id; /* of the `resume` */
};

void takeover_begin(struct router *r, struct session *s, const struct takeover_wish *wish);
/* Its client comes again, on s, while we still ask. */
void takeover_again(struct router *r, struct session *held, struct session *s, struct text secret,
                    struct text id);
/* An answer of the other bridge. members: of its first line; rest: what is behind that. */
void takeover_answer(struct router *r, struct text from, const struct json_member *members,
                     size_t count, struct text rest);
/* A message for the peer whose session is on its way. */
void takeover_hear(struct router *r, struct session *s, const struct topic *t, struct text payload);
/* The roster that it waited for may be complete now. */
void takeover_roster_complete(struct router *r);
/* Its socket dropped: does it go on all the same, because the other bridge may have let it go? */
bool takeover_goes_on(const struct session *s);
/* It is not wanted any more; the session is IDLE afterwards. */
void takeover_cancel(struct router *r, struct session *s);
void takeover_tick(struct router *r);
void takeover_release(struct session *s); /* frees; for session_destroy() */

#endif
