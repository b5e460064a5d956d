/* All pairs start a handshake at the same instant, some rounds of that. The first round is not
 * measured: it makes the servers grow to what the others need. */
#include "handshake.h"
#include "modes.h"
#include "report.h"

static const uint64_t PAUSE_NS = 200000000;

/* How long the whole burst took, in ns; 0 when it did not end. */
static uint64_t burst(struct handshakes *h, struct window *sum)
{
    uint64_t at = loop_now_ns() + PAUSE_NS;
    while (loop_now_ns() < at)
        handshakes_turn(h, at);
    struct measure begin = measure_begin(h->world);
    for (uint32_t i = 0; i < h->count; i++)
        handshake_start(h, &h->pairs[i], at);
    if (!handshakes_drain(h, DRAIN_SECONDS))
        return 0;
    uint64_t took_ns = loop_now_ns() - at;
    if (sum) {
        struct window window = measure_end(h->world, &begin);
        window_add(sum, &window);
    }
    return took_ns;
}

bool mode_burst(const struct options *options, const struct candidate *candidate)
{
    struct world world;
    struct handshakes h;
    struct window sum = {0};
    struct histogram whole = {0};
    handshakes_init(&h, &world, options, candidate);
    if (world_join_all(&world) && burst(&h, NULL) > 0) {
        h.recording = true;
        for (uint32_t i = 0; i < options->rounds; i++) {
            uint64_t took_ns = burst(&h, &sum);
            if (took_ns == 0)
                break;
            histogram_add(&whole, took_ns);
        }
    }
    bool ok = world_settle(&world);
    report_begin(&world, ok);
    report_whole("pairs", options->pairs);
    report_whole("rounds", whole.count);
    report_real("wholeBurstMs", histogram_ms(&whole, 0.5));
    report_window(&world, &sum);
    report_times(&h.times);
    report_end();
    handshakes_close(&h);
    return ok;
}
