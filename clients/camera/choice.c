#include "choice.h"

static bool usable(const struct remote_media *m, enum kind k)
{
    return m->kind == k && !m->rejected && m->receives && m->rtcp_mux;
}

static enum codec codec_for(const struct remote_media *m, enum kind k, enum codec prefer)
{
    if (codec_info(prefer)->kind == k && m->codec[prefer].payload >= 0)
        return prefer;
    for (int c = 0; c < CODEC_COUNT; c++)
        if (codec_info((enum codec)c)->kind == k && m->codec[c].payload >= 0)
            return (enum codec)c;
    return CODEC_COUNT;
}

static const char *reason_for(const struct remote *remote)
{
    for (unsigned i = 0; i < remote->count; i++) {
        const struct remote_media *m = &remote->media[i];
        if (m->kind == KIND_VIDEO && !m->rejected && m->receives)
            return m->rtcp_mux ? "no common codec: offer VP8, or H264 with packetization-mode=1"
                               : "the video section lacks a=rtcp-mux";
    }
    return "nothing to send: offer a video section that is recvonly or sendrecv";
}

enum status choice_make(const struct remote *remote, const bool send[KIND_COUNT], enum codec prefer,
                        struct choice *out, struct problem *why)
{
    for (int k = 0; k < KIND_COUNT; k++)
        out->mline[k] = -1;
    for (unsigned i = 0; i < remote->count; i++) {
        const struct remote_media *m = &remote->media[i];
        for (int k = 0; k < KIND_COUNT; k++) {
            enum codec c;
            if (out->mline[k] >= 0 || !send[k] || !usable(m, (enum kind)k) ||
                (c = codec_for(m, (enum kind)k, prefer)) == CODEC_COUNT)
                continue;
            out->mline[k] = (int)i;
            out->codec[k] = c;
        }
    }
    int video = out->mline[KIND_VIDEO], audio = out->mline[KIND_AUDIO];
    if (video >= 0 && audio >= 0 && !(remote->media[video].bundled && remote->media[audio].bundled))
        out->mline[KIND_AUDIO] = -1;
    if (choice_count(out) == 0)
        return problem_set(why, STATUS_INVALID_SDP, 0, "camera-media", "%s", reason_for(remote));
    return STATUS_OK;
}

unsigned choice_count(const struct choice *c)
{
    unsigned n = 0;
    for (int k = 0; k < KIND_COUNT; k++)
        n += c->mline[k] >= 0;
    return n;
}

unsigned choice_index(const struct choice *c, enum kind k)
{
    unsigned n = 0;
    for (int i = 0; i < (int)k; i++)
        n += c->mline[i] >= 0;
    return n;
}
