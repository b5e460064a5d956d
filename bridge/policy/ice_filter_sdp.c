/* The policy over a whole description.
 *
 * Candidate lines are judged as trickled candidates are. A default destination (c= with the port of
 * m=, and a=rtcp) is the address of one of the candidates (RFC 8839 section 4.2.1.2), so it goes
 * when its candidate goes; where no candidate tells its type, every type must be allowed. In its
 * place stands what counts as no mismatch (RFC 8839 section 4.2.5): 0.0.0.0 or :: and port 9. A c=
 * before the first m= stands for all sections without their own, and goes when it goes in one of
 * them.
 *
 * Each line is read a fixed number of times, whatever the description holds: of several c= or
 * a=rtcp in a section only the first can be a default destination, the others go unjudged. */
#include "policy/ice_filter_rules.h"

#include <string.h>

enum { DISCARD_PORT = 9 };

/* An address beside the candidates, and what they say of it. */
struct place {
    bool there, sound;
    bool ip6; /* the keyword before it */
    struct address address;
    unsigned port;
    /* A candidate that passes, or that does not, has this address; this address and port. */
    bool kept, kept_port, dropped, dropped_port;
};

struct section {
    struct text all;
    unsigned port; /* of m= */
    struct place connection, rtcp;
};

struct filter {
    const struct ice_policy *policy;
    struct buf *out;
    struct ice_count *count;
    struct place connection; /* before the first m= */
    bool connection_stays;
    bool seen_connection, seen_rtcp; /* in the current section */
};

enum attribute {
    ATTRIBUTE_OTHER,
    ATTRIBUTE_CANDIDATE,
    ATTRIBUTE_RTCP,
    ATTRIBUTE_REMOTE_CANDIDATES, /* RFC 8839 section 5.2 */
    ATTRIBUTE_ADDRESSES          /* other ways to list addresses, none of which WebRTC has */
};

/* *value: what stands behind the colon. Readers that know no case must find nothing that we passed
 * over, so neither do we. */
static enum attribute attribute_of(struct text line, struct text *value)
{
    static const struct {
        const char *name;
        enum attribute is;
    } names[] = {
        {"candidate", ATTRIBUTE_CANDIDATE},
        {"rtcp", ATTRIBUTE_RTCP},
        {"remote-candidates", ATTRIBUTE_REMOTE_CANDIDATES},
        {"alt", ATTRIBUTE_ADDRESSES},           /* ICE before RFC 5245 */
        {"altc", ATTRIBUTE_ADDRESSES},          /* RFC 6947 */
        {"ccap", ATTRIBUTE_ADDRESSES},          /* RFC 7006 */
        {"source-filter", ATTRIBUTE_ADDRESSES}, /* RFC 4570 */
    };
    struct text name;
    *value = line;
    if (!text_literal(&line, "a="))
        return ATTRIBUTE_OTHER;
    name = line;
    while (!text_end(&line) && *line.p != ':')
        line.p++;
    name.end = line.p;
    text_char(&line, ':');
    *value = line;
    while (!text_end(&name) && (name.end[-1] == ' ' || name.end[-1] == '\t'))
        name.end--;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (text_equals_nocase(name, names[i].name))
            return names[i].is;
    return ATTRIBUTE_OTHER;
}

static bool is_visible(char c)
{
    return c > 0x20 && c < 0x7f;
}

/* "IN IP4 192.0.2.1", and nothing behind it. */
static void take_place(struct text t, unsigned port, struct place *place)
{
    struct text word;
    *place = (struct place){.there = true, .port = port};
    place->ip6 = text_literal(&t, "IN IP6 ");
    place->sound = (place->ip6 || text_literal(&t, "IN IP4 ")) &&
                   text_run(&t, is_visible, ADDRESS_MAX_NAME, &word) && text_end(&t) &&
                   address_parse(word, &place->address);
}

/* "9 IN IP4 192.0.2.1"; without an address it goes by the section's own. */
static void take_rtcp(struct text t, struct place *place)
{
    uint64_t port = 0;
    *place = (struct place){.there = true};
    if (text_uint(&t, 65535, &port) && text_char(&t, ' '))
        take_place(t, (unsigned)port, place);
}

static bool is_line(struct text line, char type)
{
    return text_len(&line) >= 2 && line.p[0] == type && line.p[1] == '=';
}

/* Up to the next m= line. */
static bool next_section(struct text *rest, struct text *section)
{
    struct text at = *rest, line;
    *section = text_of(rest->p, 0);
    if (!text_line(&at, &line))
        return false;
    do
        section->end = at.p;
    while (text_line(&at, &line) && !is_line(line, 'm'));
    rest->p = section->end;
    return true;
}

static unsigned port_of(struct text line)
{
    uint64_t port = 0;
    while (!text_end(&line) && *line.p != ' ')
        line.p++;
    return text_char(&line, ' ') && text_uint(&line, 65535, &port) ? (unsigned)port : 0;
}

