#include "proto/network.h"

#include "base/text.h"
#include "proto/address.h"

#include <string.h>

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool read_address(struct text t, struct network *n, unsigned *widest)
{
    struct address a;
    if (memchr(t.p, '%', text_len(&t)) || !address_parse(t, &a))
        return false;
    if (a.kind == ADDRESS_IP6) {
        memcpy(n->ip, a.ip, sizeof n->ip);
        *widest = 128;
    } else if (a.kind == ADDRESS_IP4) {
        memcpy(n->ip, mapped, sizeof mapped);
        memcpy(n->ip + sizeof mapped, a.ip, 4);
        *widest = 32;
    }
    return a.kind == ADDRESS_IP6 || a.kind == ADDRESS_IP4;
}

/* Is any bit from this one on set? */
static bool set_after(const uint8_t ip[16], unsigned bits)
{
    for (unsigned i = bits; i < 128; i++)
        if (ip[i / 8] & (0x80u >> (i % 8)))
            return true;
    return false;
}

bool network_parse(const char *str, struct network *out, const char **why)
{
    struct text t = text_of_str(str), host, digits;
    struct network n = {0};
    unsigned widest = 0;
    uint64_t bits = 0;
    if (!text_until(&t, '/', 64, &host) || !read_address(host, &n, &widest)) {
        *why = "does not begin with a numeric IPv4 or IPv6 address: write ADDR or ADDR/BITS";
        return false;
    }
    bits = widest;
    if (text_char(&t, '/')) {
        struct text again = t;
        bool zero = text_digits(&again, 3, &digits) && *digits.p == '0' && text_len(&digits) > 1;
        if (zero || !text_uint(&t, widest, &bits) || !text_end(&t)) {
            *why = widest == 32 ? "has a bad number after the slash: write 0 to 32"
                                : "has a bad number after the slash: write 0 to 128";
            return false;
        }
    } else if (!text_end(&t)) {
        *why = "has something after its address: write ADDR or ADDR/BITS";
        return false;
    }
    n.bits = (unsigned)bits + 128 - widest;
    if (set_after(n.ip, n.bits)) {
        *why = "has bits set past those that its /BITS keeps: write zeros there, or more bits";
        return false;
    }
    *out = n;
    return true;
}

bool network_ok(const char *str, const char **why)
{
    struct network n;
    return network_parse(str, &n, why);
}

bool network_holds(const struct network *n, const uint8_t ip[16])
{
    unsigned whole = n->bits / 8, rest = n->bits % 8;
    return memcmp(n->ip, ip, whole) == 0 &&
           (rest == 0 || ((n->ip[whole] ^ ip[whole]) >> (8 - rest)) == 0);
}
