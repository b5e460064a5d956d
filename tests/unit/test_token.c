/* Tokens as friends and attackers write them. Each row changes one thing of a good token. */
#include "test.h"
#include "test_token_util.h"

#include "policy/token_key.h"

#include <stdio.h>
#include <string.h>

#define NOW_MS  INT64_C(1900000000000)
#define PAYLOAD "{\"exp\":1900000600,\"rooms\":[\"*\"]}"

static struct test_key rsa, ec, ed, stranger;
static struct token_keys *keys; /* one of each algorithm, each with a kid */
static const struct token_rules rules = {.leeway_ms = 10000};

static void add(struct token_keys *k, enum token_alg alg, const char *kid, const char *bytes)
{
    struct problem why = {0};
    if (token_keys_add(k, alg, test_text(kid), test_text(bytes), &why) != STATUS_OK)
        fail_msg("%s: %s", token_alg_name(alg), why.text);
}

static int set_up(void **state)
{
    (void)state;
    test_key_make(&rsa, "RSA", 2048, NULL);
    test_key_make(&ec, "EC", 0, "P-256");
    test_key_make(&ed, "ED25519", 0, NULL);
    test_key_make(&stranger, "RSA", 2048, NULL);
    keys = token_keys_create();
    add(keys, TOKEN_HS256, "h1", TEST_SECRET);
    add(keys, TOKEN_RS256, "r1", rsa.public_pem);
    add(keys, TOKEN_ES256, "e1", ec.public_pem);
    add(keys, TOKEN_EDDSA, "d1", ed.public_pem);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    token_keys_destroy(keys);
    test_key_free(&rsa);
    test_key_free(&ec);
    test_key_free(&ed);
    test_key_free(&stranger);
    return 0;
}

/* Is the outcome the rule, or acceptance for NULL; and is nothing of the token in the sentence? */
static void expect_of(const struct token_keys *k, const struct token_rules *r, const char *name,
                      struct text token, int64_t now_ms, const char *rule)
{
    struct problem why = {0};
    struct access *a = NULL;
    enum status s = token_verify(k, r, token, now_ms, &a, &why);
    if (rule ? s != STATUS_UNAUTHORIZED || !why.rule || strcmp(why.rule, rule) != 0
             : s != STATUS_OK)
        fail_msg("row \"%s\": wanted %s, got %s %s: %s", name, rule ? rule : "acceptance",
                 status_name(s), why.rule ? why.rule : "", why.text);
    ROW(name, (s == STATUS_OK) == (a != NULL));
    ROW(name, s == STATUS_OK || *why.text);
    access_destroy(a);
}

static void expect(const char *name, const char *token, const char *rule)
{
    expect_of(keys, &rules, name, test_text(token), NOW_MS, rule);
}

/* ---- headers ---- */

