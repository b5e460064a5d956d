#include <glib.h>
#include <string.h>

#include "base/log.h"
#include "proto/sdp.h"
#include "rewrite.h"
#include "session_state.h"

/* ---- descriptions ---- */

static void forget(struct description **at)
{
    if (!*at)
        return;
    g_free((*at)->sdp);
    g_free(*at);
    *at = NULL;
}

static enum status keep(struct description **at, const char *sdp, size_t len, struct problem *why)
{
    struct description *d = g_new0(struct description, 1);
    d->sdp = g_strndup(sdp, len);
    enum status s = remote_read(d->sdp, len, &d->read, why);
    if (s) {
        forget(&d);
        return s;
    }
    forget(at);
    *at = d;
    return STATUS_OK;
}

/* The same for a description of the viewer, which may hold anything. */
static enum status keep_remote(struct description **at, enum sdp_kind kind, const char *sdp,
                               size_t len, struct problem *why)
{
    enum status s = sdp_check(kind, sdp, len, why);
    return s ? s : keep(at, sdp, len, why);
}

void session_forget_descriptions(struct session *s)
{
    forget(&s->local);
    forget(&s->remote);
    g_free(s->own_ufrag);
    g_free(s->own_pwd);
}

const struct remote_media *session_transport(const struct session *s)
{
    for (int k = 0; k < KIND_COUNT; k++)
        if (s->choice.mline[k] >= 0)
            return &s->remote->read.media[s->choice.mline[k]];
    return &s->remote->read.media[0];
}

/* ---- our offer ---- */

/* One structure of RTP caps. fmtp: fields with a leading comma. */
static void add_caps(GString *caps, enum codec c, int payload, uint32_t ssrc, const char *fmtp)
{
    const struct codec_info *info = codec_info(c);
    char *name = g_ascii_strup(info->name, -1);
    g_string_append_printf(caps,
                           "%sapplication/x-rtp,media=%s,encoding-name=%s,clock-rate=%u,"
                           "payload=%d,ssrc=(uint)%u%s",
                           caps->len ? ";" : "", kind_name(info->kind), name, info->clock_rate,
                           payload, ssrc, fmtp);
    g_free(name);
}

static bool add_sender(struct session *s, enum kind k, GString *caps)
{
    bool good = webrtc_add_sender(s->webrtc, caps->str, k == KIND_VIDEO);
    g_string_free(caps, TRUE);
    return good;
}

/* All codecs of a kind, the preferred one first. */
static bool offer_kind(struct session *s, enum kind k)
{
    GString *caps = g_string_new(NULL);
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < CODEC_COUNT; i++) {
            enum codec c = (enum codec)i;
            const struct codec_info *info = codec_info(c);
            if (info->kind == k && (c == s->config.prefer) == (pass == 0))
                add_caps(caps, c, info->payload, s->ssrc[k], info->offer_fmtp);
        }
    return add_sender(s, k, caps);
}

bool session_invite(struct session *session)
{
    session->offers = true;
    for (int k = 0; k < KIND_COUNT; k++)
        if (session->config.send[k] && !offer_kind(session, (enum kind)k))
            return false;
    webrtc_make_offer(session->webrtc);
    return true;
}

bool session_awaits_answer(const struct session *session)
{
    return session->offers && !session->remote;
}

/* ---- the viewer's description ---- */

/* The senders of an answer, each with the one payload type that was chosen. */
static bool answer_senders(struct session *s)
{
    for (int k = 0; k < KIND_COUNT; k++) {
        if (s->choice.mline[k] < 0)
            continue;
        enum codec c = s->choice.codec[k];
        GString *caps = g_string_new(NULL);
        add_caps(caps, c, s->remote->read.media[s->choice.mline[k]].codec[c].payload, s->ssrc[k],
                 "");
        if (!add_sender(s, (enum kind)k, caps))
            return false;
    }
    return true;
}

static bool tell_webrtc(struct session *s, enum rewrite_role role)
{
    struct buf text;
    buf_init(&text, SDP_MAX_BYTES);
    rewrite_for_webrtc(&s->remote->read, &s->choice, role, &text);
    bool good = buf_ok(&text);
    if (role == REWRITE_OFFER)
        good = good && answer_senders(s) && webrtc_take_offer(s->webrtc, text.data, text.len);
    else
        good = good && webrtc_set_answer(s->webrtc, text.data, text.len);
    buf_release(&text);
    return good;
}

static enum status take_remote(struct session *s, const char *sdp, size_t len,
                               enum rewrite_role role, struct problem *why)
{
    enum sdp_kind kind = role == REWRITE_OFFER ? SDP_OFFER : SDP_ANSWER;
    enum status status = keep_remote(&s->remote, kind, sdp, len, why);
    if (!status)
        status = choice_make(&s->remote->read, s->config.send, s->config.prefer, &s->choice, why);
    if (status)
        return status;
    if (!tell_webrtc(s, role))
        return problem_set(why, STATUS_UNAVAILABLE, 0, "camera", "the camera cannot set up a call");
    for (int k = 0; k < KIND_COUNT; k++) {
        if (s->choice.mline[k] < 0)
            continue;
        s->section[k] = role == REWRITE_OFFER ? choice_index(&s->choice, (enum kind)k)
                                              : (unsigned)s->choice.mline[k];
        /* The encoders start now: until ICE and DTLS are through, they run. */
        track_begin(&s->tracks[k], s->config.feed, s->choice.codec[k]);
    }
    session_take_candidates(s);
    return STATUS_OK;
}

