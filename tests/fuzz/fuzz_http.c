/* What a request may say in its headers and path; the first byte says which: Origin and, in a line
 * of its own, Host; X-Forwarded-*; Authorization; the path; or a network of the configuration. What
 * a stranger writes must not make him somebody whom a listed proxy has not named, nor his page
 * ours. */
#include "policy/bearer.h"
#include "policy/forwarded.h"
#include "policy/origin.h"
#include "policy/web_path.h"
#include "proto/network.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static struct text line(struct text *t)
{
    struct text l = text_of_str("");
    (void)text_line(t, &l);
    return l;
}

static bool holds(struct text t, const char *bytes, size_t len)
{
    return memmem(t.p, text_len(&t), bytes, len) != NULL;
}

/* Without rules: only "http://" or "https://" before the Host, give or take the scheme's own port.
 */
static void check_page(struct text origin, struct text host, bool tls)
{
    static const struct origin_rules none = {NULL, 0, false}, dev = {NULL, 0, true};
    size_t scheme = tls ? 8 : 7, port = tls ? 4 : 3;
    bool allowed = origin_allowed(&none, origin, host, tls);
    if (allowed && !text_end(&origin)) {
        size_t len = text_len(&origin) - scheme,
               min = len < text_len(&host) ? len : text_len(&host);
        require(text_len(&origin) > scheme && !holds(origin, "@", 1) && !holds(origin, ",", 1));
        require(memcmp(origin.p, tls ? "https://" : "http://", scheme) == 0);
        require(min + port >= len && min + port >= text_len(&host));
        require(strncasecmp(origin.p + scheme, host.p, min) == 0);
    }
    if (origin_allowed(&dev, origin, host, tls) && !allowed) {
        origin.p += memcmp(origin.p, "https", 5) == 0 ? 8 : 7;
        require(origin_host_is_local(origin));
    }
    if (origin_host_is_local(host))
        require(strncasecmp(host.p, "localhost", 9) == 0 || memcmp(host.p, "127.", 4) == 0 ||
                *host.p == '[');
}

static void check_origin(struct text t)
{
    struct text origin = line(&t), host = line(&t);
    check_page(origin, host, false);
    check_page(origin, host, true);
}

static void check_forwarded(struct text header)
{
    static const char *const networks[] = {"10.0.0.0/8", "::1"};
    static const uint8_t proxy[16] = {[15] = 1}, stranger[16] = {0x20, 0x01, [15] = 9};
    static struct proxies *p;
    uint8_t ip[16], again[16];
    char more[4096] = "203.0.113.9, ";
    struct problem why;
    if (!p)
        require(proxies_create(&p, networks, 2, &why) == STATUS_OK);
    forwarded_address(p, stranger, header, ip);
    require(memcmp(ip, stranger, 16) == 0);
    require(forwarded_tls(p, stranger, header, true));
    require(!forwarded_tls(p, stranger, header, false));
    require(!forwarded_is_local(stranger, header));
    (void)forwarded_tls(p, proxy, header, false);
    forwarded_address(p, proxy, header, ip);
    if (forwarded_is_local(proxy, header))
        require(forwarded_is_loopback(ip));
    size_t len = strlen(more);
    if (proxies_trust(p, ip) || text_len(&header) > sizeof more - len)
        return;
    memcpy(more + len, header.p, text_len(&header)); /* what a client claims comes first */
    forwarded_address(p, proxy, text_of(more, len + text_len(&header)), again);
    require(memcmp(ip, again, 16) == 0);
}

static void check_bearer(struct text header)
{
    struct text token = bearer_token(header);
    if (!text_end(&token))
        require(token.p > header.p && token.end <= header.end && *token.p != ' ' &&
                token.end[-1] != ' ');
}

static void check_path(struct text path)
{
    if (!web_path_ok(path))
        return;
    require(*path.p == '/' && text_len(&path) <= WEB_PATH_MAX);
    require(!holds(path, "/..", 3) && !holds(path, "//", 2) && !holds(path, "\\", 1));
    for (const char *c = path.p; c < path.end; c++)
        require((unsigned char)*c >= 0x20 && *c != 0x7f);
}

/* A network holds its own address; refusals have a reason. */
static void check_network(struct text t)
{
    char str[128] = "";
    const char *why = NULL;
    struct network n;
    if (text_len(&t) >= sizeof str)
        return;
    memcpy(str, t.p, text_len(&t));
    if (network_parse(str, &n, &why))
        require(n.bits <= 128 && network_holds(&n, n.ip) && network_ok(str, &why));
    else
        require(why && *why && !network_ok(str, &why));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const checks[256])(struct text) = {['o'] = check_origin,
                                                     ['f'] = check_forwarded,
                                                     ['b'] = check_bearer,
                                                     ['p'] = check_path,
                                                     ['n'] = check_network};
    if (size > 0 && checks[data[0]])
        checks[data[0]](text_of((const char *)data + 1, size - 1));
    return 0;
}
