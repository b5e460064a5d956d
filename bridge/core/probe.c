#include "core/probe.h"

#include "core/delivery.h"
#include "core/roster.h"
#include "core/watch.h"

void probe_restart(struct router *r)
{
    r->probe_us = r->now.mono_us + PROBE_AFTER_US;
}

static bool is_doubtful(const struct router *r, const struct peer *p)
{
    return p->info && !p->info->via_len && !p->info->ttl_s && p->spoke != r->generation;
}

static void ping(struct router *r, const struct peer *p)
{
    struct text room = room_name(p->room), none = text_of_str("");
    struct delivery *d = delivery_create(NULL, MSG_PING, none, peer_name(p), room, r->now.mono_us);
    if (!d)
        return;
    buf_clear(&r->topic);
    topic_inbox(&r->topic, r->o.prefix, room, peer_name(p), text_of_str(NAME_BRIDGE));
    if (router_publish(r, text_of_str("{\"type\":\"ping\"}"), false, 0, NULL, d) != STATUS_OK)
        delivery_destroy(d);
}

void probe_tick(struct router *r)
{
    size_t room_at = 0;
    struct room *room;
    if (!r->probe_us || r->probe_us > r->now.mono_us || !r->watch.complete)
        return;
    r->probe_us = 0;
    if (r->o.watch_all && !bridges_first(r))
        return;
    while ((room = map_next(&r->registry.rooms, &room_at))) {
        size_t at = 0;
        const struct peer *p;
        while ((p = map_next(&room->peers, &at)))
            if (is_doubtful(r, p))
                ping(r, p);
    }
}

void probe_published(struct router *r, const struct delivery *d, enum status status, bool found)
{
    struct text name = delivery_to(d), room_is = delivery_call(d);
    struct room *room = registry_room(&r->registry, room_is);
    struct peer *p = room ? registry_peer(room, name) : NULL;
    if (status != STATUS_OK || found || !p || !is_doubtful(r, p))
        return;
    r->metrics.probed_away++;
    p->left_reason = "gone";
    roster_clear(r, room_is, name, "gone", NULL);
}
