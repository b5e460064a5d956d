/* Sets up one call that nobody asked for, up to its offer, and throws it away. That loads
 * GStreamer's plugins and makes the DTLS key, some 0.4 s that the first viewer need not wait for.
 *
 * Threads: the main loop's thread. */
#ifndef CAMERA_REHEARSAL_H
#define CAMERA_REHEARSAL_H

#include "feed.h"

struct rehearsal;

struct rehearsal *rehearsal_begin(struct feed *feed); /* goes on by itself; NULL: did not work */
void rehearsal_end(struct rehearsal *rehearsal);      /* at any time, once; NULL is allowed */

#endif
