#include "proto/address.h"

#include <string.h>

/* Dotted decimal, exactly four octets. No leading zeros: some readers take them for octal. */
static bool parse_ip4(struct text t, uint8_t ip[4])
{
    for (int i = 0; i < 4; i++) {
        if (i > 0 && (text_end(&t) || *t.p++ != '.'))
            return false;
        const char *start = t.p;
        unsigned octet = 0;
        for (; t.p < t.end && *t.p >= '0' && *t.p <= '9' && t.p - start < 3; t.p++)
            octet = octet * 10 + (unsigned)(*t.p - '0');
        if (t.p == start || octet > 255 || (*start == '0' && t.p - start > 1))
            return false;
        ip[i] = (uint8_t)octet;
    }
    return text_end(&t);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* One to four hexadecimal digits. */
static bool parse_group(struct text *t, unsigned *out)
{
    unsigned value = 0, digits = 0;
    while (!text_end(t) && hex_value(*t->p) >= 0) {
        if (++digits > 4)
            return false;
        value = value << 4 | (unsigned)hex_value(*t->p++);
    }
    *out = value;
    return digits > 0;
}

/* RFC 4291 section 2.2: eight groups, one run of zeros as "::", or IPv4 in the last two groups. */
static bool parse_ip6(struct text t, uint8_t ip[16])
{
    int at = 0, gap = -1; /* bytes written; where "::" stands */
    memset(ip, 0, 16);
    if (text_char(&t, ':')) {
        if (!text_char(&t, ':'))
            return false;
        gap = 0;
    }
    bool more = !text_end(&t);
    while (more) {
        struct text group = t;
        unsigned value;
        if (at > 14 || !parse_group(&t, &value))
            return false;
        if (!text_end(&t) && *t.p == '.') {
            if (at > 12 || !parse_ip4(group, ip + at))
                return false;
            at += 4;
            break;
        }
        ip[at++] = (uint8_t)(value >> 8);
        ip[at++] = (uint8_t)value;
        more = !text_end(&t);
        if (more && !text_char(&t, ':'))
            return false;
        if (more && text_char(&t, ':')) {
            if (gap >= 0)
                return false;
            gap = at;
            more = !text_end(&t);
        } else if (more && text_end(&t)) {
            return false; /* a single colon at the end */
        }
    }
    if (gap < 0)
        return at == 16;
    if (at > 14) /* "::" stands for one group at least */
        return false;
    int tail = at - gap;
    memmove(ip + 16 - tail, ip + gap, (size_t)tail);
    memset(ip + gap, 0, (size_t)(16 - at));
    return true;
}

static bool is_zone_char(char c)
{
    return text_is_alnum(c) || c == '.' || c == '_' || c == '-' || c == '~';
}

static bool parse_scoped_ip6(struct text t, uint8_t ip[16])
{
    struct text zone = {t.end, t.end};
    const char *percent = memchr(t.p, '%', text_len(&t));
    if (percent) {
        zone.p = percent + 1;
        t.end = percent;
    }
    if (!parse_ip6(t, ip))
        return false;
    if (!percent)
        return true;
    struct text name;
    bool link_local = ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80;
    return link_local && text_run(&zone, is_zone_char, ADDRESS_MAX_ZONE, &name) && text_end(&zone);
}

static bool is_label_edge(char c)
{
    return text_is_alnum(c) || c == '_';
}

/* True for what inet_aton() and browsers read as a number, whatever stands before it: decimal or
 * hexadecimal. Names must not end so, else "0x7f.1" would pass a filter as a name. */
static bool is_number(struct text label)
{
    bool (*is)(char) = text_is_digit;
    if (text_len(&label) >= 2 && label.p[0] == '0' && (label.p[1] == 'x' || label.p[1] == 'X')) {
        label.p += 2;
        is = text_is_hex;
    }
    while (label.p < label.end && is(*label.p))
        label.p++;
    return text_end(&label);
}

/* Letters, digits and hyphens (RFC 1123 section 2.1), and the underscores that real host names
 * hold. *last is the last label. */
static bool parse_name(struct text t, struct text *last)
{
    if (text_end(&t) || text_len(&t) > ADDRESS_MAX_NAME)
        return false;
    struct text label = {t.p, t.p};
    for (const char *p = t.p;; p++) {
        if (p < t.end && *p != '.') {
            if (!is_label_edge(*p) && *p != '-')
                return false;
            continue;
        }
        label.end = p;
        size_t len = text_len(&label);
        if (len == 0 || len > ADDRESS_MAX_LABEL || !is_label_edge(label.p[0]) ||
            !is_label_edge(p[-1]))
            return false;
        *last = label;
        if (p == t.end)
            return true;
        label.p = p + 1;
    }
}

bool address_parse(struct text t, struct address *out)
{
    out->text = t;
    memset(out->ip, 0, sizeof out->ip);
    if (text_end(&t))
        return false;
    if (text_is_digit(*t.p) && parse_ip4(t, out->ip)) {
        out->kind = ADDRESS_IP4;
        return true;
    }
    memset(out->ip, 0, sizeof out->ip);
    if (memchr(t.p, ':', text_len(&t))) {
        out->kind = ADDRESS_IP6;
        return parse_scoped_ip6(t, out->ip);
    }
    struct text last;
    if (!parse_name(t, &last) || is_number(last))
        return false;
    out->kind = text_equals_nocase(last, "local") && last.p > t.p ? ADDRESS_MDNS : ADDRESS_NAME;
    return true;
}