static void headers(void **state)
{
    (void)state;
    static const struct {
        const char *name, *header, *rule;
    } rows[] = {
        {"nothing but alg", "{\"alg\":\"HS256\"}", NULL},
        {"typ", "{\"typ\":\"JWT\",\"alg\":\"HS256\"}", NULL},
        {"typ in lower case", "{\"typ\":\"jwt\",\"alg\":\"HS256\"}", NULL},
        {"an access token", "{\"typ\":\"at+jwt\",\"alg\":\"HS256\"}", NULL},
        {"an access token, long form", "{\"typ\":\"application/AT+JWT\",\"alg\":\"HS256\"}", NULL},
        {"kid", "{\"alg\":\"HS256\",\"kid\":\"h1\"}", NULL},
        {"kid with an escape", "{\"alg\":\"HS256\",\"kid\":\"\\u00681\"}", NULL},
        {"unknown members", "{\"alg\":\"HS256\",\"x\":{\"y\":[1]}}", NULL},
        {"jwk, jku, x5u, x5c are not looked at",
         "{\"alg\":\"HS256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"},\"jku\":\"http://127.0.0.1:1/"
         "\",\"x5u\":\"http://127.0.0.1:1/\",\"x5c\":[\"AAAA\"]}",
         NULL},
        {"none", "{\"alg\":\"none\"}", "token-alg"},
        {"None", "{\"alg\":\"None\"}", "token-alg"},
        {"NONE", "{\"alg\":\"NONE\"}", "token-alg"},
        {"nOnE", "{\"alg\":\"nOnE\"}", "token-alg"},
        {"none by escapes", "{\"alg\":\"\\u006e\\u006f\\u006e\\u0065\"}", "token-alg"},
        {"empty alg", "{\"alg\":\"\"}", "token-alg"},
        {"no alg", "{\"typ\":\"JWT\"}", "token-alg"},
        {"null alg", "{\"alg\":null}", "token-alg"},
        {"alg as a number", "{\"alg\":256}", "token-alg"},
        {"alg as an array", "{\"alg\":[\"HS256\"]}", "token-alg"},
        {"alg in lower case", "{\"alg\":\"hs256\"}", "token-alg"},
        {"alg with a space", "{\"alg\":\"HS256 \"}", "token-alg"},
        {"alg in capitals only", "{\"ALG\":\"HS256\"}", "token-alg"},
        {"HS384", "{\"alg\":\"HS384\"}", "token-alg"},
        {"HS512", "{\"alg\":\"HS512\"}", "token-alg"},
        {"PS256", "{\"alg\":\"PS256\"}", "token-alg"},
        {"ES384", "{\"alg\":\"ES384\"}", "token-alg"},
        {"Ed448's name", "{\"alg\":\"Ed448\"}", "token-alg"},
        {"a very long alg", "{\"alg\":\"HS256HS256HS256HS256HS256HS256\"}", "token-alg"},
        {"another alg than what signed", "{\"alg\":\"RS256\"}", "token-signature"},
        {"kid nobody has", "{\"alg\":\"HS256\",\"kid\":\"h2\"}", "token-key"},
        {"kid that begins alike", "{\"alg\":\"HS256\",\"kid\":\"h\"}", "token-key"},
        {"kid of a key of another alg", "{\"alg\":\"HS256\",\"kid\":\"r1\"}", "token-key"},
        {"kid like a path", "{\"alg\":\"HS256\",\"kid\":\"../../dev/null\"}", "token-key"},
        {"kid like SQL", "{\"alg\":\"HS256\",\"kid\":\"' or 1=1 --\"}", "token-key"},
        {"kid as a number", "{\"alg\":\"HS256\",\"kid\":1}", "token-header"},
        {"null kid", "{\"alg\":\"HS256\",\"kid\":null}", "token-header"},
        {"empty kid", "{\"alg\":\"HS256\",\"kid\":\"\"}", "token-header"},
        {"kid of 65 bytes",
         "{\"alg\":\"HS256\",\"kid\":"
         "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
         "token-header"},
        {"crit", "{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}", "token-header"},
        {"empty crit", "{\"alg\":\"HS256\",\"crit\":[]}", "token-header"},
        {"unencoded payload", "{\"alg\":\"HS256\",\"b64\":false,\"crit\":[\"b64\"]}",
         "token-header"},
        {"another kind of JWT", "{\"alg\":\"HS256\",\"typ\":\"dpop+jwt\"}", "token-header"},
        {"a logout token", "{\"alg\":\"HS256\",\"typ\":\"logout+jwt\"}", "token-header"},
        {"typ as a number", "{\"alg\":\"HS256\",\"typ\":1}", "token-header"},
        {"null typ", "{\"alg\":\"HS256\",\"typ\":null}", "token-header"},
        {"alg twice", "{\"alg\":\"HS256\",\"alg\":\"HS256\"}", "token-header"},
        {"alg twice by an escape", "{\"alg\":\"HS256\",\"\\u0061lg\":\"none\"}", "token-header"},
        {"an array", "[\"HS256\"]", "token-header"},
        {"a string", "\"HS256\"", "token-header"},
        {"no JSON", "alg=HS256", "token-header"},
        {"something behind", "{\"alg\":\"HS256\"}x", "token-header"},
        {"NUL escape", "{\"alg\":\"HS256\\u0000\"}", "token-header"},
        {"invalid UTF-8", "{\"alg\":\"HS256\",\"x\":\"\xff\"}", "token-header"},
        {"nested too deeply", "{\"alg\":\"HS256\",\"x\":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}",
         "token-header"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char token[TEST_TOKEN_MAX];
        test_sign_hmac(token, rows[i].header, PAYLOAD, TEST_SECRET);
        expect(rows[i].name, token, rows[i].rule);
    }
}

/* ---- claims that decide on validity ---- */

