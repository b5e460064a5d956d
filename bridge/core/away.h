/* Sessions whose socket dropped: they keep their membership for the resume window, and the frames
 * that their clients may not have (protocol, section 7). And how it is known what a client has: it
 * answers a ping that was written behind a frame.
 *
 * Bounds: resume window, replay buffer, sessions away of one address and in all; past one of them
 * the membership ends. Threads: the loop's. */
#ifndef SIGBRIDGE_CORE_AWAY_H
#define SIGBRIDGE_CORE_AWAY_H

#include "core/router.h"

/* Its socket is gone. True: the membership stays; false: it is to be ended. */
bool away_begin(struct router *r, struct session *s);
/* It has a socket again, or ends. */
void away_end(struct router *r, struct session *s);

/* Keeps a numbered frame, where sessions may come back. */
void away_keep(struct router *r, struct session *s, struct frame *f);
/* A frame could not be made: who has not got all up to now cannot come back. */
void away_broken(struct session *s);
/* The client has read what bears this mark (frame.h). */
void away_confirmed(struct session *s, uint64_t mark);
void away_tick(struct router *r);

#endif
