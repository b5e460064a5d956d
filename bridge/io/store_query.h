/* Reads the presence database for the command line: works beside a running bridge (WAL: readers
 * never wait for the writer nor hold it up) and on a file that nobody has open.
 *
 * Threads: any; each call opens and closes the file by itself. */
#ifndef SIGBRIDGE_IO_STORE_QUERY_H
#define SIGBRIDGE_IO_STORE_QUERY_H

#include "base/problem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store_filter {
    const char *room;  /* NULL: any */
    const char *peer;  /* NULL: any */
    int64_t since_ms;  /* only memberships that were still open at this time or later; 0: all */
    size_t limit;      /* at most so many rows; 0: no bound */
    bool present_only; /* only who is present now */
};

/* One membership. No text is NULL; what is not known is "". */
struct store_row {
    int64_t id;
    const char *room;
    const char *peer;
    const char *kind;
    const char *bridge; /* "" for a device on MQTT itself */
    const char *transport;
    const char *sid;
    const char *meta;   /* JSON text or "" */
    int64_t joined_ms;  /* since the Unix epoch */
    int64_t updated_ms; /* the last change that was recorded while it was open */
    int64_t left_ms;    /* 0: present */
    const char *reason; /* why it ended; "" while present */
};

/* Calls back for each row: who is present by room and peer (present_only), else the newest
 * membership first. The callback may take its time, as no transaction is open meanwhile; false
 * stops the reading. The row lives during the callback. STATUS_IO or STATUS_BAD_CONFIG with a
 * sentence when there is no such file, or it is no presence database or a newer one. */
enum status store_query_presence(const char *path, const struct store_filter *filter,
                                 bool (*row)(void *arg, const struct store_row *row), void *arg,
                                 struct problem *why);

#endif
