/* Moves a damaged presence database aside: NAME becomes NAME.damaged-20261121T152633Z (with -2, -3…
 * where that is taken), and so do NAME-wal, NAME-journal and NAME-shm, so that the moved file can
 * be opened, looked at and recovered with sqlite3. Nothing is ever overwritten or deleted.
 *
 * The file itself goes last. Whoever is killed before that leaves a database without its newest
 * changes, or a damaged one, which the next start moves too; but never an old WAL file beside a new
 * database, which SQLite would delete, or take for the new one's.
 *
 * Bound: STORE_DAMAGED_MAX files per database. A disk that damages more is not to be filled with
 * them: then this fails, and says what to do. Threads: any; nobody may have the file open. */
#ifndef SIGBRIDGE_IO_STORE_DAMAGED_H
#define SIGBRIDGE_IO_STORE_DAMAGED_H

#include "base/problem.h"

#include <stdint.h>

enum { STORE_DAMAGED_MAX = 16 };

/* Logs "store-damaged" with both names, `detail` (what is wrong, one line) and the remedy. now_ms
 * makes the name. STATUS_IO with a sentence: the file is where it was. */
enum status store_damaged_move(const char *path, const char *detail, int64_t now_ms,
                               struct problem *why);

#endif
