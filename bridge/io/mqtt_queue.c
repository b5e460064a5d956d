#include "io/mqtt_queue.h"

#include <stdlib.h>
#include <string.h>

void mqtt_queue_init(struct mqtt_queue *q, size_t bytes_max)
{
    *q = (struct mqtt_queue){.bytes_max = bytes_max};
    list_init(&q->waiting);
    list_init(&q->in_flight);
}

static size_t size_of(bool ours, size_t topic_len, size_t len)
{
    return ours ? 0 : sizeof(struct mqtt_item) + topic_len + len;
}

struct mqtt_item *mqtt_queue_add(struct mqtt_queue *q, const struct publication *p, int64_t now_us,
                                 bool at_once, enum status *why)
{
    size_t topic_len = strlen(p->topic) + 1, len = text_len(&p->payload);
    size_t bytes = size_of(p->ours, topic_len, len);
    size_t room = q->bytes < q->bytes_max ? q->bytes_max - q->bytes : 0;
    if (bytes > room && !at_once) {
        *why = STATUS_UNAVAILABLE;
        return NULL;
    }
    struct mqtt_item *i = malloc(sizeof *i + topic_len + len);
    if (!i) {
        *why = STATUS_NO_MEMORY;
        return NULL;
    }
    *i = (struct mqtt_item){
        .delivery = p->delivery,
        .queued_us = now_us,
        .len = len,
        .bytes = bytes,
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
    list_add(&q->waiting, &i->at);
    q->waiting_count++;
    q->bytes += bytes;
    return i;
}

struct mqtt_item *mqtt_queue_first(const struct mqtt_queue *q)
{
    struct link *l = list_first(&q->waiting);
    return l ? LIST_ITEM(l, struct mqtt_item, at) : NULL;
}

void mqtt_queue_sent(struct mqtt_queue *q, struct mqtt_item *i, int mid)
{
    list_remove(&i->at);
    list_add(&q->in_flight, &i->at);
    i->mid = mid;
    q->waiting_count--;
    q->in_flight_count++;
    q->bytes -= i->bytes;
    i->bytes = 0;
}

void mqtt_queue_return(struct mqtt_queue *q)
{
    while (!list_empty(&q->in_flight)) {
        struct mqtt_item *i = LIST_ITEM(q->in_flight.prev, struct mqtt_item, at);
        list_remove(&i->at);
        list_add(q->waiting.next, &i->at); /* in front of the first, or behind the head */
        i->mid = 0;
        i->bytes = size_of(i->ours, strlen(i->topic) + 1, i->len);
        q->bytes += i->bytes;
        q->in_flight_count--;
        q->waiting_count++;
    }
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
    if (i->mid)
        q->in_flight_count--;
    else
        q->waiting_count--;
    q->bytes -= i->bytes;
    list_remove(&i->at);
    free(i);
}
