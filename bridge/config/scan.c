#include "config/scan.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct scan {
    struct text at;
    unsigned line;
    unsigned depth;
    unsigned settings;
    struct problem *why;
};

static enum status refuse(struct scan *s, const char *sentence)
{
    return problem_set(s->why, STATUS_BAD_CONFIG, s->line, NULL, "%s", sentence);
}

static bool next_is(const struct scan *s, char c)
{
    return text_len(&s->at) > 1 && s->at.p[1] == c;
}

static void skip_line(struct scan *s)
{
    const char *lf = memchr(s->at.p, '\n', text_len(&s->at));
    s->at.p = lf ? lf : s->at.end;
}

static enum status skip_comment(struct scan *s)
{
    unsigned opened = s->line;
    for (s->at.p += 2; !text_end(&s->at); s->at.p++) {
        if (*s->at.p == '\n')
            s->line++;
        if (*s->at.p == '*' && next_is(s, '/')) {
            s->at.p += 2;
            return STATUS_OK;
        }
    }
    s->line = opened;
    return refuse(s, "a comment begins here and never ends: close it with */");
}

static enum status skip_string(struct scan *s)
{
    for (s->at.p++; !text_end(&s->at) && *s->at.p != '\n'; s->at.p++) {
        if (*s->at.p == '"') {
            s->at.p++;
            return STATUS_OK;
        }
        if (*s->at.p == '\\') {
            if (text_len(&s->at) >= 4 && memcmp(s->at.p, "\\x00", 4) == 0)
                return refuse(s, "\\x00 cannot be part of a text: leave it out");
            if (next_is(s, '\n'))
                break;
            if (text_len(&s->at) > 1)
                s->at.p++;
        }
    }
    return refuse(s, "a text does not end on its line: close it with a double quote");
}

/* A word or number, taken whole, so that digits inside names are not looked at. */
static enum status skip_word(struct scan *s)
{
    const char *start = s->at.p;
    while (!text_end(&s->at) && (text_is_alnum(*s->at.p) || strchr("_.*", *s->at.p)))
        s->at.p++;
    struct text word = {start, s->at.p}, digits = word;
    uint64_t n = 0;
    if (text_len(&word) > 2 && *start == '0' && (start[1] == 'x' || start[1] == 'X')) {
        digits.p += 2;
        while (digits.p < digits.end && *digits.p == '0')
            digits.p++;
        const char *p = digits.p;
        while (p < digits.end && text_is_hex(*p))
            p++;
        if (p - digits.p > 8 || (p - digits.p == 8 && *digits.p > '7'))
            return refuse(s, "a number is too large: none here may be above 2147483647");
    } else if (text_digits(&digits, SCAN_MAX_BYTES, &word)) {
        while (word.p < word.end && *word.p == '0')
            word.p++;
        if (text_len(&word) > 10 || (text_len(&word) > 0 && !text_uint(&word, INT32_MAX, &n)))
            return refuse(s, "a number is too large: none here may be above 2147483647");
    }
    return STATUS_OK;
}

static enum status punctuation(struct scan *s)
{
    switch (*s->at.p++) {
    case '\0':
        return refuse(s, "there is a NUL byte: this is no text file");
    case '@':
        return refuse(s, "@include is not supported: write everything into one file");
    case '\n':
        s->line++;
        break;
    case '{':
    case '(':
    case '[':
        if (++s->depth > SCAN_MAX_DEPTH)
            return refuse(s, "groups and lists are nested too deeply: 8 levels at most");
        break;
    case '}':
    case ')':
    case ']':
        s->depth -= s->depth > 0; /* unbalanced: libconfig says so */
        break;
    case '=':
    case ':':
        if (++s->settings > SCAN_MAX_SETTINGS)
            return refuse(s, "there are too many settings: 10000 at most");
        break;
    default:
        break;
    }
    return STATUS_OK;
}

enum status scan_check(const char *text, size_t len, struct problem *why)
{
    struct scan s = {.at = text_of(text, len), .line = 1, .why = why};
    enum status status = STATUS_OK;
    if (len > SCAN_MAX_BYTES) {
        s.line = 0;
        return refuse(&s, "the file is larger than 1 MiB");
    }
    while (status == STATUS_OK && !text_end(&s.at)) {
        char c = *s.at.p;
        if (c == '#' || (c == '/' && next_is(&s, '/')))
            skip_line(&s);
        else if (c == '/' && next_is(&s, '*'))
            status = skip_comment(&s);
        else if (c == '"')
            status = skip_string(&s);
        else if (text_is_alnum(c))
            status = skip_word(&s);
        else
            status = punctuation(&s);
    }
    /* NULs in comments and texts. */
    if (status == STATUS_OK && memchr(text, '\0', len)) {
        s.line = 0;
        status = refuse(&s, "there is a NUL byte: this is no text file");
    }
    return status;
}
