/* Decides what a viewer gets: which of its media sections we send into, and with which codec.
 *
 * Threads: pure functions. */
#ifndef CAMERA_CHOICE_H
#define CAMERA_CHOICE_H

#include "codec.h"
#include "remote.h"

struct choice {
    int mline[KIND_COUNT];        /* media section of the viewer's description; -1: not sent */
    enum codec codec[KIND_COUNT]; /* counts where mline >= 0 */
};

/* Takes the first usable section of each kind that `send` wants. Of two codecs that the viewer
 * accepts it is `prefer`. Audio goes along only over the same transport as the video.
 * STATUS_INVALID_SDP, with a sentence for the viewer in *why: nothing of it can be served. */
enum status choice_make(const struct remote *remote, const bool send[KIND_COUNT], enum codec prefer,
                        struct choice *out, struct problem *why);

/* How many tracks are sent, and the place of one among them: video before audio. */
unsigned choice_count(const struct choice *c);
unsigned choice_index(const struct choice *c, enum kind k);

#endif
