/* Policies of all kinds, and what must hold for each of them over any description. */
#ifndef SIGBRIDGE_FAKE_ICE_RULES_H
#define SIGBRIDGE_FAKE_ICE_RULES_H

#include "policy/ice_filter.h"
#include "proto/sdp.h"

/* Rooms p0, p1, … have one of these each; p0 is relay-only. NULL when memory runs out. */
struct ice_policies *ice_rules_policies(void);
enum { ICE_RULES_POLICIES = 8 };
const struct ice_policy *ice_rules_policy(const struct ice_policies *all, unsigned number);

/* sdp: accepted by sdp_check(kind). NULL when the filtered text is sound, holds no candidate that
 * the policy drops, and filtered again stays as it is; else what is wrong. */
const char *ice_rules_broken(const struct ice_policy *policy, enum sdp_kind kind, struct text sdp);

#endif
