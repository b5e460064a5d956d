#include "io/mqtt_subs.h"

#include <stdlib.h>
#include <string.h>

void mqtt_subs_init(struct mqtt_subs *s)
{
    list_init(&s->waiting);
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
    while ((l = list_first(&s->waiting)))
        mqtt_subs_drop(LIST_ITEM(l, struct mqtt_sub, at));
}

struct mqtt_sub *mqtt_subs_add(struct mqtt_subs *s, const char *const *filters, size_t count)
{
    struct mqtt_sub *sub = malloc(sizeof *sub + count * sizeof *sub->filters);
    if (!sub)
        return NULL;
    sub->mid = 0;
    sub->count = 0;
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
