/* Reads the SDP of a viewer (an offer, or the answer to ours): which media sections it has, which
 * of our codecs it can receive and under which payload types, and the transport's credentials.
 *
 * What is kept is only what the camera understands. webrtcbin never sees the viewer's own text: it
 * asserts on much that a peer may write (a section without mid, say), so rewrite.h writes a small
 * description anew from this one.
 *
 * All texts point into the SDP that was read. Nothing is allocated. Threads: pure functions. */
#ifndef CAMERA_REMOTE_H
#define CAMERA_REMOTE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/problem.h"
#include "base/text.h"
#include "codec.h"

enum {
    REMOTE_MEDIA_MAX = 64,     /* media sections in one description */
    REMOTE_PAYLOAD_COUNT = 128 /* RTP payload types are 7 bits (RFC 3550 section 5.1) */
};

/* How one of our codecs is offered in one media section. */
struct remote_codec {
    int payload;         /* -1: not offered in a form that we can send */
    int rtx;             /* payload type of its retransmissions (RFC 4588); -1: none */
    char profile[7];     /* H.264: profile-level-id of the offer, as "42e01f"; else "" */
    bool nack, pli, fir; /* feedback that the viewer may send (RFC 4585, RFC 5104) */
};

struct remote_media {
    enum kind kind;      /* KIND_COUNT: neither video nor audio */
    struct text name;    /* of the m= line: "video" */
    struct text proto;   /* "UDP/TLS/RTP/SAVPF" */
    struct text formats; /* "96 97 102" */
    struct text mid;     /* empty: none */
    struct text ufrag, pwd;
    struct text hash; /* of the fingerprint: "sha-256" */
    struct text fingerprint;
    struct text setup; /* "actpass", "active" or "passive" */
    bool rejected;     /* port 0 and not bundle-only */
    bool bundled;      /* named in the first BUNDLE group */
    bool receives;     /* recvonly or sendrecv: we may send */
    bool rtcp_mux;
    struct remote_codec codec[CODEC_COUNT];
};

struct remote {
    bool ice_lite;
    struct text bundle; /* the mids of the first BUNDLE group, separated by spaces */
    unsigned count;
    struct remote_media media[REMOTE_MEDIA_MAX];
};

/* STATUS_INVALID_SDP with line and rule in *why: not a description that could ever carry a call.
 * That a codec is missing is not an error here; choice.h finds that. */
enum status remote_read(const char *sdp, size_t len, struct remote *out, struct problem *why);

/* The candidate lines inside a description, in order. Start with {.rest = the SDP, .mline = -1}. */
struct remote_walk {
    struct text rest;
    int mline; /* the media section that the last result stood in; -1: before the first */
};
/* False after the last one. *out is "candidate:..." without "a="; empty for end-of-candidates. */
bool remote_next_candidate(struct remote_walk *walk, struct text *out);

#endif
