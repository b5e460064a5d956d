/* A look at a configuration file's text before libconfig gets it. libconfig would follow @include
 * into any file that can be read, cut numbers to 32 bits without a word, end a string at \x00, and
 * grow its parser's stack with the nesting. So here is refused, with its line: a text of more than
 * SCAN_MAX_BYTES, a NUL, @include, a string or comment that does not end (a string must end on its
 * line), nesting deeper than SCAN_MAX_DEPTH, a number above INT32_MAX, more than SCAN_MAX_SETTINGS.
 * One pass, no recursion, no allocation. Threads: pure function. */
#ifndef SIGBRIDGE_CONFIG_SCAN_H
#define SIGBRIDGE_CONFIG_SCAN_H

#include "base/problem.h"

#include <stddef.h>

enum { SCAN_MAX_BYTES = 1 << 20, SCAN_MAX_DEPTH = 8, SCAN_MAX_SETTINGS = 10000 };

/* STATUS_OK, or STATUS_BAD_CONFIG with line and text in *why. */
enum status scan_check(const char *text, size_t len, struct problem *why);

#endif
