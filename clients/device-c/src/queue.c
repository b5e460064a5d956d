#include "adapter.h"

#include <stdlib.h>
#include <string.h>

void queue_init(struct queue *q)
{
    *q = (struct queue){0};
    q->last = &q->first;
}

void queue_add(struct queue *q, struct outgoing *o)
{
    o->next = NULL;
    *q->last = o;
    q->last = &o->next;
    q->count++;
    q->bytes += o->len;
}

static struct outgoing *unlink_at(struct queue *q, struct outgoing **at)
{
    struct outgoing *o = *at;
    *at = o->next;
    if (q->last == &o->next)
        q->last = at;
    q->count--;
    q->bytes -= o->len;
    return o;
}

struct outgoing *queue_take_mid(struct queue *q, int mid)
{
    for (struct outgoing **at = &q->first; *at; at = &(*at)->next)
        if ((*at)->mid == mid)
            return unlink_at(q, at);
    return NULL;
}

struct outgoing *queue_take_old(struct queue *q, int64_t before_ms)
{
    for (struct outgoing **at = &q->first; *at; at = &(*at)->next)
        if ((*at)->mid == 0 && (*at)->queued_ms < before_ms)
            return unlink_at(q, at);
    return NULL;
}

struct outgoing *queue_next(struct queue *q)
{
    struct outgoing *o = q->first;
    while (o && o->mid != 0)
        o = o->next;
    return o;
}

static bool waits_behind(struct queue *q, const struct outgoing *o, int64_t now)
{
    for (const struct outgoing *e = q->first; e != o; e = e->next)
        if (e->retry_ms > now && strcmp(e->to, o->to) == 0)
            return true;
    return false;
}

struct outgoing *queue_next_settling(struct queue *q, int64_t now, int64_t *at)
{
    struct outgoing *ready = NULL;
    bool waiting = false;
    for (struct outgoing *o = q->first; o; o = o->next) {
        if (o->mid != 0)
            return NULL;
        if (o->retry_ms > now) {
            waiting = true;
            *at = o->retry_ms < *at ? o->retry_ms : *at;
        } else if (!ready && (!waiting || !waits_behind(q, o, now))) {
            ready = o;
        }
    }
    return ready;
}

bool queue_retry_mid(struct queue *q, int mid, int64_t retry_ms)
{
    for (struct outgoing *o = q->first; o; o = o->next) {
        if (o->mid != mid || !o->to[0])
            continue;
        o->mid = 0;
        o->retry_ms = retry_ms;
        return true;
    }
    return false;
}

void queue_take(struct queue *q, struct outgoing *o)
{
    struct outgoing **at = &q->first;
    while (*at != o)
        at = &(*at)->next;
    unlink_at(q, at);
}

void queue_forget_mids(struct queue *q)
{
    for (struct outgoing *o = q->first; o; o = o->next) {
        o->mid = 0;
        o->retry_ms = 0;
    }
}

void outgoing_free(struct outgoing *o)
{
    if (!o)
        return;
    free(o->payload);
    free(o);
}

void queue_release(struct queue *q)
{
    while (q->first)
        outgoing_free(unlink_at(q, &q->first));
}
