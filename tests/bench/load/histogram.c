#include "histogram.h"

/* Below 2 * HISTOGRAM_STEPS each ns has a cell; above, each octave has HISTOGRAM_STEPS of them. */
static unsigned cell_of(uint64_t ns)
{
    unsigned octave = 0;
    while (ns >= 2 * HISTOGRAM_STEPS && octave < HISTOGRAM_OCTAVES - 2) {
        ns >>= 1;
        octave++;
    }
    if (ns >= 2 * HISTOGRAM_STEPS)
        ns = 2 * HISTOGRAM_STEPS - 1;
    return octave * HISTOGRAM_STEPS + (unsigned)ns;
}

static uint64_t middle_of(unsigned cell)
{
    if (cell < 2 * HISTOGRAM_STEPS)
        return cell;
    unsigned octave = cell / HISTOGRAM_STEPS - 1;
    uint64_t step = cell % HISTOGRAM_STEPS + HISTOGRAM_STEPS;
    return (step << octave) + ((uint64_t)1 << octave >> 1);
}

void histogram_add(struct histogram *h, uint64_t ns)
{
    h->cells[cell_of(ns)]++;
    h->count++;
    if (ns > h->max_ns)
        h->max_ns = ns;
}

double histogram_ms(const struct histogram *h, double share)
{
    uint64_t rank = (uint64_t)(share * (double)h->count + 0.999999), seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_OCTAVES * HISTOGRAM_STEPS; i++) {
        seen += h->cells[i];
        if (seen > 0 && seen >= rank) {
            uint64_t ns = middle_of(i);
            return (double)(ns < h->max_ns ? ns : h->max_ns) / 1e6;
        }
    }
    return 0;
}

double histogram_max_ms(const struct histogram *h)
{
    return (double)h->max_ns / 1e6;
}
