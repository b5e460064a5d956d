/* One connection: bytes in, frames to the others of its room, bytes out. It owns its socket and
 * buffers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct room;

struct member {
    int fd;
    bool dead;           /* its turn of the loop frees it */
    bool unsent;         /* on the list of those that have something to write */
    bool blocked;        /* its socket is full: epoll says when it is not any more */
    struct room *room;   /* NULL: not upgraded yet */
    size_t place;        /* in the room */
    unsigned char *held; /* the beginning of a frame or of the request */
    size_t held_len;
    unsigned char *out; /* not written yet: from out_at to out_len */
    size_t out_at, out_len, out_capacity;
    struct member *next_unsent, *next_dead;
};

enum {
    MEMBER_OUT_MAX = 8 << 20, /* bytes that may wait for a reader; beyond it is cut off */
};

/* Of a socket that is connected and does not block. Owns it, also when NULL is returned: no memory.
 */
struct member *member_create(int fd);
void member_destroy(struct member *m);

/* Reads once, and passes on what is whole. True: there may be more to read. */
bool member_read(struct member *m);

/* Writes what waits. */
void member_write(struct member *m);

/* Writes to all for whom something came in this turn of the loop, each with one write. */
void member_write_all(void);

/* Of those that have died since the last call, one after the other; NULL: no more. */
struct member *member_next_dead(void);
