/* What SIGHUP does: the configuration is read again, with the flags and variables of the start, and
 * checked like at the start. What may change while the bridge runs is taken over, all of it or,
 * with a mistake anywhere, nothing; of the rest the log says that it needs a restart. Sessions go
 * on. Threads: the loop's; blocks on reading files. */
#ifndef SIGBRIDGE_APP_RELOAD_H
#define SIGBRIDGE_APP_RELOAD_H

#include <stdint.h>

struct buf;
struct parts;

struct reload_count {
    uint64_t done, refused, ignored;
};

void reload(struct parts *p);
void reload_put_metrics(const struct reload_count *count, struct buf *b);

#endif
