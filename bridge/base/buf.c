#include "base/buf.h"

#include <string.h>

void buf_init_fixed(struct buf *b, char *memory, size_t size_bytes)
{
    *b = (struct buf){.data = memory, .cap = size_bytes, .max = size_bytes};
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

char *buf_room(struct buf *b, size_t len)
{
    if (b->failed || len > b->max - b->len) {
        b->failed = true;
        return NULL;
    }
    if (len > b->cap - b->len && !(b->grow && b->grow(b, b->len + len))) {
        b->failed = true;
        return NULL;
    }
    return b->data + b->len;
}

void buf_added(struct buf *b, size_t len)
{
    b->len += len;
}

void buf_add(struct buf *b, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    char *to = buf_room(b, len);
    if (!to)
        return;
    memcpy(to, bytes, len);
    b->len += len;
}

void buf_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_str(struct buf *b, const char *str)
{
    buf_add(b, str, strlen(str));
}

void buf_uint(struct buf *b, uint64_t n)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    buf_add(b, digits + at, sizeof digits - at);
}

void buf_int(struct buf *b, int64_t n)
{
    if (n < 0)
        buf_char(b, '-');
    buf_uint(b, n < 0 ? (uint64_t)0 - (uint64_t)n : (uint64_t)n);
}

const char *buf_cstr(struct buf *b)
{
    char *end = buf_room(b, 1);
    if (!end)
        return "";
    *end = '\0';
    return b->data;
}
