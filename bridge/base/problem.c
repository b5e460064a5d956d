#include "base/problem.h"

#include <stdarg.h>
#include <stdio.h>

enum status problem_set(struct problem *p, enum status status, unsigned line, const char *rule,
                        const char *format, ...)
{
    if (!p)
        return status;
    p->status = status;
    p->line = line;
    p->retry_ms = 0;
    p->rule = rule;
    va_list args;
    va_start(args, format);
    vsnprintf(p->text, sizeof p->text, format, args);
    va_end(args);
    return status;
}
