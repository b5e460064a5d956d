/* What processes use, as the kernel counts it. */
#ifndef LOAD_CPU_H
#define LOAD_CPU_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* CPU time of all threads, also of those that have ended, user and system. False: no such process.
 */
bool cpu_time_ns(pid_t pid, uint64_t *ns);
uint64_t cpu_own_ns(void);

/* What others took from this program and from this machine: time in which it could have run, and
 * time that the machine's host gave to somebody else, over all cores. 0 where the system does not
 * say. */
uint64_t cpu_own_wait_ns(void);
uint64_t cpu_stolen_ns(void);

struct memory {
    uint64_t pss_kib, rss_kib; /* Pss shares what several processes map */
};

bool memory_read(pid_t pid, struct memory *memory);
bool memory_count_fds(pid_t pid, uint64_t *count);

#endif
