#include "base/text.h"

#include <string.h>

struct text text_of(const char *bytes, size_t len)
{
    /* An empty buffer has no bytes, and nothing may be added to NULL, not even 0 (C17 6.5.6). */
    return (struct text){bytes, len ? bytes + len : bytes};
}

struct text text_of_str(const char *str)
{
    return text_of(str, strlen(str));
}

bool text_char(struct text *t, char c)
{
    if (text_end(t) || *t->p != c)
        return false;
    t->p++;
    return true;
}

bool text_literal(struct text *t, const char *literal)
{
    size_t len = strlen(literal);
    if (text_len(t) < len || memcmp(t->p, literal, len) != 0)
        return false;
    t->p += len;
    return true;
}

bool text_run(struct text *t, bool (*is)(char), size_t max, struct text *out)
{
    const char *p = t->p;
    while (p < t->end && is(*p))
        p++;
    size_t len = (size_t)(p - t->p);
    if (len == 0 || len > max)
        return false;
    *out = text_of(t->p, len);
    t->p = p;
    return true;
}

bool text_digits(struct text *t, size_t max, struct text *out)
{
    return text_run(t, text_is_digit, max, out);
}

bool text_uint(struct text *t, uint64_t max, uint64_t *out)
{
    struct text at = *t, digits;
    if (!text_digits(&at, 20, &digits))
        return false;
    uint64_t value = 0;
    for (const char *p = digits.p; p < digits.end; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (value > max)
        return false;
    *out = value;
    *t = at;
    return true;
}

bool text_until(struct text *t, char stop, size_t max, struct text *out)
{
    if (text_end(t))
        return false;
    const char *p = memchr(t->p, stop, text_len(t));
    if (!p)
        p = t->end;
    size_t len = (size_t)(p - t->p);
    if (len == 0 || len > max)
        return false;
    *out = text_of(t->p, len);
    t->p = p;
    return true;
}

bool text_line(struct text *t, struct text *out)
{
    if (text_end(t))
        return false;
    const char *lf = memchr(t->p, '\n', text_len(t));
    const char *stop = lf ? lf : t->end;
    const char *next = lf ? lf + 1 : t->end;
    if (stop > t->p && stop[-1] == '\r')
        stop--;
    *out = (struct text){t->p, stop};
    t->p = next;
    return true;
}

bool text_equals(struct text t, const char *str)
{
    return text_same(t, text_of_str(str));
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool text_equals_nocase(struct text t, const char *str)
{
    size_t len = strlen(str);
    if (text_len(&t) != len)
        return false;
    for (size_t i = 0; i < len; i++)
        if (lower(t.p[i]) != lower(str[i]))
            return false;
    return true;
}

bool text_same(struct text a, struct text b)
{
    size_t len = text_len(&a);
    return len == text_len(&b) && (len == 0 || memcmp(a.p, b.p, len) == 0);
}

bool text_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool text_is_alpha(char c)
{
    c = lower(c);
    return c >= 'a' && c <= 'z';
}

bool text_is_alnum(char c)
{
    return text_is_alpha(c) || text_is_digit(c);
}

bool text_is_hex(char c)
{
    c = lower(c);
    return text_is_digit(c) || (c >= 'a' && c <= 'f');
}

bool text_is_printable(char c)
{
    return c >= 0x20 && c <= 0x7e;
}

bool text_is_token(char c)
{
    return text_is_printable(c) && c != ' ' && !strchr("\"(),/:;<=>?@[\\]", c);
}

bool text_hex4(const char *p, const char *end, uint32_t *out)
{
    if (end - p < 4)
        return false;
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        if (!text_is_hex(c))
            return false;
        value = value * 16 + (uint32_t)(text_is_digit(c) ? c - '0' : lower(c) - 'a' + 10);
    }
    *out = value;
    return true;
}
