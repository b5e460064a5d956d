#include "io/ws_socket.h"

#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>

bool ws_queue_add(struct ws_socket *s, struct text head, struct text tail, size_t count_max,
                  size_t bytes_max)
{
    size_t head_len = text_len(&head), tail_len = text_len(&tail), len = head_len + tail_len;
    /* A single frame always fits: the first one of a large room may be larger than the bound. */
    if (s->count && (s->count >= count_max || s->bytes + len > bytes_max))
        return false;
    struct ws_frame *f = malloc(sizeof *f + LWS_PRE + len);
    if (!f)
        return false;
    f->next = NULL;
    f->len = len;
    if (head_len)
        memcpy(f->bytes + LWS_PRE, head.p, head_len);
    if (tail_len)
        memcpy(f->bytes + LWS_PRE + head_len, tail.p, tail_len);
    if (s->last)
        s->last->next = f;
    else
        s->first = f;
    s->last = f;
    s->count++;
    s->bytes += len;
    return true;
}

void ws_queue_pop(struct ws_socket *s)
{
    struct ws_frame *f = s->first;
    s->first = f->next;
    if (!s->first)
        s->last = NULL;
    s->count--;
    s->bytes -= f->len;
    free(f);
}

void ws_queue_clear(struct ws_socket *s)
{
    while (s->first)
        ws_queue_pop(s);
}
