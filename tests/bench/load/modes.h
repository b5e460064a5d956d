/* The modes. Each makes its world, measures, prints its result, and returns whether all was right.
 */
#ifndef LOAD_MODES_H
#define LOAD_MODES_H

#include "driver.h"
#include "options.h"

enum { DRAIN_SECONDS = 10 }; /* how long what is under way may take at the end */

bool mode_latency(const struct options *options, const struct candidate *candidate);
bool mode_saturation(const struct options *options, const struct candidate *candidate);
bool mode_burst(const struct options *options, const struct candidate *candidate);
bool mode_soak(const struct options *options, const struct candidate *candidate);
bool mode_join(const struct options *options, const struct candidate *candidate);
bool mode_fanout(const struct options *options, const struct candidate *candidate);
bool mode_idle(const struct options *options, const struct candidate *candidate);

#endif
