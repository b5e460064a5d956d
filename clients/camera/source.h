/* Where pictures and sound come from: a test pattern, a V4L2 device, an RTSP stream or a file. It
 * runs only between source_start() and source_stop(), and gives raw I420 video of the asked size
 * and rate, and raw 48 kHz audio, to two hubs.
 *
 * A source that fails or ends is started again: a file at once, as it plays in a loop, anything
 * else after a pause that doubles from 1 s to 30 s.
 *
 * Threads: all functions on the main loop's thread. */
#ifndef CAMERA_SOURCE_H
#define CAMERA_SOURCE_H

#include "hub.h"
#include "options.h"

struct source;

/* Copies what it needs of the options. NULL, with a sentence in *why (g_free() it), when a
 * GStreamer element is missing. */
struct source *source_create(const struct options *options, char **why);
void source_destroy(struct source *source); /* stops it; NULL is allowed */

struct hub *source_hub(struct source *source, enum kind kind);

void source_start(struct source *source); /* does nothing when it runs */
void source_stop(struct source *source);

#endif
