#include "webrtc.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "fingerprint.h"
#include "hub.h"
#include "nice_api.h"
#include "pipeline.h"
#include "webrtc_api.h"

enum { CNAME_CHARS = 19 }; /* 98 bits */

/* What webrtcbin's threads hold on to instead of the struct webrtc, which may be gone by then. */
struct mailbox {
    struct webrtc *owner; /* NULL after webrtc_destroy(); only the main thread looks */
    _Atomic int64_t heard_us;
    GMutex lock;
    bool closing; /* under `lock`: webrtcbin gets no new work */
};

struct webrtc {
    struct mailbox *box; /* g_atomic_rc_box */
    GstElement *pipeline;
    GstElement *bin; /* webrtcbin, owned by the pipeline */
    unsigned senders;
    bool connected;
    webrtc_handler *on_event;
    void *user;
};

struct letter {
    struct mailbox *box;
    enum webrtc_event event;
    char *text;
};

/* ---- to the main loop ---- */

static void box_clear(gpointer box)
{
    g_mutex_clear(&((struct mailbox *)box)->lock);
}

static void box_drop(gpointer box)
{
    g_atomic_rc_box_release_full(box, box_clear);
}

static void box_drop_closure(gpointer box, GClosure *closure)
{
    (void)closure;
    box_drop(box);
}

static void letter_free(gpointer data)
{
    struct letter *l = data;
    box_drop(l->box);
    g_free(l->text);
    g_free(l);
}

static gboolean letter_deliver(gpointer data)
{
    struct letter *l = data;
    struct webrtc *w = l->box->owner;
    if (!w || (l->event == WEBRTC_CONNECTED && w->connected))
        return G_SOURCE_REMOVE;
    if (l->event == WEBRTC_CONNECTED)
        w->connected = true;
    w->on_event(l->event, l->text, w->user);
    return G_SOURCE_REMOVE;
}

/* Always by way of the loop, also on its own thread: a handler may destroy what calls it. Letters
 * of one priority arrive in the order in which they were posted. Takes `text`. */
static void post(struct mailbox *box, enum webrtc_event event, char *text)
{
    struct letter *l = g_new(struct letter, 1);
    *l = (struct letter){g_atomic_rc_box_acquire(box), event, text};
    g_idle_add_full(G_PRIORITY_DEFAULT, letter_deliver, l, letter_free);
}

static void post_error(struct mailbox *box, const GError *error)
{
    post(box, WEBRTC_FAILED, g_strdup(error ? error->message : "webrtcbin gave no reason"));
}

/* ---- signals of webrtcbin, on its threads ---- */

static void on_candidate(GstElement *bin, guint mline, const char *candidate, gpointer box)
{
    (void)bin;
    (void)mline; /* there is one transport */
    post(box, WEBRTC_CANDIDATE, g_strdup(candidate));
}

static bool state_is(GstElement *element, const char *property, const char *wanted)
{
    GValue value = G_VALUE_INIT;
    GParamSpec *spec = g_object_class_find_property(G_OBJECT_GET_CLASS(element), property);
    g_value_init(&value, spec->value_type);
    g_object_get_property(G_OBJECT(element), property, &value);
    const GEnumValue *e =
        g_enum_get_value(G_PARAM_SPEC_ENUM(spec)->enum_class, g_value_get_enum(&value));
    bool is = e && strcmp(e->value_nick, wanted) == 0;
    g_value_unset(&value);
    return is;
}

static void on_gathering(GstElement *bin, GParamSpec *spec, gpointer box)
{
    if (state_is(bin, spec->name, "complete"))
        post(box, WEBRTC_GATHERED, NULL);
}

static void on_connection(GstElement *bin, GParamSpec *spec, gpointer box)
{
    if (state_is(bin, spec->name, "connected"))
        post(box, WEBRTC_CONNECTED, NULL);
    else if (state_is(bin, spec->name, "failed"))
        post(box, WEBRTC_FAILED, g_strdup("the connection was lost or never came about"));
    else if (state_is(bin, spec->name, "closed"))
        post(box, WEBRTC_FAILED, g_strdup("the viewer closed the connection"));
}

