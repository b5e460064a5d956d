/* For firmware, instead of bridge/base/problem.c: the same without printf, which would bring 2 to
 * 30 KiB of code and half a kilobyte of stack with it. Knows %s, %d, %u, %zu and %%, which is all
 * that the sources of the core use. */
#include "base/buf.h"
#include "base/problem.h"

#include <stdarg.h>

/* One conversion, behind its '%'; where the format goes on. */
static const char *put_value(struct buf *b, const char *p, va_list *args)
{
    switch (*p) {
    case 's':
        buf_str(b, va_arg(*args, const char *));
        break;
    case 'd':
        buf_int(b, va_arg(*args, int));
        break;
    case 'u':
        buf_uint(b, va_arg(*args, unsigned));
        break;
    case 'z': /* %zu */
        buf_uint(b, va_arg(*args, size_t));
        p++;
        break;
    default:
        buf_char(b, *p);
    }
    return p + 1;
}

enum status problem_set(struct problem *p, enum status status, unsigned line, const char *rule,
                        const char *format, ...)
{
    struct buf b;
    va_list args;
    if (!p)
        return status;
    p->status = status;
    p->line = line;
    p->rule = rule;
    buf_init_fixed(&b, p->text, sizeof p->text - 1);
    va_start(args, format);
    while (*format) {
        if (*format == '%')
            format = put_value(&b, format + 1, &args);
        else
            buf_char(&b, *format++);
    }
    va_end(args);
    p->text[b.len] = '\0';
    return status;
}
