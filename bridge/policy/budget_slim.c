/* The rules. Each takes away only what no conforming receiver uses, so what is negotiated is the
 * same with and without it. What stands in offers to be chosen from (codecs, header extensions in
 * use, candidates that may work) is never touched: then it does not fit.
 *
 * REPEATED_CANDIDATES  The same candidate line again in a section. Candidates are a set: one with
 *                      the same component and transport address is redundant (RFC 8445 section
 *                      5.1.3).
 * UNUSABLE_CANDIDATES  - Of a component that no section of this kind has: RTP has 1 and 2, with
 *                        a=rtcp-mux-only just 1 (RFC 8858 section 3), all else has 1 (RFC 8839
 *                        section 5.1). Pairs are of one component (RFC 8445 section 6.1.2.2).
 *                      - UDP on port 0, or the address 0.0.0.0 or ::. Nobody may send there (RFC
 *                        1122 section 3.2.1.3, RFC 4291 section 2.5.2).
 *                      - Active TCP. It pairs with passive ones only, and those pairs are pruned,
 *                        since the active side connects (RFC 6544 section 6.2). Where the address
 *                        might still be of use, to a TURN permission, it must stand in a UDP
 *                        candidate too.
 *                      The default destination stays, whatever it is: without its candidate the
 *                      receiver sees a mismatch (RFC 8839 section 4.2.5).
 * REFUSED_SECTIONS     In a section with port 0 that is not a=bundle-only nothing is sent or
 *                      received, and what it says is ignored (RFC 3264 sections 6 and 8.2, RFC 8829
 *                      section 5.3.1). m=, c=, its mid, direction and rtpmap stay.
 * EXTENSIONS           Header extensions (RFC 8285) that are not used: marked /inactive (section
 * 5); in a section without RTP; stream identifiers (RFC 8852) where no a=rid says that there are
 * any. SPACES               At the end of a line whose grammar has none there; empty lines.
 * REPEATED_LINES       The same a=extmap, fmtp, rtcp-fb, rtpmap, ssrc or ssrc-group again in a
 *                      section: it sets what is set.
 * SOURCE_NAMES         a=ssrc with msid, mslabel or label (never standardized) that repeat the
 *                      section's a=msid (RFC 8830), which is what counts. */
#include "policy/budget_slim.h"

#include "base/text.h"
#include "proto/candidate.h"
#include "proto/sdp.h"

#include <string.h>

enum { LINES_MAX = SDP_MAX_SECTION_LINES + 3 }; /* v=, o= and s= are not counted by sdp_check() */

struct line {
    struct text text; /* without spaces at its end */
    const char *end;  /* with them */
    const char *next; /* behind the line end, and behind empty lines that follow */
    bool drop;
};

/* Up to the next m=. Nothing moves before all of its lines are judged. */
struct section {
    bool media, refused, rtp, mux_only, rid;
    unsigned port;
    struct address connection; /* ADDRESS_NONE: none, or not a literal one */
    unsigned msids;
    struct text stream, track; /* of the first a=msid */
    size_t count;
    struct line lines[LINES_MAX];
};

static bool is_line(struct text line, char type)
{
    return text_len(&line) >= 2 && line.p[0] == type && line.p[1] == '=';
}

static bool begins(struct text line, const char *with)
{
    return text_literal(&line, with);
}

static bool begins_one_of(struct text line, const char *const *with, size_t count)
{
    while (count > 0)
        if (begins(line, with[--count]))
            return true;
    return false;
}

static void read_connection(struct text t, struct address *a)
{
    struct text word;
    bool sound = (text_literal(&t, "c=IN IP4 ") || text_literal(&t, "c=IN IP6 ")) &&
                 text_until(&t, ' ', ADDRESS_MAX_NAME, &word) && address_parse(word, a) &&
                 (a->kind == ADDRESS_IP4 || a->kind == ADDRESS_IP6);
    if (!sound)
        a->kind = ADDRESS_NONE;
}

/* m=<media> <port> <proto> ... */
static void read_media(struct text t, struct section *s)
{
    struct text word;
    uint64_t port = 0;
    text_until(&t, ' ', SDP_MAX_LINE, &word);
    if (text_char(&t, ' '))
        text_uint(&t, 65535, &port);
    s->media = true;
    s->port = (unsigned)port;
    s->refused = port == 0;
    s->rtp = text_char(&t, ' ') && text_until(&t, ' ', SDP_MAX_LINE, &word) &&
             memmem(word.p, text_len(&word), "RTP/", 4);
}

