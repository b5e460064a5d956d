/* One encoded stream on its way to one viewer: a tap of the feed, a payloader, a sender of
 * webrtcbin.
 *
 *     track_begin      the encoder runs from now on, so that it is warm when the call stands
 *     track_attach     pictures flow, the first one a key frame; the viewer's requests for key
 *                      frames reach the encoder
 *     track_pause, track_resume
 *     track_end        before the webrtc is destroyed
 *
 * Threads: the main loop's thread. The memory must not move between begin and end. */
#ifndef CAMERA_TRACK_H
#define CAMERA_TRACK_H

#include "feed.h"
#include "webrtc.h"

struct track {
    struct feed *feed; /* NULL: not in use */
    enum codec codec;
    uint32_t ssrc;
    struct tap tap;
    GstElement *src; /* the appsrc, with a reference; NULL before attach */
};

void track_begin(struct track *track, struct feed *feed, enum codec codec);
bool track_attach(struct track *track, struct webrtc *w, unsigned index, int payload,
                  uint32_t ssrc);
void track_pause(struct track *track);
void track_resume(struct track *track);
void track_end(struct track *track); /* also of one that never began */

#endif
