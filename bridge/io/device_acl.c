#include "io/device_acl.h"

#include "proto/topic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = TOPIC_MAX + 32 };

static const char *const heads[] = {
    [DEVICE_KIND_DEVICE] =
        "# Devices and their rooms, kept by `sigbridge device`: change them with that command.\n",
    [DEVICE_KIND_BRIDGE] =
        "# Bridges, kept by `sigbridge device`: change them with that command.\n",
};

/* {r} is the room, {n} the name. The first line lets a device see when somebody takes its presence
 * away; the last one is for those who watch. */
static const char *const device_lines[] = {
    "topic readwrite {p}/rooms/{r}/peers/{n}/presence",
    "topic write {p}/rooms/{r}/peers/+/in/{n}",
    "topic write {p}/rooms/{r}/all/{n}",
    "topic read {p}/rooms/{r}/peers/{n}/in/+",
    "topic read {p}/rooms/{r}/all/+",
    "topic read {p}/rooms/{r}/peers/+/presence",
};
enum { DEVICE_LINES = sizeof device_lines / sizeof *device_lines, WATCH_LINE = DEVICE_LINES - 1 };

/* A bridge speaks for all its sessions and as _bridge, clears the presence of who is gone, watches
 * the other bridges, and sends itself a marker behind the roster. */
static const char *const bridge_lines[] = {
    "topic readwrite {p}/rooms/+/peers/+/presence",
    "topic readwrite {p}/rooms/+/peers/+/in/+",
    "topic readwrite {p}/rooms/+/all/+",
    "topic readwrite {p}/bridges/+/status",
    "topic readwrite {p}/bridges/+/in/+",
};
enum { BRIDGE_LINES = sizeof bridge_lines / sizeof *bridge_lines };

/* What older versions wrote in place of the first line; it is understood, and written no more. */
static const char older_first[] = "topic write {p}/rooms/{r}/peers/{n}/presence";

static void put_line(struct buf *b, const char *form, const char *prefix, const char *room,
                     const char *name)
{
    for (const char *p = form; *p;) {
        if (*p != '{') {
            buf_char(b, *p++);
            continue;
        }
        buf_str(b, p[1] == 'p' ? prefix : p[1] == 'r' ? room : name);
        p += 3;
    }
    buf_char(b, '\n');
}

static void put_head(struct buf *b, enum device_kind kind, const char *prefix)
{
    buf_str(b, heads[kind]);
    buf_str(b, "# Format 1. Prefix: ");
    buf_str(b, prefix);
    buf_char(b, '\n');
}

void device_acl_put(struct buf *b, const struct device_list *l, const char *prefix)
{
    put_head(b, l->kind, prefix);
    for (size_t i = 0; i < l->count; i++) {
        const struct device *d = &l->items[i];
        buf_str(b, "\nuser ");
        buf_str(b, d->name);
        buf_char(b, '\n');
        for (size_t k = 0; l->kind == DEVICE_KIND_BRIDGE && k < BRIDGE_LINES; k++)
            put_line(b, bridge_lines[k], prefix, "", d->name);
        for (size_t r = 0; r < d->room_count; r++) {
            const char *room = strcmp(d->rooms[r], "*") == 0 ? "+" : d->rooms[r];
            for (size_t k = 0; k < (d->watch ? DEVICE_LINES : WATCH_LINE); k++)
                put_line(b, device_lines[k], prefix, room, d->name);
        }
    }
}

/* ---- list ---- */

/* Where the name is, or where it would have to be. */
static size_t place_of(const struct device_list *l, const char *name, bool *found)
{
    size_t low = 0, high = l->count;
    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(l->items[middle].name, name);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct device *device_list_find(const struct device_list *l, const char *name)
{
    bool found;
    size_t at = place_of(l, name, &found);
    return found ? &l->items[at] : NULL;
}

struct device *device_list_add(struct device_list *l, const char *name)
{
    bool found;
    size_t at = place_of(l, name, &found);
    if (found || l->count >= DEVICES_MAX)
        return NULL;
    if (l->count == l->room) {
        size_t room = l->room ? 2 * l->room : 16;
        struct device *items = realloc(l->items, room * sizeof *items);
        if (!items)
            return NULL;
        l->items = items;
        l->room = room;
    }
    memmove(l->items + at + 1, l->items + at, (l->count - at) * sizeof *l->items);
    l->count++;
    l->items[at] = (struct device){.room_count = 0};
    snprintf(l->items[at].name, sizeof l->items[at].name, "%s", name);
    return &l->items[at];
}

bool device_add_room(struct device *d, const char *room)
{
    for (size_t i = 0; i < d->room_count; i++)
        if (strcmp(d->rooms[i], room) == 0)
            return true;
    if (d->room_count >= DEVICE_ROOMS_MAX)
        return false;
    void *rooms = realloc(d->rooms, (d->room_count + 1) * sizeof *d->rooms);
    if (!rooms)
        return false;
    d->rooms = rooms;
    snprintf(d->rooms[d->room_count++], sizeof *d->rooms, "%s", room);
    return true;
}

void device_list_remove(struct device_list *l, struct device *d)
{
    size_t at = (size_t)(d - l->items);
    free(d->rooms);
    memmove(d, d + 1, (--l->count - at) * sizeof *d);
}

void device_list_release(struct device_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->items[i].rooms);
    free(l->items);
    *l = (struct device_list){.kind = l->kind};
}

