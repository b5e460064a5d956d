#include "remote.h"

#include <string.h>

enum {
    LINE_MAX_BYTES = 8192,
    LINES_MAX = 8192,
    UFRAG_MIN = 4, /* RFC 8839 section 5.4: 4 to 256, password 22 to 256 ice-char */
    PWD_MIN = 22,
    ICE_MAX = 256,
    MID_MAX = 64,
};

/* What is known of one payload type while its media section is read. */
struct payload {
    bool listed;      /* in the m= line */
    enum codec codec; /* CODEC_COUNT: none of ours */
    bool rtx;
    int apt;    /* of rtx: the payload type that it repairs; -1: not said */
    bool mode1; /* packetization-mode=1 */
    char profile[7];
    bool nack, pli, fir;
};

struct reader {
    struct remote *out;
    struct remote_media *at;     /* the media section being read, or &session */
    struct remote_media session; /* what session-level attributes give to all sections */
    bool port_zero, bundle_only;
    unsigned line;
    struct problem *why;
    struct payload payloads[REMOTE_PAYLOAD_COUNT];
};

static enum status refuse(struct reader *r, const char *rule, const char *text)
{
    return problem_set(r->why, STATUS_INVALID_SDP, r->line, rule, "%s", text);
}

static bool is_ice_char(char c) /* RFC 8839 section 5.1 */
{
    return text_is_alnum(c) || c == '+' || c == '/';
}

static bool is_print_char(char c)
{
    return c > ' ' && c <= '~';
}

static bool is_fingerprint_char(char c)
{
    return text_is_hex(c) || c == ':';
}

/* All of `value`, made of `is`, `min` to `max` bytes. */
static bool whole(struct text value, bool (*is)(char), size_t min, size_t max, struct text *out)
{
    return text_run(&value, is, max, out) && text_end(&value) && text_len(out) >= min;
}

static bool word(struct text *t, struct text *out)
{
    while (text_char(t, ' '))
        ;
    return text_until(t, ' ', LINE_MAX_BYTES, out);
}

/* ---- payload types ---- */

/* The payload type at the start of an attribute's value, with its record; the blank behind it is
 * taken. NULL: "*" or nonsense, which is not for us. */
static struct payload *payload_at(struct reader *r, struct text *value)
{
    uint64_t pt;
    if (!text_uint(value, REMOTE_PAYLOAD_COUNT - 1, &pt) || !text_char(value, ' '))
        return NULL;
    return &r->payloads[pt];
}

static void read_rtpmap(struct reader *r, struct text value)
{
    struct payload *p = payload_at(r, &value);
    struct text name;
    if (!p || !text_until(&value, '/', 64, &name))
        return;
    p->codec = codec_by_name(name);
    p->rtx = text_equals_nocase(name, "rtx");
    if (p->codec == CODEC_COUNT)
        return;
    const struct codec_info *info = codec_info(p->codec);
    uint64_t rate = 0, channels = 1;
    bool fits =
        text_char(&value, '/') && text_uint(&value, UINT32_MAX, &rate) && rate == info->clock_rate;
    if (text_char(&value, '/') && !text_uint(&value, UINT32_MAX, &channels))
        fits = false;
    if (!fits || channels != (info->channels ? info->channels : 1))
        p->codec = CODEC_COUNT;
}

static void read_parameter(struct payload *p, struct text at)
{
    struct text profile;
    uint64_t number;
    while (text_char(&at, ' '))
        ;
    if (text_literal(&at, "packetization-mode="))
        p->mode1 = text_equals(at, "1");
    else if (text_literal(&at, "apt=") && text_uint(&at, REMOTE_PAYLOAD_COUNT - 1, &number))
        p->apt = (int)number;
    else if (text_literal(&at, "profile-level-id=") && whole(at, text_is_hex, 6, 6, &profile))
        memcpy(p->profile, profile.p, 6);
}

static void read_fmtp(struct reader *r, struct text value)
{
    struct payload *p = payload_at(r, &value);
    struct text parameter;
    while (p && text_until(&value, ';', LINE_MAX_BYTES, &parameter)) {
        read_parameter(p, parameter);
        text_char(&value, ';');
    }
}

static void set_feedback(struct payload *p, struct text value)
{
    p->nack = p->nack || text_equals(value, "nack");
    p->pli = p->pli || text_equals(value, "nack pli");
    p->fir = p->fir || text_equals(value, "ccm fir");
}

static void read_feedback(struct reader *r, struct text value)
{
    if (text_literal(&value, "* ")) {
        for (int i = 0; i < REMOTE_PAYLOAD_COUNT; i++)
            set_feedback(&r->payloads[i], value);
    } else {
        struct payload *p = payload_at(r, &value);
        if (p)
            set_feedback(p, value);
    }
}

/* How well a payload type suits what we send; 0: not at all. H.264 by RFC 6184 section 8.1: without
 * packetization-mode=1 large pictures cannot be fragmented. Our stream is constrained baseline,
 * which a decoder of any of these profiles plays. */
