/* One codec, encoded once for everybody: takes raw buffers from a source's hub, gives encoded ones
 * to its own.
 *
 * Threads: the main loop's thread, but for encoder_want_key(): any. */
#ifndef CAMERA_ENCODER_H
#define CAMERA_ENCODER_H

#include "hub.h"
#include "options.h"

struct encoder;

/* NULL, with a sentence in *why (g_free() it), when its GStreamer element is missing. */
struct encoder *encoder_create(enum codec codec, const struct options *options, char **why);
void encoder_destroy(struct encoder *encoder); /* stops it; NULL is allowed */

struct hub *encoder_hub(struct encoder *encoder);

void encoder_start(struct encoder *encoder, struct hub *raw); /* does nothing when it runs */
void encoder_stop(struct encoder *encoder);

/* Asks for a key frame soon. Many wishes together make one: at most one in 500 ms. */
void encoder_want_key(struct encoder *encoder);

#endif
