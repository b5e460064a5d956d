/* Memory of sessions that only are there: read before the first one comes, and when all have joined
 * and nothing has been said for a while. */
#include "modes.h"
#include "report.h"

#include <stdio.h>

enum { QUIET_SECONDS_MAX = 60 };

static const double BUSY_SHARE = 0.05;

static bool is_quiet(struct world *world)
{
    double settle = world->options->settle;
    uint64_t end = loop_now_ns() + (uint64_t)(settle * 1e9), frames = world->frames;
    struct measure begin = measure_begin(world);
    while (!world->failed && loop_now_ns() < end)
        world_turn(world, end);
    struct window window = measure_end(world, &begin);
    return world->frames == frames && window.all_us < BUSY_SHARE * settle * 1e6;
}

/* Quiet is when for `settle` seconds nothing came but pings, and the servers had next to nothing to
 * do. */
static bool wait_until_quiet(struct world *world, double *after)
{
    uint64_t began = loop_now_ns();
    bool quiet = false;
    while (!world->failed && !quiet && *after < QUIET_SECONDS_MAX) {
        quiet = is_quiet(world);
        *after = (double)(loop_now_ns() - began) / 1e9;
    }
    return quiet;
}

bool mode_idle(const struct options *options, const struct candidate *candidate)
{
    struct world world;
    world_init(&world, options, candidate, options->sessions,
               options->room_size ? options->room_size : 2);
    struct measure begin = measure_begin(&world);
    struct memory before = measure_memory(options);
    uint64_t pss_by_pid[PIDS_MAX] = {0};
    double quiet_after = 0;
    bool quiet = false;
    if (world_join_all(&world))
        quiet = wait_until_quiet(&world, &quiet_after);
    struct window window = measure_end(&world, &begin);
    struct memory after = measure_memory(options);
    bool ok = world_settle(&world);
    for (unsigned i = 0; i < options->pid_count; i++) {
        struct memory one;
        if (memory_read(options->pids[i], &one))
            pss_by_pid[i] = one.pss_kib;
    }
    report_begin(&world, ok);
    printf(",\"quiet\":%s", quiet ? "true" : "false");
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
