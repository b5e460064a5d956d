/* Keys: made, checked, released. */
#include "policy/token_key.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <string.h>

static enum status no_memory(struct problem *why)
{
    return problem_set(why, STATUS_NO_MEMORY, 0, NULL, "out of memory");
}

static enum status refuse(struct problem *why, const char *sentence)
{
    return problem_set(why, STATUS_BAD_CONFIG, 0, "token-key", "%s", sentence);
}

void token_key_release(struct token_key *k)
{
    EVP_PKEY_free(k->pkey);
    EVP_MAC_CTX_free(k->mac); /* wipes what it holds */
    *k = (struct token_key){0};
}

static bool holds(struct text t, const char *what)
{
    return text_len(&t) > 0 && memmem(t.p, text_len(&t), what, strlen(what)) != NULL;
}

/* ---- HS256 ---- */

/* A public key in DER is as well known to everybody as one in PEM. */
static bool is_der_key(struct text t)
{
    const unsigned char *p = (const unsigned char *)t.p;
    if (text_end(&t) || *p != 0x30)
        return false;
    ERR_set_mark();
    EVP_PKEY *pkey = d2i_PUBKEY(NULL, &p, (long)text_len(&t));
    ERR_pop_to_mark();
    EVP_PKEY_free(pkey);
    return pkey != NULL;
}

struct text token_key_without_line_end(struct text t)
{
    struct text cut = t;
    if (!text_end(&cut) && cut.end[-1] == '\n')
        cut.end--;
    if (cut.end != t.end && !text_end(&cut) && cut.end[-1] == '\r')
        cut.end--;
    for (const char *p = cut.p; p < cut.end; p++)
        if (!text_is_printable(*p))
            return t;
    return cut;
}

enum status token_key_set_secret(struct token_key *k, struct text secret, struct problem *why)
{
    static char digest[] = "SHA256";
    if (holds(secret, "-----BEGIN ") || is_der_key(secret))
        return refuse(why, "an HS256 key must be a secret, but this is a PEM or DER file: name its "
                           "own algorithm (RS256, ES256, EdDSA), or make a secret");
    if (text_len(&secret) < TOKEN_SECRET_MIN)
        return problem_set(why, STATUS_BAD_CONFIG, 0, "token-key",
                           "an HS256 secret must have at least %d bytes (RFC 7518), this one has "
                           "%zu: make one with `sigbridge token --new-key FILE`",
                           TOKEN_SECRET_MIN, text_len(&secret));
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    ERR_set_mark();
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    k->mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    bool done = k->mac && EVP_MAC_init(k->mac, (const unsigned char *)secret.p, text_len(&secret),
                                       params) == 1;
    EVP_MAC_free(hmac);
    ERR_pop_to_mark();
    return done ? STATUS_OK : no_memory(why);
}

/* ---- the others ---- */

static enum status check_rsa(EVP_PKEY *pkey, struct problem *why)
{
    BIGNUM *e = NULL;
    int bits = EVP_PKEY_get_bits(pkey);
    if (bits < TOKEN_RSA_MIN_BITS || bits > TOKEN_RSA_MAX_BITS)
        return problem_set(why, STATUS_BAD_CONFIG, 0, "token-key",
                           "an RSA key must have %d to %d bits, this one has %d",
                           TOKEN_RSA_MIN_BITS, TOKEN_RSA_MAX_BITS, bits);
    /* With the exponent 1 everybody can sign; a long one only costs time. */
    bool fits = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) == 1 && BN_is_odd(e) &&
                !BN_is_one(e) && BN_num_bits(e) <= 64;
    BN_free(e);
    return fits ? STATUS_OK
                : refuse(why, "the RSA key's public exponent must be odd and from 3 to 2^64");
}

