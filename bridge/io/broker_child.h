/* The mosquitto process itself: found, started so that it ends with us, signalled and reaped
 * through a pidfd, which no reuse of a process number can mislead.
 *
 * Threads: the child ends when the thread that started it ends. Descriptors are CLOEXEC. */
#ifndef SIGBRIDGE_IO_BROKER_CHILD_H
#define SIGBRIDGE_IO_BROKER_CHILD_H

#include "base/problem.h"
#include "io/broker_dir.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct broker_child {
    pid_t pid;  /* -1: none */
    int pidfd;  /* readable once it has ended; -1 */
    int output; /* what it writes to standard error, non-blocking; -1 */
};

/* Searches PATH, then /usr/sbin and /usr/local/sbin. `wanted` (may be NULL) names it instead. The
 * error says how to install it. */
enum status broker_child_find(const char *wanted, char *path, size_t size, struct problem *why);

enum status broker_child_start(struct broker_child *c, const char *path, const struct broker_dir *d,
                               struct problem *why);

void broker_child_signal(const struct broker_child *c, int signal);
bool broker_child_ended(const struct broker_child *c, int timeout_ms); /* waits for its end */

/* After its end: reaps it, closes pidfd and output. Returns the status of waitpid(), or -1 when
 * somebody else, such as libev's default loop, has reaped it already. */
int broker_child_reap(struct broker_child *c);

#endif
