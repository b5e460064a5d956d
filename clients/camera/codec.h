/* What the camera can encode. One table row per codec; everything else asks the table.
 *
 * Threads: constant data, callable from anywhere. */
#ifndef CAMERA_CODEC_H
#define CAMERA_CODEC_H

#include <stdbool.h>

#include "base/text.h"

enum codec { CODEC_VP8, CODEC_H264, CODEC_OPUS, CODEC_COUNT };
enum kind { KIND_VIDEO, KIND_AUDIO, KIND_COUNT };

struct codec_info {
    const char *name; /* encoding name in SDP (RFC 8866 section 6.6), as "VP8" */
    enum kind kind;
    unsigned clock_rate;    /* [Hz] */
    unsigned channels;      /* as in rtpmap; 0: not written */
    int payload;            /* the payload type that we propose in offers of our own */
    const char *offer_fmtp; /* caps fields of our offers, with a leading comma; "" for none */
    const char *payloader;  /* GStreamer launch text that makes RTP of the encoded stream */
};

const struct codec_info *codec_info(enum codec c);
const char *kind_name(enum kind k); /* "video", "audio": the media name in SDP */
/* The codec of an encoding name, in any case; CODEC_COUNT when it is none of ours. */
enum codec codec_by_name(struct text name);

#endif
