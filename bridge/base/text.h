/* A bounded cursor over bytes that somebody else owns. Never allocates, never reads past the end,
 * needs no terminating NUL. Each text_* reader either takes what it names and returns true, or
 * leaves the cursor where it was and returns false.
 *
 *     struct text t = text_of(bytes, len);
 *     if (text_literal(&t, "v=") && text_uint(&t, 9, &version) && text_end(&t)) ...
 *
 * Threads: plain data. */
#ifndef SIGBRIDGE_BASE_TEXT_H
#define SIGBRIDGE_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    const char *p;
    const char *end;
};

struct text text_of(const char *bytes, size_t len);
struct text text_of_str(const char *str); /* a NUL-terminated string */

static inline size_t text_len(const struct text *t)
{
    return (size_t)(t->end - t->p);
}

static inline bool text_end(const struct text *t)
{
    return t->p == t->end;
}

bool text_char(struct text *t, char c);                         /* exactly this byte */
bool text_literal(struct text *t, const char *literal);         /* exactly these bytes */
bool text_digits(struct text *t, size_t max, struct text *out); /* 1 to max decimal digits */
bool text_uint(struct text *t, uint64_t max, uint64_t *out); /* decimal, no sign, at most `max` */
/* One or more bytes up to `stop` or the end; `stop` itself is not taken. At most `max` bytes. */
bool text_until(struct text *t, char stop, size_t max, struct text *out);
/* A run of 1 to `max` bytes for which `is` holds. */
bool text_run(struct text *t, bool (*is)(char), size_t max, struct text *out);
/* The next line without its end: LF or CRLF; a last line may lack it. False at the end. */
bool text_line(struct text *t, struct text *out);

/* Exactly four hexadecimal digits at p. */
bool text_hex4(const char *p, const char *end, uint32_t *out);

bool text_equals(struct text t, const char *str);
bool text_equals_nocase(struct text t, const char *str); /* ASCII only */
bool text_same(struct text a, struct text b);

/* RFC 8866 section 9: token-char; and ASCII classes that no locale can change. */
bool text_is_token(char c);
bool text_is_digit(char c);
bool text_is_alpha(char c);
bool text_is_alnum(char c);
bool text_is_hex(char c);
bool text_is_printable(char c); /* 0x20 to 0x7e */

#endif
