#include "app/ice_rules.h"

enum status ice_rules_load(const struct config *c, struct ice_policies **out, struct problem *why)
{
    struct ice_policy_source rows[ICE_POLICIES_MAX];
    size_t count = c->ice_policies.count;
    *out = NULL;
    if (count > ICE_POLICIES_MAX)
        return problem_set(why, STATUS_BAD_CONFIG, 0, "ice-policy", "ice_policies: more than %d",
                           ICE_POLICIES_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct ice_rule *rule = &c->ice_policies.items[i];
        rows[i] = (struct ice_policy_source){
            .rooms = rule->rooms,
            .types = (const char *const *)rule->types.items,
            .type_count = rule->types.count,
            .transports = (const char *const *)rule->transports.items,
            .transport_count = rule->transports.count,
            .addresses = (const char *const *)rule->addresses.items,
            .address_count = rule->addresses.count,
            .networks = (const char *const *)rule->networks.items,
            .network_count = rule->networks.count,
            .relay_only = rule->relay_only,
            .sealed = rule->sealed,
        };
    }
    return ice_policies_create(out, rows, count, why);
}
