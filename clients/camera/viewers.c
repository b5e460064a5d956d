#include "viewers.h"

#include <glib.h>
#include <malloc.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "session.h"

enum {
    EARLY_MAX = 128,                 /* candidates of all viewers without a session */
    EARLY_AGE_US = 30 * 1000 * 1000, /* and for how long */
    CHECK_MS = 1000,
};

struct viewer {
    struct link in_all;
    struct viewers *owner;
    char *peer, *call;
    struct session *session;
    int64_t since_us;
    bool connected;
};

/* A candidate that came before its offer: MQTT keeps the order of one sender, but nothing keeps a
 * viewer from trickling first. */
struct early {
    struct link in_all;
    char *peer, *call, *line, *mid, *ufrag;
    int mline;
    int64_t at_us;
};

struct viewers {
    const struct options *options;
    struct feed *feed;
    const struct ice *ice;
    struct viewers_out out;
    void *user;
    struct link all;
    unsigned count;
    struct link early;
    unsigned early_count;
    bool untidy; /* somebody left since the heap was last given back */
    guint timer;
};

/* ---- candidates that are early ---- */

static void early_drop(struct viewers *v, struct early *e)
{
    list_remove(&e->in_all);
    v->early_count--;
    g_free(e->peer);
    g_free(e->call);
    g_free(e->line);
    g_free(e->mid);
    g_free(e->ufrag);
    g_free(e);
}

static void early_add(struct viewers *v, const char *peer, const char *call,
                      const struct session_candidate *candidate)
{
    if (v->early_count == EARLY_MAX) /* the oldest is the least likely to be of use */
        early_drop(v, LIST_ITEM(list_first(&v->early), struct early, in_all));
    struct early *e = g_new0(struct early, 1);
    *e = (struct early){.peer = g_strdup(peer),
                        .call = g_strdup(call),
                        .line = g_strdup(candidate->line),
                        .mid = g_strdup(candidate->mid),
                        .ufrag = g_strdup(candidate->ufrag),
                        .mline = candidate->mline,
                        .at_us = clock_mono_us()};
    list_add(&v->early, &e->in_all);
    v->early_count++;
}

/* Drops those of a call; hands them to its session first, when there is one. */
static void early_take(struct viewers *v, const char *peer, const char *call, struct session *to)
{
    struct link *link = v->early.next;
    while (link != &v->early) {
        struct early *e = LIST_ITEM(link, struct early, in_all);
        link = link->next;
        if (strcmp(e->peer, peer) != 0 || strcmp(e->call, call) != 0)
            continue;
        if (to)
            session_candidate(to, &(struct session_candidate){e->line, e->mid, e->mline, e->ufrag});
        early_drop(v, e);
    }
}

static void early_expire(struct viewers *v, int64_t now_us)
{
    struct link *first;
    while ((first = list_first(&v->early)) != NULL) {
        struct early *e = LIST_ITEM(first, struct early, in_all);
        if (now_us - e->at_us < EARLY_AGE_US)
            break;
        early_drop(v, e);
    }
}

/* ---- viewers ---- */

static struct viewer *find(struct viewers *v, const char *peer, const char *call)
{
    LIST_EACH(link, &v->all)
    {
        struct viewer *one = LIST_ITEM(link, struct viewer, in_all);
        if (strcmp(one->peer, peer) == 0 && strcmp(one->call, call) == 0)
            return one;
    }
    return NULL;
}

/* The viewer is gone from the list. reason NULL: replaced, nothing to tell. */
static void drop(struct viewer *one, const char *reason)
{
    struct viewers *v = one->owner;
    list_remove(&one->in_all);
    v->count--;
    v->untidy = true;
    session_destroy(one->session);
    if (reason)
        log_line(LOG_INFO, "viewer-gone", LOG_S("viewer", one->peer), LOG_S("call", one->call),
                 LOG_S("reason", reason),
                 LOG_I("seconds", (clock_mono_us() - one->since_us) / 1000000),
                 LOG_I("viewers", v->count), LOG_END);
    g_free(one->peer);
    g_free(one->call);
    g_free(one);
}

