#include "app/device_watch.h"

#include "app/parts.h"
#include "base/log.h"
#include "core/roster.h"
#include "io/device_store.h"

#include <stdio.h>
#include <string.h>

#define LOOK_S 1.0 /* where the kernel does not tell of changes */

static bool may_be_there(const struct device_list *l, const struct room *room,
                         const struct peer *peer)
{
    char name[NAME_MAX_BYTES + 1];
    snprintf(name, sizeof name, "%.*s", (int)peer->name_len, peer->name);
    const struct device *d = device_list_find(l, name);
    for (size_t i = 0; d && i < d->room_count; i++)
        if (strcmp(d->rooms[i], "*") == 0 || text_equals(room_name(room), d->rooms[i]))
            return true;
    return false;
}

/* Of devices only: sessions, ours and others', are looked after by their bridges. */
static void clear_strangers(struct router *r, const struct device_list *l)
{
    size_t room_at = 0;
    struct room *room;
    while ((room = map_next(&r->registry.rooms, &room_at))) {
        size_t at = 0;
        struct peer *p;
        while ((p = map_next(&room->peers, &at))) {
            if (!p->info || p->session || p->info->via_len > 0 || may_be_there(l, room, p))
                continue;
            log_line(LOG_INFO, "device-cleared", LOG_T("room", room->name, room->name_len),
                     LOG_T("peer", p->name, p->name_len), LOG_END);
            roster_clear(r, room_name(room), peer_name(p), "gone", NULL);
        }
    }
}

static void look(struct device_watch *w)
{
    struct device_place place = {w->dir, DEVICE_ACL, DEVICE_PASSWD, DEVICE_LOCK,
                                 DEVICE_KIND_DEVICE};
    struct problem why = {0};
    struct device_store s;
    if (device_store_open(&s, &place, w->parts->config->prefix, false, &why) == STATUS_OK)
        clear_strangers(&w->parts->router, &s.list);
    else
        log_line(LOG_WARN, "device-files", LOG_S("why", why.text), LOG_END);
    device_store_close(&s);
}

static void on_change(struct ev_loop *loop, ev_stat *file, int events)
{
    (void)loop;
    (void)events;
    look(file->data);
}

void device_watch_start(struct device_watch *w, struct parts *p)
{
    if (!p->broker || p->config->dev)
        return;
    w->parts = p;
    snprintf(w->dir, sizeof w->dir, "%s/broker", p->config->data);
    snprintf(w->path, sizeof w->path, "%s/" DEVICE_ACL, w->dir);
    ev_stat_init(&w->file, on_change, w->path, LOOK_S);
    w->file.data = w;
    ev_stat_start(p->loop, &w->file);
    look(w);
}

void device_watch_stop(struct device_watch *w)
{
    if (w->parts)
        ev_stat_stop(w->parts->loop, &w->file);
    w->parts = NULL;
}
