#include "json.h"

#include <stdint.h>

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
        p++;
    return p;
}

/* Behind the closing quote of the string that begins at p; NULL when there is none. */
static const char *skip_string(const char *p, const char *end)
{
    const char *from = p + 1;
    while ((p = memchr(from, '"', (size_t)(end - from))) != NULL) {
        const char *back = p;
        while (back > from && back[-1] == '\\')
            back--;
        if ((p - back) % 2 == 0)
            return p + 1;
        from = p + 1;
    }
    return NULL;
}

static const char *skip_value(const char *p, const char *end)
{
    size_t depth = 0;
    while (p && p < end) {
        if (*p == '"')
            p = skip_string(p, end);
        else if (*p == '{' || *p == '[')
            depth++, p++;
        else if (*p == '}' || *p == ']')
            depth--, p++;
        else if (depth > 0)
            p++;
        else
            while (p < end && *p != ',' && *p != '}' && *p != ']' && *p != ' ' && *p != '\n')
                p++;
        if (depth == 0)
            return p;
    }
    return NULL;
}

struct json_walk json_enter(struct span value)
{
    const char *end = value.p + value.n;
    const char *p = skip_space(value.p, end);
    if (p == end || (*p != '{' && *p != '['))
        return (struct json_walk){.broken = true};
    return (struct json_walk){.at = p + 1, .end = end, .closing = *p == '{' ? '}' : ']'};
}

static bool stop(struct json_walk *walk, bool broken)
{
    walk->at = NULL;
    walk->broken = broken;
    return false;
}

bool json_next(struct json_walk *walk, struct span *key, struct span *value)
{
    if (!walk->at)
        return false;
    const char *end = walk->end;
    const char *p = skip_space(walk->at, end);
    if (p < end && *p == ',')
        p = skip_space(p + 1, end);
    if (p == end)
        return stop(walk, true);
    if (*p == walk->closing)
        return stop(walk, false);
    *key = (struct span){p, 0};
    if (walk->closing == '}') {
        const char *behind = *p == '"' ? skip_string(p, end) : NULL;
        if (!behind)
            return stop(walk, true);
        *key = (struct span){p + 1, (size_t)(behind - p) - 2};
        p = skip_space(behind, end);
        if (p == end || *p != ':')
            return stop(walk, true);
        p = skip_space(p + 1, end);
    }
    const char *behind = p < end ? skip_value(p, end) : NULL;
    if (!behind || behind == p)
        return stop(walk, true);
    *value = (struct span){p, (size_t)(behind - p)};
    walk->at = behind;
    return true;
}

struct span json_text(struct span value)
{
    if (value.n < 2 || value.p[0] != '"')
        return (struct span){value.p, 0};
    return (struct span){value.p + 1, value.n - 2};
}

static int hex4(const char *p, const char *end)
{
    if (end - p < 4)
        return -1;
    int n = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        n = n * 16 + digit;
    }
    return n;
}

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* Behind the escape at p (which is the backslash), its character added to out; NULL: it is none. */
static const char *unescape_one(const char *p, const char *end, char *out, size_t *n)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (end - p < 2)
        return NULL;
    const char *simple = memchr(from, p[1], sizeof from - 1);
    if (simple) {
        out[(*n)++] = to[simple - from];
        return p + 2;
    }
    int unit = p[1] == 'u' ? hex4(p + 2, end) : -1;
    if (unit < 0)
        return NULL;
    p += 6;
    uint32_t c = (uint32_t)unit;
    if (c >= 0xd800 && c < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
        int low = hex4(p + 2, end);
        if (low < 0xdc00 || low > 0xdfff)
            return NULL;
        c = 0x10000 + ((c - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
        p += 6;
    }
    *n += put_utf8(out + *n, c);
    return p;
}

/* out holds text.n bytes, which is always enough. False: it cannot be read. */
static bool unescape(struct span text, char *out, size_t *n)
{
    const char *p = text.p, *end = text.p + text.n;
    *n = 0;
    while (p < end) {
        const char *slash = memchr(p, '\\', (size_t)(end - p));
        size_t plain = (size_t)((slash ? slash : end) - p);
        memcpy(out + *n, p, plain);
        *n += plain;
        p += plain;
        if (slash && !(p = unescape_one(p, end, out, n)))
            return false;
    }
    return true;
}

static bool strings_same(struct span a, struct span b)
{
    static char plain_a[JSON_STRING_MAX], plain_b[JSON_STRING_MAX];
    a = json_text(a);
    b = json_text(b);
    if (a.n > JSON_STRING_MAX || b.n > JSON_STRING_MAX)
        return false;
    size_t n, m;
    return unescape(a, plain_a, &n) && unescape(b, plain_b, &m) && n == m &&
           memcmp(plain_a, plain_b, n) == 0;
}

/* How many members an object has; -1: it is broken. */
static int count_members(struct span value)
{
    struct json_walk walk = json_enter(value);
    struct span key, member;
    int n = 0;
    while (json_next(&walk, &key, &member))
        n++;
    return walk.broken ? -1 : n;
}

static bool find_member(struct span object, struct span key, struct span *value)
{
    struct json_walk walk = json_enter(object);
    struct span other;
    while (json_next(&walk, &other, value))
        if (span_same(key, other))
            return true;
    return false;
}

static bool objects_same(struct span a, struct span b)
{
    int count = count_members(a);
    if (count < 0 || count != count_members(b))
        return false;
    struct json_walk walk = json_enter(a);
    struct span key, mine, other;
    while (json_next(&walk, &key, &mine))
        if (!find_member(b, key, &other) || !json_same(mine, other))
            return false;
    return true;
}

bool json_same(struct span a, struct span b)
{
    if (span_same(a, b))
        return true;
    if (a.n == 0 || b.n == 0 || a.p[0] != b.p[0])
        return false;
    if (a.p[0] == '"')
        return strings_same(a, b);
    return a.p[0] == '{' && objects_same(a, b);
}
