/* Reads an address as it stands in a candidate: an IPv4 or IPv6 literal, an mDNS name or a DNS
 * name. Strict where readers disagree (octal, hexadecimal or short IPv4 forms, two "::"), so that
 * an address filter and the endpoint behind us see the same address.
 *
 * Threads: pure functions, no allocation. */
#ifndef SIGBRIDGE_PROTO_ADDRESS_H
#define SIGBRIDGE_PROTO_ADDRESS_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

#define ADDRESS_MAX_NAME                                                                           \
    253 /* bytes of a DNS name without the final dot (RFC 1035 section 2.3.4) */
#define ADDRESS_MAX_LABEL 63 /* bytes of one label of it */
#define ADDRESS_MAX_ZONE  15 /* bytes of an interface name on Linux */

enum address_kind {
    ADDRESS_IP4,
    ADDRESS_IP6,  /* IPv4-mapped ones too: look at ip[] */
    ADDRESS_MDNS, /* a name that ends in .local (RFC 6762 section 3) */
    ADDRESS_NAME, /* any other name */
    ADDRESS_NONE  /* not an address: never from address_parse() */
};

struct address {
    enum address_kind kind;
    struct text text; /* as written, a zone included */
    uint8_t ip[16];   /* network byte order; IPv4: the first four; names: zero */
};

/* True when all of `t` is one address. A zone ("%eth0") is taken on link-local IPv6 only, where
 * RFC 4007 section 11 defines it; it means nothing to anyone but the sender. */
bool address_parse(struct text t, struct address *out);

#endif
