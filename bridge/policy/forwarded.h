/* Whose address counts: the socket's, or the one that a proxy in front of us wrote into
 * X-Forwarded-For and X-Forwarded-Proto. Only listed proxies are believed. All addresses here are
 * IPv6, IPv4 ones mapped (RFC 4291 section 2.5.5.2). Threads: pure, constant once created. */
#ifndef SIGBRIDGE_POLICY_FORWARDED_H
#define SIGBRIDGE_POLICY_FORWARDED_H

#include "base/problem.h"
#include "base/text.h"
#include "policy/visitors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FORWARDED_HOPS_MAX = 32 }; /* entries that are looked at, from the right */

struct proxies;

/* STATUS_OK; STATUS_BAD_CONFIG with a sentence; STATUS_NO_MEMORY. */
enum status proxies_create(struct proxies **out, const char *const *networks, size_t count,
                           struct problem *why);
void proxies_destroy(struct proxies *p); /* NULL is fine */

bool proxies_trust(const struct proxies *p, const uint8_t ip[16]); /* p NULL: nobody */

/* header: the value of X-Forwarded-For, several ones joined by commas; may be anything. *out is the
 * rightmost address that is no listed proxy; where something is no address, the one to the right of
 * it, which was the last that a listed proxy has vouched for. */
void forwarded_address(const struct proxies *p, const uint8_t peer[16], struct text header,
                       uint8_t out[16]);

/* Did the client speak TLS: to the proxy, if `peer` is a listed one that says so, else to us? */
bool forwarded_tls(const struct proxies *p, const uint8_t peer[16], struct text proto,
                   bool socket_tls);

struct address_key forwarded_key(const uint8_t ip[16]);
bool forwarded_is_loopback(const uint8_t ip[16]);

/* Does a request come from this machine? So say the socket and every entry of X-Forwarded-For, be
 * the proxy listed or not: one on this machine may speak for anybody. */
bool forwarded_is_local(const uint8_t peer[16], struct text header);

#endif
