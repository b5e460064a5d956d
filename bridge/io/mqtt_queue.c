#include "io/mqtt_queue.h"

#include <stdlib.h>
#include <string.h>

void mqtt_queue_init(struct mqtt_queue *q, size_t bytes_max)
{
    *q = (struct mqtt_queue){.bytes_max = bytes_max};
    list_init(&q->waiting);
    list_init(&q->held);
    list_init(&q->in_flight);
    map_init(&q->latest);
}

void mqtt_queue_release(struct mqtt_queue *q)
{
    map_release(&q->latest);
}

static size_t size_of(const struct publication *p)
{
    return sizeof(struct mqtt_item) + strlen(p->topic) + 1 + text_len(&p->payload);
}

static void count(struct mqtt_queue *q, struct mqtt_item *i, bool counted)
{
    size_t *bytes = i->ours ? &q->bytes_ours : &q->bytes;
    if (counted && !i->counted)
        *bytes += i->size;
    else if (!counted && i->counted)
        *bytes -= i->size;
    i->counted = counted;
}

static bool has_room(const struct mqtt_queue *q, const struct publication *p)
{
    size_t max = p->ours ? MQTT_QUEUE_OURS_MAX : q->bytes_max;
    size_t used = p->ours ? q->bytes_ours : q->bytes;
    return used < max && size_of(p) <= max - used;
}

/* A renewed presence, not the end of one: that somebody went and came again, others shall see. */
static bool is_replaceable(const struct publication *p)
{
    return p->ours && p->retain && !p->delivery && !text_end(&p->payload);
}

static void forget_latest(struct mqtt_queue *q, struct mqtt_item *i)
{
    if (i->replaceable)
        map_remove(&q->latest, i->topic, strlen(i->topic));
    i->replaceable = false;
}

static void replace_latest(struct mqtt_queue *q, struct mqtt_item *i)
{
    size_t len = strlen(i->topic);
    struct mqtt_item *old = map_get(&q->latest, i->topic, len);
    if (old)
        mqtt_queue_drop(q, old);
    i->replaceable = map_put(&q->latest, i->topic, len, i) == STATUS_OK;
}

static struct mqtt_item *make(const struct publication *p, int64_t now_us)
{
    size_t topic_len = strlen(p->topic) + 1, len = text_len(&p->payload);
    struct mqtt_item *i = malloc(size_of(p));
    if (!i)
        return NULL;
    *i = (struct mqtt_item){
        .delivery = p->delivery,
        .queued_us = now_us,
        .len = len,
        .size = size_of(p),
        .expiry_s = p->expiry_s,
        .retain = p->retain,
        .ours = p->ours,
        .reason = p->reason,
    };
    memcpy(i->topic, p->topic, topic_len);
    if (len)
        memcpy(i->topic + topic_len, p->payload.p, len);
    i->payload = i->topic + topic_len;
    list_init(&i->at);
    return i;
}

struct mqtt_item *mqtt_queue_add(struct mqtt_queue *q, const struct publication *p, int64_t now_us,
                                 bool at_once, enum status *why)
{
    if (!at_once && !has_room(q, p)) {
        *why = STATUS_UNAVAILABLE;
        return NULL;
    }
    struct mqtt_item *i = make(p, now_us);
    if (!i) {
        *why = STATUS_NO_MEMORY;
        return NULL;
    }
    list_add(q->holding && !p->ours ? &q->held : &q->waiting, &i->at);
    q->waiting_count++;
    count(q, i, true);
    if (!at_once && is_replaceable(p))
        replace_latest(q, i);
    return i;
}

static bool fits_window(const struct mqtt_queue *q, size_t size)
{
    return q->in_flight_count < MQTT_QUEUE_WINDOW &&
           (q->in_flight_count == 0 || q->in_flight_bytes + size <= MQTT_QUEUE_WINDOW_BYTES);
}

struct mqtt_item *mqtt_queue_next(const struct mqtt_queue *q)
{
    struct link *l = list_first(&q->waiting);
    struct mqtt_item *i = l ? LIST_ITEM(l, struct mqtt_item, at) : NULL;
    return i && fits_window(q, i->size) ? i : NULL;
}

bool mqtt_queue_free(const struct mqtt_queue *q, const struct publication *p)
{
    bool passes = q->holding ? p->ours && list_empty(&q->waiting) : q->waiting_count == 0;
    return passes && fits_window(q, size_of(p));
}

void mqtt_queue_hold(struct mqtt_queue *q, bool on)
{
    struct link *l = q->waiting.next;
    q->holding = on;
    while (on && l != &q->waiting) {
        struct mqtt_item *i = LIST_ITEM(l, struct mqtt_item, at);
        l = l->next;
        if (i->ours)
            continue;
        list_remove(&i->at);
        list_add(&q->held, &i->at);
    }
    while (!on && (l = list_first(&q->held))) {
        list_remove(l);
        list_add(&q->waiting, l);
    }
}

void mqtt_queue_sent(struct mqtt_queue *q, struct mqtt_item *i, int mid, int64_t now_us)
{
    forget_latest(q, i);
    count(q, i, false);
    list_remove(&i->at);
    list_add(&q->in_flight, &i->at);
    i->mid = mid;
    i->sent_us = now_us;
    i->handed = true;
    q->waiting_count--;
    q->in_flight_count++;
    q->in_flight_bytes += i->size;
}

void mqtt_queue_return(struct mqtt_queue *q)
{
    while (!list_empty(&q->in_flight)) {
        struct mqtt_item *i = LIST_ITEM(q->in_flight.prev, struct mqtt_item, at);
        list_remove(&i->at);
        list_add(q->waiting.next, &i->at); /* in front of the first, or behind the head */
        i->mid = 0;
        count(q, i, true);
        q->in_flight_count--;
        q->waiting_count++;
    }
    q->in_flight_bytes = 0;
}

int64_t mqtt_queue_oldest_us(const struct mqtt_queue *q)
{
    struct link *l = list_first(&q->in_flight);
    return l ? LIST_ITEM(l, struct mqtt_item, at)->sent_us : -1;
}

struct mqtt_item *mqtt_queue_by_mid(const struct mqtt_queue *q, int mid)
{
    LIST_EACH(l, &q->in_flight)
    {
        struct mqtt_item *i = LIST_ITEM(l, struct mqtt_item, at);
        if (i->mid == mid)
            return i;
    }
    return NULL;
}

struct mqtt_item *mqtt_queue_older(const struct mqtt_queue *q, int64_t then_us)
{
    LIST_EACH(l, &q->waiting)
    {
        struct mqtt_item *i = LIST_ITEM(l, struct mqtt_item, at);
        if (i->queued_us >= then_us)
            return NULL;
        if (!i->ours)
            return i;
    }
    return NULL;
}

void mqtt_queue_drop(struct mqtt_queue *q, struct mqtt_item *i)
{
    if (i->mid) {
        q->in_flight_count--;
        q->in_flight_bytes -= i->size;
    } else {
        q->waiting_count--;
    }
    forget_latest(q, i);
    count(q, i, false);
    list_remove(&i->at);
    free(i);
}