static int suits(const struct payload *p)
{
    if (p->codec != CODEC_H264)
        return 1;
    if (!p->mode1)
        return 0;
    const char *id = p->profile[0] ? p->profile : "420010"; /* the default, section 8.1 */
    int constraints = 0;
    for (int i = 2; i < 4; i++)
        constraints =
            constraints * 16 + (text_is_digit(id[i]) ? id[i] - '0' : (id[i] | 32) - 'a' + 10);
    if (strncmp(id, "42", 2) == 0)
        return (constraints & 0x40) ? 4 : 3;
    if (strncmp(id, "4d", 2) == 0 || strncmp(id, "4D", 2) == 0)
        return (constraints & 0x80) ? 4 : 2;
    return strncmp(id, "64", 2) == 0 ? 1 : 0;
}

/* Picks the payload types of a section that was read to its end, in the order of its m= line. */
static void pick_payloads(struct reader *r, struct remote_media *m)
{
    int best[CODEC_COUNT] = {0};
    struct text formats = m->formats, format;
    while (word(&formats, &format)) {
        uint64_t pt;
        if (!text_uint(&format, REMOTE_PAYLOAD_COUNT - 1, &pt) || !text_end(&format))
            continue;
        struct payload *p = &r->payloads[pt];
        p->listed = true;
        if (p->codec == CODEC_COUNT || codec_info(p->codec)->kind != m->kind ||
            suits(p) <= best[p->codec])
            continue;
        best[p->codec] = suits(p);
        struct remote_codec *c = &m->codec[p->codec];
        *c = (struct remote_codec){(int)pt, -1, "", p->nack, p->pli, p->fir};
        memcpy(c->profile, p->profile, sizeof c->profile);
    }
    for (int pt = 0; pt < REMOTE_PAYLOAD_COUNT; pt++)
        if (r->payloads[pt].listed && r->payloads[pt].rtx)
            for (int c = 0; c < CODEC_COUNT; c++)
                if (m->codec[c].payload >= 0 && m->codec[c].payload == r->payloads[pt].apt)
                    m->codec[c].rtx = pt;
}

/* ---- sections ---- */

static enum status finish_section(struct reader *r)
{
    struct remote_media *m = r->at;
    if (m == &r->session)
        return STATUS_OK;
    m->rejected = r->port_zero && !r->bundle_only;
    pick_payloads(r, m);
    if (m->rejected)
        return STATUS_OK;
    if (text_end(&m->ufrag) || text_end(&m->pwd))
        return refuse(r, "sdp-ice", "a media section has no ICE user name and password");
    if (text_end(&m->fingerprint))
        return refuse(r, "sdp-fingerprint",
                      "a media section has no DTLS fingerprint with SHA-256 or better");
    if (text_end(&m->setup))
        return refuse(r, "sdp-setup", "a media section has no DTLS setup role");
    return STATUS_OK;
}

static enum status begin_section(struct reader *r, struct text value)
{
    enum status s = finish_section(r);
    if (s)
        return s;
    if (r->out->count == REMOTE_MEDIA_MAX)
        return refuse(r, "sdp-media", "too many media sections");
    struct remote_media *m = &r->out->media[r->out->count++];
    *m = r->session;
    m->receives = true; /* sendrecv unless it says otherwise (RFC 8866 section 6.7) */
    m->bundled = false;
    for (int c = 0; c < CODEC_COUNT; c++)
        m->codec[c] = (struct remote_codec){.payload = -1, .rtx = -1};
    for (int i = 0; i < REMOTE_PAYLOAD_COUNT; i++)
        r->payloads[i] = (struct payload){.codec = CODEC_COUNT, .apt = -1};
    r->at = m;
    r->bundle_only = false;
    uint64_t port;
    if (!text_until(&value, ' ', 32, &m->name) || !text_char(&value, ' ') ||
        !text_uint(&value, 65535, &port) || !text_char(&value, ' ') ||
        !text_until(&value, ' ', 64, &m->proto) || !text_char(&value, ' ') || text_end(&value))
        return refuse(r, "sdp-media", "an m= line is not of the form: media port proto formats");
    r->port_zero = port == 0;
    m->formats = value;
    m->kind = text_equals(m->name, "video")   ? KIND_VIDEO
              : text_equals(m->name, "audio") ? KIND_AUDIO
                                              : KIND_COUNT;
    return STATUS_OK;
}

static enum status read_fingerprint(struct reader *r, struct text value)
{
    struct text hash, digest;
    if (!text_until(&value, ' ', 16, &hash) || !text_char(&value, ' ') ||
        !whole(value, is_fingerprint_char, 95, 191, &digest)) /* SHA-256: 32 bytes; SHA-512: 64 */
        return STATUS_OK; /* of a hash that we do not take; another line may have one */
    if (text_equals_nocase(hash, "sha-256") || text_equals_nocase(hash, "sha-384") ||
        text_equals_nocase(hash, "sha-512")) {
        r->at->hash = hash;
        r->at->fingerprint = digest;
    }
    return STATUS_OK;
}

