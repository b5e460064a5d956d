/* Says whether a WebRTC session description is sound: the grammar of RFC 8866 as real endpoints use
 * it, and what every media section in use must have: ICE credentials (RFC 8839), a DTLS fingerprint
 * with an allowed hash (RFC 8122) and, in an answer, a setup role (RFC 8842). Unknown attributes,
 * media types and transports pass: the endpoint behind us judges them.
 *
 * The description is only read. Nothing is allocated, nothing recurses, each line is looked at
 * once; the time is linear in its length. Threads: pure functions. Stack: some 16 KiB with the
 * default bounds (SDP_MAX_SECTIONS).
 *
 * Bounds are a size limit each: past one of them the answer is STATUS_TOO_LARGE. They come from
 * what real endpoints sent (largest seen in brackets) and leave room for more. Firmware may set a
 * smaller SDP_MAX_SECTIONS on the compiler's command line. */
#ifndef SIGBRIDGE_PROTO_SDP_H
#define SIGBRIDGE_PROTO_SDP_H

#include "base/problem.h"

#include <stddef.h>

#define SDP_MAX_BYTES 200000 /* the protocol's limit [121 kB: 30 sections with all candidates] */
#define SDP_MAX_LINE                                                                               \
    4096 /* bytes [304: a BUNDLE group of 100]; H.265 parameter sets and identity                  \
            assertions are longer */
#define SDP_MAX_LINES 8192 /* [3428: 60 video sections] */
#ifndef SDP_MAX_SECTIONS
#define SDP_MAX_SECTIONS 256 /* m= lines [100] */
#endif
#define SDP_MAX_SECTION_LINES 1024 /* in one media section, or before the first one [176] */
#define SDP_MAX_CANDIDATES    256 /* in one media section [21]; a host with many networks has more */
#define SDP_MAX_FORMATS       128 /* on one m= line [34]; RTP has 128 payload types */
#define SDP_MAX_BUNDLES       16  /* BUNDLE groups [1] */
#define SDP_MAX_TAGS          (2 * SDP_MAX_SECTIONS) /* in all BUNDLE groups together [100] */
#define SDP_MAX_WORD          255                    /* bytes of one field of o= [40] */

/* A "pranswer" is checked as an answer: JSEP (RFC 8829 section 5.3) builds it by the same rules.
 * What differs is the order of messages: it leaves the offer waiting. A "rollback" has no
 * description. */
enum sdp_kind { SDP_OFFER, SDP_ANSWER };

/* STATUS_OK, STATUS_INVALID_SDP or STATUS_TOO_LARGE. On refusal *why (may be NULL) has the line,
 * counted from 1 (0: it is about no line), the rule, whose name begins with "sdp-" or, for a
 * candidate line, "candidate-", and a sentence that says what to do. The sentence quotes nothing
 * from the description, so no password either.
 *
 * A description without a final line end is taken, and so are empty lines behind t=. Firefox takes
 * them too, Chromium does not: whoever writes the description anew mends both. */
enum status sdp_check(enum sdp_kind kind, const char *sdp, size_t len, struct problem *why);

#endif
