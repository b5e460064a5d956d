#include "rewrite.h"

#include <string.h>

static void add(struct buf *out, struct text t)
{
    if (!text_end(&t))
        buf_add(out, t.p, text_len(&t));
}

static void end_line(struct buf *out)
{
    buf_str(out, "\r\n");
}

static void line(struct buf *out, const char *prefix, struct text value)
{
    buf_str(out, prefix);
    add(out, value);
    end_line(out);
}

/* "a=rtpmap:96" and the like */
static void payload(struct buf *out, const char *attribute, int number)
{
    buf_str(out, "a=");
    buf_str(out, attribute);
    buf_char(out, ':');
    buf_int(out, number);
    buf_char(out, ' ');
}

/* ---- parts that both directions share ---- */

static void write_head(struct buf *out, uint64_t session, uint64_t version)
{
    buf_str(out, "v=0\r\no=- ");
    buf_uint(out, session);
    buf_char(out, ' ');
    buf_uint(out, version);
    buf_str(out, " IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-options:trickle\r\n");
}

static void write_media(struct buf *out, struct text name, const char *port, struct text proto)
{
    buf_str(out, "m=");
    add(out, name);
    buf_str(out, port);
    add(out, proto);
    buf_char(out, ' ');
}

static void write_transport(struct buf *out, const struct remote_media *m)
{
    buf_str(out, "c=IN IP4 0.0.0.0\r\na=rtcp-mux\r\n");
    line(out, "a=ice-ufrag:", m->ufrag);
    line(out, "a=ice-pwd:", m->pwd);
    buf_str(out, "a=fingerprint:");
    add(out, m->hash);
    line(out, " ", m->fingerprint);
    line(out, "a=setup:", m->setup);
}

static void write_formats(struct buf *out, const struct remote_codec *c)
{
    buf_int(out, c->payload);
    if (c->rtx >= 0) {
        buf_char(out, ' ');
        buf_int(out, c->rtx);
    }
    end_line(out);
}

static void write_feedback(struct buf *out, const struct remote_codec *c, bool wanted,
                           const char *kind)
{
    if (!wanted)
        return;
    payload(out, "rtcp-fb", c->payload);
    line(out, kind, text_of("", 0));
}

static void write_codec(struct buf *out, enum codec codec, const struct remote_codec *c)
{
    const struct codec_info *info = codec_info(codec);
    payload(out, "rtpmap", c->payload);
    buf_str(out, info->name);
    buf_char(out, '/');
    buf_uint(out, info->clock_rate);
    if (info->channels) {
        buf_char(out, '/');
        buf_uint(out, info->channels);
    }
    end_line(out);
    write_feedback(out, c, c->nack, "nack");
    write_feedback(out, c, c->pli, "nack pli");
    write_feedback(out, c, c->fir, "ccm fir");
    if (codec == CODEC_H264) {
        payload(out, "fmtp", c->payload);
        line(out, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=",
             text_of_str(c->profile[0] ? c->profile : "42001f"));
    }
    if (c->rtx >= 0) {
        payload(out, "rtpmap", c->rtx);
        buf_str(out, "rtx/");
        buf_uint(out, info->clock_rate);
        end_line(out);
        payload(out, "fmtp", c->rtx);
        buf_str(out, "apt=");
        buf_int(out, c->payload);
        end_line(out);
    }
}

/* The kind whose track goes into section i; KIND_COUNT: none. */
static enum kind kind_at(const struct choice *choice, unsigned i)
{
    for (int k = 0; k < KIND_COUNT; k++)
        if (choice->mline[k] == (int)i)
            return (enum kind)k;
    return KIND_COUNT;
}

/* ---- towards webrtcbin ---- */

static const char webrtc_proto[] = "UDP/TLS/RTP/SAVPF";

/* A section without mid still needs a name towards webrtcbin. */
static void write_mid(struct buf *out, const struct remote *remote, unsigned i)
{
    const struct remote_media *m = &remote->media[i];
    if (!text_end(&m->mid)) {
        add(out, m->mid);
    } else {
        buf_str(out, "section");
        buf_uint(out, i);
    }
}

static void webrtc_section(struct buf *out, const struct remote *remote,
                           const struct choice *choice, enum kind k)
{
    unsigned i = (unsigned)choice->mline[k];
    const struct remote_media *m = &remote->media[i];
    const struct remote_codec *c = &m->codec[choice->codec[k]];
    write_media(out, m->name, " 9 ", text_of_str(webrtc_proto));
    write_formats(out, c);
    write_transport(out, m);
    buf_str(out, "a=mid:");
    write_mid(out, remote, i);
    buf_str(out, "\r\na=recvonly\r\n");
    write_codec(out, choice->codec[k], c);
}

/* webrtcbin takes the transport's credentials from each section of a bundle, so a rejected one
 * repeats those that are in use. */
static void webrtc_rejected(struct buf *out, const struct remote *remote,
                            const struct remote_media *used, unsigned i)
{
    const struct remote_media *m = &remote->media[i];
    write_media(out, m->name, " 0 ", text_of_str(webrtc_proto));
    line(out, "", m->formats);
    write_transport(out, used);
    buf_str(out, "a=mid:");
    write_mid(out, remote, i);
    buf_str(out, "\r\na=inactive\r\n");
}

