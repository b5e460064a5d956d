/* Broadcasts in a room: the first session speaks to everyone else, with some broadcasts under way
 * at the same time. The sessions beyond that room are there, and hear nothing. */
#include "histogram.h"
#include "modes.h"
#include "report.h"

enum { ROOM_SIZE = 100, WINDOW_MAX = 1024 };

struct fanout {
    struct world *world;
    uint32_t receivers, sent, ended;
    bool stopping, recording;
    uint32_t waiting[WINDOW_MAX]; /* receivers that have not got it, by number modulo WINDOW_MAX */
    uint64_t started_ns[WINDOW_MAX]; /* likewise */
    struct histogram times;          /* until the last one has got it */
};

static void speak(struct fanout *f)
{
    struct session *speaker = &f->world->sessions[0];
    while (!f->stopping && f->sent - f->ended < f->world->options->window) {
        const struct message message = {KIND_DATA, NULL, f->sent};
        f->waiting[f->sent % WINDOW_MAX] = f->receivers;
        f->started_ns[f->sent % WINDOW_MAX] = loop_now_ns();
        f->sent++;
        for (uint32_t i = 1; i <= f->receivers; i++)
            f->world->sessions[i].lane.sent = f->sent;
        speaker->protocol->send(speaker, &message);
    }
}

static void on_arrival(struct world *world, struct session *to, const struct arrival *arrival)
{
    struct fanout *f = world->mode;
    (void)arrival;
    f->waiting[(to->lane.next - 1) % WINDOW_MAX]--;
    while (f->ended < f->sent && f->waiting[f->ended % WINDOW_MAX] == 0) {
        if (f->recording)
            histogram_add(&f->times, loop_now_ns() - f->started_ns[f->ended % WINDOW_MAX]);
        f->ended++;
    }
    speak(f);
}

static void run_for(struct fanout *f, double seconds)
{
    uint64_t end = loop_now_ns() + (uint64_t)(seconds * 1e9);
    while (!f->world->failed && loop_now_ns() < end && !(f->stopping && f->ended == f->sent))
        world_turn(f->world, end);
}

bool mode_fanout(const struct options *options, const struct candidate *candidate)
{
    struct world world;
    uint32_t room_size = options->room_size ? options->room_size : ROOM_SIZE;
    struct fanout f = {.world = &world, .receivers = room_size - 1};
    struct window window = {0};
    world_init(&world, options, candidate, room_size + options->idle, room_size);
    world.mode = &f;
    world.arrived = on_arrival;
    world.broadcasts = true;
    for (uint32_t i = 1; i < room_size; i++)
        world.sessions[i].lane.id = 0;
    if (world_join_all(&world)) {
        speak(&f);
        run_for(&f, options->warmup);
        f.recording = true;
        struct measure begin = measure_begin(&world);
        run_for(&f, options->seconds);
        window = measure_end(&world, &begin);
        f.recording = false;
        f.stopping = true;
        run_for(&f, DRAIN_SECONDS);
    }
    bool ok = world_settle(&world);
    report_begin(&world, ok);
    report_whole("window", options->window);
    report_whole("broadcasts", f.times.count);
    report_window(&world, &window);
    report_real("p50", histogram_ms(&f.times, 0.5));
    report_real("p90", histogram_ms(&f.times, 0.9));
    report_real("p99", histogram_ms(&f.times, 0.99));
    report_real("max", histogram_max_ms(&f.times));
    report_end();
    world_close(&world);
    return ok;
}
