/* A cable between a device and its broker that can be pulled out: a relay that stops forwarding
 * and closes nothing, so that neither end is told. In a thread of its own. */
#ifndef TEST_DEVICE_LINE_H
#define TEST_DEVICE_LINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { LINE_PAIRS = 32 };

struct line {
    int listener, wake;
    int port;   /* connect here */
    int target; /* port on 127.0.0.1 */
    atomic_bool out, end;
    struct {
        int near, far; /* -1: none */
        bool dead;     /* was there while the cable was out: nothing passes any more */
    } pairs[LINE_PAIRS];
    pthread_t thread;
};

void line_start(struct line *l, int target);
/* Out: what stands goes dead for ever, as for a device that got another address; who connects
 * meanwhile hears nothing. In again: new connections pass. */
void line_pull(struct line *l, bool out);
void line_stop(struct line *l);

#endif
