#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static atomic_int least_level = LOG_INFO;
static atomic_bool as_json;

void log_setup(enum log_level least, bool json)
{
    atomic_store(&least_level, (int)least);
    atomic_store(&as_json, json);
}

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&least_level, memory_order_relaxed);
}

bool log_level_parse(const char *word, enum log_level *out)
{
    for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
        if (strcmp(word, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

struct log_field log_field_str(const char *key, const char *str)
{
    if (!str)
        str = "-";
    return LOG_T(key, str, strlen(str));
}

static void put_time(struct buf *b)
{
    int64_t ms = clock_wall_ms();
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    char text[40];
    gmtime_r(&s, &tm);
    size_t len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    buf_add(b, text, len);
    snprintf(text, sizeof text, ".%03dZ", (int)(ms % 1000));
    buf_str(b, text);
}

/* Everything outside printable ASCII is written as \u00XX per byte: a log is no place for other
 * people's terminal codes, and a byte is what an operator can search for. */
static void put_quoted(struct buf *b, const char *p, size_t len)
{
    buf_char(b, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c == '"' || c == '\\') {
            buf_char(b, '\\');
            buf_char(b, (char)c);
        } else if (text_is_printable((char)c)) {
            buf_char(b, (char)c);
        } else {
            char escape[8];
            snprintf(escape, sizeof escape, "\\u%04x", c);
            buf_str(b, escape);
        }
    }
    buf_char(b, '"');
}

static bool is_plain(const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!text_is_printable(p[i]) || strchr(" \"=\\", p[i]))
            return false;
    return len > 0;
}

static void put_field(struct buf *b, const struct log_field *f, bool json)
{
    if (json)
        put_quoted(b, f->key, strlen(f->key));
    else
        buf_str(b, f->key);
    buf_char(b, json ? ':' : '=');
    if (!f->text)
        buf_int(b, f->number);
    else if (!json && is_plain(f->text, f->len))
        buf_add(b, f->text, f->len);
    else
        put_quoted(b, f->text, f->len);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    char line[LOG_LINE_MAX];
    struct buf b;
    bool json = atomic_load_explicit(&as_json, memory_order_relaxed);
    buf_init_fixed(&b, line, sizeof line - 2); /* room for the end, whatever happens */
    if (json)
        buf_str(&b, "{\"time\":\"");
    put_time(&b);
    buf_str(&b, json ? "\",\"level\":\"" : " ");
    buf_str(&b, level_names[level]);
    buf_str(&b, json ? "\",\"event\":\"" : " ");
    buf_str(&b, event);
    if (json)
        buf_char(&b, '"');
    for (; fields->key; fields++) {
        size_t whole = b.len;
        buf_char(&b, json ? ',' : ' ');
        put_field(&b, fields, json);
        if (!buf_ok(&b)) { /* a field goes whole or not at all, so that JSON stays JSON */
            b.len = whole;
            b.failed = false;
        }
    }
    b.max = b.cap = sizeof line;
    buf_str(&b, json ? "}\n" : "\n");
    if (write(STDERR_FILENO, b.data, b.len) < 0) {
        /* Nobody to tell. */
    }
}
