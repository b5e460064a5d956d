/* Attributes: those that decide about security, that others of them refer to, or that readers turn
 * into numbers are checked; all others pass. Names compare with regard to case (RFC 8866 section
 * 5.13). */
#include "proto/candidate.h"
#include "proto/sdp_parse.h"

/* Sets a flag; false when it was set before in this section. */
static bool mark(struct sdp_parser *p, uint8_t flag)
{
    bool first = !(p->at->has & flag);
    p->at->has |= flag;
    return first;
}

static bool in_media(const struct sdp_parser *p)
{
    return p->at != &p->session;
}

static enum status twice(struct sdp_parser *p)
{
    return sdp_refuse(p, "sdp-twice",
                      "say ice-ufrag, ice-pwd, setup and mid at most once in a section");
}

/* RFC 8839 section 5.4. The message must not show the value: it is a password. */
static bool is_ice_string(struct text t, size_t min, size_t max)
{
    struct text all;
    return text_len(&t) >= min && text_run(&t, candidate_is_ice_char, max, &all) && text_end(&t);
}

static enum status check_ufrag(struct sdp_parser *p, struct text t)
{
    if (!is_ice_string(t, CANDIDATE_MIN_UFRAG, CANDIDATE_MAX_UFRAG))
        return sdp_refuse(p, "sdp-ice-ufrag", "ice-ufrag must be 4 to 256 letters, digits, + or /");
    return mark(p, SDP_HAS_UFRAG) ? STATUS_OK : twice(p);
}

static enum status check_pwd(struct sdp_parser *p, struct text t)
{
    if (!is_ice_string(t, 22, 256))
        return sdp_refuse(p, "sdp-ice-pwd", "ice-pwd must be 22 to 256 letters, digits, + or /");
    return mark(p, SDP_HAS_PWD) ? STATUS_OK : twice(p);
}

/* RFC 4145 section 4 has the words, RFC 8842 section 5 their use with DTLS: the answer chooses a
 * role, and holdconn has no meaning. */
static enum status check_setup(struct sdp_parser *p, struct text t)
{
    bool role = text_equals_nocase(t, "active") || text_equals_nocase(t, "passive");
    if (!role && !(p->kind == SDP_OFFER && text_equals_nocase(t, "actpass")))
        return sdp_refuse(p, "sdp-setup",
                          p->kind == SDP_OFFER
                              ? "a=setup in an offer must be actpass, active or passive"
                              : "a=setup in an answer must be active or passive");
    return mark(p, SDP_HAS_SETUP) ? STATUS_OK : twice(p);
}

/* Octets of a hash that may be used; 0: may not. RFC 8122 section 5 forbids MD2 and MD5. SHA-1 is
 * old, but browsers still take it. */
static size_t hash_octets(struct text name)
{
    static const struct {
        const char *name;
        size_t octets;
    } hashes[] = {
        {"sha-256", 32}, {"sha-384", 48}, {"sha-512", 64}, {"sha-224", 28}, {"sha-1", 20}};
    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++)
        if (text_equals_nocase(name, hashes[i].name))
            return hashes[i].octets;
    return 0;
}

/* Inline: a fingerprint asks it 64 times. */
static inline bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* RFC 8122 section 5: pairs of hexadecimal digits with colons between. It says upper case; devices
 * print lower case, and browsers compare octets. */
static bool is_fingerprint(struct text t, size_t octets)
{
    if (text_len(&t) != octets * 3 - 1)
        return false;
    for (const char *c = t.p;; c += 3) {
        if (!is_hex(c[0]) || !is_hex(c[1]))
            return false;
        if (c + 2 == t.end)
            return true;
        if (c[2] != ':')
            return false;
    }
}

/* Several fingerprints may stand side by side, each must be sound: a weak one would be a way down.
 */
