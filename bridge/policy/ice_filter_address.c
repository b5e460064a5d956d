#include "policy/ice_filter_address.h"

#include <string.h>

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

/* Both families as 16 bytes (RFC 4291 section 2.5.5.2). False: a name. */
static bool as_ip6(const struct address *a, uint8_t ip[16])
{
    if (a->kind == ADDRESS_IP6) {
        memcpy(ip, a->ip, 16);
        return true;
    }
    memcpy(ip, mapped_prefix, sizeof mapped_prefix);
    memcpy(ip + 12, a->ip, 4);
    return a->kind == ADDRESS_IP4;
}

static bool has_prefix(const uint8_t *ip, const uint8_t *prefix, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(ip, prefix, whole) != 0)
        return false;
    return rest == 0 || ((ip[whole] ^ prefix[whole]) & (0xff00u >> rest & 0xff)) == 0;
}

/* https://www.iana.org/assignments/iana-ipv4-special-registry, as of RFC 6890. The first row that
 * fits counts. Documentation networks (RFC 5737) count as public: they are nobody's, and examples
 * are written with them. */
static const struct {
    uint8_t prefix[4];
    uint8_t bits;
    enum ice_class is;
} ip4_rows[] = {
    {{0, 0, 0, 0}, 32, ICE_CLASS_UNSPECIFIED},
    {{0, 0, 0, 0}, 8, ICE_CLASS_UNUSABLE},          /* this network, RFC 791 section 3.2 */
    {{10, 0, 0, 0}, 8, ICE_CLASS_PRIVATE},          /* RFC 1918 */
    {{100, 64, 0, 0}, 10, ICE_CLASS_PRIVATE},       /* carrier-grade NAT, RFC 6598 */
    {{127, 0, 0, 0}, 8, ICE_CLASS_LOOPBACK},        /* RFC 1122 section 3.2.1.3 */
    {{169, 254, 0, 0}, 16, ICE_CLASS_LINK_LOCAL},   /* RFC 3927 */
    {{172, 16, 0, 0}, 12, ICE_CLASS_PRIVATE},       /* RFC 1918 */
    {{192, 0, 0, 0}, 24, ICE_CLASS_PRIVATE},        /* phones behind 464XLAT, RFC 7335 */
    {{192, 88, 99, 0}, 24, ICE_CLASS_RESERVED},     /* was 6to4 relays, RFC 7526 */
    {{192, 168, 0, 0}, 16, ICE_CLASS_PRIVATE},      /* RFC 1918 */
    {{198, 18, 0, 0}, 15, ICE_CLASS_PRIVATE},       /* benchmarks, RFC 2544; VPN clients use it */
    {{255, 255, 255, 255}, 32, ICE_CLASS_UNUSABLE}, /* broadcast, RFC 919 */
    {{224, 0, 0, 0}, 4, ICE_CLASS_UNUSABLE},        /* multicast, RFC 5771 */
    {{240, 0, 0, 0}, 4, ICE_CLASS_RESERVED},        /* RFC 1112 section 4 */
};

static enum ice_class class_of_ip4(const uint8_t ip[4])
{
    for (size_t i = 0; i < sizeof ip4_rows / sizeof *ip4_rows; i++)
        if (has_prefix(ip, ip4_rows[i].prefix, ip4_rows[i].bits))
            return ip4_rows[i].is;
    return ICE_CLASS_PUBLIC;
}

/* Where an IPv6 address carries an IPv4 one, that is the one that counts. */
enum { WHOLE, CARRIES_AT_2 = 2, CARRIES_AT_12 = 12, CARRIES_INVERTED_AT_12 };

/* https://www.iana.org/assignments/iana-ipv6-special-registry and -ipv6-address-space. The first
 * row that fits counts; what stands in none is reserved. */
