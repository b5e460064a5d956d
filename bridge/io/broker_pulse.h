/* Feels the pulse of the embedded broker: a connection of its own to the broker's Unix socket, on
 * which each beat asks with a PINGREQ, and the next beat looks for the answer. That the socket
 * takes connections means nothing: the kernel does that for a process that stands still.
 *
 * Answers are read before they are missed, so a bridge that stood still itself finds them there.
 *
 * Threads: one owner. Never blocks. */
#ifndef SIGBRIDGE_IO_BROKER_PULSE_H
#define SIGBRIDGE_IO_BROKER_PULSE_H

#include <stdbool.h>

enum {
    BROKER_PULSE_S = 5,      /* between two beats */
    BROKER_PULSE_MISSED = 3, /* beats without answer: it will not answer any more */
};

struct broker_pulse {
    int fd; /* -1: not connected */
    int missed;
    bool asked;
};

void broker_pulse_init(struct broker_pulse *p);
void broker_pulse_end(struct broker_pulse *p); /* usable after it: begins anew */
/* False: too many were missed. */
bool broker_pulse_beat(struct broker_pulse *p, const char *socket, const char *user,
                       const char *password);

#endif
