/* Reads one ICE candidate as endpoints send it: RFC 8839 section 5.1, the TCP types of RFC 6544
 * section 4.5, mDNS names in the place of the address, extension attributes. It says what the
 * candidate is and judges nothing: whether it may pass is the policy's business.
 *
 * Spans point into the caller's bytes. Threads: pure functions, no allocation, linear time. */
#ifndef SIGBRIDGE_PROTO_CANDIDATE_H
#define SIGBRIDGE_PROTO_CANDIDATE_H

#include "base/problem.h"
#include "base/text.h"
#include "proto/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest candidate string seen from a real endpoint has 138 bytes; two full IPv6 addresses and
 * every extension in use stay below 250. */
#define CANDIDATE_MAX_BYTES      512
#define CANDIDATE_MAX_FOUNDATION 32  /* RFC 8839 section 5.1: foundation = 1*32ice-char */
#define CANDIDATE_MAX_COMPONENT  256 /* RFC 8839 section 5.1: between 1 and 256 */
/* A mid is one token (RFC 5888 section 4). RFC 9143 asks for three bytes or less where it travels
 * in RTP, Chromium stops at 16, older SDP used whole words. */
#define CANDIDATE_MAX_MID   64
#define CANDIDATE_MAX_INDEX 65535 /* unsigned short in RTCIceCandidateInit */
#define CANDIDATE_MIN_UFRAG 4     /* RFC 8839 section 5.4: ice-ufrag is 4*256ice-char */
#define CANDIDATE_MAX_UFRAG 256

enum candidate_transport {
    CANDIDATE_UDP,
    CANDIDATE_TCP,
    CANDIDATE_TRANSPORT_OTHER /* a token that we do not know, "ssltcp" among them */
};

enum candidate_type {
    CANDIDATE_HOST,
    CANDIDATE_SRFLX,
    CANDIDATE_PRFLX,
    CANDIDATE_RELAY,
    CANDIDATE_TYPE_OTHER /* a token that we do not know (RFC 8839 section 5.1 leaves room) */
};

enum candidate_tcptype {
    CANDIDATE_TCPTYPE_NONE, /* not said; older endpoints leave it out */
    CANDIDATE_TCPTYPE_ACTIVE,
    CANDIDATE_TCPTYPE_PASSIVE,
    CANDIDATE_TCPTYPE_SO
};

struct candidate {
    struct text value; /* all of it, without the prefix, trailing spaces and the line end */
    struct text foundation;
    unsigned component; /* 1 to CANDIDATE_MAX_COMPONENT */
    enum candidate_transport transport;
    uint32_t priority;
    struct address address;
    uint16_t port; /* 0: none (active TCP) */
    enum candidate_type type;
    bool has_raddr, has_rport;
    struct address raddr; /* only when has_raddr; ADDRESS_NONE: what stands there is no address */
    uint16_t rport;       /* only when has_rport */
    struct text rport_text;
    enum candidate_tcptype tcptype;
    struct text ufrag; /* the extension of that name; empty: not there */
};

/* Takes the string of RTCIceCandidateInit: "candidate:…", and what endpoints make of it: with "a="
 * before it, without any prefix, with spaces or a line end after it. An empty string is refused
 * here: the caller knows it as the end of candidates.
 *
 * STATUS_OK, STATUS_INVALID_CANDIDATE or STATUS_TOO_LARGE. *out is undefined on failure. The
 * problem's line is 0, its rule begins with "candidate-". */
enum status candidate_parse(const char *s, size_t len, struct candidate *out, struct problem *why);

/* The same for what stands behind "a=candidate:" in an SDP: no prefix is taken. */
enum status candidate_parse_value(struct text value, struct candidate *out, struct problem *why);

/* The other members of RTCIceCandidateInit, where they are strings. Both may be empty: an empty mid
 * is what endpoints send for a section without one, an empty usernameFragment is what browsers make
 * of a missing one. sdpMLineIndex: a number up to CANDIDATE_MAX_INDEX. Unless the candidate is the
 * end of candidates, mid or index must be there (WebRTC, addIceCandidate). */
bool candidate_mid_ok(struct text mid);
bool candidate_ufrag_ok(struct text ufrag);

/* RFC 8839 section 5.4: ALPHA / DIGIT / "+" / "/". */
bool candidate_is_ice_char(char c);

#endif
