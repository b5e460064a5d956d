/* JSON Web Keys (RFC 7517; parameters by RFC 7518 section 6 and RFC 8037 section 2): one alone, or
 * the `keys` of a JWK Set.
 *
 * Taken is what fits the algorithm: kty RSA, EC (crv P-256), OKP (crv Ed25519) or oct. Passed over,
 * as RFC 7517 section 5 wants, is every other kty or crv, `use` other than sig, `key_ops` without
 * verify, an `alg` that is another one. A key that would fit but is broken or too weak is an error:
 * better at the start than when the first token comes. `x5c`, `x5u` and the like are not looked at.
 *
 * Threads: pure functions on the caller's memory; nothing is ever fetched. */
#ifndef SIGBRIDGE_POLICY_JWK_H
#define SIGBRIDGE_POLICY_JWK_H

#include "policy/token_key.h"

enum {
    JWK_MEMBERS_MAX = 32, /* of one key, and of a set around its keys */
    JWK_PARAM_MAX = 1024  /* bytes of a parameter: a modulus of 8192 bits, a secret */
};

/* Reads the keys that fit into out, which holds `max` keys; the caller releases *count of them,
 * also after a failure. `kid`: not empty: take only the key of this name, and those without a name,
 * which get it. TOKEN_PRIVATE: only keys that can sign.
 * STATUS_OK with *count >= 1; STATUS_BAD_CONFIG with a sentence; STATUS_NO_MEMORY. */
enum status jwk_read(struct text json, enum token_alg alg, struct text kid, enum token_half half,
                     struct token_key *out, size_t max, size_t *count, struct problem *why);

#endif
