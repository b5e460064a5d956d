/* A byte buffer with a hard maximum. What does not fit is not written, and the buffer remembers it:
 * add what you like, then ask buf_ok() once.
 *
 *     struct buf b;
 *     buf_init(&b, 4096);            (or buf_init_fixed(): the caller's memory, never the heap)
 *     buf_str(&b, "v=");
 *     buf_uint(&b, 0);
 *     if (buf_ok(&b)) send(b.data, b.len);
 *     buf_release(&b);
 *
 * `data` moves when the buffer grows: pointers into it live until the next buf_* call. It is not
 * NUL-terminated; buf_cstr() does that. Threads: plain data.
 *
 * buf.c never allocates; growing lives in buf_heap.c, so that firmware links without a heap. */
#ifndef SIGBRIDGE_BASE_BUF_H
#define SIGBRIDGE_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data;
    size_t len;
    size_t cap;
    size_t max;
    bool failed;                              /* something did not fit, or memory ran out */
    bool (*grow)(struct buf *b, size_t want); /* NULL: fixed */
};

void buf_init(struct buf *b, size_t max_bytes); /* heap, grows up to max_bytes */
void buf_init_fixed(struct buf *b, char *memory, size_t size_bytes); /* memory stays the caller's */
void buf_release(
    struct buf *b);            /* frees the heap's part; the buffer is empty and usable after it */
void buf_clear(struct buf *b); /* length 0, failure forgotten, memory kept */

static inline bool buf_ok(const struct buf *b)
{
    return !b->failed;
}

/* Room for `len` more bytes, or NULL when they do not fit; buf_added() says how many were used. */
char *buf_room(struct buf *b, size_t len);
void buf_added(struct buf *b, size_t len);

void buf_add(struct buf *b, const void *bytes, size_t len);
void buf_char(struct buf *b, char c);
void buf_str(struct buf *b, const char *str);
void buf_uint(struct buf *b, uint64_t n);
void buf_int(struct buf *b, int64_t n);
const char *buf_cstr(struct buf *b); /* NUL-terminated; "" when the NUL does not fit */

#endif