static enum status check_fingerprint(struct sdp_parser *p, struct text t)
{
    struct text name;
    size_t octets = text_run(&t, text_is_token, 16, &name) ? hash_octets(name) : 0;
    if (octets == 0 || !text_char(&t, ' '))
        return sdp_refuse(p, "sdp-fingerprint-hash",
                          "a=fingerprint must name its hash: use sha-256, sha-384 or sha-512");
    if (!is_fingerprint(t, octets))
        return sdp_refuse(
            p, "sdp-fingerprint",
            "a=fingerprint must have all octets of its hash as hexadecimal pairs with "
            "colons between");
    mark(p, SDP_HAS_FINGERPRINT);
    return STATUS_OK;
}

static enum status check_mid(struct sdp_parser *p, struct text t)
{
    struct text mid, rest = t;
    if (!in_media(p)) /* RFC 5888 section 4: media level only; elsewhere it names nothing */
        return STATUS_OK;
    if (text_end(&t) && p->at->zero_port) /* a refused section that has lost its name */
        return STATUS_OK;
    if (!text_run(&rest, text_is_token, CANDIDATE_MAX_MID, &mid) || !text_end(&rest))
        return sdp_refuse(p, "sdp-mid", "a=mid must be one token of 1 to 64 bytes, without spaces");
    return mark(p, SDP_HAS_MID) ? sdp_add_mid(p, mid) : twice(p);
}

/* RFC 5888 section 5. Groups other than BUNDLE do not matter to what is needed. */
static enum status check_group(struct sdp_parser *p, struct text t)
{
    struct text semantics;
    if (!text_run(&t, text_is_token, SDP_MAX_WORD, &semantics) || (!text_end(&t) && *t.p != ' '))
        return sdp_refuse(p, "sdp-group", "a=group must begin with its meaning, as BUNDLE");
    if (in_media(p) || !text_equals(semantics, "BUNDLE"))
        return STATUS_OK;
    return sdp_add_group(p, t);
}

/* RFC 8839 section 5.1: at media level only. Its problem keeps the candidate's rule. */
static enum status check_candidate(struct sdp_parser *p, struct text t)
{
    struct candidate c;
    if (!in_media(p))
        return sdp_refuse(p, "sdp-candidate-level",
                          "put candidates below the m= line they are for");
    if (++p->at->candidates > SDP_MAX_CANDIDATES)
        return sdp_too_large(p, "sdp-candidates",
                             "send fewer candidates: 256 in a media section are the most");
    enum status status = candidate_parse_value(t, &c, p->why);
    if (status == STATUS_OK)
        return STATUS_OK;
    status = status == STATUS_TOO_LARGE ? status : STATUS_INVALID_SDP;
    if (p->why) {
        p->why->status = status;
        p->why->line = p->line;
    }
    return status;
}

/* RFC 8866 section 6.6. */
static enum status check_rtpmap(struct sdp_parser *p, struct text t)
{
    struct text encoding;
    uint64_t payload_type, clock;
    if (!text_uint(&t, 127, &payload_type) || !text_char(&t, ' ') ||
        !text_until(&t, '/', SDP_MAX_WORD, &encoding) || !text_char(&t, '/') ||
        !text_uint(&t, UINT32_MAX, &clock) || !(text_end(&t) || *t.p == '/' || *t.p == ' '))
        return sdp_refuse(p, "sdp-rtpmap",
                          "write a=rtpmap as payload type from 0 to 127, encoding/clock rate");
    return STATUS_OK;
}

/* RFC 8285 section 8: an id, perhaps "/" and a direction, a URI. */
static enum status check_extmap(struct sdp_parser *p, struct text t)
{
    struct text direction;
    uint64_t id;
    bool sound = text_uint(&t, 4351, &id) && id != 0 && (id < 256 || id >= 4096);
    if (sound && text_char(&t, '/'))
        sound = text_run(&t, text_is_alpha, 16, &direction);
    if (!sound || !text_char(&t, ' ') || text_end(&t) || *t.p == ' ')
        return sdp_refuse(p, "sdp-extmap",
                          "write a=extmap as id from 1 to 255 (or 4096 to 4351) and URI");
    return STATUS_OK;
}

