/* Memory of sessions that only are there: read before the first one comes, and when all have joined
 * and nothing has been said for a while. */
#include "modes.h"
#include "report.h"

#include <stdio.h>

enum { QUIET_SECONDS_MAX = 60 };

/* Quiet is when for `settle` seconds nothing came but a few pings. */
static double wait_until_quiet(struct world *world)
{
    uint64_t settle_ns = (uint64_t)(world->options->settle * 1e9);
    uint64_t began = loop_now_ns(), since = began, before = world->loop.bytes_in;
    while (!world->failed && loop_now_ns() - since < settle_ns &&
           loop_now_ns() - began < QUIET_SECONDS_MAX * (uint64_t)1000000000) {
        world_turn(world, loop_now_ns() + settle_ns / 10);
        if (world->loop.bytes_in != before) {
            before = world->loop.bytes_in;
            since = loop_now_ns();
        }
    }
    return (double)(loop_now_ns() - began) / 1e9;
}

bool mode_idle(const struct options *options, const struct candidate *candidate)
{
    struct world world;
    world_init(&world, options, candidate, options->sessions,
               options->room_size ? options->room_size : 2);
    struct memory before = measure_memory(options);
    struct measure begin = measure_begin(&world);
    uint64_t pss_by_pid[PIDS_MAX] = {0};
    double quiet_after = 0;
    if (world_join_all(&world))
        quiet_after = wait_until_quiet(&world);
    struct window window = measure_end(&world, &begin);
    struct memory after = measure_memory(options);
    bool ok = world_settle(&world);
    for (unsigned i = 0; i < options->pid_count; i++) {
        struct memory one;
        if (memory_read(options->pids[i], &one))
            pss_by_pid[i] = one.pss_kib;
    }
    report_begin(&world, ok);
    report_real("quietSeconds", quiet_after);
    report_real("cpuUsPerSession", window.all_us / world.count);
    report_real("bytesPerSession",
                ((double)after.pss_kib - (double)before.pss_kib) * 1024 / world.count);
    report_whole("pssKiB", after.pss_kib);
    report_whole("pssBeforeKiB", before.pss_kib);
    report_whole("rssKiB", after.rss_kib);
    report_whole("rssBeforeKiB", before.rss_kib);
    printf(",\"pssByPid\":{");
    for (unsigned i = 0; i < options->pid_count; i++)
        printf("%s\"%d\":%llu", i ? "," : "", (int)options->pids[i],
               (unsigned long long)pss_by_pid[i]);
    printf("}");
    report_end();
    world_close(&world);
    return ok;
}
