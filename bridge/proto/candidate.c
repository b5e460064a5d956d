#include "proto/candidate.h"

#include <string.h>

static enum status refuse(struct problem *why, const char *rule, const char *text)
{
    return problem_set(why, STATUS_INVALID_CANDIDATE, 0, rule, "%s", text);
}

bool candidate_is_ice_char(char c)
{
    return text_is_alnum(c) || c == '+' || c == '/';
}

/* A space, then one word of printable ASCII that a space or the end closes. In one loop, because
 * half of all the work is here. */
static bool next_word(struct text *t, struct text *word)
{
    const char *p = t->p;
    if (p == t->end || *p++ != ' ')
        return false;
    word->p = p;
    while (p<t->end && * p> 0x20 && *p < 0x7f)
        p++;
    word->end = p;
    if (text_end(word) || (p < t->end && *p != ' '))
        return false;
    t->p = p;
    return true;
}

/* RFC 5234 section 2.3: the words of the grammar compare without regard to case. `name` is in lower
 * case and all letters. Inline, so that most words fall at their length. */
static inline bool is_word(struct text word, const char *name)
{
    size_t len = strlen(name);
    if (text_len(&word) != len)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((word.p[i] | 0x20) != name[i])
            return false;
    return true;
}

/* Up to `digits` digits, which is ten at most: no overflow. */
static bool next_uint(struct text *t, size_t digits, uint64_t max, uint64_t *out)
{
    struct text word;
    uint64_t value = 0;
    if (!next_word(t, &word) || text_len(&word) > digits)
        return false;
    for (const char *p = word.p; p < word.end; p++) {
        if (!text_is_digit(*p))
            return false;
        value = value * 10 + (uint64_t)(*p - '0');
    }
    *out = value;
    return value <= max;
}

static bool is_token(struct text word)
{
    struct text all;
    return text_run(&word, text_is_token, CANDIDATE_MAX_BYTES, &all) && text_end(&word);
}

static enum candidate_transport transport_of(struct text word)
{
    if (is_word(word, "udp"))
        return CANDIDATE_UDP;
    if (is_word(word, "tcp"))
        return CANDIDATE_TCP;
    return CANDIDATE_TRANSPORT_OTHER;
}

static enum candidate_type type_of(struct text word)
{
    if (is_word(word, "host"))
        return CANDIDATE_HOST;
    if (is_word(word, "srflx"))
        return CANDIDATE_SRFLX;
    if (is_word(word, "prflx"))
        return CANDIDATE_PRFLX;
    if (is_word(word, "relay"))
        return CANDIDATE_RELAY;
    return CANDIDATE_TYPE_OTHER;
}

static bool is_address_char(char c)
{
    return text_is_alnum(c) || c == '.' || c == ':' || c == '-' || c == '_' || c == '%';
}

/* RFC 8839 section 5.1: the related address is there for diagnosis, nobody sends to it. So what
 * only looks like an address passes. */
static bool take_raddr(struct candidate *c, struct text value)
{
    struct text all, rest = value;
    if (!address_parse(value, &c->raddr))
        c->raddr = (struct address){.kind = ADDRESS_NONE, .text = value};
    return text_run(&rest, is_address_char, ADDRESS_MAX_NAME, &all) && text_end(&rest);
}

/* RFC 6544 section 4.5. Only TCP has it, and no other value exists. */
static bool take_tcptype(struct candidate *c, struct text value)
{
    if (c->transport == CANDIDATE_UDP)
        return false;
    if (is_word(value, "active"))
        c->tcptype = CANDIDATE_TCPTYPE_ACTIVE;
    else if (is_word(value, "passive"))
        c->tcptype = CANDIDATE_TCPTYPE_PASSIVE;
    else if (is_word(value, "so"))
        c->tcptype = CANDIDATE_TCPTYPE_SO;
    else
        return false;
    return true;
}

/* The pairs behind the type: related address, related port, tcptype and extensions, in the order in
 * which they come (some endpoints put tcptype last). A pair that says again what is already said is
 * refused: readers disagree which one counts. */
