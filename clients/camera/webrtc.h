/* One webrtcbin in a pipeline of its own: the transport to one viewer.
 *
 * webrtcbin works on threads of its own. What it reports is carried to the main loop, so that the
 * handler and all functions here run on one thread; nothing is reported after webrtc_destroy().
 *
 * Of what webrtcbin 1.22 leaves open, this does:
 *   - it compares the viewer's certificate with the fingerprint in its description (RFC 8827
 *     section 6.5), which webrtcbin does not: webrtc_peer_is();
 *   - it turns off libnice's UPnP (a camera must not open ports in a router by itself) and ICE over
 *     TCP, and turns on connectivity checks as keep-alives, so that a dead path is noticed;
 *   - it offers loopback addresses where a machine has no other.
 *
 * Threads: the main loop's thread, but for webrtc_heard_us(): any. */
#ifndef CAMERA_WEBRTC_H
#define CAMERA_WEBRTC_H

#include <gst/gst.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

struct webrtc;

struct webrtc_config {
    const char *stun;         /* "stun://host:port"; NULL: none */
    char *const *turn;        /* "turn://user:password@host:port", a NULL at the end */
    const char *const *local; /* local addresses to offer; NULL: all, or loopback if alone */
    unsigned local_count;
};

enum webrtc_event {
    WEBRTC_OFFER, /* text: our description, already set */
    WEBRTC_ANSWER,
    WEBRTC_CANDIDATE, /* text: a local candidate, "candidate:..." */
    WEBRTC_GATHERED,  /* there are no more */
    WEBRTC_CONNECTED,
    WEBRTC_FAILED /* text: why. Destroy it */
};

typedef void webrtc_handler(enum webrtc_event event, const char *text, void *user);

/* NULL, with a sentence in *why (g_free() it), when an element is missing. `on_event` may call
 * webrtc_destroy(). */
struct webrtc *webrtc_create(const struct webrtc_config *config, webrtc_handler *on_event,
                             void *user, char **why);
void webrtc_destroy(struct webrtc *w); /* NULL is allowed */

/* A media section to send in, the next one: payload formats as RTP caps, best first. resend: lost
 * packets may be asked for again (RFC 4588). */
bool webrtc_add_sender(struct webrtc *w, const char *caps, bool resend);

/* Offerer: the offer comes as an event; later the answer goes to webrtc_set_answer(). */
void webrtc_make_offer(struct webrtc *w);
bool webrtc_set_answer(struct webrtc *w, const char *sdp, size_t len);
/* Answerer: the answer comes as an event. False: not parsable. */
bool webrtc_take_offer(struct webrtc *w, const char *sdp, size_t len);

/* A remote candidate for the only transport; NULL: there are no more. */
void webrtc_add_candidate(struct webrtc *w, const char *candidate);

/* The viewer restarts ICE with a new user name and password; ours are new too then (g_free() them),
 * our candidates stay. False: impossible, nothing has changed. */
bool webrtc_restart_ice(struct webrtc *w, struct text ufrag, struct text pwd, char **own_ufrag,
                        char **own_pwd);

/* After WEBRTC_CONNECTED: does the viewer's certificate have this fingerprint? */
bool webrtc_peer_is(struct webrtc *w, struct text hash, struct text fingerprint);

/* When the viewer's last RTP or RTCP packet came, on clock_mono_us(); 0: none yet. */
int64_t webrtc_heard_us(const struct webrtc *w);

/* Puts `bin`, whose ghost pad "src" gives RTP, in front of sender `index`, and starts it. Takes the
 * floating reference. */
bool webrtc_link(struct webrtc *w, GstElement *bin, unsigned index);

#endif