/* ---- reading ---- */

struct reading {
    struct device_list *list;
    const char *prefix;
    struct text rest;
    unsigned line; /* of the one that was taken last */
    struct problem *why;
};

static enum status no_memory(struct reading *r)
{
    return problem_set(r->why, STATUS_NO_MEMORY, 0, "device-file", "out of memory");
}

static enum status strange(struct reading *r)
{
    return problem_set(r->why, STATUS_INVALID_MESSAGE, r->line, "device-file",
                       "line %u is not as `sigbridge device` writes it: take out what was changed"
                       " by hand",
                       r->line);
}

/* Takes the next line if it is exactly this one. */
static bool take(struct reading *r, const char *form, const char *room, const char *name)
{
    char memory[LINE_MAX_BYTES];
    struct buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    put_line(&b, form, r->prefix, room, name);
    if (!buf_ok(&b) || text_len(&r->rest) < b.len || memcmp(r->rest.p, b.data, b.len) != 0)
        return false;
    r->rest.p += b.len;
    r->line++;
    return true;
}

static enum status read_head(struct reading *r)
{
    struct text prefix;
    r->line = 1;
    if (!text_literal(&r->rest, heads[r->list->kind]))
        return strange(r);
    r->line = 2;
    if (!text_literal(&r->rest, "# Format 1. Prefix: ") || !text_line(&r->rest, &prefix))
        return strange(r);
    if (text_equals(prefix, r->prefix))
        return STATUS_OK;
    return problem_set(r->why, STATUS_INVALID_MESSAGE, 2, "device-file",
                       "line 2 has another prefix than %.100s: give --prefix, or replace the prefix"
                       " in the whole file",
                       r->prefix);
}

/* The room of the first of a room's lines, which is not taken yet. */
static bool peek_room(const struct reading *r, char room[NAME_MAX_BYTES + 1])
{
    struct text t = r->rest, name;
    bool first = text_literal(&t, "topic readwrite ") || text_literal(&t, "topic write ");
    if (!first || !text_literal(&t, r->prefix) || !text_literal(&t, "/rooms/") ||
        !text_until(&t, '/', NAME_MAX_BYTES, &name))
        return false;
    if (!text_equals(name, "+") && !name_ok(name.p, text_len(&name)))
        return false;
    snprintf(room, NAME_MAX_BYTES + 1, "%.*s", (int)text_len(&name), name.p);
    return true;
}

static enum status read_rooms(struct reading *r, struct device *d)
{
    char room[NAME_MAX_BYTES + 1];
    while (!text_end(&r->rest) && *r->rest.p != '\n') {
        r->line++;
        if (!peek_room(r, room))
            return strange(r);
        r->line--;
        for (size_t k = 0; k < WATCH_LINE; k++) {
            if (!take(r, device_lines[k], room, d->name) &&
                (k > 0 || !take(r, older_first, room, d->name))) {
                r->line++;
                return strange(r);
            }
        }
        bool watch = take(r, device_lines[WATCH_LINE], room, d->name);
        if (d->room_count > 0 && watch != d->watch)
            return strange(r);
        d->watch = watch;
        size_t before = d->room_count;
        if (!device_add_room(d, strcmp(room, "+") == 0 ? "*" : room))
            return before < DEVICE_ROOMS_MAX ? no_memory(r) : strange(r);
        if (d->room_count == before) /* twice */
            return strange(r);
    }
    return STATUS_OK;
}

static enum status read_user(struct reading *r)
{
    char name[NAME_MAX_BYTES + 1];
    struct text t;
    if (!text_char(&r->rest, '\n')) {
        r->line++;
        return strange(r);
    }
    r->line += 2;
    if (!text_literal(&r->rest, "user ") || !text_line(&r->rest, &t))
        return strange(r);
    bool of_bridge = r->list->kind == DEVICE_KIND_BRIDGE && text_equals(t, NAME_BRIDGE);
    if (!of_bridge && !name_ok(t.p, text_len(&t)))
        return strange(r);
    snprintf(name, sizeof name, "%.*s", (int)text_len(&t), t.p);
    if (device_list_find(r->list, name))
        return strange(r);
    if (r->list->count >= DEVICES_MAX)
        return problem_set(r->why, STATUS_TOO_LARGE, r->line, "device-file",
                           "there are more than %d users in it", DEVICES_MAX);
    struct device *d = device_list_add(r->list, name);
    if (!d)
        return no_memory(r);
    if (r->list->kind == DEVICE_KIND_DEVICE)
        return read_rooms(r, d);
    for (size_t k = 0; k < BRIDGE_LINES; k++) {
        if (!take(r, bridge_lines[k], "", name)) {
            r->line++;
            return strange(r);
        }
    }
    return STATUS_OK;
}

enum status device_acl_parse(struct device_list *l, enum device_kind kind, const char *prefix,
                             struct text file, struct problem *why)
{
    struct reading r = {.list = l, .prefix = prefix, .rest = file, .why = why};
    l->kind = kind;
    if (text_end(&file))
        return STATUS_OK;
    enum status status = read_head(&r);
    while (status == STATUS_OK && !text_end(&r.rest))
        status = read_user(&r);
    return status;
}
