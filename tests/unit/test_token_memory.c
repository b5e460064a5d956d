/* Memory runs out inside OpenSSL: a key is read and a token verified again and again, each time
 * with the next allocation failing, until none is left to fail. Nothing crashes, nothing leaks, no
 * bad token passes, and afterwards all works. */
#include "failing_crypto.h"
#include "test.h"
#include "test_token_util.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include <stdlib.h>

#define NOW_MS INT64_C(1900000000000)

static enum status add_and_verify(enum token_alg alg, const char *key, const char *token,
                                  enum status *added)
{
    static const struct token_rules rules = {0};
    struct token_keys *k = token_keys_create();
    struct access *a = NULL;
    enum status s = STATUS_NO_MEMORY;
    *added = token_keys_add(k, alg, test_text(""), test_text(key), NULL);
    if (*added == STATUS_OK)
        s = token_verify(k, &rules, test_text(token), NOW_MS, &a, NULL);
    assert_true((s == STATUS_OK) == (a != NULL));
    access_destroy(a);
    token_keys_destroy(k);
    return s;
}

/* Reading PEM allocates some thousand times: there only every STRIDEth failure is tried, at other
 * places for each algorithm. */
enum { STRIDE = 13 };

/* Tells the story with ever later failures; returns how many there were. */
static unsigned long tell(enum token_alg alg, const char *key, const char *token, bool good)
{
    enum status s, added;
    unsigned long failed = 0;
    fail_at = alg;
    do {
        allocations = 0;
        fail_at += alg == TOKEN_HS256 ? 1 : STRIDE;
        counting = true;
        s = add_and_verify(alg, key, token, &added);
        counting = false;
        if (!good)
            assert_true(s != STATUS_OK);
        assert_true(s == STATUS_OK || s == STATUS_UNAUTHORIZED || s == STATUS_NO_MEMORY);
        assert_true(added == STATUS_OK || added == STATUS_BAD_CONFIG || added == STATUS_NO_MEMORY);
        assert_true(ERR_peek_error() == 0);
        failed++;
    } while (allocations >= fail_at);
    assert_int_equal(added, STATUS_OK);
    assert_int_equal(s, good ? STATUS_OK : STATUS_UNAUTHORIZED);
    return failed - 1;
}

static void memory_runs_out(void **state)
{
    (void)state;
    static const char payload[] = "{\"exp\":1900000600}";
    struct test_key rsa, ec, ed;
    char token[TEST_TOKEN_MAX];
    test_key_make(&rsa, "RSA", 2048, NULL);
    test_key_make(&ec, "EC", 0, "P-256");
    test_key_make(&ed, "ED25519", 0, NULL);

    test_sign_hmac(token, "{\"alg\":\"HS256\"}", payload, TEST_SECRET);
    assert_true(tell(TOKEN_HS256, TEST_SECRET, token, true) > 0);
    assert_true(tell(TOKEN_HS256, TEST_SECRET_2, token, false) > 0);
    test_sign(token, "{\"alg\":\"RS256\"}", payload, &rsa, false);
    assert_true(tell(TOKEN_RS256, rsa.public_pem, token, true) > 0);
    test_sign(token, "{\"alg\":\"ES256\"}", payload, &ec, false);
    assert_true(tell(TOKEN_ES256, ec.public_pem, token, true) > 0);
    test_sign(token, "{\"alg\":\"EdDSA\"}", payload, &ed, false);
    assert_true(tell(TOKEN_EDDSA, ed.public_pem, token, true) > 0);
    test_sign(token, "{\"alg\":\"EdDSA\"}", payload, &ec, false);
    assert_true(tell(TOKEN_EDDSA, ed.public_pem, token, false) > 0);

    test_key_free(&rsa);
    test_key_free(&ec);
    test_key_free(&ed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(memory_runs_out)};
    if (!failing_crypto_init())
        return EXIT_FAILURE; /* it had allocated before */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
