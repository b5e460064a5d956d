/* Key files: each form, and what is too weak, broken or of another kind; and tokens made here. */
#include "test.h"
#include "test_token_util.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW_MS INT64_C(1900000000000)
#define CLAIMS "{\"exp\":1900000600,\"rooms\":[\"*\"]}"

static struct test_key rsa, rsa_1024, ec, ec_384, ed;
static char certificate[4096], encrypted[4096], rsa_pss[4096], rsa_der[512];
static char jwk_rsa[2048], jwk_ec[512], jwk_ec_384[512], jwk_ed[256], jwk_weak[1024];
static size_t rsa_der_len;

static void take(BIO *bio, char *out, size_t size)
{
    int n = BIO_read(bio, out, (int)size - 1);
    assert_true(n > 0);
    out[n] = '\0';
    BIO_free(bio);
}

static void make_certificate(void)
{
    X509 *cert = X509_new();
    BIO *bio = BIO_new(BIO_s_mem());
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, rsa.pkey);
    assert_true(X509_sign(cert, rsa.pkey, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
    take(bio, certificate, sizeof certificate);
    X509_free(cert);
}

static const char *number(const struct test_key *k, const char *name, int len)
{
    unsigned char bytes[1024];
    BIGNUM *n = NULL;
    assert_int_equal(EVP_PKEY_get_bn_param(k->pkey, name, &n), 1);
    assert_int_equal(BN_bn2binpad(n, bytes, len), len);
    BN_free(n);
    return test_base64(bytes, (size_t)len);
}

static void make_jwks(void)
{
    unsigned char raw[32];
    size_t len = sizeof raw;
    snprintf(jwk_rsa, sizeof jwk_rsa,
             "{\"kty\":\"RSA\",\"kid\":\"r1\",\"n\":\"%s\",\"e\":\"AQAB\",\"d\":\"%s\"}",
             number(&rsa, "n", 256), number(&rsa, "d", 256));
    snprintf(jwk_weak, sizeof jwk_weak, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}",
             number(&rsa_1024, "n", 128));
    snprintf(
        jwk_ec, sizeof jwk_ec,
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"e1\",\"x\":\"%s\",\"y\":\"%s\",\"d\":\"%s\"}",
        number(&ec, "qx", 32), number(&ec, "qy", 32), number(&ec, "priv", 32));
    snprintf(jwk_ec_384, sizeof jwk_ec_384,
             "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"%s\",\"y\":\"%s\"}",
             number(&ec_384, "qx", 48), number(&ec_384, "qy", 48));
    assert_int_equal(EVP_PKEY_get_raw_public_key(ed.pkey, raw, &len), 1);
    const char *x = test_base64(raw, len);
    assert_int_equal(EVP_PKEY_get_raw_private_key(ed.pkey, raw, &len), 1);
    snprintf(jwk_ed, sizeof jwk_ed,
             "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"d1\",\"x\":\"%s\",\"d\":\"%s\"}", x,
             test_base64(raw, len));
}

static int set_up(void **state)
{
    (void)state;
    struct test_key pss;
    test_key_make(&rsa, "RSA", 2048, NULL);
    test_key_make(&rsa_1024, "RSA", 1024, NULL);
    test_key_make(&ec, "EC", 0, "P-256");
    test_key_make(&ec_384, "EC", 0, "P-384");
    test_key_make(&ed, "ED25519", 0, NULL);
    make_certificate();
    BIO *bio = BIO_new(BIO_s_mem());
    static unsigned char passphrase[] = "secret";
    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, rsa.pkey, EVP_aes_128_cbc(),
                                                   (char *)passphrase, 6, NULL, NULL),
                     1);
    take(bio, encrypted, sizeof encrypted);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
    pss.pkey = NULL;
    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    assert_int_equal(EVP_PKEY_keygen(ctx, &pss.pkey), 1);
    EVP_PKEY_CTX_free(ctx);
    bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PUBKEY(bio, pss.pkey), 1);
    take(bio, rsa_pss, sizeof rsa_pss);
    test_key_free(&pss);
    unsigned char *der = (unsigned char *)rsa_der;
    rsa_der_len = (size_t)i2d_PUBKEY(rsa.pkey, &der);
    make_jwks();
    ERR_clear_error();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_key_free(&rsa);
    test_key_free(&rsa_1024);
    test_key_free(&ec);
    test_key_free(&ec_384);
    test_key_free(&ed);
    return 0;
}

