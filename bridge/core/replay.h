/* The numbered frames of a session that its client is not known to have: what it missed when it
 * comes back (protocol, section 7). Threads: the loop's. */
#ifndef SIGBRIDGE_CORE_REPLAY_H
#define SIGBRIDGE_CORE_REPLAY_H

#include "core/frame.h"

#include <stdbool.h>
#include <stddef.h>

struct replay {
    struct frame *first, *last;
    uint64_t before; /* the number of the frame in front of the first one */
    uint32_t count;
    size_t bytes;
};

/* A session whose last frame had this number, none of which is kept. */
void replay_init(struct replay *p, uint64_t seq);
void replay_release(struct replay *p);
void replay_keep(struct replay *p, struct frame *f); /* holds it, too */
/* The client has got this far: what it has is not kept any more. */
void replay_confirm(struct replay *p, uint64_t seq);
/* Forgets the oldest: a client that has not got it cannot come back. */
void replay_forget_oldest(struct replay *p);

/* Can a client that has got this far be given everything else? */
static inline bool replay_reaches(const struct replay *p, uint64_t seq)
{
    return seq >= p->before;
}

#endif