static enum status parse_pairs(struct text t, struct candidate *c, struct problem *why)
{
    while (!text_end(&t)) {
        struct text name, value;
        if (!next_word(&t, &name) || !next_word(&t, &value))
            return refuse(why, "candidate-extension",
                          "write extensions as pairs of a name and a value with one space between, "
                          "in printable ASCII");
        bool twice = false;
        if (is_word(name, "raddr")) {
            twice = c->has_raddr;
            c->has_raddr = true;
            if (!take_raddr(c, value))
                return refuse(why, "candidate-related", "raddr must be an IPv4 or IPv6 address");
        } else if (is_word(name, "rport")) {
            uint64_t port;
            twice = c->has_rport;
            c->has_rport = true;
            c->rport_text = value;
            if (text_len(&value) > 5 || !text_uint(&value, 65535, &port) || !text_end(&value))
                return refuse(why, "candidate-related", "rport must be a number from 0 to 65535");
            c->rport = (uint16_t)port;
        } else if (is_word(name, "tcptype")) {
            twice = c->tcptype != CANDIDATE_TCPTYPE_NONE;
            if (!take_tcptype(c, value))
                return refuse(why, "candidate-tcptype",
                              "tcptype must be active, passive or so, and is for TCP only");
        } else if (is_word(name, "ufrag")) {
            twice = !text_end(&c->ufrag);
            c->ufrag = value;
        } else {
            twice = is_word(name, "typ");
        }
        if (twice)
            return refuse(why, "candidate-duplicate",
                          "say typ, raddr, rport, tcptype and ufrag at most once each");
    }
    return STATUS_OK;
}

/* Spaces and a line end behind the candidate change nothing; endpoints leave them there. */
static struct text trim_end(struct text t)
{
    while (!text_end(&t) && (t.end[-1] == ' ' || t.end[-1] == '\r' || t.end[-1] == '\n'))
        t.end--;
    return t;
}

static enum status parse_trimmed(struct text t, struct candidate *out, struct problem *why)
{
    uint64_t number;
    struct text word;
    *out = (struct candidate){.value = t};

    if (!text_run(&t, candidate_is_ice_char, CANDIDATE_MAX_FOUNDATION, &out->foundation) ||
        (!text_end(&t) && *t.p != ' '))
        return refuse(
            why, "candidate-foundation",
            "the candidate must begin with a foundation of 1 to 32 letters, digits, + or /");
    if (!next_uint(&t, 3, CANDIDATE_MAX_COMPONENT, &number) || number == 0)
        return refuse(why, "candidate-component",
                      "the component, second field, must be a number from 1 to 256");
    out->component = (unsigned)number;
    if (!next_word(&t, &word) || !is_token(word))
        return refuse(why, "candidate-transport", "the transport, third field, must be udp or tcp");
    out->transport = transport_of(word);
    /* RFC 8445 section 5.1.2 ends at 2^31 - 1; browsers take all 32 bits. */
    if (!next_uint(&t, 10, UINT32_MAX, &number))
        return refuse(why, "candidate-priority",
                      "the priority, fourth field, must be a number of 32 bits");
    out->priority = (uint32_t)number;
    if (!next_word(&t, &word) || !address_parse(word, &out->address))
        return refuse(
            why, "candidate-address",
            "the address, fifth field, must be a plain IPv4 or IPv6 address or a host name");
    if (!next_uint(&t, 5, 65535, &number))
        return refuse(why, "candidate-port",
                      "the port, sixth field, must be a number from 0 to 65535");
    out->port = (uint16_t)number;
    if (!next_word(&t, &word) || !is_word(word, "typ") || !next_word(&t, &word) || !is_token(word))
        return refuse(why, "candidate-type",
                      "the port must be followed by typ and host, srflx, prflx or relay");
    out->type = type_of(word);
    return parse_pairs(t, out, why);
}

static enum status too_long(struct problem *why)
{
    return problem_set(why, STATUS_TOO_LARGE, 0, "candidate-length",
                       "a candidate may have %d bytes; send it without so many extensions",
                       CANDIDATE_MAX_BYTES);
}

enum status candidate_parse_value(struct text value, struct candidate *out, struct problem *why)
{
    if (text_len(&value) > CANDIDATE_MAX_BYTES)
        return too_long(why);
    return parse_trimmed(trim_end(value), out, why);
}

enum status candidate_parse(const char *s, size_t len, struct candidate *out, struct problem *why)
{
    if (len > CANDIDATE_MAX_BYTES)
        return too_long(why);
    struct text t = trim_end(text_of(s, len));
    bool attribute = text_literal(&t, "a=");
    if (!text_literal(&t, "candidate:") && attribute)
        return refuse(why, "candidate-prefix", "behind a= there must be candidate:");
    return parse_trimmed(t, out, why);
}

static bool is_run(struct text t, bool (*is)(char), size_t max)
{
    struct text all;
    return text_run(&t, is, max, &all) && text_end(&t);
}

bool candidate_mid_ok(struct text mid)
{
    return text_end(&mid) || is_run(mid, text_is_token, CANDIDATE_MAX_MID);
}

bool candidate_ufrag_ok(struct text ufrag)
{
    return text_end(&ufrag) || (text_len(&ufrag) >= CANDIDATE_MIN_UFRAG &&
                                is_run(ufrag, candidate_is_ice_char, CANDIDATE_MAX_UFRAG));
}
