#include "cpu.h"

#include <dirent.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static bool read_clock(clockid_t clock, uint64_t *ns)
{
    struct timespec t;
    if (clock_gettime(clock, &t))
        return false;
    *ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    return true;
}

bool cpu_time_ns(pid_t pid, uint64_t *ns)
{
    clockid_t clock;
    return clock_getcpuclockid(pid, &clock) == 0 && read_clock(clock, ns);
}

uint64_t cpu_own_ns(void)
{
    uint64_t ns = 0;
    read_clock(CLOCK_PROCESS_CPUTIME_ID, &ns);
    return ns;
}

uint64_t cpu_own_wait_ns(void)
{
    unsigned long long ran, waited = 0;
    FILE *file = fopen("/proc/self/schedstat", "re");
    if (!file)
        return 0;
    if (fscanf(file, "%llu %llu", &ran, &waited) != 2)
        waited = 0;
    fclose(file);
    return waited;
}

uint64_t cpu_stolen_ns(void)
{
    unsigned long long ticks = 0;
    FILE *file = fopen("/proc/stat", "re");
    if (!file)
        return 0;
    if (fscanf(file, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &ticks) != 1)
        ticks = 0;
    fclose(file);
    return ticks * 1000000000u / (unsigned long long)sysconf(_SC_CLK_TCK);
}

bool memory_read(pid_t pid, struct memory *memory)
{
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    int found = 0;
    unsigned long long kib;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "Rss: %llu kB", &kib) == 1) {
            memory->rss_kib = kib;
            found++;
        } else if (sscanf(line, "Pss: %llu kB", &kib) == 1) {
            memory->pss_kib = kib;
            found++;
        }
    }
    fclose(file);
    return found == 2;
}

bool memory_count_fds(pid_t pid, uint64_t *count)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    if (!dir)
        return false;
    *count = 0;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.')
            ++*count;
    closedir(dir);
    return true;
}