/* How many keys come of the bytes; for 0 the sentence must hold `says`. */
static void expect(const char *name, enum token_alg alg, const char *kid, struct text bytes,
                   size_t count, const char *says)
{
    struct problem why = {0};
    struct token_keys *k = token_keys_create();
    enum status s = token_keys_add(k, alg, test_text(kid), bytes, &why);
    if (s != (count ? STATUS_OK : STATUS_BAD_CONFIG) || (says && !strstr(why.text, says)))
        fail_msg("row \"%s\": %s: %s", name, status_name(s), why.text);
    ROW(name, token_keys_count(k) == count);
    ROW(name, ERR_peek_error() == 0); /* a TLS socket of this thread would stumble over it */
    token_keys_destroy(k);
}

static void files(void **state)
{
    (void)state;
    const struct {
        const char *name;
        enum token_alg alg;
        const char *kid, *bytes;
        size_t count;
        const char *says;
    } rows[] = {
        {"a secret of 32 bytes", TOKEN_HS256, "", TEST_SECRET, 1, NULL},
        {"with a line end", TOKEN_HS256, "", TEST_SECRET "\n", 1, NULL},
        {"31 bytes", TOKEN_HS256, "", "0123456789abcdef0123456789abcde", 0, "at least 32 bytes"},
        {"31 bytes and a line end", TOKEN_HS256, "", "0123456789abcdef0123456789abcde\n", 0,
         "this one has 31"},
        {"31 bytes and CR LF", TOKEN_HS256, "", "0123456789abcdef0123456789abcde\r\n", 0,
         "this one has 31"},
        {"30 bytes and two line ends are 32 bytes of no text", TOKEN_HS256, "",
         "0123456789abcdef0123456789abcd\n\n", 1, NULL},
        {"random bytes with a line end among them", TOKEN_HS256, "",
         "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x20\x21\x22"
         "\x23\x24\x25\x26\x27\x28\x29\x30\x31\n",
         1, NULL},
        {"an empty file", TOKEN_HS256, "", "", 0, "empty"},
        {"a public key as a secret", TOKEN_HS256, "", rsa.public_pem, 0, "must be a secret"},
        {"a private key as a secret", TOKEN_HS256, "", ec.private_pem, 0, "must be a secret"},
        {"a certificate as a secret", TOKEN_HS256, "", certificate, 0, "must be a secret"},
        {"RSA", TOKEN_RS256, "", rsa.public_pem, 1, NULL},
        {"RSA, private", TOKEN_RS256, "", rsa.private_pem, 1, NULL},
        {"RSA, certificate", TOKEN_RS256, "", certificate, 1, NULL},
        {"RSA, encrypted", TOKEN_RS256, "", encrypted, 0, "encrypted"},
        {"RSA of 1024 bits", TOKEN_RS256, "", rsa_1024.public_pem, 0, "this one has 1024"},
        {"RSA of 1024 bits, private", TOKEN_RS256, "", rsa_1024.private_pem, 0, "has 1024"},
        {"RSA for PSS only", TOKEN_RS256, "", rsa_pss, 0, "another kind"},
        {"EC for RS256", TOKEN_RS256, "", ec.public_pem, 0, "RS256 needs an RSA key"},
        {"EC", TOKEN_ES256, "", ec.public_pem, 1, NULL},
        {"EC, private", TOKEN_ES256, "", ec.private_pem, 1, NULL},
        {"EC on P-384", TOKEN_ES256, "", ec_384.public_pem, 0, "P-256"},
        {"RSA for ES256", TOKEN_ES256, "", rsa.public_pem, 0, "ES256 needs an EC (P-256) key"},
        {"Ed25519", TOKEN_EDDSA, "", ed.public_pem, 1, NULL},
        {"Ed25519, private", TOKEN_EDDSA, "", ed.private_pem, 1, NULL},
        {"EC for EdDSA", TOKEN_EDDSA, "", ec.public_pem, 0, "EdDSA needs an Ed25519 key"},
        {"no PEM", TOKEN_RS256, "", TEST_SECRET, 0, "no readable PEM"},
        {"PEM with nothing in it", TOKEN_RS256, "",
         "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", 0, "no readable PEM"},
        {"PEM with rubbish in it", TOKEN_ES256, "",
         "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", 0, "no readable PEM"},
        {"a kid", TOKEN_HS256, "2026-11", TEST_SECRET, 1, NULL},
        {"a kid that cannot be one", TOKEN_HS256, "a\nb", TEST_SECRET, 0, "a kid must be"},
        {"a kid of 65 bytes", TOKEN_HS256,
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", TEST_SECRET, 0,
         "a kid must be"},
        {"JWK, RSA", TOKEN_RS256, "", jwk_rsa, 1, NULL},
        {"JWK, EC", TOKEN_ES256, "", jwk_ec, 1, NULL},
        {"JWK, Ed25519", TOKEN_EDDSA, "", jwk_ed, 1, NULL},
        {"JWK of another kty", TOKEN_ES256, "", jwk_rsa, 0, "no JWK in it fits ES256"},
        {"JWK of another crv", TOKEN_ES256, "", jwk_ec_384, 0, "kty EC with crv P-256"},
        {"JWK with the kid asked for", TOKEN_RS256, "r1", jwk_rsa, 1, NULL},
        {"JWK with another kid", TOKEN_RS256, "r2", jwk_rsa, 0, "kid that is given"},
        {"JWK, weak", TOKEN_RS256, "", jwk_weak, 0, "the JWK: an RSA key must have 2048"},
        {"JWK, secret too short", TOKEN_HS256, "", "{\"kty\":\"oct\",\"k\":\"AAAA\"}", 0,
         "this one has 3"},
        {"not JSON", TOKEN_RS256, "", "{\"keys\":[}", 0, "not valid JSON"},
        {"duplicate members", TOKEN_RS256, "", "{\"kty\":\"RSA\",\"kty\":\"RSA\"}", 0,
         "not valid JSON: duplicate key"},
        {"no kty", TOKEN_RS256, "", "{\"n\":\"AQAB\"}", 0, "no JWK"},
        {"keys that are none", TOKEN_RS256, "", "{\"keys\":{}}", 0, "must be an array"},
        {"a key that is none", TOKEN_RS256, "", "{\"keys\":[1]}", 0, "key 1 of the JWK Set"},
        {"an empty set", TOKEN_RS256, "", "{\"keys\":[]}", 0, "no JWK"},
    };
    for (size_t i = 0; i < ROWS(rows); i++)
        expect(rows[i].name, rows[i].alg, rows[i].kid, test_text(rows[i].bytes), rows[i].count,
               rows[i].says);
    expect("DER as a secret", TOKEN_HS256, "", text_of(rsa_der, rsa_der_len), 0,
           "must be a secret");
}

