/* The configured ICE policies, as policy/ice_filter wants them. */
#ifndef SIGBRIDGE_APP_ICE_RULES_H
#define SIGBRIDGE_APP_ICE_RULES_H

#include "config/config.h"
#include "policy/ice_filter.h"

/* STATUS_OK and the policies, or NULL where none are configured; the caller destroys them. */
enum status ice_rules_load(const struct config *c, struct ice_policies **out, struct problem *why);

#endif
