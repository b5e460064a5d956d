#include <glib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "candidate_use.h"
#include "session_state.h"

enum {
    CANDIDATES_MAX = 64,           /* of one viewer, used */
    OWN_MAX = 32,                  /* of ours, kept for an ICE restart */
    SILENCE_US = 30 * 1000 * 1000, /* RFC 7675 section 5.1; RTCP comes about once a second */
};

static void on_webrtc(enum webrtc_event event, const char *text, void *user);

/* ---- life ---- */

struct session *session_create(const struct session_config *config, int64_t now_us, char **why)
{
    struct session *s = g_new0(struct session, 1);
    s->config = *config;
    s->begin_us = now_us;
    s->id = clock_random() >> 2; /* o= takes 62 bits of it (RFC 8829 section 5.2.1) */
    g_queue_init(&s->early);
    s->own = g_ptr_array_new_with_free_func(g_free);
    for (int k = 0; k < KIND_COUNT; k++) {
        s->ssrc[k] = (uint32_t)clock_random() | 1;
        s->choice.mline[k] = -1;
    }
    s->webrtc = webrtc_create(&config->webrtc, on_webrtc, s, why);
    if (!s->webrtc) {
        session_destroy(s);
        return NULL;
    }
    return s;
}

void session_destroy(struct session *session)
{
    if (!session)
        return;
    for (int k = 0; k < KIND_COUNT; k++)
        track_pause(&session->tracks[k]);
    webrtc_destroy(session->webrtc);
    for (int k = 0; k < KIND_COUNT; k++)
        track_end(&session->tracks[k]);
    session_forget_descriptions(session);
    g_queue_clear_full(&session->early, g_free);
    g_ptr_array_unref(session->own);
    g_free(session);
}

void session_over(struct session *s, const char *reason)
{
    s->config.on.ended(s->config.user, reason);
}

const char *session_check(struct session *session, int64_t now_us)
{
    if (!session->connected)
        return now_us - session->begin_us > session->config.connect_timeout_us
                   ? "no connection in time"
                   : NULL;
    /* Counts only once something came: a viewer without RTCP is watched by ICE alone. */
    int64_t heard = webrtc_heard_us(session->webrtc);
    return heard > 0 && now_us - heard > SILENCE_US ? "the viewer fell silent" : NULL;
}

/* ---- candidates ---- */

/* Does a candidate for this section belong to our transport? A browser may name any section of the
 * bundle, also one that we rejected. */
static bool for_us(const struct session *s, const char *mid, int mline)
{
    if (!s->remote)
        return true; /* early ones are trusted: ICE drops what does not fit */
    const struct remote *r = &s->remote->read;
    const struct remote_media *ours = session_transport(s);
    if (mid[0])
        for (unsigned i = 0; i < r->count; i++)
            if (text_equals(r->media[i].mid, mid))
                mline = (int)i;
    if (mline < 0 || mline >= (int)r->count)
        return true;
    return ours == &r->media[mline] || (ours->bundled && r->media[mline].bundled);
}

static void end_of_candidates(struct session *s)
{
    if (s->hidden || s->candidates == 0)
        return; /* ICE must go on waiting for the checks of the hidden ones */
    if (s->remote_set)
        webrtc_add_candidate(s->webrtc, NULL);
    else
        g_queue_push_tail(&s->early, g_strdup(""));
}

void session_candidate(struct session *session, const struct session_candidate *candidate)
{
    struct session *s = session;
    const char *line = candidate->line;
    if (!line || !line[0]) {
        end_of_candidates(s);
        return;
    }
    enum candidate_use use = candidate_use(line, strlen(line));
    if (use == CANDIDATE_HIDDEN)
        s->hidden++;
    if (use != CANDIDATE_USE || s->candidates == CANDIDATES_MAX ||
        !session_knows(s, candidate->ufrag) || !for_us(s, candidate->mid, candidate->mline)) {
        log_line(LOG_DEBUG, "candidate-ignored",
                 LOG_S("why", use == CANDIDATE_HIDDEN ? "mdns" : "not-usable"), LOG_END);
        return;
    }
    s->candidates++;
    if (s->remote_set)
        webrtc_add_candidate(s->webrtc, line);
    else
        g_queue_push_tail(&s->early, g_strdup(line));
}

bool session_knows(const struct session *session, const char *ufrag)
{
    return !ufrag[0] || !session->remote || text_equals(session_transport(session)->ufrag, ufrag);
}

void session_take_candidates(struct session *s)
{
    struct remote_walk walk = {text_of_str(s->remote->sdp), -1};
    struct text line;
    s->remote_set = true;
    while (remote_next_candidate(&walk, &line)) {
        if (text_end(&line)) /* one section has no more; another may have */
            continue;
        char *copy = g_strndup(line.p, text_len(&line));
        session_candidate(s, &(struct session_candidate){copy, "", walk.mline, ""});
        g_free(copy);
    }
    char *early;
    while ((early = g_queue_pop_head(&s->early)) != NULL) {
        webrtc_add_candidate(s->webrtc, early[0] ? early : NULL);
        g_free(early);
    }
}

void session_send_candidate(struct session *s, const char *line)
{
    /* Our answer names the sections of the viewer's offer, our offer its own. */
    const struct remote_media *section =
        s->offers ? &s->local->read.media[0] : session_transport(s);
    int mline = s->offers ? 0 : (int)(section - s->remote->read.media);
    const struct text *own = &s->local->read.media[0].ufrag;
    char *mid = g_strndup(section->mid.p, text_len(&section->mid));
    char *ufrag = g_strndup(own->p, text_len(own));
    s->config.on.candidate(s->config.user, &(struct session_candidate){line, mid, mline, ufrag});
    g_free(mid);
    g_free(ufrag);
}

/* ---- what webrtcbin reports ---- */

static bool attach(struct session *s, enum kind k)
{
    const struct remote_media *m = &s->remote->read.media[s->choice.mline[k]];
    if (!track_attach(&s->tracks[k], s->webrtc, s->section[k], m->codec[s->choice.codec[k]].payload,
                      s->ssrc[k]))
        return false;
    if (!m->receives)
        track_pause(&s->tracks[k]);
    return true;
}

static void connected(struct session *s)
{
    const struct remote_media *m = session_transport(s);
    s->connected = true;
    if (!webrtc_peer_is(s->webrtc, m->hash, m->fingerprint)) {
        session_over(s,
                     "the viewer's certificate does not have the fingerprint of its description");
        return;
    }
    for (int k = 0; k < KIND_COUNT; k++)
        if (s->choice.mline[k] >= 0 && !attach(s, (enum kind)k)) {
            session_over(s, "the camera cannot send");
            return;
        }
    enum kind first = s->choice.mline[KIND_VIDEO] >= 0 ? KIND_VIDEO : KIND_AUDIO;
    s->config.on.connected(s->config.user, codec_info(s->choice.codec[first])->name);
}

static void on_webrtc(enum webrtc_event event, const char *text, void *user)
{
    struct session *s = user;
    switch (event) {
    case WEBRTC_OFFER:
    case WEBRTC_ANSWER:
        session_described(s, text);
        break;
    case WEBRTC_CANDIDATE:
    case WEBRTC_GATHERED:
        if (s->own->len < OWN_MAX)
            g_ptr_array_add(s->own, g_strdup(text));
        if (s->local)
            session_send_candidate(s, text);
        break;
    case WEBRTC_CONNECTED:
        if (s->remote)
            connected(s);
        break;
    case WEBRTC_FAILED:
        session_over(s, text);
        break;
    }
}
