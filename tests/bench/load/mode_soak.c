/* Closed loop with a pause, for long: does the servers' memory grow, do descriptors stay open? */
#include "handshake.h"
#include "modes.h"
#include "report.h"

struct soak {
    struct handshakes handshakes; /* first: on_end gets it */
    struct delay pause;           /* pairs that wait for their next handshake */
};

static void start_later(struct handshakes *h, struct pair *pair)
{
    struct soak *soak = (struct soak *)h;
    delay_add(&soak->pause, pair, loop_now_ns());
}

static void run_for(struct soak *soak, double seconds)
{
    struct handshakes *h = &soak->handshakes;
    uint64_t end = loop_now_ns() + (uint64_t)(seconds * 1e9), due;
    while (!h->world->failed && loop_now_ns() < end) {
        struct pair *pair;
        while ((pair = delay_take(&soak->pause, loop_now_ns(), &due)) != NULL)
            handshake_start(h, pair, due);
        handshakes_turn(h, delay_until(&soak->pause, end));
    }
}

struct state {
    struct memory memory;
    uint64_t fds;
};

static struct state read_state(const struct options *options)
{
    return (struct state){measure_memory(options), measure_fds(options)};
}

bool mode_soak(const struct options *options, const struct candidate *candidate)
{
    struct world world;
    struct soak soak = {0};
    struct handshakes *h = &soak.handshakes;
    struct window window = {0};
    struct state begin = {0}, end = {0};
    handshakes_init(h, &world, options, candidate);
    delay_init(&soak.pause, options->pause_ms * (uint64_t)1000000, options->pairs);
    if (world_join_all(&world)) {
        h->on_end = start_later;
        for (uint32_t i = 0; i < h->count; i++)
            start_later(h, &h->pairs[i]);
        run_for(&soak, options->warmup);
        begin = read_state(options);
        h->recording = true;
        struct measure measure = measure_begin(&world);
        run_for(&soak, options->seconds);
        window = measure_end(&world, &measure);
        end = read_state(options);
        h->recording = false;
        handshakes_drain(h, DRAIN_SECONDS);
    }
    bool ok = world_settle(&world);
    report_begin(&world, ok);
    report_whole("pairs", options->pairs);
    report_window(&world, &window);
    report_times(&h->times);
    report_whole("pssBeforeKiB", begin.memory.pss_kib);
    report_whole("pssKiB", end.memory.pss_kib);
    report_whole("rssBeforeKiB", begin.memory.rss_kib);
    report_whole("rssKiB", end.memory.rss_kib);
    report_whole("fdsBefore", begin.fds);
    report_whole("fds", end.fds);
    report_end();
    delay_release(&soak.pause);
    handshakes_close(h);
    return ok;
}
