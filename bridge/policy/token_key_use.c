/* Keys: verifying and signing. */
#include "policy/token_key.h"

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <string.h>

enum { HS256_BYTES = 32, DER_MAX = 2 + 2 * (2 + 1 + TOKEN_ES256_HALF) };

/* An ASN.1 INTEGER out of 32 bytes, big end first: the shortest form. False: it is zero. */
static bool put_integer(unsigned char **to, const unsigned char *bytes)
{
    size_t len = TOKEN_ES256_HALF;
    while (len > 0 && *bytes == 0) {
        bytes++;
        len--;
    }
    if (len == 0)
        return false;
    bool negative = *bytes >= 0x80;
    *(*to)++ = 0x02;
    *(*to)++ = (unsigned char)(len + negative);
    if (negative)
        *(*to)++ = 0;
    memcpy(*to, bytes, len);
    *to += len;
    return true;
}

/* JOSE has r and s side by side (RFC 7518 section 3.4), OpenSSL wants the DER of RFC 3279. The
 * length of the result; 0: r or s is zero, which no signature has. */
static size_t es256_to_der(const unsigned char raw[2 * TOKEN_ES256_HALF],
                           unsigned char der[DER_MAX])
{
    unsigned char *to = der + 2;
    if (!put_integer(&to, raw) || !put_integer(&to, raw + TOKEN_ES256_HALF))
        return 0;
    der[0] = 0x30;
    der[1] = (unsigned char)(to - der - 2);
    return (size_t)(to - der);
}

static bool es256_from_der(const unsigned char *der, size_t len,
                           unsigned char raw[2 * TOKEN_ES256_HALF])
{
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
    bool done = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, TOKEN_ES256_HALF) > 0 &&
                BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + TOKEN_ES256_HALF, TOKEN_ES256_HALF) > 0;
    ECDSA_SIG_free(sig);
    return done;
}

static enum status hs256(const struct token_key *k, struct text t, unsigned char mac[HS256_BYTES])
{
    size_t len = 0;
    return EVP_MAC_init(k->mac, NULL, 0, NULL) == 1 &&
                   EVP_MAC_update(k->mac, (const unsigned char *)t.p, text_len(&t)) == 1 &&
                   EVP_MAC_final(k->mac, mac, &len, HS256_BYTES) == 1 && len == HS256_BYTES
               ? STATUS_OK
               : STATUS_NO_MEMORY;
}

static enum status hs256_verify(const struct token_key *k, struct text t,
                                const unsigned char *signature, size_t len)
{
    unsigned char mac[HS256_BYTES];
    if (len != sizeof mac)
        return STATUS_UNAUTHORIZED;
    enum status s = hs256(k, t, mac);
    if (s == STATUS_OK && CRYPTO_memcmp(mac, signature, sizeof mac) != 0) /* in constant time */
        s = STATUS_UNAUTHORIZED;
    OPENSSL_cleanse(mac, sizeof mac); /* the signature that a forger was looking for */
    return s;
}

static const EVP_MD *digest_of(enum token_alg alg)
{
    return alg == TOKEN_EDDSA ? NULL : EVP_sha256(); /* Ed25519 hashes by itself */
}

static enum status pkey_verify(const struct token_key *k, struct text t,
                               const unsigned char *signature, size_t len)
{
    unsigned char der[DER_MAX];
    if (k->alg == TOKEN_ES256) {
        len = len == 2 * TOKEN_ES256_HALF ? es256_to_der(signature, der) : 0;
        signature = der;
    }
    if (len == 0)
        return STATUS_UNAUTHORIZED;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx || EVP_DigestVerifyInit(ctx, NULL, digest_of(k->alg), NULL, k->pkey) != 1) {
        EVP_MD_CTX_free(ctx);
        return STATUS_NO_MEMORY;
    }
    int good = EVP_DigestVerify(ctx, signature, len, (const unsigned char *)t.p, text_len(&t));
    EVP_MD_CTX_free(ctx);
    return good == 1 ? STATUS_OK : STATUS_UNAUTHORIZED;
}

enum status token_key_verify(const struct token_key *k, struct text signed_text,
                             const unsigned char *signature, size_t len)
{
    ERR_set_mark();
    enum status s = k->alg == TOKEN_HS256 ? hs256_verify(k, signed_text, signature, len)
                                          : pkey_verify(k, signed_text, signature, len);
    ERR_pop_to_mark();
    return s;
}

static enum status pkey_sign(const struct token_key *k, struct text t, unsigned char *out,
                             size_t *len)
{
    unsigned char made[TOKEN_SIGNATURE_MAX];
    size_t made_len = sizeof made;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    enum status s = STATUS_BAD_CONFIG;
    if (!ctx)
        return STATUS_NO_MEMORY;
    if (EVP_DigestSignInit(ctx, NULL, digest_of(k->alg), NULL, k->pkey) != 1 ||
        EVP_DigestSign(ctx, made, &made_len, (const unsigned char *)t.p, text_len(&t)) != 1)
        goto out;
    if (k->alg == TOKEN_ES256) {
        if (!es256_from_der(made, made_len, out))
            goto out;
        *len = 2 * TOKEN_ES256_HALF;
    } else {
        memcpy(out, made, made_len);
        *len = made_len;
    }
    s = STATUS_OK;
out:
    EVP_MD_CTX_free(ctx);
    return s;
}

enum status token_key_sign(const struct token_key *k, struct text signed_text,
                           unsigned char signature[TOKEN_SIGNATURE_MAX], size_t *len)
{
    ERR_set_mark();
    enum status s;
    if (k->alg == TOKEN_HS256) {
        *len = HS256_BYTES;
        s = hs256(k, signed_text, signature);
    } else {
        s = pkey_sign(k, signed_text, signature, len);
    }
    ERR_pop_to_mark();
    return s;
}
