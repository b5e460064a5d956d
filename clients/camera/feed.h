/* The camera's picture and sound for whoever watches: the source and an encoder per codec, each
 * running only while somebody uses it.
 *
 * Threads: the main loop's thread, but for feed_want_key(): any. */
#ifndef CAMERA_FEED_H
#define CAMERA_FEED_H

#include "hub.h"
#include "options.h"

struct feed;

/* NULL, with a sentence in *why (g_free() it), when a GStreamer element or the source is missing.
 */
struct feed *feed_create(const struct options *options, char **why);
void feed_destroy(struct feed *feed); /* nobody may use it any more; NULL is allowed */

/* Begins and ends the use of a codec: the first user starts its encoder, the last stops it. */
void feed_use(struct feed *feed, enum codec codec);
void feed_unuse(struct feed *feed, enum codec codec);

/* Where to tap the encoded stream. */
struct hub *feed_hub(struct feed *feed, enum codec codec);
void feed_want_key(struct feed *feed, enum codec codec);

#endif