/* One member of a good key, replaced or added. */
static void broken_jwks(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum token_alg alg;
        const char *jwk, *says;
    } rows[] = {
        {"x padded", TOKEN_EDDSA,
         "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="
         "="
         "\"}",
         "\"x\" must be 32 bytes"},
        {"x of 31 bytes", TOKEN_EDDSA,
         "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_"
         "7TyWQHOg7hcvPapiMlrwaaPJHURg\"}",
         "\"x\" must be 32 bytes"},
        {"no x", TOKEN_EDDSA, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}", "\"x\" must be 32 bytes"},
        {"x as a number", TOKEN_EDDSA, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":1}",
         "\"x\" must be 32 bytes"},
        {"no point of the curve", TOKEN_ES256,
         "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
         "\"y\":"
         "\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a1\"}",
         "\"y\" must be 32 bytes"}, /* not canonical either */
        {"no point of the curve, canonical", TOKEN_ES256,
         "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
         "\"y\":"
         "\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a4\"}",
         "no key of its kind"},
        {"both coordinates zero", TOKEN_ES256,
         "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
         "\"y\":"
         "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
         "no key of its kind"},
        {"no exponent", TOKEN_RS256, "{\"kty\":\"RSA\",\"n\":\"AQAB\"}", "\"e\" must be"},
        {"no modulus", TOKEN_RS256, "{\"kty\":\"RSA\",\"e\":\"AQAB\"}", "\"n\" must be"},
        {"kid as a number", TOKEN_HS256,
         "{\"kty\":\"oct\",\"kid\":1,\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}",
         "its kid must be"},
        {"no secret", TOKEN_HS256, "{\"kty\":\"oct\"}", "\"k\" must be"},
    };
    for (size_t i = 0; i < ROWS(rows); i++)
        expect(rows[i].name, rows[i].alg, "", test_text(rows[i].jwk), 0, rows[i].says);
    /* The exponent 1: the message is its own signature. Even: no key at all. */
    static const struct {
        const char *name, *e;
    } exponents[] = {
        {"exponent 1", "AQ"}, {"exponent 2", "Ag"}, {"exponent 2^64+1", "AQAAAAAAAAAB"}};
    for (size_t i = 0; i < ROWS(exponents); i++) {
        char jwk[2048];
        snprintf(jwk, sizeof jwk, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}",
                 number(&rsa, "n", 256), exponents[i].e);
        expect(exponents[i].name, TOKEN_RS256, "", test_text(jwk), 0, "public exponent");
    }
}

