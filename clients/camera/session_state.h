/* What a session is made of, for the files that implement session.h: session.c has its life and its
 * candidates, negotiation.c the descriptions. Nobody else includes this.
 *
 * Threads: the main loop's thread. */
#ifndef CAMERA_SESSION_STATE_H
#define CAMERA_SESSION_STATE_H

#include "choice.h"
#include "remote.h"
#include "session.h"
#include "track.h"

/* A description that is kept: its text, and what was read in it. */
struct description {
    char *sdp;
    struct remote read;
};

struct session {
    struct session_config config;
    struct webrtc *webrtc;
    int64_t begin_us;
    bool connected;
    /* negotiation */
    bool offers;                /* our side made the first offer */
    struct description *local;  /* webrtcbin's description; changed by an ICE restart */
    struct description *remote; /* the viewer's latest */
    struct choice choice;
    unsigned section[KIND_COUNT]; /* where a chosen track stands in `local` */
    uint64_t id, version;         /* of our answers' o= lines */
    char *own_ufrag, *own_pwd;    /* what `local` points to after an ICE restart */
    struct track tracks[KIND_COUNT];
    uint32_t ssrc[KIND_COUNT];
    /* candidates */
    bool remote_set;     /* webrtcbin may have the viewer's */
    unsigned candidates; /* of the viewer, used */
    unsigned hidden;     /* mDNS names among the viewer's: not used */
    GQueue early;        /* char *: the viewer's, from before remote_set; "": there are no more */
    GPtrArray *own;      /* char *: ours; NULL: there are no more */
};

/* ---- negotiation.c ---- */

/* The section of the viewer's description that carries the transport: the first we send in. */
const struct remote_media *session_transport(const struct session *s);
/* webrtcbin made its description: it goes to the viewer. */
void session_described(struct session *s, const char *sdp);
void session_forget_descriptions(struct session *s);

/* ---- session.c ---- */

/* Hands webrtcbin the candidates that stand in the viewer's description, and those that waited. */
void session_take_candidates(struct session *s);
void session_send_candidate(struct session *s, const char *line);
void session_over(struct session *s, const char *reason);

#endif
