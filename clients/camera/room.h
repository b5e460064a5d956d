/* The camera's place in the room: connection to the broker, presence, and messages between the
 * device library and the viewers.
 *
 * Threads: the main loop's thread. */
#ifndef CAMERA_ROOM_H
#define CAMERA_ROOM_H

#include <glib.h>

#include "feed.h"
#include "options.h"

struct room;

/* Connects in the background and goes on trying for ever. NULL, with a sentence in *why (g_free()
 * it), for what no trying can mend. `options` and `feed` must outlive it. */
struct room *room_join(const struct options *options, struct feed *feed, char **why);

/* Says bye to all viewers, clears the presence, disconnects; then, at the latest after a second,
 * calls `on_left` from the loop. May be called again: the first call counts. */
void room_leave(struct room *room, void (*on_left)(void *user), void *user);
void room_destroy(struct room *room); /* NULL is allowed */

#endif
