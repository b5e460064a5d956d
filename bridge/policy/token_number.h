/* A NumericDate (RFC 7519 section 2) as it stands in JSON: seconds since 1970, with or without a
 * fraction or an exponent. Threads: pure function. */
#ifndef SIGBRIDGE_POLICY_TOKEN_NUMBER_H
#define SIGBRIDGE_POLICY_TOKEN_NUMBER_H

#include "proto/json.h"

#include <stdbool.h>
#include <stdint.h>

/* The moment in milliseconds, what is finer cut off. Decimal throughout: a double would shift it.
 * False: not a number, or not between the years -5138 and 9999 (whoever writes 1e999 has made a
 * mistake that should not become a token for ever). */
bool token_date_ms(struct json_span v, int64_t *out);

#endif
