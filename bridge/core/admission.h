/* Who may do what, and for how long: tokens at the opening of a socket, with `join` and with
 * `refresh` (protocol section 9), and the buckets that bound what one session sends. Where no keys
 * are configured everybody may do everything, within the buckets. */
#ifndef SIGBRIDGE_CORE_ADMISSION_H
#define SIGBRIDGE_CORE_ADMISSION_H

#include "core/router.h"

/* The token of the handshake, if there was one. A bad one ends the socket (4401). */
void admission_open(struct router *r, struct session *s, struct text token);

/* May this session join? The token is that of the handshake, else the message's. *peer is the name
 * asked for; when it is empty and the token names one, it becomes that. */
enum status admission_join(struct router *r, struct session *s, const struct envelope *e,
                           struct text *peer, struct problem *why);

/* What a token allows: the session's from now on, which owns it. */
void admission_take(struct router *r, struct session *s, struct access *access);
/* A socket goes to another session: its token, too, if it allows that one's place. */
void admission_move(struct router *r, struct session *from, struct session *to);
/* It comes from another bridge with this right, which counts where the socket's does not. */
void admission_bring(struct router *r, struct session *s, struct access *had);

/* Replaces the token of a member by one that allows at least this room and name. */
enum status admission_refresh(struct router *r, struct session *s, const struct envelope *e,
                              struct problem *why);

/* Does the token of a request without a session have the right `admin`? STATUS_UNAUTHORIZED,
 * STATUS_FORBIDDEN or STATUS_RATE_LIMITED otherwise. visitor may be NULL. */
enum status admission_admin(struct router *r, struct visitor *visitor, struct text token,
                            struct problem *why, struct now now);

/* May it send this type of message? */
enum status admission_sends(const struct session *s, enum msg_type type, struct problem *why);

/* One more message of `len` bytes. STATUS_RATE_LIMITED when it came too fast; who goes on like that
 * is closed (1008). */
enum status admission_rate(struct router *r, struct session *s, size_t len, struct problem *why);

/* Who holds the name may be replaced by this session: its token names it (protocol section 6). */
bool admission_owns(const struct session *s, struct text peer);

/* Seconds until the token expires, at least 0; -1: there is none. */
int64_t admission_seconds_left(const struct router *r, const struct session *s);

void admission_tick(struct router *r); /* ends memberships whose token has expired */

#endif