static void listen_to(struct mailbox *box, GstElement *element, const char *signal,
                      GCallback callback)
{
    g_signal_connect_data(element, signal, callback, g_atomic_rc_box_acquire(box), box_drop_closure,
                          0);
}

static void on_message(GstMessage *message, void *user)
{
    struct webrtc *w = user;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
        GError *error = NULL;
        gst_message_parse_error(message, &error, NULL);
        post_error(w->box, error);
        g_error_free(error);
    }
}

/* ---- what is inside webrtcbin ---- */

static gint is_made_by(gconstpointer item, gconstpointer factory)
{
    GstElement *element = g_value_get_object(item);
    GstElementFactory *f = gst_element_get_factory(element);
    return f && strcmp(GST_OBJECT_NAME(f), factory) == 0 ? 0 : 1;
}

/* The first element of a factory's making, with a reference; NULL: none. */
static GstElement *find_inside(struct webrtc *w, const char *factory)
{
    GValue found = G_VALUE_INIT;
    GstElement *element = NULL;
    GstIterator *all = gst_bin_iterate_recurse(GST_BIN(w->bin));
    char *name = g_strdup(factory);
    if (gst_iterator_find_custom(all, is_made_by, &found, name)) {
        element = g_value_dup_object(&found);
        g_value_unset(&found);
    }
    g_free(name);
    gst_iterator_free(all);
    return element;
}

/* RTP and RTCP begin with 128 to 191, DTLS with 20 to 63 (RFC 7983 section 7). */
static bool is_media(GstBuffer *buffer)
{
    guint8 first = 0;
    return gst_buffer_extract(buffer, 0, &first, 1) == 1 && first >= 128 && first < 192;
}

static GstPadProbeReturn on_packet(GstPad *pad, GstPadProbeInfo *info, gpointer box)
{
    (void)pad;
    GstBuffer *buffer = info->type & GST_PAD_PROBE_TYPE_BUFFER_LIST
                            ? gst_buffer_list_get(GST_PAD_PROBE_INFO_BUFFER_LIST(info), 0)
                            : GST_PAD_PROBE_INFO_BUFFER(info);
    if (is_media(buffer))
        atomic_store_explicit(&((struct mailbox *)box)->heard_us, clock_mono_us(),
                              memory_order_relaxed);
    return GST_PAD_PROBE_OK;
}

static void on_dtls(GstElement *dtls, GParamSpec *spec, gpointer box)
{
    if (state_is(dtls, spec->name, "closed"))
        post(box, WEBRTC_FAILED, g_strdup("the viewer closed the connection"));
}

/* webrtcbin passes on neither what comes from the viewer nor that DTLS was closed: look inside. */
static void on_element(GstBin *bin, GstBin *parent, GstElement *element, gpointer box)
{
    (void)bin;
    (void)parent;
    GstElementFactory *factory = gst_element_get_factory(element);
    const char *made_by = factory ? GST_OBJECT_NAME(factory) : "";
    if (strcmp(made_by, "nicesrc") == 0) {
        GstPad *pad = gst_element_get_static_pad(element, "src");
        gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST,
                          on_packet, g_atomic_rc_box_acquire(box), box_drop);
        gst_object_unref(pad);
    } else if (strcmp(made_by, "dtlsdec") == 0) {
        listen_to(box, element, "notify::connection-state", G_CALLBACK(on_dtls));
    }
}

static bool only_loopback(void)
{
    struct ifaddrs *all, *a;
    bool alone = true;
    if (getifaddrs(&all) != 0)
        return false;
    for (a = all; a; a = a->ifa_next)
        if (a->ifa_addr && (a->ifa_flags & IFF_UP) && !(a->ifa_flags & IFF_LOOPBACK) &&
            (a->ifa_addr->sa_family == AF_INET || a->ifa_addr->sa_family == AF_INET6))
            alone = false;
    freeifaddrs(all);
    return alone;
}

