/* Small things that every pipeline of the camera needs.
 *
 * Threads: the main loop's thread. */
#ifndef CAMERA_PIPELINE_H
#define CAMERA_PIPELINE_H

#include <gst/app/app.h>
#include <gst/gst.h>
#include <stdbool.h>

/* Builds a launch text. NULL, with a sentence in *why (g_free() it; why may be NULL), when an
 * element is missing. */
GstElement *pipeline_build(const char *launch, char **why);
/* The element of that name inside, with a reference; NULL: there is none. */
GstElement *pipeline_element(GstElement *pipeline, const char *name);
/* Calls `on_message` on the main loop for each message of the bus until pipeline_end(), which it
 * may call itself. Messages about a changed latency are dealt with here: without, RTP would not
 * know how its time stamps stand to the clock. */
typedef void pipeline_handler(GstMessage *message, void *user);
void pipeline_watch(GstElement *pipeline, pipeline_handler *on_message, void *user);
/* Takes it down and gives it up; *pipeline is NULL afterwards. NULL inside is allowed. */
void pipeline_end(GstElement **pipeline);

/* Logs an error message of the bus as one line: which part, what, where. Addresses of RTSP sources
 * may hold passwords, so GStreamer's debug text stays out of it. */
void pipeline_log_error(const char *part, GstMessage *message);

#endif
