/* base64url without padding (RFC 4648 section 5, RFC 7515 appendix C). Threads: pure functions. */
#ifndef SIGBRIDGE_POLICY_TOKEN_BASE64_H
#define SIGBRIDGE_POLICY_TOKEN_BASE64_H

#include "base/buf.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

/* Strict: no padding, no white space, and the unused bits of the last character are zero, so that
 * each value has one form only. False also when it does not fit into cap bytes. */
bool token_base64_decode(struct text in, void *out, size_t cap, size_t *len);

void token_base64_put(struct buf *out, const void *bytes, size_t len);

#endif
