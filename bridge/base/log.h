/* Log lines with a level, an event and fields, as text or JSON, one write(2) each to standard
 * error:
 *
 *     log_line(LOG_INFO, "ready", LOG_S("http", address), LOG_I("sessions", n), LOG_END);
 *     2026-11-21T09:30:00.123Z info ready http=127.0.0.1:8080 sessions=3
 *
 * Values are escaped: what came from the network cannot forge a line or reach a terminal. A line is
 * cut at LOG_LINE_MAX bytes. Tokens, passwords, ICE passwords and whole SDP never come here.
 * Text values that hold anything but plain printable characters are quoted as in JSON.
 *
 * Threads: any; one line is one write. */
#ifndef SIGBRIDGE_BASE_LOG_H
#define SIGBRIDGE_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

enum { LOG_LINE_MAX = 2048 };

struct log_field {
    const char *key;  /* NULL ends the list */
    const char *text; /* NULL: the number counts */
    size_t len;
    int64_t number;
};

#define LOG_S(key, str)    log_field_str(key, str)
#define LOG_T(key, p, len) ((struct log_field){(key), (p), (len), 0})
#define LOG_I(key, number) ((struct log_field){(key), NULL, 0, (int64_t)(number)})
#define LOG_END            ((struct log_field){NULL, NULL, 0, 0})
#define log_line(level, event, ...)                                                                \
    (log_enabled(level) ? log_write(level, event, (const struct log_field[]){__VA_ARGS__})         \
                        : (void)0)

struct log_field log_field_str(const char *key, const char *str); /* NULL reads as "-" */

void log_setup(enum log_level least, bool json);
bool log_enabled(enum log_level level);
bool log_level_parse(const char *word, enum log_level *out); /* debug, info, warn, error */
void log_write(enum log_level level, const char *event, const struct log_field *fields);

#endif
