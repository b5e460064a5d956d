/* Closed loop: each pair starts its next handshake when the last one has ended. What is measured
 * lies between two moments in the middle of it. */
#include "handshake.h"
#include "modes.h"
#include "report.h"

static void start_next(struct handshakes *h, struct pair *pair)
{
    handshake_start(h, pair, loop_now_ns());
}

static void run_for(struct handshakes *h, double seconds)
{
    uint64_t end = loop_now_ns() + (uint64_t)(seconds * 1e9);
    while (!h->world->failed && loop_now_ns() < end)
        handshakes_turn(h, end);
}

bool mode_saturation(const struct options *options, const struct candidate *candidate)
{
    struct world world;
    struct handshakes h;
    struct window window = {0};
    handshakes_init(&h, &world, options, candidate);
    if (world_join_all(&world)) {
        h.on_end = start_next;
        for (uint32_t i = 0; i < h.count; i++)
            start_next(&h, &h.pairs[i]);
        run_for(&h, options->warmup);
        h.recording = true;
        struct measure begin = measure_begin(&world);
        run_for(&h, options->seconds);
        window = measure_end(&world, &begin);
        h.recording = false;
        h.on_end = NULL;
        handshakes_drain(&h, DRAIN_SECONDS);
    }
    bool ok = world_settle(&world);
    report_begin(&world, ok);
    report_whole("pairs", options->pairs);
    report_window(&world, &window);
    report_times(&h.times);
    report_end();
    handshakes_close(&h);
    return ok;
}
