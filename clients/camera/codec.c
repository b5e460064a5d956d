#include "codec.h"

#include <assert.h>

/* H.264 is offered as constrained baseline, level 3.1, one NAL unit or fragment per packet
 * (RFC 6184 sections 6.3 and 8.1): the profile that every WebRTC endpoint has to know (RFC 7742
 * section 6.2). VP8 carries 15-bit picture ids, which browsers use to tell lost frames. */
static const struct codec_info table[CODEC_COUNT] = {
    [CODEC_VP8] = {.name = "VP8",
                   .kind = KIND_VIDEO,
                   .clock_rate = 90000,
                   .payload = 96,
                   .offer_fmtp = "",
                   .payloader = "rtpvp8pay picture-id-mode=15-bit"},
    [CODEC_H264] = {.name = "H264",
                    .kind = KIND_VIDEO,
                    .clock_rate = 90000,
                    .payload = 102,
                    .offer_fmtp = ",packetization-mode=(string)1,profile-level-id=(string)42e01f,"
                                  "level-asymmetry-allowed=(string)1",
                    .payloader = "rtph264pay config-interval=-1 aggregate-mode=zero-latency"},
    [CODEC_OPUS] = {.name = "opus",
                    .kind = KIND_AUDIO,
                    .clock_rate = 48000,
                    .channels = 2,
                    .payload = 111,
                    .offer_fmtp = ",encoding-params=(string)2",
                    .payloader = "rtpopuspay"},
};

const struct codec_info *codec_info(enum codec c)
{
    assert(c < CODEC_COUNT);
    return &table[c];
}

const char *kind_name(enum kind k)
{
    return k == KIND_VIDEO ? "video" : "audio";
}

enum codec codec_by_name(struct text name)
{
    for (int c = 0; c < CODEC_COUNT; c++)
        if (text_equals_nocase(name, table[c].name))
            return (enum codec)c;
    return CODEC_COUNT;
}
