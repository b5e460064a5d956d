/* The configuration file, in libconfig's syntax: `key = value;`, groups `name: { ... };`, lists
 * `( ... )` and arrays `[ ... ]`, comments with #, // or between slash-star and star-slash.
 *
 * What each key may hold comes from the options' table. All that is wrong in a file is reported,
 * except that libconfig stops at the first error of syntax. Threads: one owner; blocks on reading.
 */
#ifndef SIGBRIDGE_CONFIG_FILE_H
#define SIGBRIDGE_CONFIG_FILE_H

#include "config/complaint.h"
#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>

/* A whole regular file (or pipe) of up to max bytes, NUL-terminated; the caller frees it. NULL: it
 * cannot be read or is larger, and errno says why (EFBIG: larger). */
char *file_read(const char *path, size_t max, size_t *len);
char *file_read_fd(int fd, size_t max, size_t *len); /* from here to its end; leaves it open */

/* Sets what the text says. `name` stands before each complaint; its directory is where relative
 * paths begin. The text must be followed by a NUL, as file_read() leaves it. */
void file_apply(struct config *c, const char *name, const char *text, size_t len,
                struct complaints *wrong);

#endif
