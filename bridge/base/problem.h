/* Why something was refused, in words for the one who sent it: which line or field, which rule, and
 * what to do. Filled by parsers and checks, shown by errors, logs and `sigbridge check`.
 *
 * The text never holds the refused bytes unescaped: quote them with problem_set()'s "%.*s" only
 * after they were checked to be printable, or name their place instead.
 *
 * Threads: plain data, no allocation. */
#ifndef SIGBRIDGE_BASE_PROBLEM_H
#define SIGBRIDGE_BASE_PROBLEM_H

#include "base/status.h"

#include <stdint.h>

enum { PROBLEM_TEXT_MAX = 200 };

struct problem {
    enum status status;
    unsigned line;    /* 1-based line of an SDP or a file; 0: not about a line */
    int64_t retry_ms; /* when it may pass; 0: nothing is known */
    const char *rule; /* static string: short name of the rule, as "sdp-fingerprint"; or NULL */
    char text[PROBLEM_TEXT_MAX]; /* a sentence, NUL-terminated, cut when too long */
};

/* Fills *p (which may be NULL: then nobody wants to know) and returns `status`. retry_ms becomes 0.
 */
enum status problem_set(struct problem *p, enum status status, unsigned line, const char *rule,
                        const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