static enum status read_attribute(struct reader *r, struct text line)
{
    struct remote_media *m = r->at;
    bool session = m == &r->session;
    struct text name, value = text_of("", 0);
    if (!text_until(&line, ':', LINE_MAX_BYTES, &name))
        return STATUS_OK;
    if (text_char(&line, ':'))
        value = line;

    if (text_equals(name, "ice-ufrag"))
        return whole(value, is_ice_char, UFRAG_MIN, ICE_MAX, &m->ufrag)
                   ? STATUS_OK
                   : refuse(r, "sdp-ice", "ice-ufrag is not 4 to 256 ICE characters");
    if (text_equals(name, "ice-pwd"))
        return whole(value, is_ice_char, PWD_MIN, ICE_MAX, &m->pwd)
                   ? STATUS_OK
                   : refuse(r, "sdp-ice", "ice-pwd is not 22 to 256 ICE characters");
    if (text_equals(name, "fingerprint"))
        return read_fingerprint(r, value);
    if (text_equals(name, "setup")) {
        if (!text_equals(value, "actpass") && !text_equals(value, "active") &&
            !text_equals(value, "passive"))
            return refuse(r, "sdp-setup", "setup is not actpass, active or passive");
        m->setup = value;
    } else if (text_equals(name, "mid") && !session) {
        if (!whole(value, is_print_char, 1, MID_MAX, &m->mid))
            return refuse(r, "sdp-mid", "mid is not 1 to 64 printable characters");
    } else if (text_equals(name, "group") && session && text_end(&r->out->bundle)) {
        if (text_literal(&value, "BUNDLE "))
            r->out->bundle = value;
    } else if (text_equals(name, "ice-lite") && session) {
        r->out->ice_lite = true;
    } else if (text_equals(name, "sendonly") || text_equals(name, "inactive")) {
        m->receives = false;
    } else if (text_equals(name, "recvonly") || text_equals(name, "sendrecv")) {
        m->receives = true;
    } else if (text_equals(name, "rtcp-mux")) {
        m->rtcp_mux = true;
    } else if (text_equals(name, "bundle-only")) {
        r->bundle_only = true;
    } else if (text_equals(name, "rtpmap") && !session) {
        read_rtpmap(r, value);
    } else if (text_equals(name, "fmtp") && !session) {
        read_fmtp(r, value);
    } else if (text_equals(name, "rtcp-fb") && !session) {
        read_feedback(r, value);
    }
    return STATUS_OK;
}

static void mark_bundled(struct remote *out)
{
    struct text mids = out->bundle, mid;
    while (word(&mids, &mid))
        for (unsigned i = 0; i < out->count; i++)
            if (!text_end(&out->media[i].mid) && text_same(out->media[i].mid, mid))
                out->media[i].bundled = true;
}

static bool mids_differ(const struct remote *out)
{
    for (unsigned i = 0; i < out->count; i++)
        for (unsigned j = 0; j < i; j++)
            if (!text_end(&out->media[i].mid) && text_same(out->media[i].mid, out->media[j].mid))
                return false;
    return true;
}

enum status remote_read(const char *sdp, size_t len, struct remote *out, struct problem *why)
{
    struct reader r = {.out = out, .why = why};
    struct text rest = text_of(sdp, len), line;
    memset(out, 0, sizeof *out);
    r.at = &r.session;
    while (text_line(&rest, &line)) {
        enum status s = STATUS_OK;
        if (++r.line > LINES_MAX || text_len(&line) > LINE_MAX_BYTES)
            return refuse(&r, "sdp-size", "too many lines, or one that is too long");
        if (r.line == 1 && !text_equals(line, "v=0"))
            return refuse(&r, "sdp-version", "the first line is not v=0");
        if (text_literal(&line, "m="))
            s = begin_section(&r, line);
        else if (text_literal(&line, "a="))
            s = read_attribute(&r, line);
        if (s)
            return s;
    }
    enum status s = finish_section(&r);
    if (s)
        return s;
    if (out->count == 0)
        return refuse(&r, "sdp-media", "there is no media section");
    if (!mids_differ(out))
        return refuse(&r, "sdp-mid", "two media sections have the same mid");
    mark_bundled(out);
    return STATUS_OK;
}

bool remote_next_candidate(struct remote_walk *walk, struct text *out)
{
    struct text line;
    while (text_line(&walk->rest, &line)) {
        if (text_literal(&line, "m="))
            walk->mline++;
        else if (text_literal(&line, "a=end-of-candidates")) {
            *out = text_of("", 0);
            return true;
        } else if (text_literal(&line, "a=")) {
            struct text at = line;
            if (text_literal(&at, "candidate:")) {
                *out = line;
                return true;
            }
        }
    }
    return false;
}