/* A space at the end changes nothing; real endpoints leave it there. */
static struct text trim_end(struct text t)
{
    while (!text_end(&t) && t.end[-1] == ' ')
        t.end--;
    return t;
}

/* False: not written as RFC 8839 has it, so only a lenient reader would take it. */
static bool read_candidate(struct text line, struct text *value, struct candidate *c)
{
    *value = line;
    return text_literal(value, "a=candidate:") &&
           candidate_parse_value(*value, c, NULL) == STATUS_OK;
}

static void match(struct place *place, const struct candidate *c, bool kept)
{
    if (!place->sound || !ice_address_same(&place->address, &c->address))
        return;
    bool port = place->port == c->port;
    place->kept |= kept;
    place->kept_port |= kept && port;
    place->dropped |= !kept;
    place->dropped_port |= !kept && port;
}

static void read_section(const struct filter *f, struct text all, struct section *s)
{
    struct text rest = all, line, value;
    *s = (struct section){.all = all};
    while (text_line(&rest, &line)) {
        line = trim_end(line);
        if (is_line(line, 'm'))
            s->port = port_of(line);
        else if (is_line(line, 'c') && !s->connection.there)
            take_place(text_of(line.p + 2, text_len(&line) - 2), s->port, &s->connection);
        else if (attribute_of(line, &value) == ATTRIBUTE_RTCP && !s->rtcp.there)
            take_rtcp(value, &s->rtcp);
    }
    if (!s->connection.there) { /* inherited */
        s->connection = f->connection;
        s->connection.there = false;
        s->connection.port = s->port;
    }
    for (rest = all; text_line(&rest, &line);) {
        struct candidate c;
        enum ice_reason reason;
        if (!read_candidate(line, &value, &c))
            continue;
        bool kept = ice_rules_candidate(f->policy, value, &c, &reason);
        match(&s->connection, &c, kept);
        match(&s->rtcp, &c, kept);
    }
}

static bool is_unspecified(const struct place *place)
{
    return place->sound && ice_class_of(&place->address) == ICE_CLASS_UNSPECIFIED;
}

static bool stays(const struct filter *f, const struct place *place)
{
    if (!place->sound)
        return false;
    if (is_unspecified(place) || place->kept_port)
        return true;
    if (place->dropped_port)
        return false;
    return place->kept || (!place->dropped && ice_rules_any_type(f->policy, &place->address));
}

/* Whether the section's default destination may be shown; one that is not there hides nothing. */
static bool default_stays(const struct filter *f, const struct section *s)
{
    if (s->connection.there)
        return stays(f, &s->connection);
    return !f->connection.there || f->connection_stays;
}

static void put_unspecified(struct filter *f, bool ip6)
{
    buf_str(f->out, ip6 ? "IN IP6 ::" : "IN IP4 0.0.0.0");
    f->count->hidden++;
}

/* o=user id version IN IP4 address: the host's own, for no use but to be unique (RFC 8866 section
 * 5.2); JSEP has endpoints write any. */
static void put_origin(struct filter *f, struct text line)
{
    struct text at = trim_end(line), word[6];
    struct address user;
    struct place place;
    size_t n = 0;
    text_literal(&at, "o=");
    while (n < 6 && text_run(&at, is_visible, SIZE_MAX, &word[n])) {
        n++;
        text_char(&at, ' ');
    }
    if (n < 6) /* sdp_check() took it */
        return;
    take_place(text_of(word[3].p, (size_t)(word[5].end - word[3].p)), 0, &place);
    if (address_parse(word[0], &user) && user.kind != ADDRESS_NAME &&
        !ice_rules_host(f->policy, &user)) {
        buf_str(f->out, "o=-");
        f->count->hidden++;
    } else {
        buf_add(f->out, line.p, (size_t)(word[0].end - line.p));
    }
    buf_add(f->out, word[0].end, (size_t)(word[3].p - word[0].end));
    if (place.sound && (is_unspecified(&place) || ice_rules_host(f->policy, &place.address)))
        buf_add(f->out, word[3].p, (size_t)(line.end - word[3].p));
    else
        put_unspecified(f, place.ip6);
}

/* With another port, unless the section is refused. */
static void put_media(struct filter *f, const struct section *s, struct text line)
{
    struct text media = line, rest;
    uint64_t port;
    while (!text_end(&line) && *line.p != ' ')
        line.p++;
    text_char(&line, ' ');
    media.end = line.p;
    rest = line;
    if (s->port == 0 || default_stays(f, s) || !text_uint(&rest, 65535, &port)) {
        rest = line;
        buf_add(f->out, media.p, text_len(&media));
    } else {
        buf_add(f->out, media.p, text_len(&media));
        buf_uint(f->out, DISCARD_PORT);
    }
    buf_add(f->out, rest.p, text_len(&rest));
}

