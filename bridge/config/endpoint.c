#include "config/endpoint.h"

#include "base/text.h"
#include "proto/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* A number of up to five digits without leading zeros, 0 to 65535. */
static bool read_port(struct text *t, uint16_t *out, const char **why)
{
    struct text digits;
    uint64_t port = 0;
    if (!text_digits(t, 32, &digits)) {
        *why = "needs a port number after the colon";
        return false;
    }
    if (text_len(&digits) > 1 && *digits.p == '0') {
        *why = "has a port with a leading zero";
        return false;
    }
    struct text again = digits;
    if (!text_uint(&again, UINT16_MAX, &port)) {
        *why = "has a port above 65535";
        return false;
    }
    *out = (uint16_t)port;
    return true;
}

/* Takes a numeric address and writes it in its shortest form. Without a zone: that would name an
 * interface of whichever machine reads the file. */
static bool read_numeric(struct text t, enum address_kind kind, char *out, size_t size)
{
    struct address a;
    int family = kind == ADDRESS_IP4 ? AF_INET : AF_INET6;
    return address_parse(t, &a) && a.kind == kind && !memchr(t.p, '%', text_len(&t)) &&
           inet_ntop(family, a.ip, out, (socklen_t)size);
}

/* "[...]": takes the brackets and what they hold. */
static bool read_bracketed(struct text *t, char *out, size_t size, const char **why)
{
    struct text inside;
    if (text_char(t, '[') && text_until(t, ']', ENDPOINT_HOST_MAX, &inside) && text_char(t, ']') &&
        read_numeric(inside, ADDRESS_IP6, out, size))
        return true;
    *why = "holds no valid IPv6 address between brackets";
    return false;
}

bool endpoint_parse(const char *str, struct endpoint *out, const char **why)
{
    struct text t = text_of_str(str), host;
    struct endpoint a = {0};
    if (!text_end(&t) && *t.p == '[') {
        a.ipv6 = true;
        if (!read_bracketed(&t, a.host, sizeof a.host, why))
            return false;
    } else {
        const char *colon = strchr(str, ':');
        if (colon && strchr(colon + 1, ':')) {
            *why = "has an IPv6 address without brackets";
            return false;
        }
        if (!text_until(&t, ':', ENDPOINT_HOST_MAX, &host) ||
            !read_numeric(host, ADDRESS_IP4, a.host, sizeof a.host)) {
            *why = "does not begin with an IPv4 address or an IPv6 address in brackets";
            return false;
        }
    }
    if (!text_char(&t, ':')) {
        *why = "has no port";
        return false;
    }
    if (!read_port(&t, &a.port, why))
        return false;
    if (!text_end(&t)) {
        *why = "has something after its port";
        return false;
    }
    *out = a;
    return true;
}

bool endpoint_is_loopback(const struct endpoint *a)
{
    const char *ip4 = a->ipv6 ? "::ffff:127." : "127.";
    return (a->ipv6 && strcmp(a->host, "::1") == 0) || strncmp(a->host, ip4, strlen(ip4)) == 0;
}

void endpoint_format(const struct endpoint *a, char out[ENDPOINT_TEXT_MAX])
{
    snprintf(out, ENDPOINT_TEXT_MAX, a->ipv6 ? "[%s]:%u" : "%s:%u", a->host, a->port);
}

static bool is_host_char(char c)
{
    return text_is_alnum(c) || c == '-' || c == '_' || c == '.';
}

static bool read_host(struct text *t, char *out, size_t size, bool *ipv6, const char **why)
{
    struct text name;
    struct address a;
    *ipv6 = !text_end(t) && *t->p == '[';
    if (*ipv6)
        return read_bracketed(t, out, size, why);
    if (!text_run(t, is_host_char, BROKER_HOST_MAX - 1, &name) || !address_parse(name, &a)) {
        *why = "has no valid host: neither a name nor an IPv4 address";
        return false;
    }
    memcpy(out, name.p, text_len(&name));
    out[text_len(&name)] = '\0';
    return true;
}

static bool parse_unix(struct text t, struct broker *b, const char **why)
{
    size_t len = text_len(&t);
    if (len == 0 || len >= sizeof b->path) {
        *why = len == 0 ? "has no path" : "has a path of more than 107 bytes";
        return false;
    }
    for (const char *p = t.p; p < t.end; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            *why = "has a control character in its path";
            return false;
        }
    }
    b->kind = BROKER_UNIX;
    memcpy(b->path, t.p, len);
    return true;
}

bool broker_text_is_secret(const char *str)
{
    return strchr(str, '@') != NULL && strncmp(str, "unix:", 5) != 0;
}

bool broker_parse(const char *str, struct broker *out, const char **why)
{
    struct text t = text_of_str(str);
    struct broker b = {0};
    if (text_equals(t, "embedded")) {
        *out = b;
        return true;
    }
    if (text_literal(&t, "unix:")) {
        if (!parse_unix(t, &b, why))
            return false;
        *out = b;
        return true;
    }
    if (broker_text_is_secret(str)) {
        *why = "holds a user name: write that into mqtt.username and mqtt.password_file";
        return false;
    }
    if (text_literal(&t, "mqtts://")) {
        b.kind = BROKER_MQTTS;
        b.port = 8883;
    } else if (text_literal(&t, "mqtt://")) {
        b.kind = BROKER_MQTT;
        b.port = 1883;
    } else {
        *why = "is none of embedded, mqtt://, mqtts:// and unix:";
        return false;
    }
    if (!read_host(&t, b.host, sizeof b.host, &b.ipv6, why))
        return false;
    if (text_char(&t, ':') && !read_port(&t, &b.port, why))
        return false;
    if (!text_end(&t) || b.port == 0) {
        *why = b.port == 0 ? "has port 0" : "has something after its host and port";
        return false;
    }
    *out = b;
    return true;
}

void broker_format(const struct broker *b, char out[BROKER_TEXT_MAX])
{
    const char *scheme = b->kind == BROKER_MQTTS ? "mqtts" : "mqtt";
    if (b->kind == BROKER_EMBEDDED)
        snprintf(out, BROKER_TEXT_MAX, "embedded");
    else if (b->kind == BROKER_UNIX)
        snprintf(out, BROKER_TEXT_MAX, "unix:%s", b->path);
    else
        snprintf(out, BROKER_TEXT_MAX, b->ipv6 ? "%s://[%s]:%u" : "%s://%s:%u", scheme, b->host,
                 b->port);
}

bool ice_url_is_turn(const char *str)
{
    return strncmp(str, "turn:", 5) == 0 || strncmp(str, "turns:", 6) == 0;
}

bool ice_url_ok(const char *str, const char **why)
{
    struct text t = text_of_str(str);
    char host[BROKER_HOST_MAX];
    bool ipv6 = false;
    uint16_t port = 1;
    if (!text_literal(&t, "stun:") && !text_literal(&t, "stuns:") && !text_literal(&t, "turn:") &&
        !text_literal(&t, "turns:")) {
        *why = "begins with none of stun: stuns: turn: turns:";
        return false;
    }
    if (!read_host(&t, host, sizeof host, &ipv6, why))
        return false;
    if (text_char(&t, ':') && !read_port(&t, &port, why))
        return false;
    if (ice_url_is_turn(str) && text_literal(&t, "?transport=") && !text_literal(&t, "udp") &&
        !text_literal(&t, "tcp")) {
        *why = "has a transport other than udp and tcp";
        return false;
    }
    if (!text_end(&t) || port == 0) {
        *why = port == 0 ? "has port 0" : "has something after its host and port";
        return false;
    }
    return true;
}
