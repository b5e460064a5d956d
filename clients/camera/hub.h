/* One stream, handed to many: what an appsink of one pipeline gives goes to the appsrc of each
 * other pipeline that taps it. Buffers are shared, not copied.
 *
 * Every viewer and every encoder thus has a pipeline of its own, and none can hold up, stop or
 * break another: a tap that does not keep up loses buffers, and gets on with the next key frame.
 *
 *     hub_init(&hub);
 *     hub_add(&hub, &tap, appsrc, true);      from now on buffers come
 *     hub_remove(&tap);                       from now on none comes
 *
 * Time: pipelines that tap run on the same clock with base time 0, so that a running time of the
 * source, moved by the base time of its pipeline, is theirs.
 *
 * Threads: hub_feed() on the appsink's streaming thread, the rest on any; a lock guards the list.
 */
#ifndef CAMERA_HUB_H
#define CAMERA_HUB_H

#include <gst/app/app.h>
#include <gst/gst.h>
#include <stdbool.h>

#include "base/list.h"

struct hub {
    GMutex lock;
    struct link taps;
};

struct tap {
    struct hub *hub; /* NULL: not in one */
    struct link in_hub;
    GstAppSrc *src; /* a reference of its own */
    guint depth;    /* buffers that may wait in it */
    bool keyed;     /* begins with a key frame, and again after a loss */
    bool waiting;   /* keyed, and nothing was passed on since the start or the loss */
};

void hub_init(struct hub *hub);
void hub_release(struct hub *hub); /* no tap may be left */

/* The tap's memory stays the caller's and does not move until hub_remove(). */
void hub_add(struct hub *hub, struct tap *tap, GstAppSrc *src, guint depth, bool keyed);
void hub_remove(struct tap *tap); /* also of one that is in no hub */

/* Passes the appsink's next sample on. *starving (may be NULL) tells that some tap waits for a key
 * frame and this was none. GST_FLOW_EOS when the appsink has no more. */
GstFlowReturn hub_feed(struct hub *hub, GstAppSink *sink, bool *starving);

/* What makes a pipeline one that taps: the common clock, base time 0. */
void hub_use_common_time(GstElement *pipeline);

#endif
