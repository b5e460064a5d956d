/* Are the GStreamer elements there that the camera is made of?
 *
 * Threads: after gst_init(), any. */
#ifndef CAMERA_PLUGINS_H
#define CAMERA_PLUGINS_H

#include <stdbool.h>

#include "options.h"

/* False, with a sentence in *why (g_free() it) that names the Debian package to install. */
bool plugins_check(const struct options *options, char **why);

#endif
