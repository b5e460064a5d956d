/* A private mosquitto as a child process: a Unix socket for the bridge, a TCP listener for devices,
 * persistence in DIR/broker. It ends with the bridge, even when the bridge is killed; when it ends
 * alone it is started again on the same port.
 *
 * Files under data_dir/broker: mosquitto.conf (generated at each start, for operators to read),
 * mosquitto.db (retained messages and sessions), mosquitto.pid, bridge.sock, bridge.passwd and
 * bridge.acl (the bridge's own login), devices.passwd and devices.acl (see device_store.h), lock
 * (held by bridge and broker, so that two brokers never share one directory).
 *
 * Nobody uses the Unix socket without the password of this start, and no device gets in without one
 * unless `anonymous` says so.
 *
 * Started as root, the broker runs as the user mosquitto (or nobody) and owns that directory.
 *
 * Threads: all calls on the loop's thread, which must live as long as the process: the kernel ends
 * the child when the thread that started it ends. */
#ifndef SIGBRIDGE_IO_EMBEDDED_BROKER_H
#define SIGBRIDGE_IO_EMBEDDED_BROKER_H

#include "base/problem.h"

#include <stdbool.h>
#include <sys/types.h>

struct ev_loop;
struct embedded_broker;

struct embedded_broker_options {
    const char *data_dir;       /* made when it does not exist (its parent must) */
    const char *listen_host;    /* numeric address for devices: "127.0.0.1", "::1", "0.0.0.0" */
    int listen_port;            /* 0: any free one */
    const char *mosquitto_path; /* NULL: search PATH and /usr/sbin */
    const char *prefix;         /* of all topics */
    bool anonymous;             /* development: devices need no password and may do anything */
};

/* Starts the broker and waits until both listeners accept: typically 10 to 20 ms, at most 5 s (and
 * up to 5 s more for the broker of a bridge that was just killed to leave the directory). After
 * that everything runs from the loop, which need not be libev's default loop. on_change(false) says
 * that the broker died, on_change(true) that it accepts again; it is called from the loop, never
 * from embedded_broker_start() or _stop(), and may call embedded_broker_stop(). Errors are one
 * sentence with the remedy: STATUS_BAD_CONFIG, STATUS_IO or STATUS_UNAVAILABLE. */
enum status embedded_broker_start(struct embedded_broker **out, struct ev_loop *loop,
                                  const struct embedded_broker_options *options,
                                  void (*on_change)(void *arg, bool running), void *arg,
                                  struct problem *why);

/* Path of the Unix socket, at most 107 bytes; lives as long as the broker object. Where data_dir is
 * too long for that, it is a path under /proc/self/fd that only this process can use. */
const char *embedded_broker_socket(const struct embedded_broker *b);
/* How the bridge logs in there; they live as long as the broker object. The password is secret. */
const char *embedded_broker_user(const struct embedded_broker *b);
const char *embedded_broker_password(const struct embedded_broker *b);
int embedded_broker_port(const struct embedded_broker *b);  /* the real one, also for port 0 */
pid_t embedded_broker_pid(const struct embedded_broker *b); /* -1 while it is down */
bool embedded_broker_running(const struct embedded_broker *b);

/* SIGTERM, a wait of at most 2 s, then SIGKILL; frees the object. NULL is fine. */
void embedded_broker_stop(struct embedded_broker *b);

#endif
