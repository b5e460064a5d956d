#include "core/registry.h"

#include <stdlib.h>
#include <string.h>

struct text info_json(const struct presence_info *i)
{
    return text_of(i->bytes, i->json_len);
}

struct text info_via(const struct presence_info *i)
{
    return text_of(i->bytes + i->json_len, i->via_len);
}

struct text info_sid(const struct presence_info *i)
{
    return text_of(i->bytes + i->json_len + i->via_len, i->sid_len);
}

struct text info_kind(const struct presence_info *i)
{
    return text_of(i->bytes + i->json_len + i->via_len + i->sid_len, i->kind_len);
}

void registry_init(struct registry *r)
{
    *r = (struct registry){0};
    map_init(&r->rooms);
    list_init(&r->dirty);
    list_init(&r->expiring);
}

static void free_peer(struct registry *r, struct peer *p)
{
    list_remove(&p->changed);
    list_remove(&p->expiring);
    r->peer_count--;
    free(p->info);
    free(p);
}

static void free_room(struct registry *r, struct room *room)
{
    size_t at = 0;
    struct peer *p;
    while ((p = map_next(&room->peers, &at)))
        free_peer(r, p);
    map_release(&room->peers);
    seen_release(&room->seen);
    list_remove(&room->dirty);
    list_remove(&room->watch.waiting);
    free(room);
}

void registry_release(struct registry *r)
{
    size_t at = 0;
    struct room *room;
    while ((room = map_next(&r->rooms, &at)))
        free_room(r, room);
    map_release(&r->rooms);
}

struct room *registry_room(const struct registry *r, struct text name)
{
    return map_get(&r->rooms, name.p, text_len(&name));
}

struct room *registry_make_room(struct registry *r, struct text name)
{
    struct room *room = registry_room(r, name);
    if (room)
        return room;
    size_t len = text_len(&name);
    room = calloc(1, sizeof *room + len);
    if (!room)
        return NULL;
    room->name_len = (uint8_t)len;
    memcpy(room->name, name.p, len);
    map_init(&room->peers);
    list_init(&room->sessions);
    list_init(&room->changed);
    list_init(&room->dirty);
    list_init(&room->watch.waiting);
    if (map_put(&r->rooms, room->name, len, room) != STATUS_OK) {
        free(room);
        return NULL;
    }
    return room;
}

struct peer *registry_peer(const struct room *room, struct text name)
{
    return map_get(&room->peers, name.p, text_len(&name));
}

struct peer *registry_make_peer(struct registry *r, struct room *room, struct text name)
{
    struct peer *p = registry_peer(room, name);
    if (p)
        return p;
    size_t len = text_len(&name);
    p = calloc(1, sizeof *p + len);
    if (!p)
        return NULL;
    p->room = room;
    p->name_len = (uint8_t)len;
    memcpy(p->name, name.p, len);
    list_init(&p->changed);
    list_init(&p->expiring);
    if (map_put(&room->peers, p->name, len, p) != STATUS_OK) {
        free(p);
        return NULL;
    }
    r->peer_count++;
    return p;
}

void registry_tidy_peer(struct registry *r, struct peer *p)
{
    if (p->info || p->session || p->told || !list_empty(&p->changed))
        return;
    map_remove(&p->room->peers, p->name, p->name_len);
    free_peer(r, p);
}

void registry_tidy_room(struct registry *r, struct room *room)
{
    if (room->peers.count || room->session_count || room->waiting_count || room->watch.wanted)
        return;
    map_remove(&r->rooms, room->name, room->name_len);
    free_room(r, room);
}
