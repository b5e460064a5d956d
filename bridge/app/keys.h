/* The configured keys, read from their files: at the start, and again at SIGHUP. */
#ifndef SIGBRIDGE_APP_KEYS_H
#define SIGBRIDGE_APP_KEYS_H

#include "base/problem.h"
#include "config/config.h"
#include "policy/token.h"

/* STATUS_OK and the keys, or NULL where none are configured; else a sentence that names the file.
 * The caller destroys them. */
enum status keys_load(const struct config *c, struct token_keys **out, struct problem *why);

#endif
