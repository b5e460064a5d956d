#include "core/frame.h"

#include <stdlib.h>
#include <string.h>

struct frame *frame_make(struct text head, struct text tail, uint64_t mark)
{
    size_t head_len = text_len(&head), tail_len = text_len(&tail);
    struct frame *f = malloc(sizeof *f + head_len + tail_len);
    if (!f)
        return NULL;
    f->next_queued = f->next_kept = NULL;
    f->mark = mark;
    f->len = (uint32_t)(head_len + tail_len);
    f->holders = 1;
    if (head_len)
        memcpy(f->bytes, head.p, head_len);
    if (tail_len)
        memcpy(f->bytes + head_len, tail.p, tail_len);
    return f;
}

struct frame *frame_hold(struct frame *f)
{
    f->holders++;
    return f;
}

void frame_release(struct frame *f)
{
    if (f && --f->holders == 0)
        free(f);
}
