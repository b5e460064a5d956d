#include "policy/origin.h"

#include "proto/address.h"

#include <string.h>

enum { HOST_MAX = 255 };

static bool is_name_char(char c)
{
    return text_is_alnum(c) || c == '-' || c == '_' || c == '.';
}

/* "name", "192.0.2.7:8080", "[2001:db8::7]:8080", and nothing else: no user name, no list. The name
 * comes without brackets. */
static bool read_host(struct text t, struct text *name, bool *brackets)
{
    uint64_t port;
    *brackets = text_char(&t, '[');
    if (*brackets ? !text_until(&t, ']', HOST_MAX, name) || !text_char(&t, ']')
                  : !text_run(&t, is_name_char, HOST_MAX, name))
        return false;
    return text_end(&t) || (text_char(&t, ':') && text_uint(&t, 65535, &port) && text_end(&t));
}

bool origin_host_is_local(struct text host)
{
    static const uint8_t one[16] = {[15] = 1};
    struct text name;
    struct address a;
    bool brackets;
    if (!read_host(host, &name, &brackets))
        return false;
    if (!brackets && text_equals_nocase(name, "localhost"))
        return true;
    if (!address_parse(name, &a))
        return false;
    return brackets ? a.kind == ADDRESS_IP6 && memcmp(a.ip, one, sizeof one) == 0
                    : a.kind == ADDRESS_IP4 && a.ip[0] == 127;
}

static bool take_scheme(struct text *origin, bool *tls)
{
    *tls = text_literal(origin, "https://");
    return *tls || text_literal(origin, "http://");
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool equals_nocase(struct text a, struct text b)
{
    if (text_len(&a) != text_len(&b))
        return false;
    for (size_t i = 0; i < text_len(&a); i++)
        if (lower(a.p[i]) != lower(b.p[i]))
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

bool origin_any(const struct origin_rules *rules)
{
    for (size_t i = 0; i < rules->count; i++)
        if (strcmp(rules->allowed[i], "*") == 0)
            return true;
    return false;
}

bool origin_listed(const struct origin_rules *rules, struct text origin)
{
    for (size_t i = 0; i < rules->count; i++)
        if (equals_nocase(origin, text_of_str(rules->allowed[i])))
            return true;
    return origin_any(rules);
}

bool origin_allowed(const struct origin_rules *rules, struct text origin, struct text host,
                    bool tls)
{
    struct text place = origin, name;
    bool secure, brackets;
    if (text_end(&origin) || origin_listed(rules, origin))
        return true;
    if (!take_scheme(&place, &secure)) /* "null", and what is no web page */
        return false;
    if (!read_host(place, &name, &brackets))
        return false;
    if (rules->loopback_pages && origin_host_is_local(place))
        return true;
    return secure == tls &&
           equals_nocase(without_own_port(place, tls), without_own_port(host, tls));
}
