/* What a policy says of one type, one transport, one address. Private to ice_filter*.c. */
#ifndef SIGBRIDGE_POLICY_ICE_FILTER_RULES_H
#define SIGBRIDGE_POLICY_ICE_FILTER_RULES_H

#include "policy/ice_filter.h"
#include "policy/ice_filter_address.h"
#include "proto/candidate.h"

struct ice_policy {
    char *rooms; /* without the "*" */
    bool prefix; /* it had one */
    bool sealed;
    bool any_address;    /* neither classes nor networks were listed */
    unsigned types;      /* bits by enum candidate_type */
    unsigned transports; /* bits by enum candidate_transport */
    unsigned classes;    /* bits by enum ice_class */
    size_t network_count;
    struct network *networks;
};

/* These ask for an address that stands elsewhere than in a candidate: would the candidate pass that
 * it is, or may be, the address of? */
bool ice_rules_host(const struct ice_policy *p, const struct address *a);
bool ice_rules_any_type(const struct ice_policy *p, const struct address *a);

/* True: it passes. all: the text in which `c` was parsed. */
bool ice_rules_candidate(const struct ice_policy *p, struct text all, const struct candidate *c,
                         enum ice_reason *reason);

/* Adds `all` to *out, with the related address hidden where it must be.
 * False, with nothing added, when the policy drops it. */
bool ice_put_candidate(const struct ice_policy *p, struct text all, const struct candidate *c,
                       struct buf *out, struct ice_count *count);

#endif
