#include "core/delivery.h"

#include "core/echo.h"
#include "core/session.h"

#include <stdlib.h>
#include <string.h>

static uint8_t put(struct delivery *d, size_t at, struct text t)
{
    size_t len = text_len(&t);
    if (len)
        memcpy(d->texts + at, t.p, len);
    return (uint8_t)len;
}

struct delivery *delivery_create(struct session *s, enum msg_type type, struct text id,
                                 struct text to, struct text call, int64_t now_us)
{
    struct delivery *d = malloc(sizeof *d + text_len(&id) + text_len(&to) + text_len(&call));
    if (!d)
        return NULL;
    d->session = s;
    d->with = NULL;
    d->echo = NULL;
    d->type = type;
    d->started_us = now_us;
    d->id_len = put(d, 0, id);
    d->to_len = put(d, d->id_len, to);
    d->call_len = put(d, (size_t)d->id_len + d->to_len, call);
    list_init(&d->in_session);
    if (s)
        list_add(&s->deliveries, &d->in_session);
    return d;
}

void delivery_destroy(struct delivery *d)
{
    echo_drop(d->echo);
    list_remove(&d->in_session);
    free(d);
}

void delivery_orphan(struct delivery *d)
{
    list_remove(&d->in_session);
    d->session = NULL;
}

struct text delivery_id(const struct delivery *d)
{
    return text_of(d->texts, d->id_len);
}

struct text delivery_to(const struct delivery *d)
{
    return text_of(d->texts + d->id_len, d->to_len);
}

struct text delivery_call(const struct delivery *d)
{
    return text_of(d->texts + d->id_len + d->to_len, d->call_len);
}
