#include "io/ws_socket.h"

bool ws_queue_add(struct ws_socket *s, struct frame *f, size_t count_max, size_t bytes_max)
{
    /* A single frame always fits: the first one of a large room may be larger than the bound. */
    if (s->count && (s->count >= count_max || s->bytes + f->len > bytes_max))
        return false;
    frame_hold(f)->next_queued = NULL;
    if (s->last)
        s->last->next_queued = f;
    else
        s->first = f;
    s->last = f;
    s->count++;
    s->bytes += f->len;
    return true;
}

void ws_queue_pop(struct ws_socket *s)
{
    struct frame *f = s->first;
    s->first = f->next_queued;
    if (!s->first)
        s->last = NULL;
    s->count--;
    s->bytes -= f->len;
    frame_release(f);
}

void ws_queue_clear(struct ws_socket *s)
{
    while (s->first)
        ws_queue_pop(s);
}
