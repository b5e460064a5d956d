/* One listening TCP socket, accepting from the loop: TCP_NODELAY, a small send buffer so that slow
 * readers show early, and patience when file descriptors run out. Threads: the loop's. */
#ifndef SIGBRIDGE_IO_LISTENER_H
#define SIGBRIDGE_IO_LISTENER_H

#include "base/problem.h"

#include <stdbool.h>
#include <stdint.h>

struct ev_loop;
struct listener;

/* The descriptor is the callee's; ip: who connected, IPv4 as mapped IPv6. */
typedef void listener_accepted(void *arg, int fd, const uint8_t ip[16]);

/* STATUS_IO with a sentence naming address and remedy. */
enum status listener_start(struct listener **out, struct ev_loop *loop, const char *host, bool ipv6,
                           int port, listener_accepted *accepted, void *arg, struct problem *why);
int listener_port(const struct listener *l);
/* How often it paused because there were no descriptors; who wants to connect waits meanwhile. */
uint64_t listener_pauses(const struct listener *l);
void listener_stop(struct listener *l); /* NULL is fine */

#endif