static void read_line(struct text t, struct section *s)
{
    if (is_line(t, 'm'))
        read_media(t, s);
    else if (is_line(t, 'c'))
        read_connection(t, &s->connection);
    else if (text_equals(t, "a=bundle-only"))
        s->refused = false;
    else if (text_equals(t, "a=rtcp-mux-only"))
        s->mux_only = true;
    else if (begins(t, "a=rid:"))
        s->rid = true;
    else if (text_literal(&t, "a=msid:") && s->msids++ == 0 &&
             text_until(&t, ' ', SDP_MAX_LINE, &s->stream) && text_char(&t, ' '))
        s->track = t;
}

/* The next section; false at the end, or when it has more lines than sdp_check() takes.
 * *shared: the address of the c= before the first m=. */
static bool read_section(struct text *rest, struct address *shared, struct section *s)
{
    struct text line, start = *rest;
    s->media = s->refused = s->rtp = s->mux_only = s->rid = false;
    s->msids = 0;
    s->stream = s->track = (struct text){rest->p, rest->p};
    s->connection = *shared;
    s->count = 0;
    for (struct text at = *rest; text_line(&at, &line); rest->p = at.p) {
        if (text_end(&line) && s->count > 0) {
            s->lines[s->count - 1].next = at.p;
            continue;
        }
        if (s->count > 0 && is_line(line, 'm'))
            break;
        if (s->count == LINES_MAX) {
            *rest = start;
            return false;
        }
        struct line *l = &s->lines[s->count++];
        *l = (struct line){.text = line, .end = line.end, .next = at.p};
        while (!text_end(&l->text) && l->text.end[-1] == ' ')
            l->text.end--;
        read_line(l->text, s);
    }
    if (!s->media)
        *shared = s->connection;
    return s->count > 0;
}

static bool is_candidate(struct text line)
{
    return begins(line, "a=candidate:");
}

static bool parse_candidate(struct text line, struct candidate *c)
{
    return text_literal(&line, "a=candidate:") && candidate_parse_value(line, c, NULL) == STATUS_OK;
}

static uint64_t hash_of(struct text t)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (const char *c = t.p; c < t.end; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    return hash;
}

static void drop_repeated(struct section *s, bool (*concerns)(struct text))
{
    uint64_t hashes[LINES_MAX];
    size_t at[LINES_MAX], count = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct line *l = &s->lines[i];
        if (!concerns(l->text))
            continue;
        hashes[count] = hash_of(l->text);
        at[count] = i;
        for (size_t k = 0; k < count && !l->drop; k++)
            l->drop = hashes[k] == hashes[count] && text_same(s->lines[at[k]].text, l->text);
        count += !l->drop;
    }
}

static bool same_ip(const struct address *a, const struct address *b)
{
    return a->kind == b->kind && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

static bool is_unspecified(const struct address *a)
{
    static const uint8_t zero[sizeof a->ip];
    return (a->kind == ADDRESS_IP4 || a->kind == ADDRESS_IP6) &&
           memcmp(a->ip, zero, sizeof zero) == 0;
}

static bool stands_in(const struct address *a, const struct address *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text_same(a->text, list[i].text))
            return true;
    return false;
}

static void drop_unusable(struct section *s)
{
    struct address udp[SDP_MAX_CANDIDATES];
    size_t udp_count = 0;
    struct candidate c;
    unsigned components = s->rtp && !s->mux_only ? 2 : 1;
    for (size_t i = 0; i < s->count && udp_count < SDP_MAX_CANDIDATES; i++)
        if (parse_candidate(s->lines[i].text, &c) && c.transport == CANDIDATE_UDP && c.port != 0 &&
            c.component <= components)
            udp[udp_count++] = c.address;
    for (size_t i = 0; i < s->count; i++) {
        struct line *l = &s->lines[i];
        if (!parse_candidate(l->text, &c) ||
            (c.port == s->port && same_ip(&c.address, &s->connection)))
            continue;
        bool active = c.transport == CANDIDATE_TCP && c.tcptype == CANDIDATE_TCPTYPE_ACTIVE;
        l->drop = c.component > components || is_unspecified(&c.address) ||
                  (c.transport == CANDIDATE_UDP && c.port == 0) ||
                  (active && stands_in(&c.address, udp, udp_count));
    }
}

static void drop_refused(struct section *s)
{
    static const char *const unused[] = {
        "a=candidate:",  "a=extmap:", "a=fmtp:",      "a=rtcp-fb:", "a=ssrc:",
        "a=ssrc-group:", "a=rid:",    "a=simulcast:", "a=msid:"};
    for (size_t i = 0; s->refused && i < s->count; i++)
        s->lines[i].drop = begins_one_of(s->lines[i].text, unused, sizeof unused / sizeof *unused);
}

