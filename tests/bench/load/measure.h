/* A measured window: what was delivered in it, in which time, and which CPU time all had for it. */
#ifndef LOAD_MEASURE_H
#define LOAD_MEASURE_H

#include "cpu.h"
#include "world.h"

struct measure {
    uint64_t began_ns, own_ns, waited_ns, stolen_ns, delivered, bytes_in, bytes_out;
    uint64_t pid_ns[PIDS_MAX];
};

struct window {
    double seconds;
    uint64_t messages, bytes_in, bytes_out;
    double own_us, all_us;       /* CPU time: of this program, of all servers */
    double waited_us, stolen_us; /* see cpu.h */
    double pid_us[PIDS_MAX];
};

/* Ends the program with 2 when a process is not there. */
struct measure measure_begin(const struct world *world);
struct window measure_end(const struct world *world, const struct measure *begin);

void window_add(struct window *sum, const struct window *window);

/* Memory of all servers together, and descriptors; of one that died, none. */
struct memory measure_memory(const struct options *options);
uint64_t measure_fds(const struct options *options);

#endif
