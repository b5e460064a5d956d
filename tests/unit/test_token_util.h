/* Keys made for the test at hand, and tokens put together by hand: any header, any payload, signed
 * by OpenSSL directly and not by the code that is tested. */
#ifndef TEST_TOKEN_UTIL_H
#define TEST_TOKEN_UTIL_H

#include "policy/token.h"

#include <openssl/evp.h>

#define TEST_SECRET   "0123456789abcdef0123456789abcdef"
#define TEST_SECRET_2 "another secret, as long as it must be"

enum { TEST_TOKEN_MAX = 16384 };

struct test_key {
    EVP_PKEY *pkey;
    char private_pem[8192], public_pem[2048];
};

/* kind: "RSA" with its bits, "EC" with a curve's name, "ED25519". */
void test_key_make(struct test_key *k, const char *kind, size_t bits, const char *curve);
void test_key_free(struct test_key *k);

/* The base64url of the bytes; the result lives until eight more calls. */
const char *test_base64(const void *bytes, size_t len);

/* header.payload, and the signature behind it. out: TEST_TOKEN_MAX bytes. `der`: an EC signature is
 * left in DER. */
void test_sign_hmac(char *out, const char *header, const char *payload, const char *secret);
void test_sign(char *out, const char *header, const char *payload, const struct test_key *k,
               bool der);

struct text test_text(const char *str);

#endif
