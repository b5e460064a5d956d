/* The command line, checked. */
#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { PIDS_MAX = 16, SESSIONS_MAX = 100000 };

struct options {
    const char *mode, *candidate, *host, *path;
    uint16_t port, mqtt_port;
    uint16_t second_port; /* where callees connect; 0: where all do */
    pid_t pids[PIDS_MAX];
    unsigned pid_count;
    uint32_t sessions, pairs, idle, room_size; /* room_size 0: what the mode takes by itself */
    uint32_t parallel;                         /* sockets that open at the same time */
    uint32_t window, rounds;
    double rate, seconds, warmup, settle; /* handshakes a second; the others in seconds */
    uint32_t pace_ms, pause_ms;
    uint32_t ids, bundle; /* flags */
    uint32_t connected;   /* join: the connections are there before; a flag */
};

/* Ends the program with 2 and a line on stderr when something is wrong, with 0 after --help. */
struct options options_read(int argc, char **argv);

#endif