/* libnice's agent, with a reference, and webrtcbin's cover of it. */
static GObject *nice_agent(struct webrtc *w, GObject **ice)
{
    GObject *agent = NULL;
    g_object_get(w->bin, "ice-agent", ice, NULL);
    g_object_get(*ice, "agent", &agent, NULL);
    return agent;
}

static void set_up_ice(struct webrtc *w, const struct webrtc_config *config)
{
    GObject *ice = NULL, *agent = nice_agent(w, &ice);
    gboolean done;
    g_object_set(ice, "ice-tcp", FALSE, NULL);
    g_object_set(agent, "upnp", FALSE, "keepalive-conncheck", TRUE, NULL);
    for (unsigned i = 0; i < config->local_count; i++)
        g_signal_emit_by_name(ice, "add-local-ip-address", config->local[i], &done);
    if (config->local_count == 0 && only_loopback())
        g_signal_emit_by_name(ice, "add-local-ip-address", "127.0.0.1", &done);
    if (config->stun)
        g_object_set(w->bin, "stun-server", config->stun, NULL);
    for (char *const *turn = config->turn; turn && *turn; turn++)
        g_signal_emit_by_name(w->bin, "add-turn-server", *turn, &done);
    g_object_unref(agent);
    g_object_unref(ice);
}

/* A canonical name that means nothing to anybody (RFC 7022 section 4.2): by default it tells the
 * user and the host. */
static void set_up_rtp(struct webrtc *w)
{
    char name[CNAME_CHARS + 1];
    GstElement *rtpbin = find_inside(w, "rtpbin");
    if (!rtpbin)
        return;
    clock_random_name(name, CNAME_CHARS);
    GstStructure *sdes =
        gst_structure_new("application/x-rtp-source-sdes", "cname", G_TYPE_STRING, name, NULL);
    g_object_set(rtpbin, "sdes", sdes, NULL);
    gst_structure_free(sdes);
    gst_object_unref(rtpbin);
}

/* ---- life ---- */