static enum status check_ec(EVP_PKEY *pkey, struct problem *why)
{
    char group[32] = "";
    size_t len;
    if (EVP_PKEY_get_group_name(pkey, group, sizeof group, &len) != 1 ||
        strcmp(group, "prime256v1") != 0)
        return refuse(why, "an ES256 key must be on the curve P-256 (prime256v1)");
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
    if (!ctx)
        return no_memory(why);
    bool fits = EVP_PKEY_public_check(ctx) == 1;
    EVP_PKEY_CTX_free(ctx);
    return fits ? STATUS_OK : refuse(why, "the EC key is not a point on its curve");
}

static enum status check_pkey(const struct token_key *k, EVP_PKEY *pkey, struct problem *why)
{
    static const char *const kinds[TOKEN_ALGS] = {
        [TOKEN_RS256] = "RSA", [TOKEN_ES256] = "EC", [TOKEN_EDDSA] = "ED25519"};
    static const char *const articles[TOKEN_ALGS] = {
        [TOKEN_RS256] = "an RSA", [TOKEN_ES256] = "an EC (P-256)", [TOKEN_EDDSA] = "an Ed25519"};
    if (!EVP_PKEY_is_a(pkey, kinds[k->alg]))
        return problem_set(why, STATUS_BAD_CONFIG, 0, "token-key",
                           "%s needs %s key, and this is one of another kind",
                           token_alg_name(k->alg), articles[k->alg]);
    return k->alg == TOKEN_RS256   ? check_rsa(pkey, why)
           : k->alg == TOKEN_ES256 ? check_ec(pkey, why)
                                   : STATUS_OK;
}

enum status token_key_set_pkey(struct token_key *k, EVP_PKEY *pkey, struct problem *why)
{
    ERR_set_mark();
    enum status s = check_pkey(k, pkey, why);
    ERR_pop_to_mark();
    if (s == STATUS_OK)
        k->pkey = pkey;
    else
        EVP_PKEY_free(pkey);
    return s;
}

/* Without this OpenSSL would ask for a passphrase on the terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf, (void)size, (void)rwflag, (void)arg;
    return -1;
}

/* The same key without its private half. */
static EVP_PKEY *public_half(EVP_PKEY *pkey)
{
    unsigned char *der = NULL;
    int len = pkey ? i2d_PUBKEY(pkey, &der) : -1;
    const unsigned char *p = der;
    EVP_PKEY *half = len > 0 ? d2i_PUBKEY(NULL, &p, len) : NULL;
    OPENSSL_free(der);
    EVP_PKEY_free(pkey);
    return half;
}

static EVP_PKEY *read_pem(BIO *bio, struct text pem, enum token_half half)
{
    EVP_PKEY *pkey = NULL;
    if (holds(pem, "PRIVATE KEY-----")) {
        pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
        return half == TOKEN_PRIVATE ? pkey : public_half(pkey);
    }
    if (half == TOKEN_PRIVATE)
        return NULL;
    if (!holds(pem, "CERTIFICATE-----"))
        return PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
    X509 *cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
    pkey = cert ? X509_get_pubkey(cert) : NULL;
    X509_free(cert);
    return pkey;
}

enum status token_key_set_pem(struct token_key *k, struct text pem, enum token_half half,
                              struct problem *why)
{
    if (half == TOKEN_PRIVATE && !holds(pem, "PRIVATE KEY-----"))
        return refuse(why, "signing needs the private key, and there is none in this file");
    if (holds(pem, "ENCRYPTED"))
        return refuse(why, "the key is encrypted, and nobody is there to ask for its passphrase: "
                           "write it without one, readable for its owner only");
    ERR_set_mark();
    BIO *bio = BIO_new_mem_buf(pem.p, (int)text_len(&pem));
    EVP_PKEY *pkey = bio ? read_pem(bio, pem, half) : NULL;
    BIO_free(bio);
    ERR_pop_to_mark();
    if (!bio)
        return no_memory(why);
    if (!pkey)
        return refuse(why, half == TOKEN_PRIVATE
                               ? "there is no readable PEM private key in it"
                               : "there is no readable PEM public key, certificate or private key "
                                 "in it");
    return token_key_set_pkey(k, pkey, why);
}
