/* sigbridge-camera: reads the options, joins the parts, and runs until a signal ends it.
 *
 *   options -> feed (source, encoders) -> room (broker, presence, viewers) -> GLib's main loop */
#include <glib-unix.h>
#include <gst/gst.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "feed.h"
#include "options.h"
#include "plugins.h"
#include "rehearsal.h"
#include "room.h"

enum {
    EXIT_GOOD = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    LAST_WAY_OUT_MS = 1700,
    IDLE_THREADS = 4, /* of GStreamer's pool, kept for the next viewer */
    ARENAS = 2
};

struct running {
    GMainLoop *loop;
    struct room *room;
};

static void on_left(void *user)
{
    struct running *running = user;
    g_main_loop_quit(running->loop);
}

static gboolean on_last_way_out(gpointer user)
{
    on_left(user);
    return G_SOURCE_CONTINUE; /* the loop ends, and its sources with the process */
}

static gboolean on_signal(gpointer user)
{
    struct running *running = user;
    log_line(LOG_INFO, "stopping", LOG_END);
    g_timeout_add(LAST_WAY_OUT_MS, on_last_way_out, running);
    room_leave(running->room, on_left, running);
    return G_SOURCE_CONTINUE;
}

static int run(const struct options *options)
{
    char *why = NULL;
    struct running running = {NULL, NULL};
    struct feed *feed = NULL;
    struct rehearsal *rehearsal = NULL;
    int code = EXIT_FAILED;
    if (!plugins_check(options, &why))
        goto out;
    feed = feed_create(options, &why);
    if (!feed)
        goto out;
    running.room = room_join(options, feed, &why);
    if (!running.room)
        goto out;
    rehearsal = rehearsal_begin(feed);
    running.loop = g_main_loop_new(NULL, FALSE);
    g_unix_signal_add(SIGTERM, on_signal, &running);
    g_unix_signal_add(SIGINT, on_signal, &running);
    g_main_loop_run(running.loop);
    g_main_loop_unref(running.loop);
    log_line(LOG_INFO, "stopped", LOG_END);
    code = EXIT_GOOD;
out:
    if (why)
        fprintf(stderr, "sigbridge-camera: %s\n", why);
    g_free(why);
    rehearsal_end(rehearsal);
    room_destroy(running.room);
    feed_destroy(feed);
    return code;
}

int main(int argc, char **argv)
{
    char why[256];
    struct options options;
    switch (options_read(argc, (const char *const *)argv, &options, why, sizeof why)) {
    case OPTIONS_HELP:
        fputs(options_usage(), stdout);
        return EXIT_GOOD;
    case OPTIONS_VERSION:
        puts("sigbridge-camera " SIGBRIDGE_VERSION);
        return EXIT_GOOD;
    case OPTIONS_WRONG:
        fprintf(stderr, "sigbridge-camera: %s\n", why);
        return EXIT_USAGE;
    case OPTIONS_RUN:
        break;
    }
    log_setup(options.log_level, false);
    /* A viewer has a dozen threads. With an arena for each of them the heap would grow with every
     * viewer that ever came: what one thread frees, the others cannot use. */
    mallopt(M_ARENA_MAX, ARENAS);
    gst_init(NULL, NULL);
    g_thread_pool_set_max_unused_threads(IDLE_THREADS);
    int code = run(&options);
    gst_deinit();
    return code;
}
