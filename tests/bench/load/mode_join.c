/* A join storm: all sessions come, and it is over when everyone has heard of everyone else in its
 * room. By default the time includes the connections; with --connected these are there before, and
 * all join at the same moment. */
#include "modes.h"
#include "report.h"

enum { ROOM_SIZE = 10, STORM_SECONDS_MAX = 60 };

static const uint64_t SECOND = 1000000000;
static const uint64_t AFTERWARDS_NS = 200000000;

static void wait_until_heard(struct world *world)
{
    uint64_t end = loop_now_ns() + STORM_SECONDS_MAX * SECOND;
    while (!world->failed && (world->joined < world->count || world->heard < world->heard_due) &&
           loop_now_ns() < end)
        world_turn(world, end);
}

/* Nothing may be taken back. */
static void listen_on(struct world *world)
{
    uint64_t end = loop_now_ns() + AFTERWARDS_NS;
    while (!world->failed && loop_now_ns() < end)
        world_turn(world, end);
}

/* Whoever has not heard of all in its room, as a failure. */
static void check_heard(struct world *world)
{
    for (uint32_t i = 0; i < world->count; i++) {
        struct session *s = &world->sessions[i];
        uint32_t first = s->room * world->room_size;
        uint32_t members =
            world->count - first < world->room_size ? world->count - first : world->room_size;
        if (s->heard_count != members - 1)
            world_fail(s, "it has heard of %u of %u others", s->heard_count, members - 1);
    }
}

static void report(const struct world *world, const struct window *w, uint64_t frames, bool ok)
{
    double sessions = world->count;
    report_begin(world, ok);
    report_real("seconds", w->seconds);
    report_real("joinsPerSecond", sessions / w->seconds);
    report_whole("messages", world->heard);
    report_real("presenceFramesPerMember", (double)frames / sessions);
    report_real("bytesPerMember", (double)w->bytes_in / sessions);
    report_whole("heardTwice", world->heard_twice);
    report_real("cpuUsPerJoin", w->all_us / sessions);
    report_real("cpuUsPerMessage", w->all_us / (double)world->heard);
    report_real("generatorCpuUsPerMessage", w->own_us / (double)world->heard);
    report_real("generatorCpuUsPerJoin", w->own_us / sessions);
    report_end();
}

bool mode_join(const struct options *options, const struct candidate *candidate)
{
    struct world world;
    world_init(&world, options, candidate, options->sessions,
               options->room_size ? options->room_size : ROOM_SIZE);
    world_count_presence(&world);
    if (options->connected)
        world_open_all(&world);
    struct measure begin = measure_begin(&world);
    if (options->connected)
        world_release(&world);
    else
        world_join_all(&world);
    wait_until_heard(&world);
    struct window window = measure_end(&world, &begin);
    uint64_t frames = world.presence_frames;
    listen_on(&world);
    check_heard(&world);
    bool ok = world_settle(&world);
    report(&world, &window, frames, ok);
    world_close(&world);
    return ok;
}
