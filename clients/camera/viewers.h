/* Everyone who watches: one session per viewer and call, what arrives before its session exists,
 * and the end of those that vanish.
 *
 * Threads: the main loop's thread. */
#ifndef CAMERA_VIEWERS_H
#define CAMERA_VIEWERS_H

#include <stdbool.h>
#include <stddef.h>

#include "feed.h"
#include "ice.h"
#include "options.h"
#include "session.h"

struct viewers;

/* How to tell a viewer something; call "" is the default call. */
struct viewers_out {
    void (*description)(void *user, const char *peer, const char *call, bool offer,
                        const char *sdp);
    void (*candidate)(void *user, const char *peer, const char *call,
                      const struct session_candidate *candidate);
    void (*bye)(void *user, const char *peer, const char *call, const char *reason);
};

/* `options`, `feed` and `ice` must outlive it; `ice` may change, for the viewers that follow. */
struct viewers *viewers_create(const struct options *options, struct feed *feed,
                               const struct ice *ice, const struct viewers_out *out, void *user);
/* Ends all calls with a bye. NULL is allowed. */
void viewers_destroy(struct viewers *v);

void viewers_offer(struct viewers *v, const char *peer, const char *call, struct text sdp);
void viewers_answer(struct viewers *v, const char *peer, const char *call, struct text sdp);
void viewers_candidate(struct viewers *v, const char *peer, const char *call,
                       const struct session_candidate *candidate);
void viewers_bye(struct viewers *v, const char *peer, const char *call);
/* The peer wants an offer from us; send: which kinds it does not refuse. */
void viewers_invite(struct viewers *v, const char *peer, const char *call,
                    const bool send[KIND_COUNT]);
/* A message did not reach the peer: its calls that never connected are over. */
void viewers_unreachable(struct viewers *v, const char *peer);

#endif
