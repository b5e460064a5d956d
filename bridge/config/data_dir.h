/* The data directory: made when it is not there, held by one bridge at a time, and the keeper of
 * the bridge's name.
 *
 * The name must be the same after a restart, so that the bridge can clear from the broker what it
 * held before. A host's name would be shared by two bridges on one machine, so the default is
 * `bridge-` and eight random characters, made at the first start and kept in DIR/bridge-id.
 *
 * Threads: blocks on files; call it before the loop runs. */
#ifndef SIGBRIDGE_CONFIG_DATA_DIR_H
#define SIGBRIDGE_CONFIG_DATA_DIR_H

#include "base/problem.h"
#include "proto/names.h"

/* The presence database in it. */
#define DATA_DIR_DATABASE "sigbridge.db"

/* Makes the directory (mode 0750, parents too) and locks it for this process, through a descriptor
 * in *lock: keep it until the end and close it then; the lock goes with it, also after a kill.
 * STATUS_OK, or STATUS_IO with a sentence in *why that says what to do. */
enum status data_dir_open(const char *dir, int *lock, struct problem *why);

/* The kept name, made now if there is none. STATUS_OK, or STATUS_IO with a sentence. */
enum status data_dir_bridge_id(const char *dir, char id[NAME_MAX_BYTES + 1], struct problem *why);

#endif
