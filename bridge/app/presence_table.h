/* Rows of the presence database, written for people (aligned columns) or for programs (one JSON
 * object per line). What came from the network is escaped: no value can forge a line or reach the
 * terminal.
 *
 * Rows are held back until TABLE_BATCH of them are there, so that the columns can be as wide as
 * they need; memory is bounded by that. Threads: one owner. */
#ifndef SIGBRIDGE_APP_PRESENCE_TABLE_H
#define SIGBRIDGE_APP_PRESENCE_TABLE_H

#include "base/buf.h"
#include "io/store_query.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { TABLE_BATCH = 200, TABLE_COLUMNS = 8, TABLE_CELL_MAX = 200 };

struct presence_table {
    FILE *out;
    int64_t now_ms;
    bool history; /* with the times and reasons of the ends */
    bool json;
    bool failed; /* nobody takes our output, or memory ran out */
    bool header_done;
    size_t rows; /* all so far */
    size_t held;
    size_t width[TABLE_COLUMNS];
    struct buf cells; /* of the held rows, each ended by a NUL */
};

void presence_table_init(struct presence_table *t, FILE *out, int64_t now_ms, bool history,
                         bool json);
void presence_table_add(struct presence_table *t, const struct store_row *row);
void presence_table_finish(struct presence_table *t); /* writes what is held; frees */

#endif
