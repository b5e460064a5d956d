/* What must be right about a configuration before anyone connects: keys or development mode,
 * loopback where everyone is let in, certificates where there is TLS, secrets that are not lying
 * open. Threads: config_load() calls it; looks at files. */
#ifndef SIGBRIDGE_CONFIG_TRUST_H
#define SIGBRIDGE_CONFIG_TRUST_H

#include "config/complaint.h"
#include "config/config.h"

#include <stdbool.h>

/* Each line names where the option was set. */
void trust_check(const struct config *c, struct complaints *wrong);
/* Adds to c->warnings. False: out of memory. */
bool trust_warn(struct config *c);

#endif
