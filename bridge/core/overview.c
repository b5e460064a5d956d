#include "core/overview.h"

#include "proto/json.h"

static size_t present_count(const struct room *room)
{
    size_t at = 0, count = 0;
    const struct peer *p;
    while ((p = map_next(&room->peers, &at)))
        count += p->info != NULL;
    return count;
}

void overview_put_rooms(const struct router *r, struct buf *b)
{
    size_t at = 0;
    bool first = true;
    const struct room *room;
    buf_str(b, "{\"rooms\":[");
    while ((room = map_next(&r->registry.rooms, &at))) {
        size_t count = present_count(room);
        if (!count)
            continue;
        buf_str(b, first ? "{\"room\":" : ",{\"room\":");
        json_put_text(b, room_name(room));
        buf_str(b, ",\"peers\":");
        buf_uint(b, count);
        buf_str(b, ",\"sessions\":");
        buf_uint(b, room->session_count);
        buf_char(b, '}');
        first = false;
    }
    buf_str(b, "]}\n");
}

static void put_peer(struct buf *b, const struct peer *p)
{
    struct text json = info_json(p->info), via = info_via(p->info);
    buf_add(b, json.p, text_len(&json) - 1);
    if (!text_end(&via)) {
        buf_str(b, ",\"via\":");
        json_put_text(b, via);
    }
    buf_char(b, '}');
}

bool overview_put_room(const struct router *r, struct text name, struct buf *b)
{
    size_t at = 0;
    bool first = true;
    const struct peer *p;
    const struct room *room = registry_room(&r->registry, name);
    if (!room || !present_count(room))
        return false;
    buf_str(b, "{\"room\":");
    json_put_text(b, name);
    buf_str(b, ",\"peers\":[");
    while ((p = map_next(&room->peers, &at))) {
        if (!p->info)
            continue;
        if (!first)
            buf_char(b, ',');
        put_peer(b, p);
        first = false;
    }
    buf_str(b, "]}\n");
    return true;
}
