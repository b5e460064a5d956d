/* What a handshake consists of: an offer of about 3 KB (audio, video, data channel), an answer of 2
 * KB, and eight candidates each way, as a browser makes them. No two messages of a run are alike:
 * each carries the number of its lane and its own number in it, which lets one name what came in
 * its place.
 *
 * Payloads are JSON values as they stand in a message: a description is a string, a candidate an
 * object. */
#ifndef LOAD_PAYLOAD_H
#define LOAD_PAYLOAD_H

#include "json.h"

#include <stdint.h>

enum { EACH_WAY = 9, CANDIDATES = EACH_WAY - 1, HANDSHAKE_MESSAGES = 2 * EACH_WAY };

enum kind {
    KIND_OFFER,
    KIND_ANSWER,
    KIND_CANDIDATE,
    KIND_DATA, /* what is broadcast */
    KINDS
};

/* Who sent it, and which of all that it sent this is. In a handshake, number / EACH_WAY is the
 * handshake and number % EACH_WAY what it is in it: 0 the description, then the candidates. */
struct payload_id {
    uint32_t lane; /* below 2^20 */
    uint32_t number;
};

/* The value; it lives until the next call with the same kind. */
struct span payload_json(enum kind kind, struct payload_id id);

/* The id that is written in a payload, also in one that is damaged elsewhere. */
bool payload_read_id(struct span text, struct payload_id *id);

#endif
