#include "source.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "pipeline.h"

enum { PAUSE_MIN_MS = 1000, PAUSE_MAX_MS = 30000, RTSP_LATENCY_MS = 200 };

struct source {
    enum source_kind kind;
    char *launch;
    char *argument; /* device path, or URI */
    struct hub hubs[KIND_COUNT];
    GstElement *pipeline; /* NULL: does not run now */
    bool wanted;          /* between start and stop */
    guint retry;          /* timer of the next attempt; 0: none */
    guint pause_ms;       /* until the next attempt, should this one fail */
    gint gave;            /* atomic: this attempt gave a picture */
};

static void begin(struct source *s);

/* ---- the pipeline's text ---- */

static char *launch_text(const struct options *o)
{
    /* async=false: a sink without a stream, as with a file that has no sound, does not keep the
     * others waiting. */
    bool file = o->source == SOURCE_FILE;
    const char *sink =
        file ? "appsink sync=true async=false max-buffers=2 drop=true enable-last-sample=false"
             : "appsink sync=false async=false max-buffers=2 drop=true enable-last-sample=false";
    const char *fit = "videoconvert ! videoscale add-borders=true ! videorate ! ";
    GString *text = g_string_new(NULL);
    switch (o->source) {
    case SOURCE_TEST:
        g_string_append_printf(text, "videotestsrc is-live=true pattern=%s ! ", o->pattern);
        break;
    case SOURCE_V4L2:
        g_string_append_printf(text, "v4l2src name=source ! decodebin ! %s", fit);
        break;
    case SOURCE_RTSP:
    case SOURCE_FILE:
        g_string_append_printf(text, "uridecodebin name=source source. ! %s", fit);
        break;
    }
    g_string_append_printf(text,
                           "video/x-raw,format=I420,width=%u,height=%u,framerate=%u/1,"
                           "pixel-aspect-ratio=1/1 ! %s name=video ",
                           o->width, o->height, o->fps, sink);
    if (o->audio)
        g_string_append_printf(
            text,
            "%s ! audioconvert ! audioresample ! "
            "audio/x-raw,format=S16LE,rate=48000,channels=2 ! %s name=audio",
            o->source == SOURCE_TEST ? "audiotestsrc is-live=true freq=440 volume=0.2" : "source.",
            sink);
    return g_string_free(text, FALSE);
}

static bool readable(const char *path, char **why)
{
    if (access(path, R_OK) == 0)
        return true;
    *why = g_strdup_printf("--source: cannot read %s: %s", path, strerror(errno));
    return false;
}

struct source *source_create(const struct options *options, char **why)
{
    struct source *s = g_new0(struct source, 1);
    s->kind = options->source;
    s->launch = launch_text(options);
    for (int k = 0; k < KIND_COUNT; k++)
        hub_init(&s->hubs[k]);
    if (s->kind == SOURCE_FILE) {
        s->argument = gst_filename_to_uri(options->source_arg, NULL);
        if (!s->argument)
            *why = g_strdup("--source: this is no path of a file");
        if (!s->argument || !readable(options->source_arg, why))
            goto failed;
    } else if (s->kind != SOURCE_TEST) {
        s->argument = g_strdup(options->source_arg);
        if (s->kind == SOURCE_V4L2 && !readable(s->argument, why))
            goto failed;
    }
    GstElement *trial = pipeline_build(s->launch, why);
    if (!trial)
        goto failed;
    gst_object_unref(trial);
    return s;
failed:
    source_destroy(s);
    return NULL;
}

void source_destroy(struct source *source)
{
    if (!source)
        return;
    source_stop(source);
    for (int k = 0; k < KIND_COUNT; k++)
        hub_release(&source->hubs[k]);
    g_free(source->launch);
    g_free(source->argument);
    g_free(source);
}

struct hub *source_hub(struct source *source, enum kind kind)
{
    return &source->hubs[kind];
}

/* ---- running ---- */

