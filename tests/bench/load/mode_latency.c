/* Open loop: handshakes start at their planned times, whatever becomes of those before, and their
 * time counts from there. A server that stalls is charged for all that had to wait meanwhile. */
#include "handshake.h"
#include "modes.h"
#include "report.h"

struct plan {
    uint64_t began_ns;
    double rate; /* handshakes a second */
    uint32_t next;
};

static uint64_t time_of(const struct plan *plan, uint32_t n)
{
    return plan->began_ns + (uint64_t)(n * 1e9 / plan->rate);
}

static void run_for(struct handshakes *h, struct plan *plan, double seconds)
{
    uint32_t end = plan->next + (uint32_t)(seconds * plan->rate + 0.5);
    while (!h->world->failed && plan->next < end) {
        uint64_t due = time_of(plan, plan->next);
        if (loop_now_ns() < due)
            handshakes_turn(h, due);
        else if (!handshake_start(h, &h->pairs[plan->next % h->count], due))
            return;
        else
            plan->next++;
    }
}

bool mode_latency(const struct options *options, const struct candidate *candidate)
{
    struct world world;
    struct handshakes h;
    struct window window = {0};
    handshakes_init(&h, &world, options, candidate);
    if (world_join_all(&world)) {
        struct plan plan = {loop_now_ns(), options->rate, 0};
        run_for(&h, &plan, options->warmup);
        h.recording = true;
        struct measure begin = measure_begin(&world);
        run_for(&h, &plan, options->seconds);
        handshakes_drain(&h, DRAIN_SECONDS);
        window = measure_end(&world, &begin);
    }
    bool ok = world_settle(&world);
    report_begin(&world, ok);
    report_whole("pairs", options->pairs);
    report_whole("idle", options->idle);
    report_real("rate", options->rate);
    report_window(&world, &window);
    report_times(&h.times);
    report_end();
    handshakes_close(&h);
    return ok;
}
