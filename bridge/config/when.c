#include "config/when.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { YEAR_MIN = 1970, YEAR_MAX = 9999, MS_DIGITS_MIN = 10, MS_DIGITS_MAX = 15 };

/* Exactly `digits` decimal digits, least to most. */
static bool number(struct text *t, size_t digits, unsigned least, unsigned most, int *out)
{
    uint64_t n;
    struct text part = *t;
    if (text_len(t) < digits)
        return false;
    part.end = part.p + digits;
    if (!text_uint(&part, most, &n) || !text_end(&part) || n < least)
        return false;
    t->p += digits;
    *out = (int)n;
    return true;
}

static bool read_offset(struct text *t, int *minutes)
{
    int h, m = 0;
    bool east = text_char(t, '+');
    if (!east && !text_char(t, '-'))
        return false;
    if (!number(t, 2, 0, 23, &h))
        return false;
    text_char(t, ':');
    if (!text_end(t) && !number(t, 2, 0, 59, &m))
        return false;
    *minutes = (h * 60 + m) * (east ? 1 : -1);
    return true;
}

static bool read_fraction(struct text *t, int *ms)
{
    struct text digits;
    if (!text_digits(t, 9, &digits))
        return false;
    *ms = 0;
    for (int i = 0; i < 3; i++)
        *ms = *ms * 10 + (digits.p + i < digits.end ? digits.p[i] - '0' : 0);
    return true;
}

static bool read_clock(struct text *t, struct tm *tm, int *ms)
{
    if (!text_char(t, 'T') && !text_char(t, ' '))
        return text_end(t); /* a date alone is its midnight */
    if (!number(t, 2, 0, 23, &tm->tm_hour) || !text_char(t, ':') ||
        !number(t, 2, 0, 59, &tm->tm_min))
        return false;
    if (text_char(t, ':')) {
        if (!number(t, 2, 0, 59, &tm->tm_sec))
            return false;
        if (text_char(t, '.') && !read_fraction(t, ms))
            return false;
    }
    return true;
}

static bool parse_date(struct text t, int64_t *out)
{
    struct tm tm = {.tm_isdst = -1};
    int ms = 0, offset = 0;
    if (!number(&t, 4, YEAR_MIN, YEAR_MAX, &tm.tm_year) || !text_char(&t, '-') ||
        !number(&t, 2, 1, 12, &tm.tm_mon) || !text_char(&t, '-') ||
        !number(&t, 2, 1, 31, &tm.tm_mday) || !read_clock(&t, &tm, &ms))
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    int day = tm.tm_mday;
    bool utc = text_char(&t, 'Z') || read_offset(&t, &offset);
    if (!text_end(&t))
        return false;
    time_t s = utc ? timegm(&tm) : mktime(&tm);
    if (tm.tm_mday != day) /* the calendar has no such day: it was carried into the next month */
        return false;
    *out = ((int64_t)s - offset * 60) * 1000 + ms;
    return *out >= 0;
}

static bool parse_ago(struct text t, int64_t now_ms, int64_t *out)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}, {'w', 604800000}};
    uint64_t n;
    if (!text_uint(&t, 1000000, &n) || text_len(&t) != 1)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (units[i].unit == *t.p) {
            *out = now_ms - (int64_t)n * units[i].ms;
            if (*out < 0)
                *out = 0;
            return true;
        }
    }
    return false;
}

bool when_parse(const char *str, int64_t now_ms, int64_t *out_ms)
{
    struct text t = text_of_str(str), digits;
    uint64_t ms;
    int64_t value;
    struct text all = t;
    if (text_digits(&all, MS_DIGITS_MAX, &digits) && text_end(&all)) {
        if (text_len(&digits) < MS_DIGITS_MIN || !text_uint(&digits, INT64_MAX, &ms))
            return false;
        value = (int64_t)ms;
    } else if (!parse_ago(t, now_ms, &value) && !parse_date(t, &value)) {
        return false;
    }
    *out_ms = value;
    return true;
}

void when_format(int64_t ms, char out[WHEN_TEXT_MAX])
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    if (!localtime_r(&s, &tm) || strftime(out, WHEN_TEXT_MAX, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        snprintf(out, WHEN_TEXT_MAX, "-");
}

void when_format_duration(int64_t ms, char out[WHEN_TEXT_MAX])
{
    long long s = ms < 0 ? 0 : ms / 1000;
    if (s < 60)
        snprintf(out, WHEN_TEXT_MAX, "%llds", s);
    else if (s < 3600)
        snprintf(out, WHEN_TEXT_MAX, "%lldm%02llds", s / 60, s % 60);
    else if (s < 86400)
        snprintf(out, WHEN_TEXT_MAX, "%lldh%02lldm", s / 3600, s / 60 % 60);
    else
        snprintf(out, WHEN_TEXT_MAX, "%lldd%02lldh", s / 86400, s / 3600 % 24);
}
