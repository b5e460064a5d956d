/* One text frame for one client, built once: the replay buffer that keeps it and the queue of the
 * socket that writes it share it. At most one of each holds it at a time. Threads: the loop's. */
#ifndef SIGBRIDGE_CORE_FRAME_H
#define SIGBRIDGE_CORE_FRAME_H

#include "base/text.h"

#include <stdint.h>

enum { FRAME_HEADROOM = 16 }; /* the server may write the WebSocket header in front of the bytes */

struct frame {
    struct frame *next_queued; /* the socket's queue's */
    struct frame *next_kept;   /* the replay buffer's */
    /* How far a client has got that has read it: the number of the frame, plus one. `joined` and
     * `resumed` have the mark of the frame before them. 0: it says nothing. */
    uint64_t mark;
    uint32_t len;
    uint32_t holders;
    unsigned char headroom[FRAME_HEADROOM];
    unsigned char bytes[];
};

/* With one holder, the caller. NULL: no memory. */
struct frame *frame_make(struct text head, struct text tail, uint64_t mark);
struct frame *frame_hold(struct frame *f);
void frame_release(struct frame *f); /* frees it with its last holder; NULL is fine */

static inline struct text frame_text(const struct frame *f)
{
    return text_of((const char *)f->bytes, f->len);
}

#endif
