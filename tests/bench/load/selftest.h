/* Tests of the generator itself: does it notice what it exists to notice? */
#ifndef LOAD_SELFTEST_H
#define LOAD_SELFTEST_H

#include <stdbool.h>

bool selftest_work(void);    /* lost, doubled, reordered, misrouted and differing messages */
bool selftest_codecs(void);  /* JSON, WebSocket and MQTT, in pieces */
bool selftest_drivers(void); /* what servers say, byte by byte */
bool selftest_figures(void); /* shares of times, and the order of what is delayed */

/* Prints the row that does not hold, and returns whether it does. */
bool selftest_row(const char *table, const char *row, bool holds);

#endif
