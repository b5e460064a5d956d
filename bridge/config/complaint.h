/* Everything that is wrong with a configuration, collected and shown together, one line each:
 *
 *     sigbridge: /etc/x.conf:12: unknown key "lisen": did you mean "listen"?
 *
 * Bounded: past COMPLAINTS_MAX lines only their number is kept. What is quoted from the input goes
 * through complaint_quote(), so that it cannot forge lines or reach a terminal.
 *
 * Threads: one owner. Allocates as it grows; when memory runs out, later lines are only counted. */
#ifndef SIGBRIDGE_CONFIG_COMPLAINT_H
#define SIGBRIDGE_CONFIG_COMPLAINT_H

#include "base/buf.h"

#include <stddef.h>

enum { COMPLAINTS_MAX = 50, COMPLAINT_QUOTE_MAX = 84 };

struct complaints {
    struct buf text;
    unsigned count;
};

void complaints_init(struct complaints *c);
void complaints_release(struct complaints *c);
/* One line. `where` is a file with its line, a variable's or a flag's name; NULL: none. */
void complain(struct complaints *c, const char *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
const char *complaints_text(struct complaints *c); /* all lines, each with its end; "" when none */

/* Writes str into out in double quotes, the bytes outside printable ASCII as \xNN, cut with "..."
 * when it is long; returns out. */
const char *complaint_quote(char out[COMPLAINT_QUOTE_MAX], const char *str);

#endif
