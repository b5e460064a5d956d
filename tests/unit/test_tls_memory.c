/* Memory runs out inside OpenSSL: a pair is loaded again and again, each time with a later
 * allocation failing, until none is left to fail. Nothing crashes, nothing leaks, and a pair that
 * is given out is whole. */
#include "failing_crypto.h"
#include "test.h"

#include "io/tls_pair.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NOW_MS INT64_C(1800000000000)

/* A load allocates some seven thousand times. */
enum { STRIDE = 29 };

static char cert_path[] = "/tmp/test_tls_memory-XXXXXX", key_path[] = "/tmp/test_tls_memory-XXXXXX";
static int put_files(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    FILE *cert_file = fdopen(mkstemp(cert_path), "w"), *key_file = fdopen(mkstemp(key_path), "w");
    (void)state;
    ASN1_TIME_set(X509_getm_notBefore(x), NOW_MS / 1000 - 1);
    ASN1_TIME_set(X509_getm_notAfter(x), NOW_MS / 1000 + 1);
    X509_set_pubkey(x, key);
    X509_sign(x, key, EVP_sha256());
    bool ok = PEM_write_X509(cert_file, x) && PEM_write_X509(cert_file, x) &&
              PEM_write_PrivateKey(key_file, key, NULL, NULL, 0, NULL, NULL);
    fclose(cert_file);
    fclose(key_file);
    X509_free(x);
    EVP_PKEY_free(key);
    return ok ? 0 : -1;
}

static int remove_files(void **state)
{
    (void)state;
    return unlink(cert_path) | unlink(key_path);
}

static void memory_runs_out(void **state)
{
    unsigned long failures = 0, told = 0;
    (void)state;
    fail_at = 0;
    do {
        struct problem why = {0};
        struct tls_pair *p = NULL;
        allocations = 0;
        fail_at += STRIDE;
        counting = true;
        enum status s = tls_pair_load(&p, cert_path, key_path, NOW_MS, &why);
        counting = false;
        assert_true((s == STATUS_OK) == (p != NULL));
        assert_true(p || s == STATUS_NO_MEMORY || s == STATUS_BAD_CONFIG);
        assert_int_equal(ERR_peek_error(), 0);
        if (p)
            assert_true(!tls_pair_expired(p) && tls_pair_ends_ms(p) == NOW_MS + 1000);
        failures += !p;
        told += s == STATUS_NO_MEMORY;
        tls_pair_destroy(p);
    } while (allocations >= fail_at);
    assert_true(failures > 10);
    assert_true(told > 0); /* the others read as files that are malformed: OpenSSL hides it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(memory_runs_out)};
    if (!failing_crypto_init())
        return EXIT_FAILURE; /* it had allocated before */
    return cmocka_run_group_tests(tests, put_files, remove_files);
}