/* RFC 8841 sections 5 and 6. Port 0 closes the association; size 0 means without limit. */
static enum status check_sctp_number(struct sdp_parser *p, struct text t, uint64_t max,
                                     const char *text)
{
    uint64_t value;
    t = sdp_trim_end(t);
    if (!text_uint(&t, max, &value) || !text_end(&t))
        return sdp_refuse(p, "sdp-sctp", text);
    return STATUS_OK;
}

/* RFC 5576 section 4.1: a number and an attribute of the source. It should fit 32 bits;
 * placeholders do not always. */
static enum status check_ssrc(struct sdp_parser *p, struct text t)
{
    uint64_t id;
    if (!text_uint(&t, UINT64_MAX, &id) || !text_char(&t, ' ') || text_end(&t))
        return sdp_refuse(p, "sdp-ssrc", "write a=ssrc as a number, a space and an attribute");
    return STATUS_OK;
}

/* RFC 5576 section 4.2. */
static enum status check_ssrc_group(struct sdp_parser *p, struct text t)
{
    struct text semantics;
    uint64_t id;
    t = sdp_trim_end(t);
    bool sound = text_run(&t, text_is_token, SDP_MAX_WORD, &semantics);
    while (sound && !text_end(&t))
        sound = text_char(&t, ' ') && sdp_number(&t, UINT64_MAX, &id);
    if (!sound)
        return sdp_refuse(p, "sdp-ssrc",
                          "write a=ssrc-group as its meaning and numbers with one space between");
    return STATUS_OK;
}

/* By first letter, so that most lines cost one or two comparisons. A space at the end of a line
 * changes no value of those that refuse spaces inside. */
enum status sdp_line_attribute(struct sdp_parser *p, struct text t)
{
    if (text_end(&t) || *t.p == ':' || *t.p == ' ' || *t.p == '\t')
        return sdp_refuse(p, "sdp-attribute", "name the attribute right behind a=");
    switch (*t.p) {
    case 'b':
        if (text_equals(sdp_trim_end(t), "bundle-only"))
            mark(p, SDP_HAS_BUNDLE_ONLY);
        break;
    case 'c':
        if (sdp_takes(&t, "candidate:"))
            return check_candidate(p, t);
        break;
    case 'e':
        if (sdp_takes(&t, "extmap:"))
            return check_extmap(p, t);
        break;
    case 'f':
        if (sdp_takes(&t, "fingerprint:"))
            return check_fingerprint(p, sdp_trim_end(t));
        break;
    case 'g':
        if (sdp_takes(&t, "group:"))
            return check_group(p, sdp_trim_end(t));
        break;
    case 'i':
        if (sdp_takes(&t, "ice-ufrag:"))
            return check_ufrag(p, sdp_trim_end(t));
        if (sdp_takes(&t, "ice-pwd:"))
            return check_pwd(p, sdp_trim_end(t));
        break;
    case 'm':
        if (sdp_takes(&t, "mid:"))
            return check_mid(p, sdp_trim_end(t));
        if (sdp_takes(&t, "max-message-size:"))
            return check_sctp_number(p, t, UINT64_MAX, "a=max-message-size must be a number");
        break;
    case 'r':
        if (sdp_takes(&t, "rtpmap:"))
            return check_rtpmap(p, t);
        break;
    case 's':
        if (sdp_takes(&t, "setup:"))
            return check_setup(p, sdp_trim_end(t));
        if (sdp_takes(&t, "ssrc:"))
            return check_ssrc(p, t);
        if (sdp_takes(&t, "ssrc-group:"))
            return check_ssrc_group(p, t);
        if (sdp_takes(&t, "sctp-port:"))
            return check_sctp_number(p, t, 65535, "a=sctp-port must be a number from 0 to 65535");
        break;
    default:
        break;
    }
    return STATUS_OK;
}