#define OCT(more) "{\"kty\":\"oct\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"" more "}"

static void what_a_set_gives(void **state)
{
    (void)state;
    static const struct {
        const char *name, *keys;
        size_t count;
    } rows[] = {
        {"a key", OCT(""), 1},
        {"use sig", OCT(",\"use\":\"sig\""), 1},
        {"use enc", OCT(",\"use\":\"enc\""), 0},
        {"use as a number", OCT(",\"use\":1"), 0},
        {"key_ops verify", OCT(",\"key_ops\":[\"sign\",\"verify\"]"), 1},
        {"key_ops sign", OCT(",\"key_ops\":[\"sign\"]"), 0},
        {"key_ops empty", OCT(",\"key_ops\":[]"), 0},
        {"key_ops as a string", OCT(",\"key_ops\":\"verify\""), 0},
        {"alg", OCT(",\"alg\":\"HS256\""), 1},
        {"another alg", OCT(",\"alg\":\"HS512\""), 0},
        {"null alg", OCT(",\"alg\":null"), 0},
        {"an unknown kty", "{\"kty\":\"AKP\",\"pub\":\"AAAA\"}", 0},
        {"kty in capitals", "{\"kty\":\"OCT\",\"k\":\"AAAA\"}", 0},
        {"two keys, one for us", OCT(",\"use\":\"enc\"") "," OCT(",\"kid\":\"a\""), 1},
        {"two keys of one name", OCT(",\"kid\":\"a\"") "," OCT(",\"kid\":\"a\""), 2},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char set[1024];
        snprintf(set, sizeof set, " {\"keys\":[%s],\"x\":1}", rows[i].keys);
        expect(rows[i].name, TOKEN_HS256, "", test_text(set), rows[i].count, NULL);
    }
    char all[8192];
    snprintf(all, sizeof all, "{\"keys\":[%s,%s,%s,%s]}", jwk_rsa, jwk_ec, jwk_ec_384, jwk_ed);
    expect("all kinds, for RS256", TOKEN_RS256, "", test_text(all), 1, NULL);
    expect("all kinds, for ES256", TOKEN_ES256, "", test_text(all), 1, NULL);
    expect("all kinds, for EdDSA", TOKEN_EDDSA, "", test_text(all), 1, NULL);
    expect("all kinds, for HS256", TOKEN_HS256, "", test_text(all), 0, "no JWK");
}