static void claims(void **state)
{
    (void)state;
    static const struct {
        const char *name, *payload, *rule;
    } rows[] = {
        {"valid", PAYLOAD, NULL},
        {"expires in a millisecond", "{\"exp\":1900000000.001}", NULL},
        {"expires now", "{\"exp\":1900000000}", "token-expired"},
        {"expires now, as a fraction", "{\"exp\":1900000000.0}", "token-expired"},
        {"expired less than a millisecond ahead", "{\"exp\":1900000000.0009}", "token-expired"},
        {"expired just now: no leeway", "{\"exp\":1899999999.999}", "token-expired"},
        {"expired long ago", "{\"exp\":1}", "token-expired"},
        {"exp 0", "{\"exp\":0}", "token-expired"},
        {"exp -0", "{\"exp\":-0}", "token-expired"},
        {"exp negative", "{\"exp\":-1900000600}", "token-expired"},
        {"exp tiny", "{\"exp\":1e-999}", "token-expired"},
        {"exp with an exponent", "{\"exp\":1.9000006e9}", NULL},
        {"exp with a large exponent on a small number", "{\"exp\":0.00019000006e+13}", NULL},
        {"exp with a negative exponent", "{\"exp\":19000006000e-1}", NULL},
        {"exp with many digits behind the point",
         "{\"exp\":1900000000.001000000000000000000000000000000001}", NULL},
        {"exp at the end of 9999", "{\"exp\":253402300799}", NULL},
        {"exp after 9999", "{\"exp\":253402300800}", "token-claim"},
        {"exp in milliseconds", "{\"exp\":1900000600000}", "token-claim"},
        {"exp beyond 64 bits", "{\"exp\":18446744075609552216}", "token-claim"},
        {"exp of 40 digits", "{\"exp\":1900000600190000060019000006001900000600}", "token-claim"},
        {"exp 1e999", "{\"exp\":1e999}", "token-claim"},
        {"exp with an exponent beyond 64 bits", "{\"exp\":1e99999999999999999999}", "token-claim"},
        {"zero with such an exponent", "{\"exp\":0e99999999999999999999}", "token-expired"},
        {"no exp", "{\"rooms\":[\"*\"]}", "token-claim"},
        {"exp as a string", "{\"exp\":\"1900000600\"}", "token-claim"},
        {"null exp", "{\"exp\":null}", "token-claim"},
        {"exp true", "{\"exp\":true}", "token-claim"},
        {"exp as an array", "{\"exp\":[1900000600]}", "token-claim"},
        {"exp NaN", "{\"exp\":NaN}", "token-payload"},
        {"exp Infinity", "{\"exp\":Infinity}", "token-payload"},
        {"exp in hexadecimal", "{\"exp\":0x7fffffff}", "token-payload"},
        {"exp with a leading zero", "{\"exp\":01900000600}", "token-payload"},
        {"exp twice", "{\"exp\":1900000600,\"exp\":1}", "token-payload"},
        {"exp twice by an escape", "{\"exp\":1,\"\\u0065xp\":1900000600}", "token-payload"},
        {"exp in capitals", "{\"EXP\":1900000600}", "token-claim"},
        {"nbf now", "{\"exp\":1900000600,\"nbf\":1900000000}", NULL},
        {"nbf at the end of the leeway", "{\"exp\":1900000600,\"nbf\":1900000010}", NULL},
        {"nbf after the leeway", "{\"exp\":1900000600,\"nbf\":1900000010.001}", "token-early"},
        {"nbf far away", "{\"exp\":253402300799,\"nbf\":253402300798}", "token-early"},
        {"nbf negative", "{\"exp\":1900000600,\"nbf\":-1}", NULL},
        {"nbf as a string", "{\"exp\":1900000600,\"nbf\":\"0\"}", "token-claim"},
        {"null nbf", "{\"exp\":1900000600,\"nbf\":null}", "token-claim"},
        {"iat in the future is not ours to judge", "{\"exp\":1900000600,\"iat\":1900000500}", NULL},
        {"an issuer nobody asked for", "{\"exp\":1900000600,\"iss\":\"x\"}", NULL},
        {"iss as a number", "{\"exp\":1900000600,\"iss\":1}", "token-claim"},
        {"an audience nobody asked for", "{\"exp\":1900000600,\"aud\":[\"x\"]}", NULL},
        {"aud as an object", "{\"exp\":1900000600,\"aud\":{}}", "token-claim"},
        {"aud with a number in it", "{\"exp\":1900000600,\"aud\":[\"x\",1]}", "token-claim"},
        {"a claim of access.c", "{\"exp\":1900000600,\"rooms\":\"*\"}", "token-claim"},
        {"an array", "[{\"exp\":1900000600}]", "token-payload"},
        {"a string", "\"exp\"", "token-payload"},
        {"null", "null", "token-payload"},
        {"blank", " ", "token-payload"},
        {"something behind", "{\"exp\":1900000600}{}", "token-payload"},
        {"nested too deeply", "{\"exp\":1900000600,\"x\":[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]}",
         "token-payload"},
        {"nested as deeply as may be", "{\"exp\":1900000600,\"x\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}",
         NULL},
        {"NUL escape", "{\"exp\":1900000600,\"sub\":\"a\\u0000b\"}", "token-payload"},
        {"invalid UTF-8", "{\"exp\":1900000600,\"x\":\"\xc0\x80\"}", "token-payload"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char token[TEST_TOKEN_MAX];
        test_sign_hmac(token, "{\"alg\":\"HS256\"}", rows[i].payload, TEST_SECRET);
        expect(rows[i].name, token, rows[i].rule);
    }
}

static void issuer_and_audience(void **state)
{
    (void)state;
    static const struct token_rules strict = {.issuer = "https://id.example/a",
                                              .audience = "fleet"};
    static const struct {
        const char *name, *more, *rule;
    } rows[] = {
        {"both", ",\"iss\":\"https://id.example/a\",\"aud\":\"fleet\"", NULL},
        {"escaped", ",\"iss\":\"https:\\/\\/id.example\\/a\",\"aud\":\"fl\\u0065et\"", NULL},
        {"one of several", ",\"iss\":\"https://id.example/a\",\"aud\":[\"x\",\"fleet\"]", NULL},
        {"no issuer", ",\"aud\":\"fleet\"", "token-issuer"},
        {"another issuer", ",\"iss\":\"https://id.example/b\",\"aud\":\"fleet\"", "token-issuer"},
        {"more than the issuer", ",\"iss\":\"https://id.example/a/\",\"aud\":\"fleet\"",
         "token-issuer"},
        {"less than the issuer", ",\"iss\":\"https://id.example/\",\"aud\":\"fleet\"",
         "token-issuer"},
        {"empty issuer", ",\"iss\":\"\",\"aud\":\"fleet\"", "token-issuer"},
        {"issuer in capitals", ",\"iss\":\"HTTPS://id.example/a\",\"aud\":\"fleet\"",
         "token-issuer"},
        {"no audience", ",\"iss\":\"https://id.example/a\"", "token-audience"},
        {"another audience", ",\"iss\":\"https://id.example/a\",\"aud\":\"fleets\"",
         "token-audience"},
        {"an empty array", ",\"iss\":\"https://id.example/a\",\"aud\":[]", "token-audience"},
        {"an array in an array", ",\"iss\":\"https://id.example/a\",\"aud\":[[\"fleet\"]]",
         "token-claim"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char token[TEST_TOKEN_MAX], payload[512];
        snprintf(payload, sizeof payload, "{\"exp\":1900000600%s}", rows[i].more);
        test_sign_hmac(token, "{\"alg\":\"HS256\"}", payload, TEST_SECRET);
        expect_of(keys, &strict, rows[i].name, test_text(token), NOW_MS, rows[i].rule);
    }
}

/* ---- the token's shape ---- */

static void shapes(void **state)
{
    (void)state;
    char good[TEST_TOKEN_MAX], other[TEST_TOKEN_MAX], h[64], p[256], s[64], os[64];
    test_sign_hmac(good, "{\"alg\":\"HS256\"}", PAYLOAD, TEST_SECRET);
    test_sign_hmac(other, "{\"alg\":\"HS256\"}", "{\"exp\":1900000601}", TEST_SECRET);
    assert_int_equal(sscanf(good, "%63[^.].%255[^.].%63s", h, p, s), 3);
    assert_int_equal(sscanf(other, "%*[^.].%*[^.].%63s", os), 1);
    const char *none = "eyJhbGciOiJub25lIn0"; /* {"alg":"none"} */
    struct {
        const char *name, *rule, *parts[7];
    } rows[] = {
        {"good", NULL, {h, ".", p, ".", s}},
        {"nothing", "token-shape", {""}},
        {"a dot", "token-shape", {"."}},
        {"two dots", "token-shape", {".."}},
        {"three dots", "token-shape", {"..."}},
        {"one part", "token-shape", {h}},
        {"two parts", "token-shape", {h, ".", p}},
        {"stripped signature", "token-shape", {h, ".", p, "."}},
        {"alg none, stripped signature", "token-shape", {none, ".", p, "."}},
        {"alg none with the signature", "token-alg", {none, ".", p, ".", s}},
        {"no header", "token-shape", {".", p, ".", s}},
        {"no payload", "token-shape", {h, "..", s}},
        {"four parts", "token-shape", {h, ".", p, ".", s, ".", s}},
        {"dot at the end", "token-shape", {h, ".", p, ".", s, "."}},
        {"dot at the beginning", "token-shape", {".", h, ".", p, ".", s}},
        {"five parts, as encrypted", "token-shape", {h, "....", s}},
        {"signature of another token", "token-signature", {h, ".", p, ".", os}},
        {"payload of another signature", "token-signature", {h, ".", h, ".", s}},
        {"header padded", "token-shape", {h, "=.", p, ".", s}},
        {"payload padded", "token-shape", {h, ".", p, "==.", s}},
        {"signature padded", "token-shape", {h, ".", p, ".", s, "="}},
        {"blank before", "token-shape", {" ", h, ".", p, ".", s}},
        {"blank behind", "token-shape", {h, ".", p, ".", s, " "}},
        {"line end behind", "token-shape", {h, ".", p, ".", s, "\n"}},
        {"blank inside", "token-shape", {h, ". ", p, ".", s}},
        {"tab inside", "token-shape", {h, ".", p, ".\t", s}},
        {"the other alphabet", "token-shape", {h, ".", p, ".", "+/", s + 2}},
        {"a percent sign", "token-shape", {h, ".", p, "%3d.", s}},
        {"a byte above 127", "token-shape", {h, ".", p, ".", "\xc3\xa9", s + 2}},
        {"Bearer before", "token-shape", {"Bearer ", h, ".", p, ".", s}},
        {"signature without its last character", "token-shape", {h, ".", p, ".", s + 1}},
        {"signature longer", "token-signature", {h, ".", p, ".", s, "A"}},
        {"header twice", "token-header", {h, h, ".", p, ".", s}},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char token[TEST_TOKEN_MAX] = "";
        for (size_t part = 0; part < 7 && rows[i].parts[part]; part++)
            strcat(token, rows[i].parts[part]);
        if (strcmp(rows[i].name, "signature without its last character") == 0)
            snprintf(token, sizeof token, "%.*s", (int)strlen(good) - 1, good);
        expect(rows[i].name, token, rows[i].rule);
    }
    /* A NUL in each part; the text is longer than C sees. */
    char bytes[TEST_TOKEN_MAX];
    size_t len = strlen(good), at[] = {3, strlen(h) + 3, len - 3, len};
    for (size_t i = 0; i < ROWS(at); i++) {
        memcpy(bytes, good, len + 1);
        bytes[at[i]] = '\0';
        expect_of(keys, &rules, "NUL inside", text_of(bytes, len + (at[i] == len)), NOW_MS,
                  "token-shape");
    }
    /* 32 bytes are 43 characters, of whose last one two bits are unused: three more ways to write
     * the same signature, and none of them is taken. */
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t last = (size_t)(strchr(letters, good[len - 1]) - letters);
    assert_int_equal(last % 4, 0);
    for (size_t i = 1; i < 4; i++) {
        memcpy(bytes, good, len + 1);
        bytes[len - 1] = letters[last + i];
        expect("another last character", bytes, "token-shape");
    }
    for (size_t i = 0; i <= len; i++) /* every beginning of it */
        if (i < len)
            ROW("truncated", token_verify(keys, &rules, text_of(good, i), NOW_MS,
                                          &(struct access *){NULL}, NULL) == STATUS_UNAUTHORIZED);
}

/* Every character of a good token, changed: never accepted, whatever the algorithm. */
static void one_changed_character(void **state)
{
    (void)state;
    char good[4][TEST_TOKEN_MAX];
    test_sign_hmac(good[0], "{\"alg\":\"HS256\"}", PAYLOAD, TEST_SECRET);
    test_sign(good[1], "{\"alg\":\"RS256\"}", PAYLOAD, &rsa, false);
    test_sign(good[2], "{\"alg\":\"ES256\"}", PAYLOAD, &ec, false);
    test_sign(good[3], "{\"alg\":\"EdDSA\"}", PAYLOAD, &ed, false);
    for (size_t g = 0; g < 4; g++) {
        expect("unchanged", good[g], NULL);
        for (size_t i = 0; good[g][i]; i++) {
            char kept = good[g][i];
            struct access *a = NULL;
            good[g][i] = kept == 'A' ? 'B' : 'A';
            ROW("one character", token_verify(keys, &rules, test_text(good[g]), NOW_MS, &a, NULL) ==
                                     STATUS_UNAUTHORIZED);
            ROW("one character", a == NULL);
            good[g][i] = kept;
        }
    }
}

static void sizes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t payload; /* with a header of 20 and a signature of 43 characters */
        size_t token;
        const char *rule;
    } rows[] = {
        {"8192 bytes", 6095, 8192, NULL},
        {"8193 bytes", 6096, 8193, "token-size"},
        {"16000 bytes", 11950, 15999, "token-size"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char token[TEST_TOKEN_MAX], payload[TEST_TOKEN_MAX];
        memset(payload, 'x', rows[i].payload);
        memcpy(payload, "{\"exp\":1900000600,\"x\":\"", 23);
        memcpy(payload + rows[i].payload - 2, "\"}", 3);
        test_sign_hmac(token, "{\"alg\":\"HS256\"}", payload, TEST_SECRET);
        ROW(rows[i].name, strlen(token) == rows[i].token);
        expect(rows[i].name, token, rows[i].rule);
    }
}

/* ---- keys and signatures ---- */

static void confusion(void **state)
{
    (void)state;
    char token[TEST_TOKEN_MAX], header[4096];
    struct token_keys *only_rsa = token_keys_create();
    add(only_rsa, TOKEN_RS256, "", rsa.public_pem);
    /* Whoever knows the public key signs with its text as if it were a secret. */
    test_sign_hmac(token, "{\"alg\":\"HS256\"}", PAYLOAD, rsa.public_pem);
    expect_of(only_rsa, &rules, "HS256 with the RSA key's text", test_text(token), NOW_MS,
              "token-alg");
    expect("the same beside a secret", token, "token-signature");
    test_sign_hmac(token, "{\"alg\":\"RS256\"}", PAYLOAD, rsa.public_pem);
    expect("a MAC under the name RS256", token, "token-signature");
    test_sign_hmac(token, "{\"alg\":\"HS256\",\"kid\":\"r1\"}", PAYLOAD, rsa.public_pem);
    expect("the same with the RSA key's kid", token, "token-key");
    test_sign_hmac(token, "{\"alg\":\"HS256\"}", PAYLOAD, "");
    expect("an empty secret", token, "token-signature");
    test_sign_hmac(token, "{\"alg\":\"HS256\"}", PAYLOAD, TEST_SECRET_2);
    expect("another secret", token, "token-signature");
    test_sign(token, "{\"alg\":\"RS256\"}", PAYLOAD, &stranger, false);
    expect("a stranger's key", token, "token-signature");
    /* CVE-2018-0114: the token brings its own key. */
    BIGNUM *n = NULL;
    unsigned char bytes[256];
    assert_int_equal(EVP_PKEY_get_bn_param(stranger.pkey, "n", &n), 1);
    assert_int_equal(BN_bn2binpad(n, bytes, sizeof bytes), sizeof bytes);
    BN_free(n);
    snprintf(header, sizeof header,
             "{\"alg\":\"RS256\",\"jwk\":{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"%s\"}}",
             test_base64(bytes, sizeof bytes));
    test_sign(token, header, PAYLOAD, &stranger, false);
    expect("a stranger's key in the header", token, "token-signature");
    test_sign(token, "{\"alg\":\"ES256\"}", PAYLOAD, &rsa, false);
    expect("RSA under the name ES256", token, "token-signature");
    test_sign(token, "{\"alg\":\"EdDSA\"}", PAYLOAD, &ec, false);
    expect("ECDSA under the name EdDSA", token, "token-signature");
    token_keys_destroy(only_rsa);
    struct token_keys *none = token_keys_create();
    test_sign_hmac(token, "{\"alg\":\"HS256\"}", PAYLOAD, "");
    expect_of(none, &rules, "no key at all", test_text(token), NOW_MS, "token-alg");
    token_keys_destroy(none);
}

static void ec_signatures(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t len;
        unsigned char r, s; /* each byte of the halves; 1: as it was */
    } rows[] = {
        {"r and s zero", 64, 0, 0},     {"r zero", 64, 0, 1},   {"s zero", 64, 1, 0},
        {"all bits set", 64, 255, 255}, {"63 bytes", 63, 1, 1}, {"65 bytes", 65, 1, 1},
        {"half of it", 32, 1, 1},       {"one byte", 1, 1, 1},  {"twice as long", 128, 1, 1},
    };
    char token[TEST_TOKEN_MAX];
    test_sign(token, "{\"alg\":\"ES256\"}", PAYLOAD, &ec, true);
    expect("DER", token, "token-signature");
    test_sign(token, "{\"alg\":\"ES256\"}", PAYLOAD, &ec, false);
    expect("r and s", token, NULL);
    char *dot = strrchr(token, '.');
    for (size_t i = 0; i < ROWS(rows); i++) {
        unsigned char raw[128];
        memset(raw, 7, sizeof raw);
        if (rows[i].r != 1)
            memset(raw, rows[i].r, 32);
        if (rows[i].s != 1)
            memset(raw + 32, rows[i].s, 32);
        strcpy(dot + 1, test_base64(raw, rows[i].len));
        expect(rows[i].name, token, "token-signature");
    }
    /* Small and large r, so that the DER has every length: many tokens, all good. */
    for (int i = 0; i < 300; i++) {
        test_sign(token, "{\"alg\":\"ES256\"}", PAYLOAD, &ec, false);
        expect("one of many", token, NULL);
    }
}

