#include "io/client.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

void clients_init(struct clients *all, struct visitors *visitors, const struct proxies *proxies,
                  size_t max)
{
    *all = (struct clients){.visitors = visitors, .proxies = proxies, .max = max};
    log_budget_init(&all->log, clock_mono_us());
}

static void log_refused(struct clients *all, const uint8_t ip[16], const char *why)
{
    uint64_t unsaid;
    if (!log_budget_take(&all->log, clock_mono_us(), &unsaid))
        return;
    char address[VISITOR_TEXT_MAX];
    struct address_key key = forwarded_key(ip);
    log_line(LOG_WARN, "connection-refused", LOG_S("address", address_format(&key, address)),
             LOG_S("why", why), LOG_I("unsaid", unsaid), LOG_END);
}

static bool enter(struct client *c)
{
    struct address_key key = forwarded_key(c->ip);
    c->visitor = visitors_enter(c->all->visitors, &key, clock_mono_us());
    if (c->visitor)
        return true;
    c->all->refused_address++;
    log_refused(c->all, c->ip, "too many connections of this address: limits.address_sessions");
    return false;
}

static void leave(struct client *c)
{
    if (c->visitor)
        visitor_leave(c->visitor, clock_mono_us());
    c->visitor = NULL;
}

struct client *client_accept(struct clients *all, const uint8_t ip[16], bool tls)
{
    if (all->count >= all->max) {
        all->refused_full++;
        log_refused(all, ip, "too many connections in all: limits.sessions");
        return NULL;
    }
    struct client *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->all = all;
    c->socket_tls = c->tls = tls;
    memcpy(c->socket_ip, ip, sizeof c->socket_ip);
    memcpy(c->ip, ip, sizeof c->ip);
    c->by_proxy = proxies_trust(all->proxies, ip);
    if (!c->by_proxy && !enter(c)) {
        free(c);
        return NULL;
    }
    all->count++;
    return c;
}

bool client_identify(struct client *c, struct text forwarded_for, struct text forwarded_proto)
{
    uint8_t ip[16];
    c->local = forwarded_is_local(c->socket_ip, forwarded_for);
    if (!c->by_proxy)
        return true;
    c->tls = forwarded_tls(c->all->proxies, c->socket_ip, forwarded_proto, c->socket_tls);
    forwarded_address(c->all->proxies, c->socket_ip, forwarded_for, ip);
    /* A proxy here that does not say for whom it asks may ask for anybody. */
    c->local = c->local && !proxies_trust(c->all->proxies, ip);
    memcpy(c->ip, ip, sizeof ip);
    return enter(c); /* once: a proxy gets one answer on each connection */
}

void client_gone(struct client *c)
{
    if (!c)
        return;
    leave(c);
    c->all->count--;
    free(c);
}
