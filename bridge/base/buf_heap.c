#include "base/buf.h"

#include <stdlib.h>

static bool grow_heap(struct buf *b, size_t want)
{
    size_t cap = b->cap ? b->cap : 64;
    while (cap < want)
        cap = cap > b->max / 2 ? b->max : cap * 2;
    char *data = realloc(b->data, cap);
    if (!data)
        return false;
    b->data = data;
    b->cap = cap;
    return true;
}

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){.max = max_bytes, .grow = grow_heap};
}

void buf_release(struct buf *b)
{
    if (b->grow) {
        free(b->data);
        b->data = NULL;
        b->cap = 0;
    }
    buf_clear(b);
}
