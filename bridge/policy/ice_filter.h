/* Which candidates may pass through a room (protocol section 4), trickled or inside an SDP, judged
 * by the same rule: their type, their transport, and the address they show. Addresses that a policy
 * keeps back are kept back wherever else they would stand: as related address of a reflexive or
 * relayed candidate, as default destination (c=, m=, a=rtcp) and as origin (o=).
 *
 * A candidate of a type or transport that we do not know passes no policy, nor does an unspecified
 * or multicast address. Reserved addresses pass only as a listed network.
 *
 * Threads: policies are constant once created; the rest are pure functions. */
#ifndef SIGBRIDGE_POLICY_ICE_FILTER_H
#define SIGBRIDGE_POLICY_ICE_FILTER_H

#include "base/buf.h"
#include "base/problem.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ICE_POLICIES_MAX 64 /* rows */
#define ICE_NETWORKS_MAX 64 /* in one row */

/* One row as it stands in the configuration. An empty list lets all pass; `addresses` and
 * `networks` are one list: when both are empty, all addresses pass, else only those that one of the
 * two names. */
struct ice_policy_source {
    const char *rooms;        /* a room name, or a prefix and "*" */
    const char *const *types; /* host, srflx, prflx, relay */
    size_t type_count;
    const char *const *transports; /* udp, tcp */
    size_t transport_count;
    const char *const *addresses; /* public, private, loopback, link-local, mdns, name */
    size_t address_count;
    const char *const *networks; /* "192.0.2.0/24", "2001:db8::/32" or one address */
    size_t network_count;
    bool relay_only; /* short for types = ["relay"] */
    bool sealed;     /* sealed messages pass, although nobody can look into them */
};

struct ice_policies;
struct ice_policy;

/* *out is NULL when there are no rows. STATUS_OK; STATUS_BAD_CONFIG with the row (from 1) in the
 * sentence; STATUS_NO_MEMORY. The rows' strings are copied. */
enum status ice_policies_create(struct ice_policies **out, const struct ice_policy_source *rows,
                                size_t count, struct problem *why);
void ice_policies_destroy(struct ice_policies *p); /* NULL is fine */

/* The first row whose `rooms` fits; NULL: everything passes. `policies` may be NULL. */
const struct ice_policy *ice_policy_for(const struct ice_policies *policies, struct text room);
bool ice_policy_sealed(const struct ice_policy *policy);

/* Why a candidate did not pass, the first reason of them. */
enum ice_reason { ICE_TYPE, ICE_TRANSPORT, ICE_ADDRESS, ICE_REASONS };
const char *ice_reason_name(enum ice_reason reason); /* "type": a metric's label */

struct ice_count {
    uint64_t dropped[ICE_REASONS]; /* candidates */
    uint64_t hidden; /* related addresses, default destinations and origins written anew */
};

/* value: the `candidate` of an RTCIceCandidateInit, which candidate_parse() took. True: it passes,
 * and *out has it, with the related address as 0.0.0.0 or :: and port 9 (RFC 8839 section 5.1) when
 * that may not be shown. False: it does not, *out is as it was. Adds to *count. */
bool ice_filter_candidate(const struct ice_policy *policy, struct text value, struct buf *out,
                          struct ice_count *count);

/* sdp: a description that sdp_check() took. *out gets the same without the candidates that do not
 * pass. Sections, the order of the lines and their ends stay. What names an address that may not be
 * shown becomes 0.0.0.0 or :: with port 9 (RFC 8839 section 4.2.5, so that nobody takes it for a
 * mismatch), a refused section's port stays 0. sdp_check() takes the result again, unless it had
 * SDP_MAX_BYTES already and a placeholder is longer than what it replaces.
 * True when *out differs from sdp. Adds to *count; ask buf_ok(out). */
bool ice_filter_sdp(const struct ice_policy *policy, struct text sdp, struct buf *out,
                    struct ice_count *count);

#endif
