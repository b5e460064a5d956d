/* `joined` and `resumed`: what a client must know of its membership (protocol, section 3). */
#ifndef SIGBRIDGE_CORE_WELCOME_H
#define SIGBRIDGE_CORE_WELCOME_H

#include "core/router.h"

void welcome_joined(struct router *r, struct session *s);
/* Then the kept frames, so call it when all that is to be numbered before has been. */
void welcome_resumed(struct router *r, struct session *s);

#endif
