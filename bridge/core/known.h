/* Whom a client was told of, when its session goes to another bridge: that one's roster may differ,
 * and the client hears the difference, not a guess. Threads: the loop's. */
#ifndef SIGBRIDGE_CORE_KNOWN_H
#define SIGBRIDGE_CORE_KNOWN_H

#include "core/router.h"

struct known;

/* Here: says it to the other bridge, in messages of up to 200 peers. False: it cannot be sent. */
bool known_send(struct router *r, const struct session *s, struct text to, uint64_t ask);
/* There: adds what one such message says to the list. */
void known_learn(struct known **list, struct json_span peers);
/* And then: one frame that makes of what the client knows what is so, if it differs. */
void known_correct(struct router *r, struct session *s, struct known *list);
void known_release(struct known **list);

#endif
