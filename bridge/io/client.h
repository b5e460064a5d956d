/* One TCP connection: where it comes from, and that it is counted, from accept() to its end. Behind
 * a listed proxy the client's own address counts, which only its requests tell. Private to
 * ws_server. Threads: the loop's. */
#ifndef SIGBRIDGE_IO_CLIENT_H
#define SIGBRIDGE_IO_CLIENT_H

#include "base/text.h"
#include "policy/forwarded.h"
#include "policy/log_budget.h"
#include "policy/visitors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clients {
    struct visitors *visitors;
    const struct proxies *proxies; /* NULL: none */
    size_t count, max;
    uint64_t refused_full, refused_address;
    struct log_budget log;
};

struct client {
    struct clients *all;
    struct visitor *visitor; /* NULL: a proxy that has not said yet for whom it speaks */
    uint8_t socket_ip[16];   /* IPv4: mapped */
    uint8_t ip[16];          /* that counts */
    bool by_proxy;           /* a listed one */
    bool served;             /* it has asked once */
    bool socket_tls;
    bool tls;   /* as the client sees it */
    bool local; /* the request comes from this machine, and so says every proxy */
};

void clients_init(struct clients *all, struct visitors *visitors, const struct proxies *proxies,
                  size_t max);

/* NULL: there are too many, of this address or in all; the caller closes the socket. */
struct client *client_accept(struct clients *all, const uint8_t ip[16], bool tls);
/* With each request, by its X-Forwarded-For and -Proto. False: too many of this address, and then
 * it is nobody's. */
bool client_identify(struct client *c, struct text forwarded_for, struct text forwarded_proto);
void client_gone(struct client *c); /* frees; NULL is fine */

#endif
