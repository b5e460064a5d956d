#include "policy/token_number.h"

#include "base/text.h"

#define SECONDS_MAX INT64_C(253402300799) /* the end of the year 9999 */

enum { EXPONENT_MAX = 9999, DIGITS_MAX = 18 };

/* digits * 10^scale, both out of a number that json.h has checked. */
static int64_t read_digits(struct text *t, long *scale)
{
    int64_t digits = 0;
    int kept = 0;
    bool fraction = false;
    *scale = 0;
    for (; !text_end(t) && (*t->p | 0x20) != 'e'; t->p++) {
        if (*t->p == '.') {
            fraction = true;
            continue;
        }
        if (kept == DIGITS_MAX) {
            *scale += !fraction;
            continue;
        }
        digits = digits * 10 + (*t->p - '0');
        kept += digits > 0;
        *scale -= fraction;
    }
    return digits;
}

static long read_exponent(struct text *t)
{
    long n = 0;
    if (text_end(t))
        return 0;
    t->p++; /* the e */
    bool minus = text_char(t, '-');
    if (!minus)
        text_char(t, '+');
    for (; !text_end(t); t->p++)
        if (n <= EXPONENT_MAX)
            n = n * 10 + (*t->p - '0');
    return minus ? -n : n;
}

bool token_date_ms(struct json_span v, int64_t *out)
{
    if (v.type != JSON_NUMBER)
        return false;
    struct text t = text_of(v.p, v.len);
    bool minus = text_char(&t, '-');
    long scale;
    int64_t ms = read_digits(&t, &scale);
    scale += read_exponent(&t) + 3;
    for (; scale > 0 && ms > 0; scale--) {
        if (ms > SECONDS_MAX * 1000)
            return false;
        ms *= 10;
    }
    for (; scale < 0 && ms > 0; scale++)
        ms /= 10;
    if (ms > SECONDS_MAX * 1000 + 999)
        return false;
    *out = minus ? -ms : ms;
    return true;
}
