#include "room.h"

#include "member.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

static void *rooms; /* tree of struct room, by name */

static int by_name(const void *a, const void *b)
{
    const struct room *one = a, *other = b;
    return strcmp(one->name, other->name);
}

static void forget(struct room *room)
{
    free(room->members);
    free(room->name);
    free(room);
}

static struct room *find_or_add(const char *name)
{
    struct room *room = calloc(1, sizeof *room);
    if (!room || !(room->name = strdup(name))) {
        free(room);
        return NULL;
    }
    struct room **place = tsearch(room, &rooms, by_name);
    if (!place || *place != room)
        forget(room);
    return place ? *place : NULL;
}

bool room_enter(struct member *m, const char *name)
{
    struct room *room = find_or_add(name);
    if (!room)
        return false;
    if (room->count == room->capacity) {
        size_t capacity = room->capacity ? 2 * room->capacity : 2;
        struct member **members = realloc(room->members, capacity * sizeof(struct member *));
        if (!members) {
            if (!room->count) {
                tdelete(room, &rooms, by_name);
                forget(room);
            }
            return false;
        }
        room->members = members;
        room->capacity = capacity;
    }
    m->room = room;
    m->place = room->count;
    room->members[room->count++] = m;
    return true;
}

void room_leave(struct member *m)
{
    struct room *room = m->room;
    if (!room)
        return;
    m->room = NULL;
    struct member *last = room->members[--room->count];
    room->members[m->place] = last;
    last->place = m->place;
    if (room->count)
        return;
    tdelete(room, &rooms, by_name);
    forget(room);
}
