#include "config/web_origin.h"

#include "base/text.h"
#include "proto/address.h"

#include <arpa/inet.h>
#include <string.h>

static bool is_scheme_char(char c)
{
    return text_is_digit(c) || (c >= 'a' && c <= 'z') || c == '+' || c == '-' || c == '.';
}

static bool is_host_char(char c)
{
    return text_is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_' || c == '.';
}

/* A name, an IPv4 address, or an IPv6 address in brackets and in its shortest form. */
static bool read_host(struct text *t)
{
    struct text host;
    struct address a;
    char shortest[INET6_ADDRSTRLEN];
    if (!text_char(t, '['))
        return text_run(t, is_host_char, ADDRESS_MAX_NAME, &host) && address_parse(host, &a);
    return text_until(t, ']', sizeof shortest, &host) && text_char(t, ']') &&
           address_parse(host, &a) && a.kind == ADDRESS_IP6 &&
           inet_ntop(AF_INET6, a.ip, shortest, sizeof shortest) && text_equals(host, shortest);
}

static bool read_port(struct text *t, uint64_t *port)
{
    return !text_end(t) && *t->p != '0' && text_uint(t, 65535, port);
}

bool web_origin_ok(const char *str, const char **why)
{
    struct text t = text_of_str(str), scheme;
    uint64_t port = 0;
    if (strcmp(str, "*") == 0)
        return true;
    if (strpbrk(str, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")) {
        *why = "has capital letters, which browsers never send: write it in lower case";
        return false;
    }
    if (!text_run(&t, is_scheme_char, 32, &scheme) || !text_is_alpha(*scheme.p) ||
        !text_literal(&t, "://") || !read_host(&t)) {
        *why = "is no origin: write scheme://host or scheme://host:port, or *";
        return false;
    }
    if (text_char(&t, ':') && !read_port(&t, &port)) {
        *why = "has a bad port: write 1 to 65535 without leading zeros";
        return false;
    }
    if (!text_end(&t)) {
        *why = "has something after its host and port: an origin has no path, not even a slash";
        return false;
    }
    if ((text_equals(scheme, "https") && port == 443) ||
        (text_equals(scheme, "http") && port == 80)) {
        *why = "has its scheme's own port, which browsers leave out: leave it out";
        return false;
    }
    return true;
}
