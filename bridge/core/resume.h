/* `resume`: a session whose socket dropped is taken up again (protocol, section 7). Here, when this
 * bridge holds it; else takeover.h asks the one that does. */
#ifndef SIGBRIDGE_CORE_RESUME_H
#define SIGBRIDGE_CORE_RESUME_H

#include "core/router.h"

/* The membership may be another session's afterwards: s may be gone. */
void resume_message(struct router *r, struct session *s, const struct envelope *e);
/* The socket and what came with it go from one session to the other, which loses the one it has;
 * `from` is gone afterwards. */
void resume_move_socket(struct router *r, struct session *from, struct session *to);
/* Says that nobody can tell yet, and closes the socket: its client tries again. */
void resume_later(struct router *r, struct session *s, struct text id);
/* Says that it is over, to a socket that asked. */
void resume_expired(struct router *r, struct session *s, struct text id);

#endif
