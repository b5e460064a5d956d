/* The embedded broker's directory, DIR/broker: made, given to the user that the broker runs as, and
 * held by a lock that lives as long as the bridge or its broker does.
 *
 * The broker works in this directory and names its files relative to it, so that neither a long
 * path, nor spaces in it, nor a parent that only root may enter are in its way.
 *
 * Threads: blocks on files; the descriptors are CLOEXEC. */
#ifndef SIGBRIDGE_IO_BROKER_DIR_H
#define SIGBRIDGE_IO_BROKER_DIR_H

#include "base/problem.h"

#include <stdbool.h>
#include <sys/types.h>

#define BROKER_SOCKET   "bridge.sock"
#define BROKER_CONFIG   "mosquitto.conf"
#define BROKER_DATABASE "mosquitto.db"
#define BROKER_PID      "mosquitto.pid"

enum { BROKER_SOCKET_MAX = 108 }; /* sun_path with its NUL, unix(7) */

struct broker_dir {
    int fd;
    int lock;
    bool change_user; /* started as root: the broker runs as uid and gid */
    uid_t uid;
    gid_t gid;
    char socket[BROKER_SOCKET_MAX]; /* how this process reaches the broker */
};

/* Waits up to 5 s for an earlier bridge's broker that is still about to end. On an error nothing
 * needs closing. */
enum status broker_dir_open(struct broker_dir *d, const char *data_dir, struct problem *why);
/* Keeps a database that the broker cannot read under another name, so that the broker starts with
 * an empty one. The name is logged. */
void broker_dir_set_aside(const struct broker_dir *d);
void broker_dir_close(struct broker_dir *d); /* nothing happens when it is zeroed or closed */

#endif