static bool is_unused_extension(const struct section *s, struct text t)
{
    struct text uri;
    uint64_t id;
    if (!text_literal(&t, "a=extmap:") || !text_uint(&t, UINT32_MAX, &id))
        return false;
    if (!s->rtp || begins(t, "/inactive "))
        return true;
    if (!text_until(&t, ' ', SDP_MAX_LINE, &uri)) /* no direction: the URI follows at once */
        uri = text_of(t.p, 0);
    return text_char(&t, ' ') && text_until(&t, ' ', SDP_MAX_LINE, &uri) && !s->rid &&
           (text_equals(uri, "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id") ||
            text_equals(uri, "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"));
}

static void drop_extensions(struct section *s)
{
    for (size_t i = 0; s->media && i < s->count; i++)
        s->lines[i].drop = is_unused_extension(s, s->lines[i].text);
}

/* All but free text: s= and i=, fmtp, attributes that we do not know. */
static void trim_lines(struct section *s)
{
    static const char *const with[] = {"m=",
                                       "c=",
                                       "o=",
                                       "t=",
                                       "b=",
                                       "a=candidate:",
                                       "a=extmap:",
                                       "a=group:",
                                       "a=ice-ufrag:",
                                       "a=ice-pwd:",
                                       "a=mid:",
                                       "a=msid:",
                                       "a=rtcp:",
                                       "a=rtcp-fb:",
                                       "a=rtpmap:",
                                       "a=setup:",
                                       "a=ssrc-group:",
                                       "a=fingerprint:"};
    for (size_t i = 0; i < s->count; i++) {
        struct line *l = &s->lines[i];
        struct text behind = {l->end, l->next}, empty;
        if (!begins_one_of(l->text, with, sizeof with / sizeof *with))
            l->text.end = l->end;
        text_line(&behind, &empty);
        l->next = behind.p;
    }
}

static bool sets_the_same(struct text line)
{
    static const char *const with[] = {
        "a=extmap:", "a=fmtp:", "a=rtcp-fb:", "a=rtpmap:", "a=ssrc:", "a=ssrc-group:"};
    return begins_one_of(line, with, sizeof with / sizeof *with);
}

static bool repeats_msid(const struct section *s, struct text t)
{
    struct text stream;
    uint64_t id;
    if (!text_literal(&t, "a=ssrc:") || !text_uint(&t, UINT64_MAX, &id) || !text_char(&t, ' '))
        return false;
    if (text_literal(&t, "mslabel:"))
        return text_same(t, s->stream);
    if (text_literal(&t, "label:"))
        return text_same(t, s->track);
    return text_literal(&t, "msid:") && text_until(&t, ' ', SDP_MAX_LINE, &stream) &&
           text_char(&t, ' ') && text_same(stream, s->stream) && text_same(t, s->track);
}

static void drop_source_names(struct section *s)
{
    for (size_t i = 0; s->msids == 1 && !text_end(&s->track) && i < s->count; i++)
        s->lines[i].drop = repeats_msid(s, s->lines[i].text);
}

static void judge(struct section *s, enum slim_rule rule)
{
    switch (rule) {
    case SLIM_REPEATED_CANDIDATES:
        drop_repeated(s, is_candidate);
        break;
    case SLIM_UNUSABLE_CANDIDATES:
        drop_unusable(s);
        break;
    case SLIM_REFUSED_SECTIONS:
        drop_refused(s);
        break;
    case SLIM_EXTENSIONS:
        drop_extensions(s);
        break;
    case SLIM_SPACES:
        trim_lines(s);
        break;
    case SLIM_REPEATED_LINES:
        drop_repeated(s, sets_the_same);
        break;
    case SLIM_SOURCE_NAMES:
        drop_source_names(s);
        break;
    default:
        break;
    }
}

static char *move(char *to, const char *from, const char *end)
{
    size_t len = (size_t)(end - from);
    memmove(to, from, len);
    return to + len;
}

size_t slim_sdp(char *sdp, size_t len, enum slim_rule rule)
{
    struct text rest = text_of(sdp, len);
    struct address shared = {.kind = ADDRESS_NONE};
    struct section s;
    char *to = sdp;
    while (read_section(&rest, &shared, &s)) {
        judge(&s, rule);
        for (size_t i = 0; i < s.count; i++) {
            const struct line *l = &s.lines[i];
            if (l->drop)
                continue;
            to = move(to, l->text.p, rule == SLIM_SPACES ? l->text.end : l->end);
            to = move(to, l->end, l->next);
        }
    }
    return (size_t)(move(to, rest.p, rest.end) - sdp);
}
