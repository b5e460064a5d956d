/* Time-limited TURN credentials, as coturn's use-auth-secret and others know them
 * (draft-uberti-behave-turn-rest-00 section 2.2): the bridge and the TURN server share a secret,
 * nobody keeps a list of users. Threads: pure, no clock, no allocation. */
#ifndef SIGBRIDGE_POLICY_TURN_H
#define SIGBRIDGE_POLICY_TURN_H

#include "base/buf.h"
#include "base/text.h"

#include <stdint.h>

/* base64 of 20 bytes. The user name has at most 20 digits, a colon and `name`. */
enum { TURN_PASSWORD_BYTES = 28 };

/* *username gets "EXPIRY:NAME", *password the base64 of its HMAC-SHA1 under `secret` (any bytes).
 * expires_s: seconds since the Unix epoch. Both bufs are added to; ask buf_ok() of both. */
void turn_credential(struct text secret, struct text name, int64_t expires_s, struct buf *username,
                     struct buf *password);

#endif
