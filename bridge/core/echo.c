#include "core/echo.h"

#include "core/router.h"

#include <stdlib.h>
#include <string.h>

struct echo {
    struct echo *next; /* of the same target */
    struct session *target;
    struct delivery *first;
    size_t *held; /* the router's count of bytes */
    size_t len;
    size_t count;
    struct bundle_part parts[]; /* and the payload behind them */
};

static size_t size_of(const struct echo *e)
{
    return sizeof *e + e->count * sizeof *e->parts + e->len;
}

static char *payload_of(struct echo *e)
{
    return (char *)(e->parts + e->count);
}

void echo_keep(struct router *r, struct session *target, struct delivery *first,
               struct text payload, const struct bundle_part *parts, size_t count)
{
    struct echo shape = {.len = text_len(&payload), .count = count};
    struct echo **last = &target->echoes;
    if (r->echo_bytes + size_of(&shape) > ECHO_BYTES_MAX)
        return;
    struct echo *e = malloc(size_of(&shape));
    if (!e)
        return;
    *e = shape;
    e->next = NULL;
    e->target = target;
    e->first = first;
    e->held = &r->echo_bytes;
    memcpy(e->parts, parts, count * sizeof *parts);
    memcpy(payload_of(e), payload.p, e->len);
    while (*last)
        last = &(*last)->next;
    *last = e;
    first->echo = e;
    r->echo_bytes += size_of(e);
}

void echo_drop(struct echo *e)
{
    struct echo **at;
    if (!e)
        return;
    at = &e->target->echoes;
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    e->first->echo = NULL;
    *e->held -= size_of(e);
    free(e);
}

void echo_drop_all(struct session *target)
{
    while (target->echoes)
        echo_drop(target->echoes);
}

/* They are in the order of their publications, so it is the first one unless something got lost. */
struct echo *echo_find(const struct session *target, const struct topic *t, struct text payload)
{
    for (struct echo *e = target->echoes; e; e = e->next) {
        const struct session *sender = e->first->session;
        if (e->len == text_len(&payload) && memcmp(payload_of(e), payload.p, e->len) == 0 &&
            sender && sender->peer && text_same(peer_name(sender->peer), t->from))
            return e;
    }
    return NULL;
}

const struct delivery *echo_first(const struct echo *e)
{
    return e->first;
}

const struct bundle_part *echo_part(const struct echo *e, size_t i)
{
    return &e->parts[i];
}
