/* What one session says to one peer in one turn of the loop travels together: one publication, one
 * PUBACK, one delivery, where the peer's presence says that it understands that. A bridge's session
 * takes whole messages (`together`), other peers candidates of one call (`bundle`). What is alone
 * goes as it is.
 *
 * The router has one bundle at a time and sends it before it does anything else: with each entry
 * but for the next message of the same session. So nothing overtakes it, and its session and peer
 * are there. Each message keeps its own delivery, so its sender gets its own answer.
 * Threads: the loop's. */
#ifndef SIGBRIDGE_CORE_BUNDLE_H
#define SIGBRIDGE_CORE_BUNDLE_H

#include "base/buf.h"
#include "core/delivery.h"
#include "proto/message.h"

struct router;

enum {
    BUNDLE_MESSAGES_MAX = 64, /* the same as ENVELOPE_CANDIDATES_MAX */
    BUNDLE_BYTES_MAX = 64 * 1024
};

enum bundle_way { BUNDLE_NONE, BUNDLE_CANDIDATES, BUNDLE_TOGETHER };

/* One message of a publication: where it stands there. */
struct bundle_part {
    uint32_t at, len;
    struct message_marks marks;
};

struct bundle {
    enum bundle_way way; /* BUNDLE_NONE: it is empty */
    struct session *session;
    struct delivery *first, *last;
    size_t count;
    struct bundle_part parts[BUNDLE_MESSAGES_MAX]; /* of BUNDLE_TOGETHER, in `items` */
    struct buf items; /* with commas between: messages, or what candidates are */
};

void bundle_init(struct bundle *b);
void bundle_release(struct bundle *b);

/* How this checked message may wait for others. */
enum bundle_way bundle_way(const struct session *s, const struct envelope *e);
/* Takes the message; d: its delivery, then the bundle's. False: no memory, nothing is taken. */
bool bundle_add(struct router *r, enum bundle_way way, const struct envelope *e,
                struct delivery *d);
void bundle_send(struct router *r);

#endif