struct webrtc *webrtc_create(const struct webrtc_config *config, webrtc_handler *on_event,
                             void *user, char **why)
{
    GstElement *bin = gst_element_factory_make("webrtcbin", "webrtc");
    if (!bin) {
        *why = g_strdup("webrtcbin is missing; install gstreamer1.0-plugins-bad");
        return NULL;
    }
    struct webrtc *w = g_new0(struct webrtc, 1);
    w->on_event = on_event;
    w->user = user;
    w->box = g_atomic_rc_box_new0(struct mailbox);
    w->box->owner = w;
    g_mutex_init(&w->box->lock);
    w->pipeline = gst_pipeline_new(NULL);
    w->bin = bin;
    gst_bin_add(GST_BIN(w->pipeline), bin);
    gst_util_set_object_arg(G_OBJECT(bin), "bundle-policy", "max-bundle");
    set_up_ice(w, config);
    set_up_rtp(w);
    listen_to(w->box, bin, "on-ice-candidate", G_CALLBACK(on_candidate));
    listen_to(w->box, bin, "notify::ice-gathering-state", G_CALLBACK(on_gathering));
    listen_to(w->box, bin, "notify::connection-state", G_CALLBACK(on_connection));
    listen_to(w->box, bin, "deep-element-added", G_CALLBACK(on_element));
    hub_use_common_time(w->pipeline);
    pipeline_watch(w->pipeline, on_message, w);
    if (gst_element_set_state(w->pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) {
        *why = g_strdup("webrtcbin does not start; install gstreamer1.0-nice");
        webrtc_destroy(w);
        return NULL;
    }
    return w;
}

/* Waits until webrtcbin's thread is through with what it was told. While it sets a description it
 * starts elements; were they stopped at the same time, one could be started after it was stopped,
 * and its thread would stay for ever. The question for statistics is just the last thing to be
 * told. */
static void finish_work(struct webrtc *w)
{
    g_mutex_lock(&w->box->lock);
    w->box->closing = true;
    g_mutex_unlock(&w->box->lock);
    GstPromise *promise = gst_promise_new();
    g_signal_emit_by_name(w->bin, "get-stats", NULL, promise);
    gst_promise_wait(promise);
    gst_promise_unref(promise);
}

void webrtc_destroy(struct webrtc *w)
{
    if (!w)
        return;
    w->box->owner = NULL;
    finish_work(w);
    pipeline_end(&w->pipeline);
    box_drop(w->box);
    g_free(w);
}

bool webrtc_add_sender(struct webrtc *w, const char *caps, bool resend)
{
    char name[16];
    GObject *transceiver = NULL;
    g_snprintf(name, sizeof name, "sink_%u", w->senders);
    GstPad *pad = gst_element_request_pad_simple(w->bin, name);
    if (!pad)
        return false;
    w->senders++;
    g_object_get(pad, "transceiver", &transceiver, NULL);
    GstCaps *preferred = gst_caps_from_string(caps);
    g_object_set(transceiver, "codec-preferences", preferred, "do-nack", (gboolean)resend, NULL);
    gst_util_set_object_arg(transceiver, "direction", "sendonly");
    gst_caps_unref(preferred);
    g_object_unref(transceiver);
    gst_object_unref(pad);
    return true;
}

/* ---- descriptions ---- */

/* The promise's error, if it holds one: the caller owns it. False: nobody answered. */
static bool promise_result(GstPromise *promise, const GstStructure **reply, GError **error)
{
    *error = NULL;
    *reply = NULL;
    if (gst_promise_wait(promise) != GST_PROMISE_RESULT_REPLIED)
        return false; /* webrtcbin is going away */
    *reply = gst_promise_get_reply(promise);
    if (*reply && gst_structure_has_field(*reply, "error"))
        gst_structure_get(*reply, "error", G_TYPE_ERROR, error, NULL);
    return true;
}

static void on_set(GstPromise *promise, gpointer box)
{
    const GstStructure *reply;
    GError *error;
    if (promise_result(promise, &reply, &error) && error)
        post_error(box, error);
    g_clear_error(&error);
}

/* The promise itself keeps one reference while webrtcbin has not answered, and drops it with the
 * callback's data. webrtcbin takes the reference that it is given a promise with. */
static GstPromise *promise_for(struct mailbox *box, GstPromiseChangeFunc on_change)
{
    return gst_promise_new_with_change_func(on_change, g_atomic_rc_box_acquire(box), box_drop);
}

static void emit_description(GstElement *bin, const char *signal, gpointer description,
                             struct mailbox *box)
{
    GstPromise *promise = promise_for(box, on_set);
    g_signal_emit_by_name(bin, signal, description, promise);
    gst_promise_unref(promise);
}

struct created {
    struct mailbox *box;
    GstElement *bin;
};

static void created_free(gpointer data)
{
    struct created *c = data;
    box_drop(c->box);
    gst_object_unref(c->bin);
    g_free(c);
}

/* Our description is ready: tell it first and set it then, so that its candidates, which setting
 * brings forth, come behind it. */
static void on_created(GstPromise *promise, gpointer data)
{
    struct created *c = data;
    const GstStructure *reply;
    GError *error;
    if (!promise_result(promise, &reply, &error))
        return;
    const GValue *value = NULL;
    bool offer = reply && gst_structure_has_field(reply, "offer");
    if (reply && !error)
        value = gst_structure_get_value(reply, offer ? "offer" : "answer");
    const struct webrtc_description *description = value ? g_value_get_boxed(value) : NULL;
    if (description && description->sdp) {
        post(c->box, offer ? WEBRTC_OFFER : WEBRTC_ANSWER,
             gst_sdp_message_as_text(description->sdp));
        g_mutex_lock(&c->box->lock);
        if (!c->box->closing)
            emit_description(c->bin, "set-local-description", g_value_get_boxed(value), c->box);
        g_mutex_unlock(&c->box->lock);
    } else {
        post_error(c->box, error);
    }
    g_clear_error(&error);
}

static void create_description(struct webrtc *w, const char *signal)
{
    struct created *c = g_new(struct created, 1);
    *c = (struct created){g_atomic_rc_box_acquire(w->box), GST_ELEMENT(gst_object_ref(w->bin))};
    GstPromise *promise = gst_promise_new_with_change_func(on_created, c, created_free);
    g_signal_emit_by_name(w->bin, signal, NULL, promise);
    gst_promise_unref(promise);
}

static bool set_remote(struct webrtc *w, int type, const char *sdp, size_t len)
{
    GstSDPMessage *message = NULL;
    GType boxed = g_type_from_name(WEBRTC_DESCRIPTION_TYPE);
    if (len > G_MAXUINT || gst_sdp_message_new(&message) != GST_SDP_OK)
        return false;
    bool good = boxed && gst_sdp_message_parse_buffer((const guint8 *)sdp, (guint)len, message) ==
                             GST_SDP_OK;
    if (good) {
        struct webrtc_description description = {type, message};
        emit_description(w->bin, "set-remote-description", &description, w->box);
    }
    gst_sdp_message_free(message);
    return good;
}

void webrtc_make_offer(struct webrtc *w)
{
    create_description(w, "create-offer");
}

bool webrtc_set_answer(struct webrtc *w, const char *sdp, size_t len)
{
    return set_remote(w, WEBRTC_SDP_ANSWER, sdp, len);
}

bool webrtc_take_offer(struct webrtc *w, const char *sdp, size_t len)
{
    if (!set_remote(w, WEBRTC_SDP_OFFER, sdp, len))
        return false;
    create_description(w, "create-answer"); /* webrtcbin works in order */
    return true;
}

void webrtc_add_candidate(struct webrtc *w, const char *candidate)
{
    g_signal_emit_by_name(w->bin, "add-ice-candidate", 0u, candidate);
}

bool webrtc_restart_ice(struct webrtc *w, struct text ufrag, struct text pwd, char **own_ufrag,
                        char **own_pwd)
{
    GObject *ice = NULL, *agent = nice_agent(w, &ice);
    char *new_ufrag = g_strndup(ufrag.p, text_len(&ufrag));
    char *new_pwd = g_strndup(pwd.p, text_len(&pwd));
    bool done = nice_api_restart(agent, new_ufrag, new_pwd, own_ufrag, own_pwd);
    g_free(new_ufrag);
    g_free(new_pwd);
    g_object_unref(agent);
    g_object_unref(ice);
    return done;
}

bool webrtc_peer_is(struct webrtc *w, struct text hash, struct text fingerprint)
{
    char *pem = NULL;
    GstElement *dtls = find_inside(w, "dtlsdec");
    if (!dtls)
        return false;
    g_object_get(dtls, "peer-pem", &pem, NULL);
    gst_object_unref(dtls);
    bool same = pem && fingerprint_matches(pem, hash, fingerprint);
    g_free(pem);
    return same;
}

int64_t webrtc_heard_us(const struct webrtc *w)
{
    return atomic_load_explicit(&w->box->heard_us, memory_order_relaxed);
}

bool webrtc_link(struct webrtc *w, GstElement *bin, unsigned index)
{
    char name[16];
    g_snprintf(name, sizeof name, "sink_%u", index);
    gst_bin_add(GST_BIN(w->pipeline), bin);
    return gst_element_link_pads(bin, "src", w->bin, name) &&
           gst_element_sync_state_with_parent(bin);
}
