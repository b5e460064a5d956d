#include "proto/json.h"

#include "proto/json_scan.h"

#include <string.h>

struct open_key {
    struct json_span span;
    uint64_t digest;
};

struct reader {
    const char *start;
    const char *p;
    const char *end;
    struct problem *why;
    unsigned depth;
    unsigned key_count;
    bool in_object[JSON_MAX_DEPTH + 1];
    uint16_t first_key[JSON_MAX_DEPTH + 1]; /* where the keys of the object at this depth begin */
    struct open_key keys[JSON_OPEN_KEYS];
};

static bool refuse(struct reader *r, const char *rule, const char *what)
{
    problem_set(r->why, STATUS_INVALID_JSON, 0, rule, "%s at byte %zu", what,
                (size_t)(r->p - r->start));
    return false;
}

static void skip_space(struct reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t'))
        r->p++;
}

/* RFC 3629 section 4, one character from 0x80 up; the number of its bytes, or 0. */
static size_t utf8_length(const char *text, const char *end)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t have = (size_t)(end - text);
    unsigned char low = 0x80, high = 0xbf;
    size_t len;
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        len = 2;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        len = 3;
        if (p[0] == 0xe0)
            low = 0xa0; /* no overlong form */
        else if (p[0] == 0xed)
            high = 0x9f; /* no surrogate */
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        len = 4;
        if (p[0] == 0xf0)
            low = 0x90;
        else if (p[0] == 0xf4)
            high = 0x8f; /* nothing above U+10FFFF */
    } else {
        return 0;
    }
    if (have < len || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    return len;
}

static bool is_short_escape(char c)
{
    switch (c) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return true;
    default:
        return false;
    }
}

/* After a backslash: one escape sequence, and for a high surrogate the low one behind it. */
static bool read_escape(struct reader *r)
{
    if (r->p == r->end)
        return refuse(r, "json-string", "unfinished string");
    char c = *r->p++;
    if (is_short_escape(c))
        return true;
    if (c != 'u')
        return refuse(r, "json-escape", "unknown escape sequence");
    uint32_t code;
    if (!text_hex4(r->p, r->end, &code))
        return refuse(r, "json-escape", "\\u needs four hexadecimal digits");
    r->p += 4;
    if (code == 0)
        return refuse(r, "json-nul", "NUL in a string");
    if (code >= 0xdc00 && code <= 0xdfff)
        return refuse(r, "json-surrogate", "low surrogate without a high one");
    if (code >= 0xd800 && code <= 0xdbff) {
        uint32_t low;
        if (r->end - r->p < 6 || r->p[0] != '\\' || r->p[1] != 'u' ||
            !text_hex4(r->p + 2, r->end, &low) || low < 0xdc00 || low > 0xdfff)
            return refuse(r, "json-surrogate", "high surrogate without a low one");
        r->p += 6;
    }
    return true;
}

static bool read_string(struct reader *r, struct json_span *out)
{
    r->p++; /* the opening quote */
    *out = (struct json_span){.p = r->p, .type = JSON_STRING};
    for (;;) {
        r->p = json_skip_plain(r->p, r->end);
        if (r->p == r->end)
            return refuse(r, "json-string", "unfinished string");
        unsigned char c = (unsigned char)*r->p;
        if (c == '"') {
            out->len = (size_t)(r->p++ - out->p);
            return true;
        }
        if (c < 0x20)
            return refuse(r, "json-control", "control character in a string: escape it");
        if (c == '\\') {
            out->escaped = true;
            r->p++;
            if (!read_escape(r))
                return false;
        } else {
            size_t len = utf8_length(r->p, r->end);
            if (!len)
                return refuse(r, "json-utf8", "invalid UTF-8");
            r->p += len;
        }
    }
}

static void take_digits(struct reader *r)
{
    while (r->p < r->end && text_is_digit(*r->p))
        r->p++;
}

