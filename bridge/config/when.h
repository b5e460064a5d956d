/* Times as people write them:
 *
 *     2026-11-21   2026-11-21T09:30   2026-11-21T09:30:15.250   ...Z   ...+01:00     ISO 8601
 *     1795253400000                                             milliseconds since the epoch
 *     30m   2h   7d   45s   2w                                  so long ago
 *
 * A time without Z or an offset is local; a space may stand for the T. Threads: pure, but for the
 * time zone that mktime() reads. */
#ifndef SIGBRIDGE_CONFIG_WHEN_H
#define SIGBRIDGE_CONFIG_WHEN_H

#include <stdbool.h>
#include <stdint.h>

/* [ms] since the epoch. False: not understood, not a date of the calendar, or out of range. */
bool when_parse(const char *str, int64_t now_ms, int64_t *out_ms);

enum { WHEN_TEXT_MAX = 32 };
/* "2026-11-21 09:30:15", local time. */
void when_format(int64_t ms, char out[WHEN_TEXT_MAX]);
/* "45s", "2h05m", "3d04h": two units at most. */
void when_format_duration(int64_t ms, char out[WHEN_TEXT_MAX]);

#endif