static void rotation(void **state)
{
    (void)state;
    static const struct {
        const char *name, *header, *secret, *rule;
    } rows[] = {
        {"old key by kid", "{\"alg\":\"HS256\",\"kid\":\"old\"}", TEST_SECRET, NULL},
        {"new key by kid", "{\"alg\":\"HS256\",\"kid\":\"new\"}", TEST_SECRET_2, NULL},
        {"old key without kid", "{\"alg\":\"HS256\"}", TEST_SECRET, NULL},
        {"new key without kid", "{\"alg\":\"HS256\"}", TEST_SECRET_2, NULL},
        {"the other's kid", "{\"alg\":\"HS256\",\"kid\":\"new\"}", TEST_SECRET, "token-signature"},
        {"the key without kid, under any", "{\"alg\":\"HS256\",\"kid\":\"whatever\"}",
         "a third secret, a third secret, a third", NULL},
    };
    char token[TEST_TOKEN_MAX];
    struct token_keys *k = token_keys_create();
    add(k, TOKEN_HS256, "old", TEST_SECRET);
    add(k, TOKEN_HS256, "new", TEST_SECRET_2);
    for (size_t i = 0; i < ROWS(rows); i++) {
        if (i == ROWS(rows) - 1)
            add(k, TOKEN_HS256, "", "a third secret, a third secret, a third\n");
        test_sign_hmac(token, rows[i].header, PAYLOAD, rows[i].secret);
        expect_of(k, &rules, rows[i].name, test_text(token), NOW_MS, rows[i].rule);
    }
    token_keys_destroy(k);
}

