#include "selftest.h"

#include "delay.h"
#include "histogram.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* Times from `first` in equal steps; what the shares of them must be, with an error of 1 %. */
static const struct {
    const char *name;
    uint64_t first_ns, step_ns, count;
    double p50, p99, max;
} rows[] = {
    {"nothing", 0, 0, 0, 0, 0, 0},
    {"one", 1500000, 0, 1, 1.5, 1.5, 1.5},
    {"two", 1000000, 1000000, 2, 1, 2, 2},
    {"a thousand", 1000, 1000, 1000, 0.5, 0.99, 1},
    {"all the same", 7000000, 0, 500, 7, 7, 7},
    {"a hundred, far apart", 1000000, 100000000, 100, 4901, 9801, 9901},
    {"an hour", 3600000000000, 0, 3, 3600000, 3600000, 3600000},
};

static bool near(double is, double wanted)
{
    return fabs(is - wanted) <= wanted / 100;
}

static bool test_histogram(void)
{
    bool all = true;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static struct histogram h;
        memset(&h, 0, sizeof h);
        for (uint64_t n = 0; n < rows[i].count; n++)
            histogram_add(&h, rows[i].first_ns + n * rows[i].step_ns);
        all &= selftest_row("histogram", rows[i].name,
                            h.count == rows[i].count && near(histogram_ms(&h, 0.5), rows[i].p50) &&
                                near(histogram_ms(&h, 0.99), rows[i].p99) &&
                                near(histogram_max_ms(&h), rows[i].max));
    }
    return all;
}

/* Things come out in order, when they are due and not before, also when the ring has gone round. */
static bool test_delay(void)
{
    enum { MOST = 3, DELAY = 10 };
    struct delay d;
    int things[7];
    uint64_t due = 0;
    bool good = true;
    delay_init(&d, DELAY, MOST);
    for (uint64_t i = 0; i < 7; i++) {
        if (i >= MOST)
            good = good && delay_take(&d, i + DELAY, &due) == &things[i - MOST] &&
                   due == i - MOST + DELAY;
        delay_add(&d, &things[i], i);
        good = good && delay_take(&d, i + DELAY - MOST, &due) == NULL;
    }
    good = good && delay_until(&d, 1000) == 4 + DELAY && delay_until(&d, 5) == 5;
    delay_release(&d);
    return selftest_row("delay", "a ring that goes round", good);
}

bool selftest_figures(void)
{
    bool histogram = test_histogram(), delay = test_delay();
    return histogram && delay;
}