static void drop_with_bye(struct viewer *one, const char *reason)
{
    struct viewers *v = one->owner;
    v->out.bye(v->user, one->peer, one->call, reason);
    drop(one, reason);
}

static void decline(struct viewers *v, const char *peer, const char *call, const char *reason)
{
    log_line(LOG_INFO, "viewer-declined", LOG_S("viewer", peer), LOG_S("call", call),
             LOG_S("reason", reason), LOG_END);
    early_take(v, peer, call, NULL);
    v->out.bye(v->user, peer, call, reason);
}

static void on_description(void *user, bool offer, const char *sdp)
{
    struct viewer *one = user;
    one->owner->out.description(one->owner->user, one->peer, one->call, offer, sdp);
}

static void on_candidate(void *user, const struct session_candidate *candidate)
{
    struct viewer *one = user;
    one->owner->out.candidate(one->owner->user, one->peer, one->call, candidate);
}

static void on_connected(void *user, const char *codec)
{
    struct viewer *one = user;
    one->connected = true;
    log_line(LOG_INFO, "viewer-connected", LOG_S("viewer", one->peer), LOG_S("call", one->call),
             LOG_S("codec", codec), LOG_I("ms", (clock_mono_us() - one->since_us) / 1000),
             LOG_I("viewers", one->owner->count), LOG_END);
}

static void on_ended(void *user, const char *reason)
{
    drop_with_bye(user, reason);
}

/* A new session in the place of an older one of the same call. NULL: declined. */
static struct viewer *admit(struct viewers *v, const char *peer, const char *call,
                            const bool send[KIND_COUNT])
{
    struct viewer *old = find(v, peer, call);
    if (old)
        drop(old, NULL);
    if (v->count >= v->options->max_viewers) {
        decline(v, peer, call, "busy: as many viewers as the camera allows; try again later");
        return NULL;
    }
    struct viewer *one = g_new0(struct viewer, 1);
    const struct options *o = v->options;
    struct session_config config = {
        .feed = v->feed,
        .prefer = o->prefer,
        .connect_timeout_us = (int64_t)o->connect_timeout * 1000000,
        .webrtc = {v->ice->stun, v->ice->turn, o->address, o->address_count},
        .on = {on_description, on_candidate, on_connected, on_ended},
        .user = one,
    };
    for (int k = 0; k < KIND_COUNT; k++)
        config.send[k] = send[k] && (k == KIND_VIDEO || o->audio);
    char *why = NULL;
    one->since_us = clock_mono_us();
    one->session = session_create(&config, one->since_us, &why);
    if (!one->session) {
        log_line(LOG_ERROR, "session", LOG_S("text", why), LOG_END);
        decline(v, peer, call, "the camera cannot set up a call");
        g_free(why);
        g_free(one);
        return NULL;
    }
    one->owner = v;
    one->peer = g_strdup(peer);
    one->call = g_strdup(call);
    list_init(&one->in_all);
    list_add(&v->all, &one->in_all);
    v->count++;
    return one;
}

void viewers_offer(struct viewers *v, const char *peer, const char *call, struct text sdp)
{
    static const bool all[KIND_COUNT] = {true, true};
    struct problem why;
    struct viewer *one = find(v, peer, call);
    enum session_renewal renewal =
        one ? session_renew(one->session, sdp.p, text_len(&sdp)) : SESSION_OTHER;
    if (renewal == SESSION_RENEWED) {
        log_line(LOG_INFO, "viewer-renewed", LOG_S("viewer", peer), LOG_S("call", call), LOG_END);
        return;
    }
    if (renewal == SESSION_IMPOSSIBLE) {
        drop_with_bye(one, "the camera cannot change the call like that; call again");
        return;
    }
    /* Both sides offer: the one whose name sorts later gives way (perfect negotiation). */
    if (one && session_awaits_answer(one->session) && strcmp(v->options->name, peer) < 0) {
        log_line(LOG_INFO, "viewer-glare", LOG_S("viewer", peer), LOG_S("call", call), LOG_END);
        return;
    }
    one = admit(v, peer, call, all);
    if (!one)
        return;
    if (session_offer(one->session, sdp.p, text_len(&sdp), &why) != STATUS_OK) {
        drop(one, NULL);
        decline(v, peer, call, why.text);
        return;
    }
    log_line(LOG_INFO, "viewer-offer", LOG_S("viewer", peer), LOG_S("call", call),
             LOG_I("viewers", v->count), LOG_END);
    early_take(v, peer, call, one->session);
}

