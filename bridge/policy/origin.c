#include "policy/origin.h"

#include "proto/address.h"

#include <string.h>

enum { HOST_MAX = 255 };

/* "host", "host:port", "[v6]:port": the host, without brackets. */
static struct text without_port(struct text host)
{
    struct text name;
    if (text_char(&host, '[')) {
        if (text_until(&host, ']', HOST_MAX, &name))
            return name;
        return text_of_str("");
    }
    const char *colon = memchr(host.p, ':', text_len(&host));
    return (struct text){host.p, colon ? colon : host.end};
}

bool origin_host_is_local(struct text host)
{
    static const uint8_t one[16] = {[15] = 1};
    struct text name = without_port(host);
    struct address a;
    if (text_equals_nocase(name, "localhost"))
        return true;
    if (text_end(&name) || !address_parse(name, &a))
        return false;
    return a.kind == ADDRESS_IP4 ? a.ip[0] == 127
                                 : a.kind == ADDRESS_IP6 && memcmp(a.ip, one, sizeof one) == 0;
}

static bool take_scheme(struct text *origin, bool *tls)
{
    *tls = text_literal(origin, "https://");
    return *tls || text_literal(origin, "http://");
}

static bool equals_nocase(struct text a, struct text b)
{
    if (text_len(&a) != text_len(&b))
        return false;
    for (size_t i = 0; i < text_len(&a); i++)
        if ((a.p[i] | (a.p[i] >= 'A' && a.p[i] <= 'Z' ? 0x20 : 0)) !=
            (b.p[i] | (b.p[i] >= 'A' && b.p[i] <= 'Z' ? 0x20 : 0)))
            return false;
    return true;
}

/* A browser leaves the scheme's own port out of both headers; others may write it. */
static struct text without_own_port(struct text host, bool tls)
{
    const char *port = tls ? ":443" : ":80";
    size_t len = strlen(port);
    if (text_len(&host) > len && memcmp(host.end - len, port, len) == 0)
        host.end -= len;
    return host;
}

bool origin_listed(const struct origin_rules *rules, struct text origin)
{
    for (size_t i = 0; i < rules->count; i++)
        if (strcmp(rules->allowed[i], "*") == 0 ||
            equals_nocase(origin, text_of_str(rules->allowed[i])))
            return true;
    return false;
}

bool origin_allowed(const struct origin_rules *rules, struct text origin, struct text host,
                    bool tls)
{
    struct text place = origin;
    bool secure;
    if (text_end(&origin) || origin_listed(rules, origin))
        return true;
    if (!take_scheme(&place, &secure)) /* "null", and what is no web page */
        return false;
    if (rules->loopback_pages && origin_host_is_local(place))
        return true;
    return secure == tls && !text_end(&host) &&
           equals_nocase(without_own_port(place, tls), without_own_port(host, tls));
}
