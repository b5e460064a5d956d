/* Opens the presence database and brings its tables up to date.
 *
 * One table holds the memberships. Who is present is not a second table but the rows without an
 * end (left_ms IS NULL), kept unique by a partial index on (room, peer): each change is one write,
 * and history and presence cannot disagree, whatever happens between two writes. The index has only
 * the rows of those who are present, so asking for them stays cheap however long the history is.
 *
 * PRAGMA application_id tells our files from others, PRAGMA user_version counts the steps that were
 * applied; both change in the transaction of the step itself.
 *
 * Threads: a connection belongs to one thread at a time. */
#ifndef SIGBRIDGE_IO_STORE_SCHEMA_H
#define SIGBRIDGE_IO_STORE_SCHEMA_H

#include "base/problem.h"

#include <sqlite3.h>
#include <stddef.h>

enum { STORE_APPLICATION_ID = 0x73696762 }; /* "sigb" */
enum { STORE_BUSY_MS = 2000 };              /* how long to wait for another process's lock */

/* The steps from version 0 to the present one: step i leads from version i to i + 1. */
extern const char *const store_schema_steps[];
extern const int store_schema_version;

/* Opens for writing, creates the file with mode 0600, sets WAL and synchronous=NORMAL, migrates.
 * The rule of a problem is one of: "store-access", "store-full", "store-locked", "store-damaged"
 * (no database at all, too), "store-foreign" (another program's), "store-newer". The file is left
 * as it is, unless some of its migration had to be undone. */
enum status store_schema_open(const char *path, sqlite3 **out, struct problem *why);

/* Opens what store_schema_open() made, for reading only. One more rule: "store-older". */
enum status store_schema_open_reader(const char *path, sqlite3 **out, struct problem *why);

/* Applies steps[version of db] to steps[count - 1], all in one transaction. */
enum status store_schema_migrate(sqlite3 *db, const char *const *steps, int count,
                                 struct problem *why);

/* Closes without writing what waits in the WAL file into the database: a damaged file is kept as it
 * was found. NULL is fine. */
void store_schema_abandon(sqlite3 *db);

/* Turns an (extended) SQLite result into a problem about the file. */
enum status store_schema_problem(sqlite3 *db, int rc, const char *path, struct problem *why);

#endif
