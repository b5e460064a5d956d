#include "hub.h"

void hub_init(struct hub *hub)
{
    g_mutex_init(&hub->lock);
    list_init(&hub->taps);
}

void hub_release(struct hub *hub)
{
    g_assert(list_empty(&hub->taps));
    g_mutex_clear(&hub->lock);
}

void hub_add(struct hub *hub, struct tap *tap, GstAppSrc *src, guint depth, bool keyed)
{
    g_assert(!tap->hub);
    *tap = (struct tap){.hub = hub,
                        .src = GST_APP_SRC(gst_object_ref(src)),
                        .depth = depth,
                        .keyed = keyed,
                        .waiting = keyed};
    list_init(&tap->in_hub);
    g_mutex_lock(&hub->lock);
    list_add(&hub->taps, &tap->in_hub);
    g_mutex_unlock(&hub->lock);
}

void hub_remove(struct tap *tap)
{
    if (!tap->hub)
        return;
    g_mutex_lock(&tap->hub->lock);
    list_remove(&tap->in_hub);
    g_mutex_unlock(&tap->hub->lock);
    gst_object_unref(tap->src);
    *tap = (struct tap){.hub = NULL};
}

/* True when the tap waits for a key frame and this is none. */
static bool pass(struct tap *tap, GstSample *sample, bool key)
{
    if (gst_app_src_get_current_level_buffers(tap->src) >= tap->depth)
        tap->waiting = tap->keyed; /* it lags: what is not passed on is lost */
    else if (!tap->waiting || key) {
        tap->waiting = false;
        gst_app_src_push_sample(tap->src, sample);
    }
    return tap->waiting;
}

/* The sample with its time in the common running time. */
static GstSample *retime(GstSample *sample, GstElement *sink)
{
    GstBuffer *buffer = gst_buffer_copy(gst_sample_get_buffer(sample));
    GstClockTime time = gst_segment_to_running_time(gst_sample_get_segment(sample), GST_FORMAT_TIME,
                                                    GST_BUFFER_PTS(buffer));
    if (GST_CLOCK_TIME_IS_VALID(time)) {
        time += gst_element_get_base_time(sink);
    } else {
        GstClock *clock = gst_system_clock_obtain();
        time = gst_clock_get_time(clock);
        gst_object_unref(clock);
    }
    GST_BUFFER_PTS(buffer) = time;
    GST_BUFFER_DTS(buffer) = GST_CLOCK_TIME_NONE;
    GstSample *out = gst_sample_new(buffer, gst_sample_get_caps(sample), NULL, NULL);
    gst_buffer_unref(buffer);
    return out;
}

GstFlowReturn hub_feed(struct hub *hub, GstAppSink *sink, bool *starving)
{
    GstSample *sample = gst_app_sink_pull_sample(sink);
    if (!sample)
        return GST_FLOW_EOS;
    GstSample *out = retime(sample, GST_ELEMENT(sink));
    bool key = !GST_BUFFER_FLAG_IS_SET(gst_sample_get_buffer(out), GST_BUFFER_FLAG_DELTA_UNIT);
    bool some = false;
    g_mutex_lock(&hub->lock);
    LIST_EACH(link, &hub->taps)
    {
        some |= pass(LIST_ITEM(link, struct tap, in_hub), out, key);
    }
    g_mutex_unlock(&hub->lock);
    if (starving)
        *starving = some;
    gst_sample_unref(out);
    gst_sample_unref(sample);
    return GST_FLOW_OK;
}

void hub_use_common_time(GstElement *pipeline)
{
    GstClock *clock = gst_system_clock_obtain();
    gst_pipeline_use_clock(GST_PIPELINE(pipeline), clock);
    gst_object_unref(clock);
    gst_element_set_start_time(pipeline, GST_CLOCK_TIME_NONE);
    gst_element_set_base_time(pipeline, 0);
}
