/* From the broker to our sessions: the inboxes of local peers, broadcasts, and what devices ask
 * `_bridge`. What a device sent wrongly is answered to its inbox. */
#ifndef SIGBRIDGE_CORE_INBOUND_H
#define SIGBRIDGE_CORE_INBOUND_H

#include "core/router.h"

extern const struct rate_limit inbound_error_replies; /* errors to devices, all together */

void inbound_inbox(struct router *r, const struct topic *t, struct text payload);
/* The same for one session of ours that is a member, and for nobody else. */
void inbound_one(struct router *r, struct session *s, const struct topic *t, struct text payload);
void inbound_all(struct router *r, const struct topic *t, struct text payload);

/* Answers a peer on MQTT from `_bridge`, at a bounded rate. */
void inbound_refuse(struct router *r, struct text room, struct text to, const struct problem *p,
                    struct text id);

#endif