static bool read_number(struct reader *r, struct json_span *out)
{
    *out = (struct json_span){.p = r->p, .type = JSON_NUMBER};
    if (*r->p == '-')
        r->p++;
    const char *digits = r->p;
    take_digits(r);
    if (r->p == digits || (*digits == '0' && r->p - digits > 1))
        return refuse(r, "json-number", "malformed number");
    if (r->p < r->end && *r->p == '.') {
        digits = ++r->p;
        take_digits(r);
        if (r->p == digits)
            return refuse(r, "json-number", "malformed number");
    }
    if (r->p < r->end && (*r->p | 0x20) == 'e') {
        r->p++;
        if (r->p < r->end && (*r->p == '+' || *r->p == '-'))
            r->p++;
        digits = r->p;
        take_digits(r);
        if (r->p == digits)
            return refuse(r, "json-number", "malformed number");
    }
    out->len = (size_t)(r->p - out->p);
    return true;
}

static bool read_word(struct reader *r, const char *word, enum json_type type,
                      struct json_span *out)
{
    size_t len = strlen(word);
    if ((size_t)(r->end - r->p) < len || memcmp(r->p, word, len) != 0)
        return refuse(r, "json-syntax", "a value was expected");
    *out = (struct json_span){.p = r->p, .len = len, .type = type};
    r->p += len;
    return true;
}

static bool read_scalar(struct reader *r, struct json_span *out)
{
    switch (*r->p) {
    case '"':
        return read_string(r, out);
    case 't':
        return read_word(r, "true", JSON_TRUE, out);
    case 'f':
        return read_word(r, "false", JSON_FALSE, out);
    case 'n':
        return read_word(r, "null", JSON_NULL, out);
    default:
        if (*r->p == '-' || text_is_digit(*r->p))
            return read_number(r, out);
        return refuse(r, "json-syntax", "a value was expected");
    }
}

static bool same_key(struct json_span a, struct json_span b)
{
    char left[JSON_MAX_KEY], right[JSON_MAX_KEY];
    size_t left_len, right_len;
    if (!a.escaped && !b.escaped)
        return a.len == b.len && memcmp(a.p, b.p, a.len) == 0;
    return json_decode(a, left, sizeof left, &left_len) &&
           json_decode(b, right, sizeof right, &right_len) && left_len == right_len &&
           memcmp(left, right, left_len) == 0;
}

static uint64_t mix(uint64_t digest, uint64_t word)
{
    digest = (digest ^ word) * 0x9e3779b97f4a7c15ULL;
    return digest ^ digest >> 32;
}

/* Equal for equal keys, and seldom for others. */
static uint64_t key_digest(struct json_span key)
{
    char plain[JSON_MAX_KEY];
    const char *p = key.p;
    size_t len = key.len;
    uint64_t word;
    if (key.escaped) {
        (void)json_decode(key, plain, sizeof plain, &len);
        p = plain;
    }
    uint64_t digest = len;
    for (; len >= sizeof word; p += sizeof word, len -= sizeof word) {
        memcpy(&word, p, sizeof word);
        digest = mix(digest, word);
    }
    word = 0;
    memcpy(&word, p, len);
    return mix(digest, word);
}

/* A key, remembered until its object closes, and the colon behind it. */
static bool read_key(struct reader *r, struct json_span *out)
{
    if (r->p == r->end || *r->p != '"')
        return refuse(r, "json-syntax", "a key in double quotes was expected");
    if (!read_string(r, out))
        return false;
    if (out->len > JSON_MAX_KEY)
        return refuse(r, "json-size", "key longer than 128 bytes");
    if (r->key_count == JSON_OPEN_KEYS)
        return refuse(r, "json-size", "too many keys");
    uint64_t digest = key_digest(*out);
    for (unsigned i = r->first_key[r->depth]; i < r->key_count; i++)
        if (r->keys[i].digest == digest && same_key(r->keys[i].span, *out))
            return refuse(r, "json-duplicate", "duplicate key");
    r->keys[r->key_count++] = (struct open_key){*out, digest};
    skip_space(r);
    if (r->p == r->end || *r->p != ':')
        return refuse(r, "json-syntax", "':' was expected");
    r->p++;
    skip_space(r);
    return true;
}