/* RFC 7515 appendix A.1 to A.3: the same claims, of the year 2011. */
#define RFC_CLAIMS                                                                                 \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl" \
    "fQ"

static const struct {
    const char *name;
    enum token_alg alg;
    const char *jwk, *token;
} vectors[] = {
    {"A.1", TOKEN_HS256,
     "{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-"
     "1qS0gZH75aKtMN3Yj0iPS4hc"
     "gUuTwjAzZr1Z9CAow\"}",
     "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." RFC_CLAIMS
     ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"},
    {"A.2", TOKEN_RS256,
     "{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-"
     "Vaw-4"
     "qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_"
     "7OMg0LOL-"
     "bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-"
     "UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4"
     "LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\","
     "\"e\":\"AQAB\"}",
     "eyJhbGciOiJSUzI1NiJ9." RFC_CLAIMS
     ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5"
     "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_"
     "nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L"
     "07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-"
     "eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUi"
     "pUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"},
    {"A.3", TOKEN_ES256,
     "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
     "\"y\":"
     "\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
     "eyJhbGciOiJFUzI1NiJ9." RFC_CLAIMS
     ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"},
};

static void vectors_of_the_rfcs(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(vectors); i++) {
        struct token_keys *k = token_keys_create();
        add(k, vectors[i].alg, "", vectors[i].jwk);
        expect_of(k, &rules, vectors[i].name, test_text(vectors[i].token), 1300819379999, NULL);
        expect_of(k, &rules, vectors[i].name, test_text(vectors[i].token), 1300819380000,
                  "token-expired");
        token_keys_destroy(k);
    }
    /* RFC 8037 appendix A.4 signs a text that is not JSON: the signature alone. */
    static const char signed_text[] = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    static const unsigned char public[] = {0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7,
                                           0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
                                           0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25,
                                           0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a};
    static const unsigned char signature[] = {
        0x86, 0x0c, 0x98, 0xd2, 0x29, 0x7f, 0x30, 0x60, 0xa3, 0x3f, 0x42, 0x73, 0x96,
        0x72, 0xd6, 0x1b, 0x53, 0xcf, 0x3a, 0xde, 0xfe, 0xd3, 0xd3, 0xc6, 0x72, 0xf3,
        0x20, 0xdc, 0x02, 0x1b, 0x41, 0x1e, 0x9d, 0x59, 0xb8, 0x62, 0x8d, 0xc3, 0x51,
        0xe2, 0x48, 0xb8, 0x8b, 0x29, 0x46, 0x8e, 0x0e, 0x41, 0x85, 0x5b, 0x0f, 0xb7,
        0xd8, 0x3b, 0xb1, 0x5b, 0xe9, 0x02, 0xbf, 0xcc, 0xb8, 0xcd, 0x0a, 0x02};
    struct token_key key = {.alg = TOKEN_EDDSA};
    assert_int_equal(
        token_key_set_pkey(
            &key, EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public, sizeof public), NULL),
        STATUS_OK);
    assert_int_equal(token_key_verify(&key, test_text(signed_text), signature, sizeof signature),
                     STATUS_OK);
    assert_int_equal(
        token_key_verify(&key, test_text(signed_text + 1), signature, sizeof signature),
        STATUS_UNAUTHORIZED);
    token_key_release(&key);
}

