#include "pipeline.h"

#include "base/log.h"

GstElement *pipeline_build(const char *launch, char **why)
{
    GError *error = NULL;
    GstElement *pipeline = gst_parse_launch_full(launch, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);
    if (!pipeline && why)
        *why = g_strdup(error->message);
    g_clear_error(&error);
    return pipeline;
}

GstElement *pipeline_element(GstElement *pipeline, const char *name)
{
    return gst_bin_get_by_name(GST_BIN(pipeline), name);
}

struct watch {
    GstElement *pipeline; /* not a reference: the watch ends before it */
    pipeline_handler *on_message;
    void *user;
};

static gboolean on_bus(GstBus *bus, GstMessage *message, gpointer data)
{
    struct watch *watch = data;
    (void)bus;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_LATENCY)
        gst_bin_recalculate_latency(GST_BIN(watch->pipeline));
    else
        watch->on_message(message, watch->user);
    return G_SOURCE_CONTINUE;
}

void pipeline_watch(GstElement *pipeline, pipeline_handler *on_message, void *user)
{
    struct watch *watch = g_new(struct watch, 1);
    GstBus *bus = gst_element_get_bus(pipeline);
    *watch = (struct watch){pipeline, on_message, user};
    gst_bus_add_watch_full(bus, G_PRIORITY_DEFAULT, on_bus, watch, g_free);
    gst_object_unref(bus);
}

void pipeline_end(GstElement **pipeline)
{
    if (!*pipeline)
        return;
    GstBus *bus = gst_element_get_bus(*pipeline);
    gst_bus_remove_watch(bus); /* FALSE when there was none */
    gst_element_set_state(*pipeline, GST_STATE_NULL);
    gst_object_unref(bus);
    gst_object_unref(*pipeline);
    *pipeline = NULL;
}

void pipeline_log_error(const char *part, GstMessage *message)
{
    GError *error = NULL;
    gst_message_parse_error(message, &error, NULL);
    log_line(LOG_ERROR, "pipeline-error", LOG_S("part", part),
             LOG_S("element", GST_OBJECT_NAME(GST_MESSAGE_SRC(message))),
             LOG_S("text", error->message), LOG_END);
    g_error_free(error);
}
