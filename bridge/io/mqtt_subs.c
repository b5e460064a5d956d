#include "io/mqtt_subs.h"

#include <stdlib.h>
#include <string.h>

void mqtt_subs_init(struct mqtt_subs *s)
{
    *s = (struct mqtt_subs){0};
    list_init(&s->waiting);
    list_init(&s->refused);
}

void mqtt_subs_drop(struct mqtt_sub *sub)
{
    if (!sub)
        return;
    list_remove(&sub->at);
    for (size_t i = 0; i < sub->count; i++)
        free(sub->filters[i]);
    free(sub);
}

void mqtt_subs_release(struct mqtt_subs *s)
{
    struct link *l;
    while ((l = list_first(&s->waiting)) || (l = list_first(&s->refused)))
        mqtt_subs_drop(LIST_ITEM(l, struct mqtt_sub, at));
    s->refused_count = 0;
}

struct mqtt_sub *mqtt_subs_add(struct mqtt_subs *s, const char *const *filters, size_t count)
{
    struct mqtt_sub *sub = malloc(sizeof *sub + count * sizeof *sub->filters);
    if (!sub)
        return NULL;
    *sub = (struct mqtt_sub){0};
    list_init(&sub->at);
    while (sub->count < count && (sub->filters[sub->count] = strdup(filters[sub->count])))
        sub->count++;
    if (sub->count < count) {
        mqtt_subs_drop(sub);
        return NULL;
    }
    list_add(&s->waiting, &sub->at);
    return sub;
}

struct mqtt_sub *mqtt_subs_by_mid(const struct mqtt_subs *s, int mid)
{
    LIST_EACH(l, &s->waiting)
    {
        struct mqtt_sub *sub = LIST_ITEM(l, struct mqtt_sub, at);
        if (sub->mid == mid)
            return sub;
    }
    return NULL;
}

int64_t mqtt_subs_oldest_us(const struct mqtt_subs *s)
{
    struct link *l = list_first(&s->waiting);
    return l ? LIST_ITEM(l, struct mqtt_sub, at)->sent_us : -1;
}

void mqtt_subs_refuse(struct mqtt_subs *s, const char *filter)
{
    mqtt_subs_forget(s, filter);
    struct mqtt_sub *sub =
        s->refused_count < MQTT_SUBS_REFUSED_MAX ? mqtt_subs_add(s, &filter, 1) : NULL;
    if (!sub)
        return;
    list_remove(&sub->at);
    list_add(&s->refused, &sub->at);
    s->refused_count++;
}

void mqtt_subs_forget(struct mqtt_subs *s, const char *filter)
{
    LIST_EACH(l, &s->refused)
    {
        struct mqtt_sub *sub = LIST_ITEM(l, struct mqtt_sub, at);
        if (strcmp(sub->filters[0], filter) == 0) {
            mqtt_subs_drop(sub);
            s->refused_count--;
            return;
        }
    }
}

struct mqtt_sub *mqtt_subs_retry(struct mqtt_subs *s)
{
    const char *filters[MQTT_SUBS_RETRY_MAX];
    size_t count = 0;
    LIST_EACH(at, &s->refused)
    {
        if (count == MQTT_SUBS_RETRY_MAX)
            break;
        filters[count++] = LIST_ITEM(at, struct mqtt_sub, at)->filters[0];
    }
    struct mqtt_sub *sub = count ? mqtt_subs_add(s, filters, count) : NULL;
    if (!sub)
        return NULL;
    sub->again = true;
    for (; count > 0; count--, s->refused_count--)
        mqtt_subs_drop(LIST_ITEM(list_first(&s->refused), struct mqtt_sub, at));
    return sub;
}