static bool open_container(struct reader *r, bool object)
{
    if (r->depth == JSON_MAX_DEPTH)
        return refuse(r, "json-depth", "nested too deeply");
    r->depth++;
    r->in_object[r->depth] = object;
    r->first_key[r->depth] = (uint16_t)r->key_count;
    r->p++;
    skip_space(r);
    return true;
}

static void close_container(struct reader *r)
{
    if (r->in_object[r->depth])
        r->key_count = r->first_key[r->depth];
    r->depth--;
    r->p++;
}

/* Where the members or items of the outermost container go: one of the two lists. */
struct sink {
    struct json_member *members;
    struct json_span *items;
    size_t max;
    size_t count;
};

static bool sink_add(struct reader *r, struct sink *s, struct json_span key, struct json_span value)
{
    if (s->count == s->max)
        return refuse(r, "json-size", "too many members");
    if (s->members)
        s->members[s->count++] = (struct json_member){key, value};
    else
        s->items[s->count++] = value;
    return true;
}

/* Walks one container to its end. Each turn of the loop stands before a member, an item or a
 * closing bracket; `outer` keeps the outermost container's current key and the start of its nested
 * value. */
static bool read_container(struct reader *r, struct sink *sink)
{
    struct json_span outer_key = {0}, outer_value = {0};
    bool fresh = true; /* directly after an opening bracket */
    while (r->depth > 0) {
        bool object = r->in_object[r->depth];
        char close = object ? '}' : ']';
        if (r->p == r->end)
            return refuse(r, "json-syntax", "the text ends too early");
        if (*r->p == close) {
            close_container(r);
            fresh = false;
            if (r->depth == 1) {
                outer_value.len = (size_t)(r->p - outer_value.p);
                if (!sink_add(r, sink, outer_key, outer_value))
                    return false;
            }
            skip_space(r);
            continue;
        }
        if (!fresh) {
            if (*r->p != ',')
                return refuse(r, "json-syntax", "',' or a closing bracket was expected");
            r->p++;
            skip_space(r);
        }
        struct json_span key = {0}, value;
        if (object && !read_key(r, &key))
            return false;
        if (r->p == r->end)
            return refuse(r, "json-syntax", "the text ends too early");
        if (*r->p == '{' || *r->p == '[') {
            if (r->depth == 1) {
                outer_key = key;
                outer_value =
                    (struct json_span){.p = r->p, .type = *r->p == '{' ? JSON_OBJECT : JSON_ARRAY};
            }
            if (!open_container(r, *r->p == '{'))
                return false;
            fresh = true;
            continue;
        }
        if (!read_scalar(r, &value))
            return false;
        if (r->depth == 1 && !sink_add(r, sink, key, value))
            return false;
        fresh = false;
        skip_space(r);
    }
    return true;
}

static enum status read_whole(const char *text, size_t len, char open, struct sink *sink,
                              struct problem *why)
{
    struct reader r; /* the key table is left as it is: key_count says how much of it counts */
    r.start = r.p = text;
    r.end = text + len;
    r.why = why;
    r.depth = 0;
    r.key_count = 0;
    skip_space(&r);
    if (r.p == r.end || *r.p != open) {
        refuse(&r, "json-syntax",
               open == '{' ? "one object was expected" : "an array was expected");
        return STATUS_INVALID_JSON;
    }
    if (!open_container(&r, open == '{') || !read_container(&r, sink))
        return STATUS_INVALID_JSON;
    if (r.p != r.end) {
        refuse(&r, "json-trailing", "something follows the value");
        return STATUS_INVALID_JSON;
    }
    return STATUS_OK;
}

enum status json_object(const char *text, size_t len, struct json_member *members, size_t max,
                        size_t *count, struct problem *why)
{
    struct sink sink = {.members = members, .max = max};
    enum status s = read_whole(text, len, '{', &sink, why);
    *count = s == STATUS_OK ? sink.count : 0;
    return s;
}

enum status json_array(const char *text, size_t len, struct json_span *items, size_t max,
                       size_t *count, struct problem *why)
{
    struct sink sink = {.items = items, .max = max};
    enum status s = read_whole(text, len, '[', &sink, why);
    *count = s == STATUS_OK ? sink.count : 0;
    return s;
}
