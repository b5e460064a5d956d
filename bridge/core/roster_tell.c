/* What members are told: one frame for all that changed, and `joined` for those who have just come.
 */
#include "core/roster.h"
#include "core/welcome.h"

static void put_item(struct buf *b, size_t *count)
{
    if ((*count)++)
        buf_char(b, ',');
}

static bool just_arrived(const struct peer *p)
{
    return p->info && (!p->told || p->replaced);
}

static bool just_left(const struct peer *p)
{
    return p->told && (!p->info || p->replaced);
}

static bool just_updated(const struct peer *p)
{
    return p->info && p->told && !p->replaced;
}

static void put_changed_list(struct buf *b, const struct room *room, const struct peer *except,
                             const char *name, bool (*is)(const struct peer *), size_t *total)
{
    size_t count = 0;
    LIST_EACH(l, &room->changed)
    {
        const struct peer *p = LIST_ITEM(l, struct peer, changed);
        if (p == except || !is(p))
            continue;
        if (count == 0) {
            buf_str(b, ",\"");
            buf_str(b, name);
            buf_str(b, "\":[");
        }
        put_item(b, &count);
        if (is == just_left) {
            buf_str(b, "{\"peer\":");
            json_put_text(b, peer_name(p));
            buf_str(b, ",\"reason\":");
            json_put_str(b, p->info ? p->replaced_reason : p->left_reason);
            buf_char(b, '}');
        } else {
            struct text json = info_json(p->info);
            buf_add(b, json.p, text_len(&json));
        }
    }
    if (count)
        buf_char(b, ']');
    *total += count;
}

/* The presence frame without its end; how many changes it holds. Members apply `left` first. */
static size_t put_changes(struct buf *b, const struct room *room, const struct peer *except)
{
    size_t total = 0;
    buf_clear(b);
    buf_str(b, "{\"type\":\"presence\"");
    put_changed_list(b, room, except, "left", just_left, &total);
    put_changed_list(b, room, except, "joined", just_arrived, &total);
    put_changed_list(b, room, except, "updated", just_updated, &total);
    return total;
}

static void tell(struct router *r, struct session *s)
{
    struct buf *b = &r->out;
    if (!buf_ok(b)) {
        router_close_socket(r, s, 1013, "too many changes at once");
        return;
    }
    router_send_numbered(r, s);
    r->metrics.presence_frames++;
}

/* Members that are the subject of a change themselves: they hear of the others only. */
static void tell_subjects(struct router *r, struct room *room)
{
    LIST_EACH(l, &room->changed)
    {
        struct peer *p = LIST_ITEM(l, struct peer, changed);
        struct session *s = p->session;
        if (s && s->state == SESSION_JOINED && !s->announce && put_changes(&r->out, room, p))
            tell(r, s);
    }
}

static void tell_others(struct router *r, struct room *room)
{
    if (put_changes(&r->out, room, NULL) == 0)
        return;
    LIST_EACH(l, &room->sessions)
    {
        struct session *s = LIST_ITEM(l, struct session, in_room);
        if (s->state == SESSION_JOINED && !s->announce && list_empty(&s->peer->changed))
            tell(r, s);
    }
}

static void announce_new(struct router *r, struct room *room)
{
    LIST_EACH(l, &room->sessions)
    {
        struct session *s = LIST_ITEM(l, struct session, in_room);
        if (s->state == SESSION_JOINED && s->announce) {
            s->announce = false;
            welcome_joined(r, s);
        }
    }
}

static void forget_changes(struct router *r, struct room *room)
{
    struct link *l;
    while ((l = list_first(&room->changed))) {
        struct peer *p = LIST_ITEM(l, struct peer, changed);
        list_remove(l);
        p->told = p->info != NULL;
        p->replaced = false;
        registry_tidy_peer(&r->registry, p);
    }
}

void roster_flush_room(struct router *r, struct room *room)
{
    if (list_empty(&room->dirty))
        return;
    list_remove(&room->dirty);
    if (room->session_count) {
        tell_others(r, room);
        tell_subjects(r, room);
        announce_new(r, room);
    }
    forget_changes(r, room);
    registry_tidy_room(&r->registry, room);
}

void roster_flush(struct router *r)
{
    struct link *l;
    while ((l = list_first(&r->registry.dirty)))
        roster_flush_room(r, LIST_ITEM(l, struct room, dirty));
}