enum status session_offer(struct session *session, const char *sdp, size_t len, struct problem *why)
{
    return take_remote(session, sdp, len, REWRITE_OFFER, why);
}

/* In later answers of ours stands the DTLS role that came out of this one (RFC 8842 section 5.5).
 */
static void fix_role(struct session *s)
{
    bool active = text_equals(session_transport(s)->setup, "passive");
    for (unsigned i = 0; i < s->local->read.count; i++)
        s->local->read.media[i].setup = text_of_str(active ? "active" : "passive");
}

enum status session_answer(struct session *session, const char *sdp, size_t len,
                           struct problem *why)
{
    struct session *s = session;
    if (!s->local)
        return problem_set(why, STATUS_UNEXPECTED_ANSWER, 0, "camera", "there was no offer yet");
    enum status status = take_remote(s, sdp, len, REWRITE_ANSWER, why);
    if (!status)
        fix_role(s);
    return status;
}

/* ---- ours ---- */

static void send_description(struct session *s, bool offer)
{
    struct buf text;
    struct rewrite_local local = {.read = &s->local->read,
                                  .sdp = text_of_str(s->local->sdp),
                                  .section = s->section,
                                  .session = s->id,
                                  .version = ++s->version};
    buf_init(&text, SDP_MAX_BYTES);
    if (offer)
        rewrite_offer(&local, &text);
    else
        rewrite_answer(&s->remote->read, &s->choice, &local, &text);
    buf_char(&text, '\0');
    if (buf_ok(&text))
        s->config.on.description(s->config.user, offer, text.data);
    else
        log_line(LOG_ERROR, "description-too-large", LOG_END); /* the timeout ends the call */
    buf_release(&text);
}

void session_described(struct session *s, const char *sdp)
{
    struct problem why;
    if (keep(&s->local, sdp, strlen(sdp), &why) != STATUS_OK)
        session_over(s, why.text); /* a description of ours that we cannot read */
    else
        send_description(s, s->offers);
}

/* ---- renewed offers ---- */

/* Does the section still mean the same DTLS association and the same stream? */
static bool same_section(const struct remote_media *a, const struct remote_media *b, enum codec c)
{
    return a->kind == b->kind && !b->rejected && text_same(a->mid, b->mid) &&
           text_same(a->fingerprint, b->fingerprint) && a->codec[c].payload == b->codec[c].payload;
}

static bool same_sections(const struct session *s, const struct remote *next)
{
    for (int k = 0; k < KIND_COUNT; k++) {
        int i = s->choice.mline[k];
        if (i >= 0 && (i >= (int)next->count || !same_section(&s->remote->read.media[i],
                                                              &next->media[i], s->choice.codec[k])))
            return false;
    }
    return true;
}

/* New ICE credentials mean an ICE restart (RFC 8445 section 9). */
static bool restarts(const struct remote_media *now, const struct remote_media *next)
{
    return !text_same(now->ufrag, next->ufrag) || !text_same(now->pwd, next->pwd);
}

static bool follow_restart(struct session *s, const struct remote_media *next)
{
    char *ufrag = NULL, *pwd = NULL;
    if (!webrtc_restart_ice(s->webrtc, next->ufrag, next->pwd, &ufrag, &pwd))
        return false;
    g_free(s->own_ufrag);
    g_free(s->own_pwd);
    s->own_ufrag = ufrag;
    s->own_pwd = pwd;
    for (unsigned i = 0; i < s->local->read.count; i++) {
        s->local->read.media[i].ufrag = text_of_str(ufrag);
        s->local->read.media[i].pwd = text_of_str(pwd);
    }
    s->candidates = s->hidden = 0;
    return true;
}

static void pause_or_resume(struct session *s)
{
    for (int k = 0; k < KIND_COUNT; k++) {
        if (s->choice.mline[k] < 0)
            continue;
        if (s->remote->read.media[s->choice.mline[k]].receives)
            track_resume(&s->tracks[k]);
        else
            track_pause(&s->tracks[k]);
    }
}

enum session_renewal session_renew(struct session *session, const char *sdp, size_t len)
{
    struct session *s = session;
    struct description *next = NULL;
    if (!s->local || !s->remote || keep_remote(&next, SDP_OFFER, sdp, len, NULL) != STATUS_OK)
        return SESSION_OTHER;
    const struct remote_media *now = session_transport(s);
    unsigned mline = (unsigned)(now - s->remote->read.media);
    bool same = same_sections(s, &next->read);
    bool restart = same && restarts(now, &next->read.media[mline]);
    if (!same || (restart && !follow_restart(s, &next->read.media[mline]))) {
        /* Our certificate is the same for all calls: to a viewer that keeps its own, a new session
         * would look like the old DTLS association, and never come about. */
        bool other = mline >= next->read.count ||
                     !text_same(now->fingerprint, next->read.media[mline].fingerprint);
        forget(&next);
        return other ? SESSION_OTHER : SESSION_IMPOSSIBLE;
    }
    forget(&s->remote);
    s->remote = next;
    pause_or_resume(s);
    send_description(s, false);
    if (restart) {
        for (guint i = 0; i < s->own->len; i++)
            session_send_candidate(s, g_ptr_array_index(s->own, i));
        session_take_candidates(s);
    }
    return SESSION_RENEWED;
}
