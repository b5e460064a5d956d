#include "encoder.h"

#include <gst/video/video.h>

#include "base/clock.h"
#include "base/log.h"
#include "pipeline.h"

enum {
    KEY_DISTANCE_S = 10,       /* a key frame at least so often */
    KEY_PAUSE_US = 500 * 1000, /* and on demand not more often than this */
    ONE_THREAD_PIXELS = 640 * 480,
    RAW_DEPTH = 2, /* raw buffers that wait for the encoder; then the oldest goes */
};

struct encoder {
    enum codec codec;
    char *launch;
    struct hub hub;
    GstElement *pipeline; /* NULL: does not run */
    struct tap input;
    gint want_key;   /* atomic: somebody waits for one */
    gint64 asked_us; /* when the last one was asked for; only the streaming thread */
};

/* Real time first: no frames held back (lag-in-frames, zerolatency), a constant rate, and key
 * frames only when somebody needs one. vp8enc's cpu-used is the knob between quality and time. */
static char *launch_text(enum codec codec, const struct options *o)
{
    const char *input = "appsrc name=in is-live=true format=time leaky-type=downstream ! ";
    const char *output = "appsink name=out sync=false enable-last-sample=false";
    unsigned distance = o->fps * KEY_DISTANCE_S;
    unsigned threads = o->width * o->height > ONE_THREAD_PIXELS ? 2 : 1;
    switch (codec) {
    case CODEC_VP8:
        return g_strdup_printf(
            "%s vp8enc deadline=1 cpu-used=-12 threads=%u target-bitrate=%u end-usage=cbr "
            "lag-in-frames=0 keyframe-max-dist=%u error-resilient=default buffer-size=1000 "
            "buffer-initial-size=500 buffer-optimal-size=600 undershoot=95 min-quantizer=4 "
            "max-quantizer=56 static-threshold=100 ! %s",
            input, threads, o->bitrate * 1000, distance, output);
    case CODEC_H264:
        if (gst_element_factory_find("x264enc"))
            return g_strdup_printf("%s x264enc tune=zerolatency speed-preset=superfast bitrate=%u "
                                   "key-int-max=%u bframes=0 byte-stream=true threads=%u ! "
                                   "video/x-h264,profile=constrained-baseline,"
                                   "stream-format=byte-stream,alignment=au ! %s",
                                   input, o->bitrate, distance, threads, output);
        return g_strdup_printf("%s openh264enc complexity=low rate-control=bitrate bitrate=%u "
                               "gop-size=%u ! video/x-h264,profile=constrained-baseline,"
                               "stream-format=byte-stream,alignment=au ! %s",
                               input, o->bitrate * 1000, distance, output);
    case CODEC_OPUS:
    case CODEC_COUNT:
        break;
    }
    return g_strdup_printf("%s opusenc bitrate=64000 ! %s", input, output);
}

struct encoder *encoder_create(enum codec codec, const struct options *options, char **why)
{
    struct encoder *e = g_new0(struct encoder, 1);
    e->codec = codec;
    e->launch = launch_text(codec, options);
    hub_init(&e->hub);
    GstElement *trial = pipeline_build(e->launch, why);
    if (!trial) {
        encoder_destroy(e);
        return NULL;
    }
    gst_object_unref(trial);
    return e;
}

void encoder_destroy(struct encoder *encoder)
{
    if (!encoder)
        return;
    encoder_stop(encoder);
    hub_release(&encoder->hub);
    g_free(encoder->launch);
    g_free(encoder);
}

struct hub *encoder_hub(struct encoder *encoder)
{
    return &encoder->hub;
}

void encoder_want_key(struct encoder *encoder)
{
    g_atomic_int_set(&encoder->want_key, 1);
}

/* Each encoded buffer comes by here, so this is also where a key frame is asked for: a wish is
 * served within one frame, and a storm of them costs one key frame per pause. */
static GstFlowReturn on_sample(GstAppSink *sink, gpointer user)
{
    struct encoder *e = user;
    bool starving = false;
    GstFlowReturn flow = hub_feed(&e->hub, sink, &starving);
    if (starving)
        encoder_want_key(e);
    if (codec_info(e->codec)->kind != KIND_VIDEO || !g_atomic_int_get(&e->want_key))
        return flow;
    gint64 now = clock_mono_us();
    if (now - e->asked_us < KEY_PAUSE_US)
        return flow;
    e->asked_us = now;
    g_atomic_int_set(&e->want_key, 0);
    GstPad *pad = gst_element_get_static_pad(GST_ELEMENT(sink), "sink");
    gst_pad_push_event(pad,
                       gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 0));
    gst_object_unref(pad);
    return flow;
}

static void on_message(GstMessage *message, void *user)
{
    struct encoder *e = user;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR)
        pipeline_log_error(codec_info(e->codec)->name, message);
}

void encoder_start(struct encoder *encoder, struct hub *raw)
{
    if (encoder->pipeline)
        return;
    encoder->pipeline = pipeline_build(encoder->launch, NULL);
    if (!encoder->pipeline)
        return; /* it could be built at start; without it viewers just see nothing */
    encoder->asked_us = 0;
    g_atomic_int_set(&encoder->want_key, 0);
    hub_use_common_time(encoder->pipeline);
    GstElement *in = pipeline_element(encoder->pipeline, "in");
    GstElement *out = pipeline_element(encoder->pipeline, "out");
    GstAppSinkCallbacks callbacks = {.new_sample = on_sample};
    gst_app_sink_set_callbacks(GST_APP_SINK(out), &callbacks, encoder, NULL);
    gst_app_src_set_max_buffers(GST_APP_SRC(in), RAW_DEPTH);
    gst_app_src_set_max_bytes(GST_APP_SRC(in), 0);
    pipeline_watch(encoder->pipeline, on_message, encoder);
    gst_element_set_state(encoder->pipeline, GST_STATE_PLAYING);
    hub_add(raw, &encoder->input, GST_APP_SRC(in), G_MAXUINT, false);
    gst_object_unref(in);
    gst_object_unref(out);
}

void encoder_stop(struct encoder *encoder)
{
    hub_remove(&encoder->input);
    pipeline_end(&encoder->pipeline);
}
