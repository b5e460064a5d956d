#include "config/complaint.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>

enum { LINE_MAX_BYTES = 1024, TEXT_MAX_BYTES = COMPLAINTS_MAX * LINE_MAX_BYTES };

void complaints_init(struct complaints *c)
{
    buf_init(&c->text, TEXT_MAX_BYTES + LINE_MAX_BYTES);
    c->count = 0;
}

void complaints_release(struct complaints *c)
{
    buf_release(&c->text);
    c->count = 0;
}

void complain(struct complaints *c, const char *where, const char *format, ...)
{
    char line[LINE_MAX_BYTES / 2];
    va_list args;
    c->count++;
    if (c->count > COMPLAINTS_MAX)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    buf_str(&c->text, "sigbridge: ");
    if (where) {
        buf_str(&c->text, where);
        buf_str(&c->text, ": ");
    }
    buf_str(&c->text, line);
    buf_char(&c->text, '\n');
}

const char *complaints_text(struct complaints *c)
{
    if (c->count > COMPLAINTS_MAX) {
        buf_str(&c->text, "sigbridge: and ");
        buf_uint(&c->text, c->count - COMPLAINTS_MAX);
        buf_str(&c->text, " more\n");
        c->count = COMPLAINTS_MAX; /* said once */
    }
    return buf_cstr(&c->text);
}

const char *complaint_quote(char out[COMPLAINT_QUOTE_MAX], const char *str)
{
    size_t at = 0;
    out[at++] = '"';
    for (; *str && at < COMPLAINT_QUOTE_MAX - 10; str++) {
        if (text_is_printable(*str))
            out[at++] = *str;
        else
            at += (size_t)snprintf(out + at, 5, "\\x%02x", (unsigned)(unsigned char)*str);
    }
    snprintf(out + at, COMPLAINT_QUOTE_MAX - at, *str ? "...\"" : "\"");
    return out;
}
