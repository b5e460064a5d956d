/* Who is where, for operators: the roster as JSON. Threads: the loop's. */
#ifndef SIGBRIDGE_CORE_OVERVIEW_H
#define SIGBRIDGE_CORE_OVERVIEW_H

#include "core/router.h"

/* {"rooms":[{"room":…,"peers":N,"sessions":N}]}: rooms with somebody in them. */
void overview_put_rooms(const struct router *r, struct buf *b);

/* {"room":…,"peers":[{…as members see it, "via":…}]}. False: nobody is in this room. */
bool overview_put_room(const struct router *r, struct text name, struct buf *b);

#endif
