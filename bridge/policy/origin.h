/* May a page of this origin talk to us? Browsers send `Origin` with every WebSocket handshake (RFC
 * 6455 section 10.2); other clients need not, and could write what they like: it guards people in
 * browsers, tokens guard everything. Threads: pure functions. */
#ifndef SIGBRIDGE_POLICY_ORIGIN_H
#define SIGBRIDGE_POLICY_ORIGIN_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

struct origin_rules {
    const char *const *allowed; /* "https://app.example.org", or "*" for any */
    size_t count;
    bool loopback_pages; /* pages of this machine too: development */
};

/* origin: as the header has it (RFC 6454 section 7); empty: there was none, which passes. host: the
 * header of that name; the same origin as http or https (tls) there passes always. */
bool origin_allowed(const struct origin_rules *rules, struct text origin, struct text host,
                    bool tls);

/* Is this one of the listed ones, so that its pages may read our answers (CORS)? */
bool origin_listed(const struct origin_rules *rules, struct text origin);
bool origin_any(const struct origin_rules *rules); /* is "*" among them? */

/* Does `host`, a name or address with or without a port, name this machine: localhost, 127.0.0.0/8,
 * [::1]? A page that had its own name resolved to 127.0.0.1 (DNS rebinding) shows here. */
bool origin_host_is_local(struct text host);

#endif