void viewers_answer(struct viewers *v, const char *peer, const char *call, struct text sdp)
{
    struct problem why;
    struct viewer *one = find(v, peer, call);
    if (!one || !session_awaits_answer(one->session)) {
        log_line(LOG_INFO, "viewer-answer-unexpected", LOG_S("viewer", peer), LOG_S("call", call),
                 LOG_END);
        return;
    }
    if (session_answer(one->session, sdp.p, text_len(&sdp), &why) != STATUS_OK)
        drop_with_bye(one, why.text);
}

void viewers_candidate(struct viewers *v, const char *peer, const char *call,
                       const struct session_candidate *candidate)
{
    struct viewer *one = find(v, peer, call);
    if (one && session_knows(one->session, candidate->ufrag))
        session_candidate(one->session, candidate);
    else
        early_add(v, peer, call, candidate);
}

void viewers_bye(struct viewers *v, const char *peer, const char *call)
{
    struct viewer *one = find(v, peer, call);
    early_take(v, peer, call, NULL);
    if (one)
        drop(one, "bye");
}

void viewers_invite(struct viewers *v, const char *peer, const char *call,
                    const bool send[KIND_COUNT])
{
    if (!send[KIND_VIDEO] && !(send[KIND_AUDIO] && v->options->audio)) {
        decline(v, peer, call, "nothing to send: the camera has no such media");
        return;
    }
    struct viewer *one = admit(v, peer, call, send);
    if (!one)
        return;
    if (!session_invite(one->session)) {
        drop(one, NULL);
        decline(v, peer, call, "the camera cannot set up a call");
        return;
    }
    log_line(LOG_INFO, "viewer-invite", LOG_S("viewer", peer), LOG_S("call", call),
             LOG_I("viewers", v->count), LOG_END);
}

void viewers_unreachable(struct viewers *v, const char *peer)
{
    struct link *link = v->all.next;
    while (link != &v->all) {
        struct viewer *one = LIST_ITEM(link, struct viewer, in_all);
        link = link->next;
        if (!one->connected && strcmp(one->peer, peer) == 0)
            drop(one, "the viewer cannot be reached");
    }
}

/* ---- life ---- */

static gboolean on_timer(gpointer user)
{
    struct viewers *v = user;
    int64_t now = clock_mono_us();
    struct link *link = v->all.next;
    while (link != &v->all) {
        struct viewer *one = LIST_ITEM(link, struct viewer, in_all);
        link = link->next;
        const char *reason = session_check(one->session, now);
        if (reason)
            drop_with_bye(one, reason);
    }
    early_expire(v, now);
    if (v->untidy && v->count == 0) {
        malloc_trim(0); /* what the viewers used goes back to the system */
        v->untidy = false;
    }
    return G_SOURCE_CONTINUE;
}

struct viewers *viewers_create(const struct options *options, struct feed *feed,
                               const struct ice *ice, const struct viewers_out *out, void *user)
{
    struct viewers *v = g_new0(struct viewers, 1);
    *v = (struct viewers){.options = options, .feed = feed, .ice = ice, .out = *out, .user = user};
    list_init(&v->all);
    list_init(&v->early);
    v->timer = g_timeout_add(CHECK_MS, on_timer, v);
    return v;
}

void viewers_destroy(struct viewers *v)
{
    struct link *first;
    if (!v)
        return;
    g_source_remove(v->timer);
    while ((first = list_first(&v->all)) != NULL)
        drop_with_bye(LIST_ITEM(first, struct viewer, in_all), "the camera is switched off");
    while ((first = list_first(&v->early)) != NULL)
        early_drop(v, LIST_ITEM(first, struct early, in_all));
    g_free(v);
}
