/* JSON Web Tokens (RFC 7519) in the compact form (RFC 7515 section 7.1), by protocol section 9: are
 * they signed with a key that is configured here, are they valid now, and what do they allow?
 *
 * The algorithm belongs to the key and comes from the configuration; a token that names another one
 * is refused before anything is computed (RFC 8725 section 3.1), so there is no `none` and no HS256
 * over the text of a public key. What a token says about keys (jwk, jku, x5c, x5u) is never looked
 * at, `crit` is refused, and duplicate members are refused. All that costs little is checked before
 * the signature, and nothing of the payload is believed before it.
 *
 *     struct token_keys *keys = token_keys_create();
 *     token_keys_add(keys, TOKEN_ES256, text_of_str(""), pem, &why)
 *     ...
 *     token_verify(keys, &rules, token, clock_wall_ms(), &access, &why)
 *
 * Neither a problem's text nor anything else that leaves here holds a part of a token or of a key.
 *
 * Threads: a struct token_keys belongs to one thread at a time. No I/O, no clock. OpenSSL's
 * libcrypto does the arithmetic, in token_key*.c and jwk.c only. */
#ifndef SIGBRIDGE_POLICY_TOKEN_H
#define SIGBRIDGE_POLICY_TOKEN_H

#include "base/buf.h"
#include "base/problem.h"
#include "base/text.h"
#include "policy/access.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum token_alg {
    TOKEN_HS256, /* HMAC with SHA-256 (RFC 7518 section 3.2): a secret of at least 32 bytes */
    TOKEN_RS256, /* RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3): 2048 bits and more */
    TOKEN_ES256, /* ECDSA with P-256 and SHA-256 (RFC 7518 section 3.4) */
    TOKEN_EDDSA, /* Ed25519 (RFC 8037 section 3.1) */
    TOKEN_ALGS
};

bool token_alg_parse(struct text name, enum token_alg *out); /* "HS256"; case counts */
const char *token_alg_name(enum token_alg alg);              /* never NULL */

enum {
    TOKEN_MAX_BYTES = 8192,          /* a whole token */
    TOKEN_KEYS_MAX = 64,             /* keys in one set, those of JWKS files included */
    TOKEN_KID_MAX = 64,              /* bytes of a `kid` */
    TOKEN_KEY_FILE_MAX = 256 * 1024, /* what token_keys_add() takes at once */
    TOKEN_SECRET_MIN = 32,           /* bytes of an HS256 secret */
    TOKEN_RSA_MIN_BITS = 2048,
    TOKEN_RSA_MAX_BITS = 8192, /* above, a verification costs milliseconds */
};

struct token_keys;

struct token_keys *token_keys_create(void);    /* NULL: out of memory */
void token_keys_destroy(struct token_keys *k); /* NULL is fine; wipes the secrets */
size_t token_keys_count(const struct token_keys *k);

/* Adds what a key file holds. `bytes` is
 *   - a JWKS or a single JWK (RFC 7517), when its first byte is '{': the keys in it that fit `alg`
 *     are taken, each under its own `kid`; with a `kid` given here only that one (a key without one
 *     gets it). None fits: an error;
 *   - for HS256 otherwise the raw secret; one line end behind a text is not part of it. A PEM file
 * is refused: verifying with a public key as a secret would let everybody sign;
 *   - for the others a PEM public key, certificate, or private key, of which only the public half
 *     is kept.
 * kid: empty, or 1 to 64 bytes of printable ASCII. The bytes are not kept; wiping them is the
 * caller's. STATUS_OK; STATUS_BAD_CONFIG with a sentence (without a file's name), then nothing was
 * added; STATUS_NO_MEMORY. */
enum status token_keys_add(struct token_keys *k, enum token_alg alg, struct text kid,
                           struct text bytes, struct problem *why);

struct token_rules {
    const char *issuer;   /* the claim `iss` must be this; NULL: not checked */
    const char *audience; /* the claim `aud` must be or hold this; NULL: not checked */
    int64_t leeway_ms;    /* how far our clock may be behind the issuer's: for `nbf` only */
};

/* A token with a `kid` is tried with the keys of that name and with those that have none; a token
 * without one with all keys of its algorithm. `now_ms`: wall clock.
 *
 * STATUS_OK with *out, which the caller destroys; STATUS_UNAUTHORIZED with a sentence;
 * STATUS_NO_MEMORY. *out is NULL unless STATUS_OK. The problem's `rule` is for metrics and logs:
 * one of token-size, token-shape, token-header, token-alg, token-key, token-signature,
 * token-payload, token-expired, token-early, token-issuer, token-audience, token-claim. */
enum status token_verify(const struct token_keys *k, const struct token_rules *rules,
                         struct text token, int64_t now_ms, struct access **out,
                         struct problem *why);

/* Makes a token, for `sigbridge token` and for tests. key_bytes: an HS256 secret under the rules
 * above, a PEM private key, or a single private JWK. claims_json: one JSON object, signed as it
 * came. The token is appended to out. STATUS_OK; STATUS_BAD_CONFIG with a sentence about the key;
 * STATUS_INVALID_JSON about the claims; STATUS_TOO_LARGE: the token would exceed TOKEN_MAX_BYTES;
 * STATUS_NO_MEMORY. */
enum status token_sign(enum token_alg alg, struct text kid, struct text key_bytes,
                       struct text claims_json, struct buf *out, struct problem *why);

#endif