static void put_keys(struct buf *b, int count)
{
    buf_clear(b);
    buf_str(b, "{\"keys\":[");
    for (int i = 0; i < count; i++)
        buf_str(b, i ? "," OCT("") : OCT(""));
    buf_str(b, "]}");
    assert_true(buf_ok(b));
}

static void bounds(void **state)
{
    (void)state;
    struct buf b;
    struct problem why;
    struct token_keys *k = token_keys_create();
    buf_init(&b, 1 << 20);
    put_keys(&b, 64);
    expect("64 keys", TOKEN_HS256, "", text_of(b.data, b.len), 64, NULL);
    put_keys(&b, 65);
    expect("65 keys", TOKEN_HS256, "", text_of(b.data, b.len), 0, "at most 64 keys");
    /* What does not fit altogether is not added in part. */
    put_keys(&b, 40);
    assert_int_equal(token_keys_add(k, TOKEN_HS256, test_text(""), text_of(b.data, b.len), &why),
                     STATUS_OK);
    assert_int_equal(token_keys_add(k, TOKEN_HS256, test_text(""), text_of(b.data, b.len), &why),
                     STATUS_BAD_CONFIG);
    assert_int_equal(token_keys_count(k), 40);
    for (int i = 0; i < 24; i++)
        assert_int_equal(
            token_keys_add(k, TOKEN_HS256, test_text(""), test_text(TEST_SECRET), &why), STATUS_OK);
    assert_int_equal(token_keys_add(k, TOKEN_HS256, test_text(""), test_text(TEST_SECRET), &why),
                     STATUS_BAD_CONFIG);
    token_keys_destroy(k);
    token_keys_destroy(NULL);
    /* The file as a whole. */
    buf_clear(&b);
    for (int i = 0; i < TOKEN_KEY_FILE_MAX; i++)
        buf_char(&b, 'x');
    expect("256 KiB", TOKEN_HS256, "", text_of(b.data, b.len), 1, NULL);
    buf_char(&b, 'x');
    expect("and one byte", TOKEN_HS256, "", text_of(b.data, b.len), 0, "at most 262144 bytes");
    buf_release(&b);
}

/* ---- tokens made here ---- */

static void what_is_signed_is_verified(void **state)
{
    (void)state;
    char jwk_oct[] = OCT(",\"kid\":\"o1\"");
    const struct {
        const char *name;
        enum token_alg alg;
        const char *kid, *signs, *verifies;
    } rows[] = {
        {"HS256", TOKEN_HS256, "", TEST_SECRET, TEST_SECRET},
        {"HS256, one side with a line end", TOKEN_HS256, "", TEST_SECRET "\n", TEST_SECRET},
        {"HS256, kid", TOKEN_HS256, "k 1\"", TEST_SECRET, TEST_SECRET},
        {"HS256, JWK", TOKEN_HS256, "", jwk_oct, TEST_SECRET},
        {"RS256", TOKEN_RS256, "", rsa.private_pem, rsa.public_pem},
        {"RS256, certificate", TOKEN_RS256, "", rsa.private_pem, certificate},
        {"RS256, private for both", TOKEN_RS256, "", rsa.private_pem, rsa.private_pem},
        {"RS256, JWK", TOKEN_RS256, "", jwk_rsa, rsa.public_pem},
        {"RS256, JWK for both", TOKEN_RS256, "r1", jwk_rsa, jwk_rsa},
        {"ES256", TOKEN_ES256, "", ec.private_pem, ec.public_pem},
        {"ES256, JWK", TOKEN_ES256, "", jwk_ec, ec.public_pem},
        {"ES256, JWK verifies", TOKEN_ES256, "", ec.private_pem, jwk_ec},
        {"EdDSA", TOKEN_EDDSA, "", ed.private_pem, ed.public_pem},
        {"EdDSA, JWK", TOKEN_EDDSA, "d1", jwk_ed, jwk_ed},
    };
    static const struct token_rules rules = {0};
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct problem why = {0};
        struct access *a = NULL;
        struct buf b;
        struct token_keys *k = token_keys_create();
        buf_init(&b, TOKEN_MAX_BYTES);
        if (token_sign(rows[i].alg, test_text(rows[i].kid), test_text(rows[i].signs),
                       test_text(CLAIMS), &b, &why) != STATUS_OK ||
            token_keys_add(k, rows[i].alg, test_text(rows[i].kid), test_text(rows[i].verifies),
                           &why) != STATUS_OK ||
            token_verify(k, &rules, text_of(b.data, b.len), NOW_MS, &a, &why) != STATUS_OK)
            fail_msg("row \"%s\": %s", rows[i].name, why.text);
        ROW(rows[i].name, access_room(a, test_text("lobby")));
        ROW(rows[i].name, ERR_peek_error() == 0);
        access_destroy(a);
        buf_release(&b);
        token_keys_destroy(k);
    }
}

