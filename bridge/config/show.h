/* What people get to read, written from the options' table: the help, the configuration in force,
 * the commented example file, and the reference of all options with their limits.
 *
 * All add to a buf; ask buf_ok() once. Secrets are never written. Threads: pure functions. */
#ifndef SIGBRIDGE_CONFIG_SHOW_H
#define SIGBRIDGE_CONFIG_SHOW_H

#include "base/buf.h"
#include "config/config.h"

enum { SHOW_MAX_BYTES = 1 << 20 };

void config_show_flags(struct buf *out); /* the part of --help about options */
/* In the file's own syntax, each value with where it comes from; it can be used as a file. */
void config_show_effective(const struct config *c, struct buf *out);
void config_show_example(struct buf *out);   /* is bridge/config/sigbridge.conf */
void config_show_reference(struct buf *out); /* Markdown; is bridge/config/options.md */

#endif