static void put_connection(struct filter *f, const struct section *s, struct text line)
{
    struct place other;
    bool first = !f->seen_connection, pass;
    f->seen_connection = true;
    take_place(trim_end(text_of(line.p + 2, text_len(&line) - 2)), 0, &other);
    if (!first)
        pass = is_unspecified(&other);
    else
        pass = s ? stays(f, &s->connection) : f->connection_stays;
    if (pass) {
        buf_add(f->out, line.p, text_len(&line));
        return;
    }
    buf_str(f->out, "c=");
    put_unspecified(f, other.ip6);
}

/* RFC 3605. Without an address it is a port at the default destination's. */
static void put_rtcp(struct filter *f, const struct section *s, struct text line, struct text value)
{
    struct place place;
    struct text rest = value = trim_end(value);
    uint64_t port;
    bool first = !f->seen_rtcp, pass;
    bool bare = text_end(&rest) || (text_uint(&rest, 65535, &port) && text_end(&rest));
    f->seen_rtcp = true;
    take_rtcp(value, &place);
    if (bare)
        pass = !s || text_end(&value) || s->port == 0 || default_stays(f, s);
    else if (first && s)
        pass = stays(f, &s->rtcp);
    else
        pass = is_unspecified(&place);
    if (pass) {
        buf_add(f->out, line.p, text_len(&line));
        return;
    }
    buf_str(f->out, "a=rtcp:9");
    if (!bare) {
        buf_char(f->out, ' ');
        put_unspecified(f, place.ip6);
    }
}

/* Pairs of three: component, address, port. What cannot be read does not pass. */
static bool remote_candidates_pass(const struct filter *f, struct text t)
{
    struct text component, word, port;
    struct address a;
    do {
        if (!text_digits(&t, 3, &component) || !text_char(&t, ' ') ||
            !text_run(&t, is_visible, ADDRESS_MAX_NAME, &word) || !text_char(&t, ' ') ||
            !text_digits(&t, 5, &port) || !address_parse(word, &a) ||
            !ice_rules_any_type(f->policy, &a))
            return false;
    } while (text_char(&t, ' '));
    return text_end(&t);
}

static bool put_candidate(struct filter *f, struct text line)
{
    struct candidate c;
    struct text value;
    size_t before = f->out->len;
    if (!read_candidate(line, &value, &c)) {
        f->count->dropped[ICE_TYPE]++;
        return false;
    }
    buf_add(f->out, line.p, (size_t)(value.p - line.p));
    if (ice_put_candidate(f->policy, value, &c, f->out, f->count))
        return true;
    f->out->len = before;
    return false;
}

/* False: the line goes, with its end. s: NULL before the first m=. */
static bool put_line(struct filter *f, const struct section *s, struct text line)
{
    struct text value;
    if (is_line(line, 'm') && s)
        return put_media(f, s, line), true;
    if (is_line(line, 'o') && !s)
        return put_origin(f, line), true;
    if (is_line(line, 'c'))
        return put_connection(f, s, line), true;
    switch (attribute_of(line, &value)) {
    case ATTRIBUTE_CANDIDATE:
        return put_candidate(f, line);
    case ATTRIBUTE_RTCP:
        return put_rtcp(f, s, line, value), true;
    case ATTRIBUTE_REMOTE_CANDIDATES:
        if (!remote_candidates_pass(f, trim_end(value)))
            return false;
        break;
    case ATTRIBUTE_ADDRESSES:
        return false;
    default:
        break;
    }
    buf_add(f->out, line.p, text_len(&line));
    return true;
}

static void put_section(struct filter *f, const struct section *s, struct text all)
{
    struct text line;
    f->seen_connection = f->seen_rtcp = false;
    while (text_line(&all, &line))
        if (put_line(f, s, line))
            buf_add(f->out, line.end, (size_t)(all.p - line.end));
}

/* Of the c= before the first m=. */
static bool shared_connection_stays(const struct filter *f, struct text media)
{
    struct section s;
    struct text all;
    bool inherited = false, all_stay = true;
    while (next_section(&media, &all)) {
        read_section(f, all, &s);
        if (s.connection.there || s.port == 0)
            continue;
        inherited = true;
        all_stay &= stays(f, &s.connection);
    }
    return inherited ? all_stay : stays(f, &f->connection);
}

bool ice_filter_sdp(const struct ice_policy *policy, struct text sdp, struct buf *out,
                    struct ice_count *count)
{
    struct filter f = {.policy = policy, .out = out, .count = count};
    struct text rest = sdp, head = {sdp.p, sdp.p}, all;
    struct section s;
    size_t start = out->len;
    next_section(&rest, &head);
    read_section(&f, head, &s);
    f.connection = s.connection;
    f.connection_stays = !f.connection.there || shared_connection_stays(&f, rest);
    put_section(&f, NULL, head);
    while (next_section(&rest, &all)) {
        read_section(&f, all, &s);
        put_section(&f, &s, all);
    }
    size_t len = out->len - start;
    return len != text_len(&sdp) || memcmp(out->data + start, sdp.p, len) != 0;
}
