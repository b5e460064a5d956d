#include "core/session.h"

#include "base/buf.h"
#include "core/delivery.h"
#include "core/membership.h"

#include <stdlib.h>
#include <string.h>

struct session *session_create(void *socket)
{
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->socket = socket;
    list_init(&s->in_all);
    list_init(&s->in_room);
    list_init(&s->timer);
    list_init(&s->deliveries);
    list_init(&s->expiring);
    calls_init(&s->calls);
    recent_init(&s->recent);
    return s;
}

void session_destroy(struct session *s)
{
    struct link *l;
    while ((l = list_first(&s->deliveries)))
        delivery_orphan(LIST_ITEM(l, struct delivery, in_session));
    list_remove(&s->in_all);
    list_remove(&s->in_room);
    list_remove(&s->timer);
    list_remove(&s->expiring);
    calls_release(&s->calls);
    recent_release(&s->recent);
    free(s->join);
    free(s->meta);
    access_destroy(s->access);
    free(s);
}

bool session_set_meta(struct session *s, struct text meta)
{
    size_t len = text_len(&meta);
    char *copy = NULL;
    if (len) {
        copy = malloc(len);
        if (!copy)
            return false;
        memcpy(copy, meta.p, len);
    }
    free(s->meta);
    s->meta = copy;
    s->meta_len = (uint32_t)len;
    return true;
}

void session_send(struct session *s, const struct socket_ops *ops, struct text head)
{
    char tail[40];
    struct buf b;
    buf_init_fixed(&b, tail, sizeof tail);
    buf_str(&b, ",\"seq\":");
    buf_uint(&b, ++s->seq);
    buf_char(&b, '}');
    ops->send(s->socket, head, text_of(b.data, b.len));
}
