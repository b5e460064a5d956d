#include "test_token_util.h"

#include "test.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include <stdio.h>
#include <string.h>

struct text test_text(const char *str)
{
    return text_of_str(str);
}

static void take(BIO *bio, char *out, size_t size)
{
    int n = BIO_read(bio, out, (int)size - 1);
    assert_true(n > 0 && (size_t)n < size - 1);
    out[n] = '\0';
    BIO_free(bio);
}

void test_key_make(struct test_key *k, const char *kind, size_t bits, const char *curve)
{
    k->pkey = strcmp(kind, "RSA") == 0  ? EVP_PKEY_Q_keygen(NULL, NULL, kind, bits)
              : strcmp(kind, "EC") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, kind, curve)
                                        : EVP_PKEY_Q_keygen(NULL, NULL, kind);
    assert_non_null(k->pkey);
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(bio, k->pkey, NULL, NULL, 0, NULL, NULL), 1);
    take(bio, k->private_pem, sizeof k->private_pem);
    bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PUBKEY(bio, k->pkey), 1);
    take(bio, k->public_pem, sizeof k->public_pem);
}

void test_key_free(struct test_key *k)
{
    EVP_PKEY_free(k->pkey);
    k->pkey = NULL;
}

const char *test_base64(const void *bytes, size_t len)
{
    static char ring[8][TEST_TOKEN_MAX];
    static unsigned turn;
    char *out = ring[turn++ % 8];
    assert_true(len / 3 * 4 + 5 < TEST_TOKEN_MAX);
    int n = EVP_EncodeBlock((unsigned char *)out, bytes, (int)len);
    for (int i = 0; i < n; i++)
        out[i] = out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i];
    out[strcspn(out, "=")] = '\0';
    return out;
}

static size_t put_signed_text(char *out, const char *header, const char *payload)
{
    int n = snprintf(out, TEST_TOKEN_MAX, "%s.%s", test_base64(header, strlen(header)),
                     test_base64(payload, strlen(payload)));
    assert_true(n > 0 && n < TEST_TOKEN_MAX);
    return (size_t)n;
}

static void put_signature(char *out, size_t at, const unsigned char *signature, size_t len)
{
    int n = snprintf(out + at, TEST_TOKEN_MAX - at, ".%s", test_base64(signature, len));
    assert_true(n > 0 && (size_t)n < TEST_TOKEN_MAX - at);
}

void test_sign_hmac(char *out, const char *header, const char *payload, const char *secret)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;
    size_t len = put_signed_text(out, header, payload);
    HMAC(EVP_sha256(), secret, (int)strlen(secret), (unsigned char *)out, len, mac, &mac_len);
    put_signature(out, len, mac, mac_len);
}

void test_sign(char *out, const char *header, const char *payload, const struct test_key *k,
               bool der)
{
    unsigned char made[1024], raw[64];
    size_t made_len = sizeof made, len = put_signed_text(out, header, payload);
    bool ed = EVP_PKEY_is_a(k->pkey, "ED25519");
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, ed ? NULL : EVP_sha256(), NULL, k->pkey), 1);
    assert_int_equal(EVP_DigestSign(ctx, made, &made_len, (unsigned char *)out, len), 1);
    EVP_MD_CTX_free(ctx);
    if (EVP_PKEY_is_a(k->pkey, "EC") && !der) {
        const unsigned char *p = made;
        ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)made_len);
        assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32), 32);
        assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32), 32);
        ECDSA_SIG_free(sig);
        memcpy(made, raw, sizeof raw);
        made_len = sizeof raw;
    }
    put_signature(out, len, made, made_len);
}
