/* The token of an Authorization header (RFC 6750 section 2.1). Threads: pure. */
#ifndef SIGBRIDGE_POLICY_BEARER_H
#define SIGBRIDGE_POLICY_BEARER_H

#include "base/text.h"

/* "Bearer TOKEN", the word in any case (RFC 9110 section 11.1). Empty: another scheme, or none. */
struct text bearer_token(struct text authorization);

#endif