void rewrite_for_webrtc(const struct remote *remote, const struct choice *choice,
                        enum rewrite_role role, struct buf *out)
{
    const struct remote_media *used = NULL;
    write_head(out, 1, 1);
    if (remote->ice_lite)
        buf_str(out, "a=ice-lite\r\n");
    buf_str(out, "a=group:BUNDLE");
    for (int k = 0; k < KIND_COUNT; k++) {
        if (choice->mline[k] < 0)
            continue;
        buf_char(out, ' ');
        write_mid(out, remote, (unsigned)choice->mline[k]);
        if (!used)
            used = &remote->media[choice->mline[k]];
    }
    end_line(out);
    if (role == REWRITE_OFFER) {
        for (int k = 0; k < KIND_COUNT; k++)
            if (choice->mline[k] >= 0)
                webrtc_section(out, remote, choice, (enum kind)k);
        return;
    }
    for (unsigned i = 0; i < remote->count; i++) {
        enum kind k = kind_at(choice, i);
        if (k != KIND_COUNT)
            webrtc_section(out, remote, choice, k);
        else if (used)
            webrtc_rejected(out, remote, used, i);
    }
}

/* ---- the answer to the viewer ---- */

/* The lines of section `index` that name our media sources (RFC 5576), as webrtcbin chose them. It
 * may write one twice; what it says of streams stands in a=msid instead (RFC 8829 section 5.2.1).
 */
static void copy_sources(struct buf *out, struct text sdp, unsigned index)
{
    struct text row, last = text_of("", 0);
    int at = -1;
    while (text_line(&sdp, &row)) {
        struct text value = row, ssrc;
        if (text_literal(&value, "m=")) {
            at++;
        } else if (at == (int)index && text_literal(&value, "a=ssrc") && !text_same(row, last)) {
            bool group = text_literal(&value, "-group:");
            if (!group && (!text_char(&value, ':') || !text_digits(&value, 10, &ssrc) ||
                           !text_literal(&value, " cname:")))
                continue;
            line(out, "", row);
            last = row;
        }
    }
}

static void answer_section(struct buf *out, const struct remote_media *m,
                           const struct choice *choice, enum kind k,
                           const struct rewrite_local *local)
{
    unsigned track = local->section[k];
    const struct remote_codec *c = &m->codec[choice->codec[k]];
    write_media(out, m->name, " 9 ", m->proto);
    write_formats(out, c);
    write_transport(out, &local->read->media[track]);
    if (!text_end(&m->mid))
        line(out, "a=mid:", m->mid);
    buf_str(out, m->receives ? "a=sendonly\r\n" : "a=inactive\r\n");
    line(out, "a=msid:camera ", text_of_str(kind_name(k)));
    write_codec(out, choice->codec[k], c);
    copy_sources(out, local->sdp, track);
}

static void answer_rejected(struct buf *out, const struct remote_media *m)
{
    write_media(out, m->name, " 0 ", m->proto);
    line(out, "", m->formats);
    buf_str(out, "c=IN IP4 0.0.0.0\r\n");
    if (!text_end(&m->mid))
        line(out, "a=mid:", m->mid);
    buf_str(out, "a=inactive\r\n");
}

void rewrite_answer(const struct remote *offer, const struct choice *choice,
                    const struct rewrite_local *local, struct buf *out)
{
    const char *before = "a=group:BUNDLE ";
    write_head(out, local->session, local->version);
    for (unsigned i = 0; i < offer->count; i++) {
        if (kind_at(choice, i) == KIND_COUNT || !offer->media[i].bundled)
            continue;
        buf_str(out, before);
        add(out, offer->media[i].mid);
        before = " ";
    }
    if (before[0] == ' ')
        end_line(out);
    for (unsigned i = 0; i < offer->count; i++) {
        enum kind k = kind_at(choice, i);
        if (k == KIND_COUNT)
            answer_rejected(out, &offer->media[i]);
        else
            answer_section(out, &offer->media[i], choice, k, local);
    }
}

/* ---- the offer to the viewer ---- */

static void offer_section(struct buf *out, const struct remote_media *m, struct text sdp,
                          unsigned index)
{
    struct text formats = m->formats, format;
    write_media(out, m->name, " 9 ", text_of_str(webrtc_proto));
    line(out, "", m->formats);
    write_transport(out, m);
    line(out, "a=mid:", m->mid);
    line(out, "a=sendonly\r\na=msid:camera ", m->name);
    while (text_until(&formats, ' ', 8, &format)) {
        uint64_t number = 0;
        text_uint(&format, REMOTE_PAYLOAD_COUNT - 1, &number);
        for (int c = 0; c < CODEC_COUNT; c++)
            if (m->codec[c].payload == (int)number)
                write_codec(out, (enum codec)c, &m->codec[c]);
        text_char(&formats, ' ');
    }
    copy_sources(out, sdp, index);
}

void rewrite_offer(const struct rewrite_local *local, struct buf *out)
{
    const struct remote *r = local->read;
    write_head(out, local->session, local->version);
    buf_str(out, "a=group:BUNDLE");
    for (unsigned i = 0; i < r->count; i++) {
        buf_char(out, ' ');
        add(out, r->media[i].mid);
    }
    end_line(out);
    for (unsigned i = 0; i < r->count; i++)
        offer_section(out, &r->media[i], local->sdp, i);
}
