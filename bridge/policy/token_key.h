/* One key, parsed once: from a secret, a PEM text or the parameters of a JWK, through the check of
 * its strength, to signing and verifying. Of the token's files only token_key*.c and jwk.c know
 * OpenSSL.
 *
 * What goes wrong inside OpenSSL leaves nothing in its queue of errors: the TLS sockets of the same
 * thread read that.
 *
 * Threads: a key belongs to one thread at a time. */
#ifndef SIGBRIDGE_POLICY_TOKEN_KEY_H
#define SIGBRIDGE_POLICY_TOKEN_KEY_H

#include "policy/token.h"

#include <openssl/types.h>

enum {
    TOKEN_SIGNATURE_MAX = TOKEN_RSA_MAX_BITS / 8,
    TOKEN_ES256_HALF = 32 /* bytes of r and of s (RFC 7518 section 3.4) */
};

enum token_half { TOKEN_PUBLIC, TOKEN_PRIVATE };

struct token_key {
    enum token_alg alg;
    uint8_t kid_len;
    char kid[TOKEN_KID_MAX];
    EVP_PKEY *pkey;   /* all but HS256 */
    EVP_MAC_CTX *mac; /* HS256: the key is in it, and is used again for each token */
};

void token_key_release(struct token_key *k); /* a zeroed or half-made key is fine */

/* These fill pkey or mac of a zeroed key whose alg is set. STATUS_OK; STATUS_BAD_CONFIG with a
 * sentence; STATUS_NO_MEMORY. */
enum status token_key_set_secret(struct token_key *k, struct text secret, struct problem *why);
/* One line end behind a secret that is text is how editors end a file, and no part of it. Random
 * bytes are taken as they are: one in 256 ends with 0x0a. */
struct text token_key_without_line_end(struct text secret);
enum status token_key_set_pem(struct token_key *k, struct text pem, enum token_half half,
                              struct problem *why);
/* Takes over pkey (also when it fails) after the check of its kind and strength. */
enum status token_key_set_pkey(struct token_key *k, EVP_PKEY *pkey, struct problem *why);

/* STATUS_OK, STATUS_UNAUTHORIZED without a word, STATUS_NO_MEMORY. */
enum status token_key_verify(const struct token_key *k, struct text signed_text,
                             const unsigned char *signature, size_t len);
/* Writes at most TOKEN_SIGNATURE_MAX bytes. STATUS_OK, STATUS_BAD_CONFIG: no private half;
 * STATUS_NO_MEMORY. */
enum status token_key_sign(const struct token_key *k, struct text signed_text,
                           unsigned char signature[TOKEN_SIGNATURE_MAX], size_t *len);

#endif
