#include "plugins.h"

#include <gst/gst.h>

#define BASE "gstreamer1.0-plugins-base"
#define GOOD "gstreamer1.0-plugins-good"
#define BAD  "gstreamer1.0-plugins-bad"
#define NICE "gstreamer1.0-nice"

enum need { ALWAYS, FOR_TEST, FOR_V4L2, FOR_URI, FOR_AUDIO };

static const struct {
    const char *element;
    const char *package;
    enum need need;
} parts[] = {
    {"webrtcbin", BAD, ALWAYS},       {"dtlssrtpenc", BAD, ALWAYS},  {"srtpenc", BAD, ALWAYS},
    {"nicesink", NICE, ALWAYS},       {"rtpbin", GOOD, ALWAYS},      {"vp8enc", GOOD, ALWAYS},
    {"rtpvp8pay", GOOD, ALWAYS},      {"rtph264pay", GOOD, ALWAYS},  {"appsrc", BASE, ALWAYS},
    {"videotestsrc", BASE, FOR_TEST}, {"videoscale", BASE, FOR_URI}, {"v4l2src", GOOD, FOR_V4L2},
    {"uridecodebin", BASE, FOR_URI},  {"opusenc", BASE, FOR_AUDIO},
};

static bool needed(enum need need, const struct options *o)
{
    switch (need) {
    case FOR_TEST:
        return o->source == SOURCE_TEST;
    case FOR_V4L2:
        return o->source == SOURCE_V4L2;
    case FOR_URI:
        return o->source == SOURCE_RTSP || o->source == SOURCE_FILE;
    case FOR_AUDIO:
        return o->audio;
    case ALWAYS:
        break;
    }
    return true;
}

static bool present(const char *element)
{
    GstElementFactory *factory = gst_element_factory_find(element);
    if (factory)
        gst_object_unref(factory);
    return factory != NULL;
}

bool plugins_check(const struct options *options, char **why)
{
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
        if (needed(parts[i].need, options) && !present(parts[i].element)) {
            *why = g_strdup_printf("GStreamer's %s is missing; install %s", parts[i].element,
                                   parts[i].package);
            return false;
        }
    if (!present("x264enc") && !present("openh264enc")) {
        *why = g_strdup("an H.264 encoder is missing; install gstreamer1.0-plugins-ugly or " BAD);
        return false;
    }
    return true;
}
