/* The two clocks and the random numbers, read by io and app only: everything left of io gets time
 * as an argument. Callable from any thread. */
#ifndef SIGBRIDGE_BASE_CLOCK_H
#define SIGBRIDGE_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_mono_us(void); /* monotonic, for durations and deadlines [us] */
int64_t clock_wall_ms(void); /* since the Unix epoch, for what people and the wire see [ms] */
uint64_t clock_random(void); /* from the kernel; aborts when it has none to give */
/* Writes `chars` characters out of a-z 0-9 and a NUL: 5.17 bits each. */
void clock_random_name(char *out, size_t chars);

#endif