static GstFlowReturn on_video(GstAppSink *sink, gpointer user)
{
    struct source *s = user;
    g_atomic_int_set(&s->gave, 1);
    return hub_feed(&s->hubs[KIND_VIDEO], sink, NULL);
}

static GstFlowReturn on_audio(GstAppSink *sink, gpointer user)
{
    struct source *s = user;
    return hub_feed(&s->hubs[KIND_AUDIO], sink, NULL);
}

/* The picture's end is the end: the pipeline's own would wait for sound that may not exist. */
static void on_video_end(GstAppSink *sink, gpointer user)
{
    (void)user;
    gst_element_post_message(
        GST_ELEMENT(sink),
        gst_message_new_application(GST_OBJECT(sink), gst_structure_new_empty("end-of-picture")));
}

static void connect_sink(struct source *s, enum kind k)
{
    GstElement *sink = pipeline_element(s->pipeline, kind_name(k));
    if (!sink)
        return;
    GstAppSinkCallbacks video = {.new_sample = on_video, .eos = on_video_end};
    GstAppSinkCallbacks audio = {.new_sample = on_audio};
    gst_app_sink_set_callbacks(GST_APP_SINK(sink), k == KIND_VIDEO ? &video : &audio, s, NULL);
    gst_object_unref(sink);
}

static gboolean on_retry(gpointer user)
{
    struct source *s = user;
    s->retry = 0;
    begin(s);
    return G_SOURCE_REMOVE;
}

static void end(struct source *s)
{
    pipeline_end(&s->pipeline);
    if (s->retry)
        g_source_remove(s->retry);
    s->retry = 0;
}

static void again(struct source *s, guint pause_ms)
{
    end(s);
    s->retry = g_timeout_add(pause_ms, on_retry, s);
}

static void failed(struct source *s)
{
    if (g_atomic_int_get(&s->gave)) /* it worked before */
        s->pause_ms = PAUSE_MIN_MS;
    log_line(LOG_WARN, "source-retry", LOG_I("in_ms", s->pause_ms), LOG_END);
    again(s, s->pause_ms);
    s->pause_ms = MIN(s->pause_ms * 2, PAUSE_MAX_MS);
}

static void on_message(GstMessage *message, void *user)
{
    struct source *s = user;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
        pipeline_log_error("source", message);
        failed(s);
    } else if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_APPLICATION) {
        if (s->kind == SOURCE_FILE) /* from its beginning; never in a tight circle */
            again(s, 10);
        else
            failed(s);
    }
}

static void on_source_setup(GstElement *decoder, GstElement *element, gpointer user)
{
    (void)decoder;
    (void)user;
    g_object_set(element, "latency", RTSP_LATENCY_MS, "drop-on-latency", TRUE, NULL);
}

static void begin(struct source *s)
{
    g_atomic_int_set(&s->gave, 0);
    s->pipeline = pipeline_build(s->launch, NULL);
    if (!s->pipeline) { /* it could be built at start: a plugin was removed meanwhile */
        failed(s);
        return;
    }
    GstElement *element = pipeline_element(s->pipeline, "source");
    if (element) {
        g_object_set(element, s->kind == SOURCE_V4L2 ? "device" : "uri", s->argument, NULL);
        if (s->kind == SOURCE_RTSP)
            g_signal_connect(element, "source-setup", G_CALLBACK(on_source_setup), NULL);
        gst_object_unref(element);
    }
    for (int k = 0; k < KIND_COUNT; k++)
        connect_sink(s, (enum kind)k);
    GstClock *clock = gst_system_clock_obtain();
    gst_pipeline_use_clock(GST_PIPELINE(s->pipeline), clock);
    gst_object_unref(clock);
    pipeline_watch(s->pipeline, on_message, s);
    gst_element_set_state(s->pipeline, GST_STATE_PLAYING); /* a failure also comes as a message */
}

void source_start(struct source *source)
{
    if (source->wanted)
        return;
    source->wanted = true;
    source->pause_ms = PAUSE_MIN_MS;
    begin(source);
}

void source_stop(struct source *source)
{
    source->wanted = false;
    end(source);
}
