/* Sockets and time: one epoll loop in which each socket is read once and written once for each
 * wake-up, however many messages that are. One thread. */
#ifndef LOAD_LOOP_H
#define LOAD_LOOP_H

#include "base/buf.h"

#include <netinet/in.h>

enum {
    LOOP_READ_MAX = 256 * 1024,       /* bytes of one read */
    LOOP_FRAME_MAX = 8 * 1024 * 1024, /* bytes that may wait for the rest of a frame */
    LOOP_OUT_MAX = 64 * 1024 * 1024,  /* bytes that may wait for a slow server, per socket */
};

struct conn {
    int fd; /* -1: closed */
    bool connecting, dirty, blocked;
    struct buf in;  /* what a frame has so far */
    struct buf out; /* what this wake-up has to say */
    struct conn *next_dirty;
};

struct loop;

struct loop_events {
    void (*opened)(struct loop *loop, struct conn *conn);
    /* Bytes from the server, in a place where they may be changed. Returns how many were used up;
     * the others come again with those behind them. */
    size_t (*bytes)(struct loop *loop, struct conn *conn, unsigned char *bytes, size_t len);
    void (*closed)(struct loop *loop, struct conn *conn, const char *why);
};

struct loop {
    int epoll;
    const struct loop_events *events;
    void *owner;
    struct conn *dirty;
    unsigned char *space; /* LOOP_FRAME_MAX + LOOP_READ_MAX */
    uint64_t bytes_in, bytes_out, reads, writes;
};

void loop_release(struct loop *loop); /* when its connections are closed */

/* Both end the program when the system gives no memory or no descriptor. */
void loop_init(struct loop *loop, const struct loop_events *events, void *owner);
void loop_connect(struct loop *loop, struct conn *conn, const struct sockaddr_in *from,
                  const struct sockaddr_in *to);

/* Where to put what is to be sent at the end of this wake-up. */
struct buf *loop_out(struct loop *loop, struct conn *conn);

/* Sends what waits, waits for something to happen until `until_ns` at most, and lets it happen. */
void loop_turn(struct loop *loop, uint64_t until_ns);

void loop_close(struct loop *loop, struct conn *conn); /* says nothing to events->closed */

uint64_t loop_now_ns(void); /* monotonic */

#endif
