/* The camera's hub: who gets which buffers when one of the takers is slow, and in which time. */
#include "hub.h"
#include "test.h"

enum { DEPTH = 4, WAIT_US = 10 * 1000 * 1000 };

/* A pipeline that gives: what is pushed into `in` comes out of `out` for hub_feed(). */
struct giver {
    GstElement *pipeline;
    GstAppSrc *in;
    GstAppSink *out;
};

/* A pipeline that takes. Its counts are those of buffers that came through; while `gate` is locked
 * it stands still with one buffer in hand. */
struct taker {
    GstElement *pipeline;
    GstAppSrc *src;
    struct tap tap;
    GMutex gate;
    gint taken, first_is_delta, out_of_order; /* atomic */
    GstClockTime last;
};

static GstPadProbeReturn on_buffer(GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
    struct taker *t = user;
    GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
    (void)pad;
    g_mutex_lock(&t->gate);
    g_mutex_unlock(&t->gate);
    if (g_atomic_int_get(&t->taken) == 0 &&
        GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT))
        g_atomic_int_set(&t->first_is_delta, 1);
    if (GST_CLOCK_TIME_IS_VALID(t->last) && GST_BUFFER_PTS(buffer) <= t->last)
        g_atomic_int_set(&t->out_of_order, 1);
    t->last = GST_BUFFER_PTS(buffer);
    g_atomic_int_inc(&t->taken);
    return GST_PAD_PROBE_OK;
}

static void giver_start(struct giver *g)
{
    g->pipeline = gst_parse_launch("appsrc name=in format=time caps=video/x-raw ! "
                                   "appsink name=out sync=false",
                                   NULL);
    g->in = GST_APP_SRC(gst_bin_get_by_name(GST_BIN(g->pipeline), "in"));
    g->out = GST_APP_SINK(gst_bin_get_by_name(GST_BIN(g->pipeline), "out"));
    gst_element_set_state(g->pipeline, GST_STATE_PLAYING);
}

static void giver_stop(struct giver *g)
{
    gst_element_set_state(g->pipeline, GST_STATE_NULL);
    gst_object_unref(g->in);
    gst_object_unref(g->out);
    gst_object_unref(g->pipeline);
}

/* One buffer through the hub; tells whether somebody waits for a key frame. */
static bool give(struct giver *g, struct hub *hub, unsigned number, bool key)
{
    bool starving = false;
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, 1, NULL);
    GST_BUFFER_PTS(buffer) = number * GST_MSECOND;
    if (!key)
        GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
    assert_int_equal(gst_app_src_push_buffer(g->in, buffer), GST_FLOW_OK);
    assert_int_equal(hub_feed(hub, g->out, &starving), GST_FLOW_OK);
    return starving;
}

static void taker_start(struct taker *t, struct hub *hub)
{
    *t = (struct taker){.last = GST_CLOCK_TIME_NONE};
    g_mutex_init(&t->gate);
    t->pipeline = gst_parse_launch("appsrc name=src format=time ! fakesink sync=false", NULL);
    t->src = GST_APP_SRC(gst_bin_get_by_name(GST_BIN(t->pipeline), "src"));
    GstPad *pad = gst_element_get_static_pad(GST_ELEMENT(t->src), "src");
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, on_buffer, t, NULL);
    gst_object_unref(pad);
    hub_use_common_time(t->pipeline);
    gst_element_set_state(t->pipeline, GST_STATE_PLAYING);
    hub_add(hub, &t->tap, t->src, DEPTH, true);
}

static void taker_stop(struct taker *t)
{
    hub_remove(&t->tap);
    gst_element_set_state(t->pipeline, GST_STATE_NULL);
    gst_object_unref(t->src);
    gst_object_unref(t->pipeline);
    g_mutex_clear(&t->gate);
}

static void wait_taken(struct taker *t, int wanted)
{
    gint64 end = g_get_monotonic_time() + WAIT_US;
    while (g_atomic_int_get(&t->taken) < wanted && g_get_monotonic_time() < end)
        g_usleep(1000); /* it happens on the taker's thread */
    assert_int_equal(g_atomic_int_get(&t->taken), wanted);
}

static void test_begins_with_a_key_frame(void **state)
{
    struct hub hub;
    struct giver giver;
    struct taker taker;
    (void)state;
    hub_init(&hub);
    giver_start(&giver);
    taker_start(&taker, &hub);
    assert_true(give(&giver, &hub, 1, false));
    assert_true(give(&giver, &hub, 2, false));
    assert_false(give(&giver, &hub, 3, true));
    assert_false(give(&giver, &hub, 4, false));
    wait_taken(&taker, 2);
    assert_int_equal(taker.first_is_delta, 0);
    taker_stop(&taker);
    assert_false(give(&giver, &hub, 5, false)); /* nobody is left to starve */
    giver_stop(&giver);
    hub_release(&hub);
}

/* A taker that stands still loses buffers up to the next key frame; the other one loses none. */
static void test_slow_taker(void **state)
{
    struct hub hub;
    struct giver giver;
    struct taker slow, quick;
    unsigned n = 0;
    (void)state;
    hub_init(&hub);
    giver_start(&giver);
    taker_start(&slow, &hub);
    taker_start(&quick, &hub);
    g_mutex_lock(&slow.gate);
    give(&giver, &hub, ++n, true);
    bool starving = false;
    while (!starving && n < 100) {
        starving = give(&giver, &hub, ++n, false);
        wait_taken(&quick, (int)n);
    }
    assert_true(starving);
    assert_in_range(n, DEPTH + 1, DEPTH + 3); /* what waits, what is in hand, and one lost */
    g_mutex_unlock(&slow.gate);
    int got = (int)n - 1;
    wait_taken(&slow, got);

    assert_true(give(&giver, &hub, ++n, false)); /* still none: it would not decode */
    assert_false(give(&giver, &hub, ++n, true));
    assert_false(give(&giver, &hub, ++n, false));
    wait_taken(&slow, got + 2);
    wait_taken(&quick, (int)n);
    assert_int_equal(slow.out_of_order + quick.out_of_order, 0);
    taker_stop(&slow);
    taker_stop(&quick);
    giver_stop(&giver);
    hub_release(&hub);
}

/* A buffer's time becomes that of the clock, whenever its pipeline began. */
static void test_common_time(void **state)
{
    struct hub hub;
    struct giver giver;
    struct taker taker;
    (void)state;
    hub_init(&hub);
    giver_start(&giver);
    taker_start(&taker, &hub);
    give(&giver, &hub, 7, true);
    wait_taken(&taker, 1);
    assert_int_equal(taker.last, gst_element_get_base_time(giver.pipeline) + 7 * GST_MSECOND);
    taker_stop(&taker);
    giver_stop(&giver);
    hub_release(&hub);
}

static void test_remove_twice(void **state)
{
    struct tap tap = {.hub = NULL};
    (void)state;
    hub_remove(&tap);
    hub_remove(&tap);
    assert_null(tap.hub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_begins_with_a_key_frame),
        cmocka_unit_test(test_slow_taker),
        cmocka_unit_test(test_common_time),
        cmocka_unit_test(test_remove_twice),
    };
    gst_init(NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
