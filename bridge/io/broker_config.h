/* Writes the embedded broker's configuration. It is a file in the broker's directory and not memory
 * that only the broker sees: an operator can read what runs, and start it by hand to look into a
 * problem.
 *
 * Threads: blocks on files. */
#ifndef SIGBRIDGE_IO_BROKER_CONFIG_H
#define SIGBRIDGE_IO_BROKER_CONFIG_H

#include "base/problem.h"

#include <stdbool.h>

enum { BROKER_CONNECTIONS_MAX = 10000 }; /* of devices; fewer where descriptors are fewer */

/* `host` is a numeric address; `anonymous`: devices need no password there. STATUS_IO: it cannot be
 * written. */
enum status broker_config_write(int dir_fd, const char *host, int port, bool anonymous,
                                bool verbose, struct problem *why);

#endif
