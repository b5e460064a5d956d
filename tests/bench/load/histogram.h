/* Times in a bounded space: values are kept with an error of less than 1 %. */
#ifndef LOAD_HISTOGRAM_H
#define LOAD_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_STEPS = 128, HISTOGRAM_OCTAVES = 40 };

struct histogram {
    uint64_t count, max_ns;
    uint64_t cells[HISTOGRAM_OCTAVES * HISTOGRAM_STEPS];
};

void histogram_add(struct histogram *h, uint64_t ns);

/* The time that a share (0 to 1) of all values does not exceed, in ms; 0 when there are none. */
double histogram_ms(const struct histogram *h, double share);
double histogram_max_ms(const struct histogram *h);

#endif
