/* Rooms: who hears whom. A room is there as long as somebody is in it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct member;

struct room {
    char *name;
    struct member **members; /* in no order */
    size_t count, capacity;
};

/* Puts `m` into the room of that name and sets `m->room` and `m->place`. False: no memory. */
bool room_enter(struct member *m, const char *name);

/* Takes it out of the room that it is in, if any. */
void room_leave(struct member *m);
