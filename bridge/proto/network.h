/* A network as people write it: 10.0.0.0/8, fd00::/8, or one address alone. IPv4 is kept as IPv6
 * with the mapped prefix (RFC 4291 section 2.5.5.2), so that one comparison does for both.
 *
 * Strict: the address is numeric and without a zone, and the bits past /BITS are zero, since one
 * of them set is more often a mistake than a way of writing. Threads: pure functions. */
#ifndef SIGBRIDGE_PROTO_NETWORK_H
#define SIGBRIDGE_PROTO_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

struct network {
    uint8_t ip[16]; /* network byte order */
    unsigned bits;  /* 0 to 128; IPv4: 96 more than written */
};

/* False: no network, and a sentence fragment in *why (a static string). */
bool network_parse(const char *str, struct network *out, const char **why);
bool network_ok(const char *str, const char **why);
/* Is this IPv6 address, or mapped IPv4 address, of that network? */
bool network_holds(const struct network *n, const uint8_t ip[16]);

#endif
