/* mosquitto's password file: lines `NAME:HASH`. Lines of others are kept as they are.
 *
 * Threads: pure functions. */
#ifndef SIGBRIDGE_IO_DEVICE_PASSWD_H
#define SIGBRIDGE_IO_DEVICE_PASSWD_H

#include "base/buf.h"
#include "base/text.h"

#include <stdbool.h>

bool device_passwd_has(struct text file, const char *name);

/* The file with this user's hash replaced or added; hash NULL: without the user. */
void device_passwd_put(struct buf *b, struct text file, const char *name, const char *hash);

#endif
