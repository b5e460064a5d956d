/* Brings the broker's log lines into ours: event "broker", the line as it is in the field "text".
 *
 * Threads: one owner. */
#ifndef SIGBRIDGE_IO_BROKER_LOG_H
#define SIGBRIDGE_IO_BROKER_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum { BROKER_LOG_LINE_MAX = 512 }; /* longer ones are cut */

struct broker_log {
    char line[BROKER_LOG_LINE_MAX];
    size_t len;
    char last[BROKER_LOG_LINE_MAX]; /* the last error, or else the last line; for the reason why a
                                       start failed; NUL-terminated */
    bool last_is_error;
    bool says_damaged; /* it could not read its database */
};

void broker_log_init(struct broker_log *l);

/* Reads what the pipe holds, at most a bounded amount at once. False: nothing will come any more.
 */
bool broker_log_read(struct broker_log *l, int fd);

/* Some bytes of the log. */
void broker_log_add(struct broker_log *l, const char *bytes, size_t len);

#endif
