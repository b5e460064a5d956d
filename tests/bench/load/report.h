/* The result: one JSON object on standard output. */
#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include "histogram.h"
#include "measure.h"

void report_begin(const struct world *world, bool ok);
void report_whole(const char *name, uint64_t n);
void report_real(const char *name, double x);
void report_window(const struct world *world, const struct window *window);
void report_times(const struct histogram *h); /* p50, p90, p99, max: ms */
void report_end(void);

#endif
