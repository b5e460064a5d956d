/* Writes descriptions from what remote.h understood.
 *
 * Towards webrtcbin goes a description with only the sections and payload types that are in use, so
 * that it neither has to choose nor meets what it does not know. Towards the viewer goes an answer
 * with all of its sections in their order, those that we do not serve rejected; or an offer without
 * what webrtcbin says twice or says and does not do.
 *
 * The caller asks buf_ok() afterwards. Threads: pure functions. */
#ifndef CAMERA_REWRITE_H
#define CAMERA_REWRITE_H

#include <stdint.h>

#include "base/buf.h"
#include "choice.h"
#include "remote.h"

enum rewrite_role {
    REWRITE_OFFER, /* the viewer's offer: only the chosen sections, video first */
    REWRITE_ANSWER /* the viewer's answer to us: all sections, the others with port 0 */
};

void rewrite_for_webrtc(const struct remote *remote, const struct choice *choice,
                        enum rewrite_role role, struct buf *out);

/* Our side of the transport, as webrtcbin described it, and what names this answer. */
struct rewrite_local {
    const struct remote *read; /* its description */
    struct text sdp;           /* the same as text */
    const unsigned *section;   /* [KIND_COUNT]: the section in it of each track that is sent */
    uint64_t session;          /* o=: the same for all answers of one session */
    uint64_t version;          /* o=: rises with each answer (RFC 8829 section 5.3.2) */
};

/* Our own offer, with every codec that webrtcbin's has. `section` does not count. */
void rewrite_offer(const struct rewrite_local *local, struct buf *out);

/* The answer to `offer`. A track whose section no longer receives becomes inactive. */
void rewrite_answer(const struct remote *offer, const struct choice *choice,
                    const struct rewrite_local *local, struct buf *out);

#endif
