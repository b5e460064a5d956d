/* Finds out devices that vanished together with their broker: their will died with it, and what it
 * retained for them stays (protocol, section 5). A while after the broker began anew, or we did,
 * the bridge that acts for all publishes {"type":"ping"} from `_bridge` to the inbox of each device
 * that has not spoken for itself since. PUBACK 0x10, nobody subscribes to it, ends its presence.
 * Nobody needs to answer; a device that sleeps has a subscription. One with `ttl` is found out by
 * that. Threads: the loop's. */
#ifndef SIGBRIDGE_CORE_PROBE_H
#define SIGBRIDGE_CORE_PROBE_H

#include "core/router.h"

#define PROBE_AFTER_US INT64_C(30000000) /* for devices to come back by themselves */

void probe_restart(struct router *r); /* connected to a broker that knows nothing of us */
void probe_tick(struct router *r);
void probe_published(struct router *r, const struct delivery *d, enum status status, bool found);

#endif
