/* One payload as a person, a device or a browser would hand it over, and whether the bridge would
 * take it (protocol, "What is checked"). It decides nothing itself: the rules are proto's.
 *
 *   offer, answer   an RTCSessionDescription as JSON, or bare SDP
 *   candidate       an RTCIceCandidateInit as JSON, `null`, or a bare candidate line
 *   message         one whole message; `side` says who wrote it
 *   presence        a device's presence object
 *
 * A provisional answer ("pranswer") counts as an answer; a rollback carries nothing to check and is
 * refused. What begins with { after white space is JSON, anything else is bare.
 *
 * Threads: pure function; scratch holds the unescaped SDP. */
#ifndef SIGBRIDGE_APP_CHECK_PAYLOAD_H
#define SIGBRIDGE_APP_CHECK_PAYLOAD_H

#include "base/problem.h"
#include "proto/envelope.h"

#include <stddef.h>

enum payload_kind {
    PAYLOAD_OFFER,
    PAYLOAD_ANSWER,
    PAYLOAD_CANDIDATE,
    PAYLOAD_MESSAGE,
    PAYLOAD_PRESENCE
};

/* The largest JSON text, as for a WebSocket message with the default limits. */
enum { PAYLOAD_MAX_BYTES = 262144 };

/* STATUS_OK: accepted. Else why it is refused. `scratch` has PAYLOAD_MAX_BYTES bytes. */
enum status payload_check(enum payload_kind kind, enum msg_side side, const char *bytes, size_t len,
                          char *scratch, struct problem *why);

#endif
