#include "core/moved.h"

#include <stdlib.h>
#include <string.h>

struct moved {
    struct link at;
    int64_t until_us;
    uint8_t own_len, bridge_len;
    char texts[]; /* own, bridge */
};

void moved_init(struct moved_sessions *m)
{
    list_init(&m->all);
    m->count = 0;
}

static void drop_first(struct moved_sessions *m)
{
    struct link *l = list_first(&m->all);
    list_remove(l);
    m->count--;
    free(LIST_ITEM(l, struct moved, at));
}

void moved_release(struct moved_sessions *m)
{
    while (m->count)
        drop_first(m);
}

static void drop_old(struct moved_sessions *m, int64_t now_us)
{
    while (m->count && LIST_ITEM(m->all.next, struct moved, at)->until_us <= now_us)
        drop_first(m);
}

void moved_add(struct moved_sessions *m, struct text own, struct text bridge, int64_t now_us)
{
    size_t own_len = text_len(&own), bridge_len = text_len(&bridge);
    struct moved *one = malloc(sizeof *one + own_len + bridge_len);
    drop_old(m, now_us);
    if (!one)
        return;
    if (m->count == MOVED_MAX)
        drop_first(m);
    one->until_us = now_us + MOVED_US;
    one->own_len = (uint8_t)own_len;
    one->bridge_len = (uint8_t)bridge_len;
    memcpy(one->texts, own.p, own_len);
    memcpy(one->texts + own_len, bridge.p, bridge_len);
    list_init(&one->at);
    list_add(&m->all, &one->at);
    m->count++;
}

struct text moved_find(struct moved_sessions *m, struct text own, int64_t now_us)
{
    drop_old(m, now_us);
    for (struct link *l = m->all.prev; l != &m->all; l = l->prev) { /* the newest first */
        const struct moved *one = LIST_ITEM(l, struct moved, at);
        if (text_same(text_of(one->texts, one->own_len), own))
            return text_of(one->texts + one->own_len, one->bridge_len);
    }
    return text_of_str("");
}
