/* JSON strings: out of their escapes, and into them; and values as they came. */
#include "proto/json.h"

#include <string.h>

static size_t put_utf8(char *out, uint32_t code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | (code >> 6));
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | (code >> 12));
        out[1] = (char)(0x80 | ((code >> 6) & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | (code >> 18));
    out[1] = (char)(0x80 | ((code >> 12) & 0x3f));
    out[2] = (char)(0x80 | ((code >> 6) & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* One checked escape sequence at p, behind its backslash: its bytes, and how much it took. */
static size_t decode_escape(const char *p, const char *end, char out[4], size_t *taken)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    *taken = 1;
    if (*p != 'u') {
        const char *known = memchr(from, *p, sizeof from - 1);
        out[0] = known ? to[known - from] : *p;
        return 1;
    }
    uint32_t code = 0, low = 0;
    text_hex4(p + 1, end, &code);
    *taken = 5;
    if (code >= 0xd800 && code <= 0xdbff) {
        text_hex4(p + 7, end, &low);
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        *taken = 11;
    }
    return put_utf8(out, code);
}

bool json_decode(struct json_span string, char *out, size_t cap, size_t *len)
{
    const char *p = string.p, *end = p + string.len;
    size_t at = 0;
    while (p < end) {
        const char *slash = string.escaped ? memchr(p, '\\', (size_t)(end - p)) : NULL;
        size_t run = (size_t)((slash ? slash : end) - p);
        if (run > cap - at)
            return false;
        memmove(out + at, p, run);
        at += run;
        p += run;
        if (!slash)
            break;
        char bytes[4];
        size_t taken, n = decode_escape(p + 1, end, bytes, &taken);
        if (n > cap - at)
            return false;
        memcpy(out + at, bytes, n);
        at += n;
        p += 1 + taken;
    }
    *len = at;
    return true;
}

bool json_equals(struct json_span string, const char *str)
{
    size_t len = strlen(str);
    if (string.type != JSON_STRING)
        return false;
    if (!string.escaped)
        return string.len == len && memcmp(string.p, str, len) == 0;
    char plain[JSON_MAX_KEY];
    size_t plain_len;
    return json_decode(string, plain, sizeof plain, &plain_len) && plain_len == len &&
           memcmp(plain, str, len) == 0;
}

bool json_uint(struct json_span number, uint64_t max, uint64_t *out)
{
    if (number.type != JSON_NUMBER) /* absent: no pointer to add to */
        return false;
    struct text t = {number.p, number.p + number.len};
    uint64_t value;
    if (!text_uint(&t, max, &value) || !text_end(&t))
        return false;
    *out = value;
    return true;
}

void json_put_string(struct buf *b, const char *bytes, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    buf_char(b, '"');
    size_t from = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
            continue;
        buf_add(b, bytes + from, i - from);
        from = i + 1;
        buf_char(b, '\\');
        switch (c) {
        case '\n':
            buf_char(b, 'n');
            break;
        case '\r':
            buf_char(b, 'r');
            break;
        case '\t':
            buf_char(b, 't');
            break;
        case '"':
        case '\\':
            buf_char(b, (char)c);
            break;
        default:
            buf_str(b, "u00");
            buf_char(b, hex[c >> 4]);
            buf_char(b, hex[c & 15]);
        }
    }
    buf_add(b, bytes + from, len - from);
    buf_char(b, '"');
}

void json_put_str(struct buf *b, const char *str)
{
    json_put_string(b, str, strlen(str));
}

void json_put_text(struct buf *b, struct text t)
{
    json_put_string(b, t.p, text_len(&t));
}

void json_put_span(struct buf *b, struct json_span value)
{
    if (value.type == JSON_STRING)
        buf_char(b, '"');
    buf_add(b, value.p, value.len);
    if (value.type == JSON_STRING)
        buf_char(b, '"');
}
