#include "track.h"

#include <gst/video/video.h>

enum {
    DEPTH = 30, /* buffers that may wait for a slow path; then it skips to the next key frame */
    MTU = 1200, /* fits every path that IPv6 allows, with room for SRTP, UDP and TURN [bytes] */
};

void track_begin(struct track *track, struct feed *feed, enum codec codec)
{
    *track = (struct track){.feed = feed, .codec = codec};
    feed_use(feed, codec);
}

/* On a streaming thread of webrtcbin: the viewer lost its picture (PLI, FIR). The wish ends here;
 * the encoder is in another pipeline. */
static GstPadProbeReturn on_upstream(GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
    struct track *track = user;
    (void)pad;
    if (!gst_video_event_is_force_key_unit(GST_PAD_PROBE_INFO_EVENT(info)))
        return GST_PAD_PROBE_OK;
    feed_want_key(track->feed, track->codec);
    return GST_PAD_PROBE_DROP;
}

bool track_attach(struct track *track, struct webrtc *w, unsigned index, int payload, uint32_t ssrc)
{
    char *launch = g_strdup_printf("appsrc name=src is-live=true format=time max-bytes=0 "
                                   "max-buffers=0 ! %s mtu=%d pt=%d ssrc=%u",
                                   codec_info(track->codec)->payloader, MTU, payload, ssrc);
    GstElement *bin = gst_parse_bin_from_description(launch, TRUE, NULL);
    g_free(launch);
    if (!bin)
        return false;
    track->src = gst_bin_get_by_name(GST_BIN(bin), "src");
    GstPad *pad = gst_element_get_static_pad(track->src, "src");
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, on_upstream, track, NULL);
    gst_object_unref(pad);
    if (!webrtc_link(w, bin, index))
        return false;
    track_resume(track);
    return true;
}

void track_pause(struct track *track)
{
    hub_remove(&track->tap);
}

void track_resume(struct track *track)
{
    if (track->src && !track->tap.hub)
        hub_add(feed_hub(track->feed, track->codec), &track->tap, GST_APP_SRC(track->src), DEPTH,
                codec_info(track->codec)->kind == KIND_VIDEO);
}

void track_end(struct track *track)
{
    if (!track->feed)
        return;
    track_pause(track);
    if (track->src)
        gst_object_unref(track->src);
    feed_unuse(track->feed, track->codec);
    track->src = NULL;
}