static const struct {
    uint8_t prefix[16];
    uint8_t bits;
    uint8_t carries;
    enum ice_class is;
} ip6_rows[] = {
    {{0}, 128, WHOLE, ICE_CLASS_UNSPECIFIED},
    {{[15] = 1}, 128, WHOLE, ICE_CLASS_LOOPBACK},
    {{[10] = 0xff, 0xff}, 96, CARRIES_AT_12, ICE_CLASS_PUBLIC},      /* RFC 4291 2.5.5.2 */
    {{0x00, 0x64, 0xff, 0x9b}, 96, CARRIES_AT_12, ICE_CLASS_PUBLIC}, /* NAT64, RFC 6052 */
    {{0x00, 0x64, 0xff, 0x9b, 0, 1}, 48, WHOLE, ICE_CLASS_PRIVATE},  /* RFC 8215 */
    {{0x20, 0x01}, 32, CARRIES_INVERTED_AT_12, ICE_CLASS_PUBLIC},    /* Teredo, RFC 4380 */
    {{0x20, 0x01, 0, 2}, 48, WHOLE, ICE_CLASS_PRIVATE},              /* benchmarks, RFC 5180 */
    {{0x20, 0x01}, 23, WHOLE, ICE_CLASS_RESERVED},                   /* protocols, RFC 2928 */
    {{0x20, 0x02}, 16, CARRIES_AT_2, ICE_CLASS_PUBLIC},              /* 6to4, RFC 3056 */
    {{0x20}, 3, WHOLE, ICE_CLASS_PUBLIC},                            /* global unicast */
    {{0xfc}, 7, WHOLE, ICE_CLASS_PRIVATE},                           /* RFC 4193 */
    {{0xfe, 0x80}, 10, WHOLE, ICE_CLASS_LINK_LOCAL},                 /* RFC 4291 2.5.6 */
    {{0xfe, 0xc0}, 10, WHOLE, ICE_CLASS_PRIVATE},                    /* site-local, RFC 3879 */
    {{0xff}, 8, WHOLE, ICE_CLASS_UNUSABLE},                          /* multicast */
};

/* Only a whole address of zeros stands for none: round a carried one is room for more. */
static enum ice_class class_of_carried(const uint8_t ip[4])
{
    enum ice_class is = class_of_ip4(ip);
    return is == ICE_CLASS_UNSPECIFIED ? ICE_CLASS_UNUSABLE : is;
}

static enum ice_class class_of_ip6(const uint8_t ip[16])
{
    for (size_t i = 0; i < sizeof ip6_rows / sizeof *ip6_rows; i++) {
        if (!has_prefix(ip, ip6_rows[i].prefix, ip6_rows[i].bits))
            continue;
        uint8_t ip4[4];
        switch (ip6_rows[i].carries) {
        case CARRIES_AT_2:
            return class_of_carried(ip + 2);
        case CARRIES_AT_12:
            return class_of_carried(ip + 12);
        case CARRIES_INVERTED_AT_12:
            for (int k = 0; k < 4; k++)
                ip4[k] = ip[12 + k] ^ 0xff;
            return class_of_carried(ip4);
        default:
            return ip6_rows[i].is;
        }
    }
    return ICE_CLASS_RESERVED;
}

enum ice_class ice_class_of(const struct address *a)
{
    switch (a->kind) {
    case ADDRESS_IP4:
        return class_of_ip4(a->ip);
    case ADDRESS_IP6:
        return class_of_ip6(a->ip);
    case ADDRESS_MDNS:
        return ICE_CLASS_MDNS;
    case ADDRESS_NAME:
        return ICE_CLASS_NAME;
    default:
        return ICE_CLASS_UNUSABLE;
    }
}

bool ice_network_has(const struct network *n, const struct address *a)
{
    uint8_t ip[16];
    return as_ip6(a, ip) && network_holds(n, ip);
}

bool ice_address_same(const struct address *a, const struct address *b)
{
    uint8_t ip_a[16], ip_b[16];
    bool is_ip = as_ip6(a, ip_a);
    if (is_ip != as_ip6(b, ip_b))
        return false;
    if (is_ip)
        return memcmp(ip_a, ip_b, 16) == 0;
    if (a->kind != b->kind || text_len(&a->text) != text_len(&b->text))
        return false;
    for (const char *p = a->text.p, *q = b->text.p; p < a->text.end; p++, q++)
        if (*p != *q && (*p | 0x20) != (*q | 0x20))
            return false;
    return true;
}
