/* One viewer's call: negotiation, candidates, tracks, and when it is over.
 *
 *     we answer:   session_create(), session_offer()            -> on.description, on.candidate...
 *     we offer:    session_create(), session_invite()           -> on.description, on.candidate...
 *                  session_answer()
 *     both:        session_candidate() at any time              -> on.connected
 *
 * The handlers run on the main loop, never inside a session_* function, except those that
 * session_renew() calls to answer. Outside of it each of them may call session_destroy().
 * on.ended comes at most once, and then nothing else does; destroy it then.
 *
 * Threads: the main loop's thread. */
#ifndef CAMERA_SESSION_H
#define CAMERA_SESSION_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/problem.h"
#include "feed.h"
#include "webrtc.h"

struct session;

/* An ICE candidate of ours or of a viewer, with what it belongs to. */
struct session_candidate {
    const char *line;  /* "candidate:..."; NULL: there are no more */
    const char *mid;   /* of the media section; "": not said */
    int mline;         /* the same as a number; -1: not said */
    const char *ufrag; /* of the description; "": not said */
};

struct session_handlers {
    void (*description)(void *user, bool offer, const char *sdp);
    void (*candidate)(void *user, const struct session_candidate *candidate);
    void (*connected)(void *user, const char *codec);
    void (*ended)(void *user, const char *reason);
};

struct session_config {
    struct feed *feed;
    bool send[KIND_COUNT];
    enum codec prefer;
    int64_t connect_timeout_us;
    struct webrtc_config webrtc; /* only read in session_create() */
    struct session_handlers on;
    void *user;
};

/* NULL, with a sentence in *why (g_free() it), when GStreamer cannot. */
struct session *session_create(const struct session_config *config, int64_t now_us, char **why);
void session_destroy(struct session *session); /* NULL is allowed */

/* Makes an offer of our own. False: GStreamer cannot. */
bool session_invite(struct session *session);
/* True while an offer of ours waits for its answer. */
bool session_awaits_answer(const struct session *session);
/* The viewer's answer to it. Not OK: the session is of no use any more, *why says it to the viewer.
 */
enum status session_answer(struct session *session, const char *sdp, size_t len,
                           struct problem *why);

/* The viewer's first offer. As session_answer(). */
enum status session_offer(struct session *session, const char *sdp, size_t len,
                          struct problem *why);
/* A later offer of the same viewer and call: a browser adds a section, pauses the video, restarts
 * ICE. It is answered at once when what we send and its DTLS association stay as they are. */
enum session_renewal {
    SESSION_RENEWED,   /* answered */
    SESSION_OTHER,     /* it comes from another connection of the viewer: begin a new session */
    SESSION_IMPOSSIBLE /* the same connection, but a change that the camera cannot make */
};
enum session_renewal session_renew(struct session *session, const char *sdp, size_t len);

/* One of the viewer's, at any time after session_create(). */
void session_candidate(struct session *session, const struct session_candidate *candidate);
/* False: a candidate with this ufrag belongs to another, perhaps later, description. */
bool session_knows(const struct session *session, const char *ufrag);

/* To be called about once a second: the reason why it is over, or NULL. */
const char *session_check(struct session *session, int64_t now_us);

#endif
