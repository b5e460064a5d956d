/* Who comes from which address: how many connections, and how often a token of theirs was refused.
 * An entry lives while it has connections or failures worth remembering; when the table is full the
 * one that has been without connections for longest is forgotten.
 *
 * Time is an argument (monotonic). A visitor stays valid from visitors_enter() to its
 * visitor_leave(); several connections of one address share it. Threads: one owner. */
#ifndef SIGBRIDGE_POLICY_VISITORS_H
#define SIGBRIDGE_POLICY_VISITORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* IPv4 as mapped IPv6 (RFC 4291 section 2.5.5.2). Of other IPv6 addresses the first 64 bits count,
 * the rest is zero: one subscriber has all of them (RFC 6177). */
struct address_key {
    uint8_t bytes[16];
};

struct visitors_options {
    size_t sessions_max;    /* connections of one address at the same time */
    unsigned free_failures; /* so many refused tokens cost no wait */
    size_t addresses_max;   /* entries */
};

struct visitors;
struct visitor;

struct visitors *visitors_create(const struct visitors_options *o); /* NULL: no memory */
void visitors_destroy(struct visitors *v); /* NULL is fine; every visitor has left */
/* Other bounds from now on; who is in stays in. */
void visitors_change(struct visitors *v, size_t sessions_max, unsigned free_failures);
size_t visitors_count(const struct visitors *v);

/* One more connection. NULL: too many of this address, the table is full of addresses with
 * connections, or no memory. */
struct visitor *visitors_enter(struct visitors *v, const struct address_key *key, int64_t now_us);
void visitor_leave(struct visitor *visitor, int64_t now_us);

/* A session of a connection that broke may wait for its return: it counts on its own, up to
 * sessions_max, and keeps the visitor valid. False: too many wait already. */
bool visitor_go_away(struct visitor *visitor);
void visitor_return(struct visitor *visitor, int64_t now_us); /* or it is not waited for any more */

/* May this address try a token? False, with *retry_ms >= 1: it has to wait. */
bool visitor_may_try(struct visitor *visitor, int64_t now_us, int64_t *retry_ms);
/* The wait is 1 s after the first failure that is not free, and doubles with each more, to 60 s.
 * Ten minutes after the last one, or with a token that counts, they are forgotten. */
void visitor_failed(struct visitor *visitor, int64_t now_us);
void visitor_passed(struct visitor *visitor);

enum { VISITOR_TEXT_MAX = 52 }; /* INET6_ADDRSTRLEN, "/64" and some room */

/* For logs: "192.0.2.7", "2001:db8::/64"; "-" for NULL. Both return out. */
const char *address_format(const struct address_key *key, char out[VISITOR_TEXT_MAX]);
const char *visitor_format(const struct visitor *visitor, char out[VISITOR_TEXT_MAX]);

#endif