static void what_cannot_be_signed(void **state)
{
    (void)state;
    char large[8000];
    memset(large, 'x', sizeof large);
    memcpy(large, "{\"x\":\"", 6);
    memcpy(large + sizeof large - 3, "\"}", 3);
    const struct {
        const char *name;
        enum token_alg alg;
        const char *key, *claims;
        enum status status;
        const char *says;
    } rows[] = {
        {"a public key", TOKEN_RS256, rsa.public_pem, CLAIMS, STATUS_BAD_CONFIG, "private key"},
        {"a certificate", TOKEN_RS256, certificate, CLAIMS, STATUS_BAD_CONFIG, "private key"},
        {"an encrypted key", TOKEN_RS256, encrypted, CLAIMS, STATUS_BAD_CONFIG, "encrypted"},
        {"a weak key", TOKEN_RS256, rsa_1024.private_pem, CLAIMS, STATUS_BAD_CONFIG, "1024"},
        {"a public JWK", TOKEN_RS256, jwk_weak, CLAIMS, STATUS_BAD_CONFIG, "no private JWK"},
        {"a key of another kind", TOKEN_ES256, ed.private_pem, CLAIMS, STATUS_BAD_CONFIG,
         "ES256 needs"},
        {"a short secret", TOKEN_HS256, "secret", CLAIMS, STATUS_BAD_CONFIG, "32 bytes"},
        {"a PEM as a secret", TOKEN_HS256, rsa.private_pem, CLAIMS, STATUS_BAD_CONFIG,
         "must be a secret"},
        {"claims that are no object", TOKEN_HS256, TEST_SECRET, "[]", STATUS_INVALID_JSON,
         "one object"},
        {"claims that are too long", TOKEN_HS256, TEST_SECRET, large, STATUS_TOO_LARGE, "8192"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct problem why = {0};
        struct buf b;
        buf_init(&b, TOKEN_MAX_BYTES);
        enum status s = token_sign(rows[i].alg, test_text(""), test_text(rows[i].key),
                                   test_text(rows[i].claims), &b, &why);
        if (s != rows[i].status || !strstr(why.text, rows[i].says))
            fail_msg("row \"%s\": %s: %s", rows[i].name, status_name(s), why.text);
        ROW(rows[i].name, b.len == 0);
        buf_release(&b);
    }
}

static void names(void **state)
{
    (void)state;
    static const char *const good[] = {"HS256", "RS256", "ES256", "EdDSA"};
    static const char *const bad[] = {"", "none", "hs256", "HS256 ", "HS25", "EDDSA", "PS256"};
    enum token_alg alg;
    for (size_t i = 0; i < ROWS(good); i++) {
        ROW(good[i], token_alg_parse(test_text(good[i]), &alg) && alg == i);
        ROW(good[i], strcmp(token_alg_name(alg), good[i]) == 0);
    }
    for (size_t i = 0; i < ROWS(bad); i++)
        ROW(bad[i], !token_alg_parse(test_text(bad[i]), &alg));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files),
        cmocka_unit_test(broken_jwks),
        cmocka_unit_test(what_a_set_gives),
        cmocka_unit_test(bounds),
        cmocka_unit_test(what_is_signed_is_verified),
        cmocka_unit_test(what_cannot_be_signed),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