/* What a problem says must be fit for a log: never a piece of the token. */
static void sentences(void **state)
{
    (void)state;
    static const struct {
        const char *name, *header, *payload, *sentence;
    } rows[] = {
        {"expired", "{\"alg\":\"HS256\"}", "{\"exp\":1,\"sub\":\"marker\"}",
         "the token has expired"},
        {"early", "{\"alg\":\"HS256\"}", "{\"exp\":1900000600,\"nbf\":1900000500}",
         "the token is not valid yet"},
        {"kid", "{\"alg\":\"HS256\",\"kid\":\"marker\"}", PAYLOAD,
         "the token is signed with a key that is not configured here"},
        {"signature", "{\"alg\":\"RS256\"}", PAYLOAD, "the token's signature is wrong"},
        {"sub", "{\"alg\":\"HS256\"}", "{\"exp\":1900000600,\"sub\":\"<marker>\"}",
         "the token's claim sub must be a peer's name: 1 to 64 characters of A-Z a-z 0-9 . _ ~ -, "
         "the first one a letter or a digit"},
        {"broken JSON", "{\"alg\":\"HS256\"}", "{\"marker\"}",
         "the token's payload is not a JSON object: ':' was expected at byte 9"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char token[TEST_TOKEN_MAX];
        struct problem why = {0};
        struct access *a;
        test_sign_hmac(token, rows[i].header, rows[i].payload, TEST_SECRET);
        ROW(rows[i].name,
            token_verify(keys, &rules, test_text(token), NOW_MS, &a, &why) == STATUS_UNAUTHORIZED);
        if (strcmp(why.text, rows[i].sentence) != 0)
            fail_msg("row \"%s\": %s", rows[i].name, why.text);
        ROW(rows[i].name, !strstr(why.text, "marker"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers),
        cmocka_unit_test(claims),
        cmocka_unit_test(issuer_and_audience),
        cmocka_unit_test(shapes),
        cmocka_unit_test(one_changed_character),
        cmocka_unit_test(sizes),
        cmocka_unit_test(confusion),
        cmocka_unit_test(ec_signatures),
        cmocka_unit_test(rotation),
        cmocka_unit_test(vectors_of_the_rfcs),
        cmocka_unit_test(sentences),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
