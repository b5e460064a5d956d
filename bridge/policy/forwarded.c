#include "policy/forwarded.h"

#include "proto/address.h"
#include "proto/network.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

struct proxies {
    size_t count;
    struct network networks[];
};

enum status proxies_create(struct proxies **out, const char *const *networks, size_t count,
                           struct problem *why)
{
    const char *what = NULL;
    struct proxies *p = malloc(sizeof *p + count * sizeof *p->networks);
    *out = NULL;
    if (!p)
        return problem_set(why, STATUS_NO_MEMORY, 0, NULL, "out of memory");
    p->count = count;
    for (size_t i = 0; i < count; i++) {
        if (!network_parse(networks[i], &p->networks[i], &what)) {
            free(p);
            return problem_set(why, STATUS_BAD_CONFIG, 0, "trusted-proxy", "trusted_proxy %.60s %s",
                               networks[i], what);
        }
    }
    *out = p;
    return STATUS_OK;
}

void proxies_destroy(struct proxies *p)
{
    free(p);
}

bool proxies_trust(const struct proxies *p, const uint8_t ip[16])
{
    for (size_t i = 0; p && i < p->count; i++)
        if (network_holds(&p->networks[i], ip))
            return true;
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Takes the last entry off the list. False: there is none. */
static bool take_last(struct text *list, struct text *entry)
{
    if (text_end(list))
        return false;
    const char *comma = memrchr(list->p, ',', text_len(list));
    *entry = (struct text){comma ? comma + 1 : list->p, list->end};
    list->end = comma ? comma : list->p;
    while (!text_end(entry) && is_blank(*entry->p))
        entry->p++;
    while (!text_end(entry) && is_blank(entry->end[-1]))
        entry->end--;
    return true;
}

/* Some proxies add the port: "192.0.2.7:5060", "[2001:db8::7]:5060". */
static struct text without_port(struct text entry)
{
    struct text inside, rest = entry;
    if (text_char(&rest, '['))
        return text_until(&rest, ']', 64, &inside) && text_char(&rest, ']') &&
                       (text_end(&rest) || *rest.p == ':')
                   ? inside
                   : text_of_str("");
    const char *colon = text_end(&entry) ? NULL : memchr(entry.p, ':', text_len(&entry));
    if (colon && !memchr(colon + 1, ':', (size_t)(entry.end - colon - 1)))
        entry.end = colon;
    return entry;
}

static bool read_address(struct text entry, uint8_t out[16])
{
    struct address a;
    struct text host = without_port(entry);
    if (text_end(&host) || memchr(host.p, '%', text_len(&host)) || !address_parse(host, &a))
        return false;
    if (a.kind == ADDRESS_IP6) {
        memcpy(out, a.ip, 16);
        return true;
    }
    memcpy(out, mapped, sizeof mapped);
    memcpy(out + sizeof mapped, a.ip, 4);
    return a.kind == ADDRESS_IP4;
}

void forwarded_address(const struct proxies *p, const uint8_t peer[16], struct text header,
                       uint8_t out[16])
{
    struct text entry;
    uint8_t ip[16];
    memcpy(out, peer, 16);
    for (int i = 0; i < FORWARDED_HOPS_MAX && proxies_trust(p, out); i++) {
        if (!take_last(&header, &entry) || !read_address(entry, ip))
            return;
        memcpy(out, ip, 16);
    }
}

bool forwarded_tls(const struct proxies *p, const uint8_t peer[16], struct text proto,
                   bool socket_tls)
{
    struct text last;
    if (!proxies_trust(p, peer) || !take_last(&proto, &last))
        return socket_tls;
    return text_equals_nocase(last, "https") || text_equals_nocase(last, "wss");
}

struct address_key forwarded_key(const uint8_t ip[16])
{
    struct address_key key = {{0}};
    memcpy(key.bytes, ip, memcmp(ip, mapped, sizeof mapped) == 0 ? 16 : 8);
    return key;
}

bool forwarded_is_loopback(const uint8_t ip[16])
{
    static const uint8_t one[16] = {[15] = 1};
    if (memcmp(ip, mapped, sizeof mapped) == 0)
        return ip[12] == 127;
    return memcmp(ip, one, sizeof one) == 0;
}

bool forwarded_is_local(const uint8_t peer[16], struct text header)
{
    struct text entry;
    uint8_t ip[16];
    if (!forwarded_is_loopback(peer))
        return false;
    while (take_last(&header, &entry))
        if (!read_address(entry, ip) || !forwarded_is_loopback(ip))
            return false;
    return true;
}
