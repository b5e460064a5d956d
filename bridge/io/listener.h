/* One listening TCP socket, accepting from the loop: TCP_NODELAY, a small send buffer so that slow
 * readers show early, and patience when file descriptors run out.
 *
 * A port may be shared with other processes (SO_REUSEPORT). The kernel gives each connection to one
 * of them when its first packet comes, and resets those that a process has not accepted when it
 * closes. Leaving without that takes two steps: listener_yield(), and once those who had begun to
 * connect are through, listener_stop(). Threads: the loop's. */
#ifndef SIGBRIDGE_IO_LISTENER_H
#define SIGBRIDGE_IO_LISTENER_H

#include "base/problem.h"

#include <stdbool.h>
#include <stdint.h>

struct ev_loop;
struct listener;

/* The descriptor is the callee's; ip: who connected, IPv4 as mapped IPv6. */
typedef void listener_accepted(void *arg, int fd, const uint8_t ip[16]);

struct listener_options {
    const char *host; /* numeric */
    bool ipv6;
    bool shared; /* with processes of the same user that say so, too */
    int port;    /* 0: any that is free */
};

/* STATUS_IO with a sentence naming address and remedy. *o is not kept. */
enum status listener_start(struct listener **out, struct ev_loop *loop,
                           const struct listener_options *o, listener_accepted *accepted, void *arg,
                           struct problem *why);
int listener_port(const struct listener *l);
/* How often it paused because there were no descriptors; who wants to connect waits meanwhile. */
uint64_t listener_pauses(const struct listener *l);
/* Before a shared one stops: who begins to connect from now on gets no answer here. His system asks
 * again, 1 s after the first time, and is heard by another process if this one has stopped by then.
 * Who had begun is still accepted. Without effect on one that is not shared. */
void listener_yield(struct listener *l);
/* A shared one accepts first what has connected. NULL is fine. */
void listener_stop(struct listener *l);

#endif
