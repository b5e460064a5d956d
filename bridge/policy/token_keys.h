/* The inside of a set of keys, for token.c and token_sign.c. Threads: as in token.h. */
#ifndef SIGBRIDGE_POLICY_TOKEN_KEYS_H
#define SIGBRIDGE_POLICY_TOKEN_KEYS_H

#include "policy/token_key.h"

struct token_keys {
    size_t count;
    struct token_key items[TOKEN_KEYS_MAX];
};

/* A key file's keys, whatever its form; the caller releases *count of them, also after a failure.
 */
enum status token_keys_read(enum token_alg alg, struct text kid, struct text bytes,
                            enum token_half half, struct token_key *out, size_t max, size_t *count,
                            struct problem *why);

#endif
