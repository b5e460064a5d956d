/* Certificates made here, with every fault that a file on a server has; handshakes in memory, as
 * browsers, old clients and attackers begin them. */
#include "test.h"

#include "io/tls_pair.h"

#include <dirent.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW_MS INT64_C(1800000000000) /* 2027-01-15 */
#define DAY_S  86400

static char dir[] = "/tmp/test_tls_pair-XXXXXX";

static const char *in_dir(const char *name)
{
    static char paths[4][320];
    static unsigned next;
    char *path = paths[next++ % 4];
    assert_true(snprintf(path, sizeof paths[0], "%s/%s", dir, name) < (int)sizeof paths[0]);
    return path;
}

/* ---- files ---- */

static EVP_PKEY *make_key(const char *kind)
{
    if (strcmp(kind, "rsa") == 0)
        return EVP_RSA_gen(2048);
    if (strcmp(kind, "rsa-1024") == 0)
        return EVP_RSA_gen(1024);
    if (strcmp(kind, "ed25519") == 0)
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    return EVP_EC_gen(kind);
}

/* A certificate of `subject`'s name by `issuer`'s name, valid from `begins` to `ends` days off now.
 */
static void put_certificate(FILE *f, EVP_PKEY *key, const char *name, EVP_PKEY *issuer, int begins,
                            int ends)
{
    X509 *x = X509_new();
    X509_NAME *n = X509_NAME_new();
    const EVP_MD *md = EVP_PKEY_is_a(issuer, "ED25519") ? NULL : EVP_sha256();
    X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    ASN1_TIME_set(X509_getm_notBefore(x), NOW_MS / 1000 + begins * DAY_S);
    ASN1_TIME_set(X509_getm_notAfter(x), NOW_MS / 1000 + ends * DAY_S);
    X509_set_subject_name(x, n);
    X509_set_issuer_name(x, n);
    X509_set_pubkey(x, key);
    assert_true(X509_sign(x, issuer, md) > 0);
    assert_int_equal(PEM_write_X509(f, x), 1);
    X509_NAME_free(n);
    X509_free(x);
}

static void put_pair(const char *name, const char *kind, int begins, int ends)
{
    char file[64];
    EVP_PKEY *key = make_key(kind);
    assert_non_null(key);
    snprintf(file, sizeof file, "%s.crt", name);
    FILE *f = fopen(in_dir(file), "w");
    put_certificate(f, key, name, key, begins, ends);
    fclose(f);
    snprintf(file, sizeof file, "%s.key", name);
    f = fopen(in_dir(file), "w");
    assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(f);
    EVP_PKEY_free(key);
}

/* A leaf, signed by another key, whose certificate follows, or comes before. */
static void put_chain(const char *name, bool leaf_first, int others)
{
    char file[64];
    EVP_PKEY *key = make_key("P-256"), *other = make_key("P-256");
    snprintf(file, sizeof file, "%s.crt", name);
    FILE *f = fopen(in_dir(file), "w");
    if (leaf_first)
        put_certificate(f, key, name, other, -1, 1);
    for (int i = 0; i < others; i++)
        put_certificate(f, other, "between", other, -1, 1);
    if (!leaf_first)
        put_certificate(f, key, name, other, -1, 1);
    fclose(f);
    snprintf(file, sizeof file, "%s.key", name);
    f = fopen(in_dir(file), "w");
    PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
}

static void put_encrypted(const char *file, bool traditional)
{
    EVP_PKEY *key = make_key("P-256");
    BIO *bio = BIO_new_file(in_dir(file), "w");
    int ok =
        traditional
            ? PEM_write_bio_PrivateKey_traditional(bio, key, EVP_aes_128_cbc(),
                                                   (const unsigned char *)"secret", 6, NULL, NULL)
            : PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL);
    assert_int_equal(ok, 1);
    BIO_free(bio);
    EVP_PKEY_free(key);
}

static void put_text(const char *name, const char *text)
{
    FILE *f = fopen(in_dir(name), "w");
    fputs(text, f);
    fclose(f);
}

/* The file `from` without its last bytes, behind the file `before`, if any. */
static void put_cut(const char *to, const char *before, const char *from, size_t cut)
{
    char bytes[16384];
    size_t len = 0;
    FILE *f = before ? fopen(in_dir(before), "r") : NULL;
    if (f) {
        len = fread(bytes, 1, sizeof bytes / 2, f);
        fclose(f);
    }
    f = fopen(in_dir(from), "r");
    len += fread(bytes + len, 1, sizeof bytes / 2 - 1, f);
    fclose(f);
    assert_true(len > cut);
    bytes[len - cut] = '\0';
    put_text(to, bytes);
}

static int put_files(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    put_pair("rsa", "rsa", -1, 1);
    put_pair("ec", "P-256", -1, 1);
    put_pair("p384", "P-384", -1, 1);
    put_pair("p521", "P-521", -1, 1);
    put_pair("ed", "ed25519", -1, 1);
    put_pair("expired", "P-256", -2, -1);
    put_pair("early", "P-256", 1, 2);
    put_pair("weak", "rsa-1024", -1, 1);
    put_pair("odd", "secp256k1", -1, 1);
    put_chain("chain", true, 2);
    put_chain("order", false, 1);
    put_chain("long", true, 16);
    put_encrypted("pkcs8.key", false);
    put_encrypted("traditional.key", true);
    put_text("empty", "");
    put_text("words", "this is no certificate\n");
    put_cut("both", "ec.crt", "ec.key", 0);
    put_cut("cut.crt", NULL, "ec.crt", 60);
    put_cut("cut2.crt", "ec.crt", "rsa.crt", 60);
    put_cut("cut.key", NULL, "ec.key", 60);
    put_text("large", "");
    return truncate(in_dir("large"), TLS_FILE_MAX) || mkfifo(in_dir("pipe"), 0600);
}

static int remove_files(void **state)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    (void)state;
    while ((e = readdir(d)))
        if (e->d_name[0] != '.')
            unlink(in_dir(e->d_name));
    closedir(d);
    return rmdir(dir);
}

/* ---- loading ---- */

static void loads_or_says_why(void **state)
{
    static const struct {
        const char *name, *cert, *key;
        bool expired;
        const char *file, *words; /* of the sentence; NULL: it loads */
    } rows[] = {
        {"RSA", "rsa.crt", "rsa.key", false, NULL, NULL},
        {"P-256", "ec.crt", "ec.key", false, NULL, NULL},
        {"P-384", "p384.crt", "p384.key", false, NULL, NULL},
        {"P-521", "p521.crt", "p521.key", false, NULL, NULL},
        {"Ed25519", "ed.crt", "ed.key", false, NULL, NULL},
        {"with a chain", "chain.crt", "chain.key", false, NULL, NULL},
        {"both in one file", "both", "both", false, NULL, NULL},
        {"expired", "expired.crt", "expired.key", true, NULL, NULL},
        {"not yet valid", "early.crt", "early.key", true, NULL, NULL},
        {"no such certificate", "none", "ec.key", false, "none", "cannot be read: No such file"},
        {"no such key", "ec.crt", "none", false, "none", "cannot be read: No such file"},
        {"a directory", "", "ec.key", false, "", "it is not a file"},
        {"a pipe", "ec.crt", "pipe", false, "pipe", "it is not a file"},
        {"too large", "large", "ec.key", false, "large", "too large for a PEM file"},
        {"empty certificate", "empty", "ec.key", false, "empty", "no PEM certificate"},
        {"empty key", "ec.crt", "empty", false, "empty", "no PEM private key"},
        {"words", "words", "ec.key", false, "words", "no PEM certificate"},
        {"words as a key", "ec.crt", "words", false, "words", "no PEM private key"},
        {"exchanged", "ec.key", "ec.crt", false, "ec.key", "no PEM certificate"},
        {"certificate as a key", "ec.crt", "ec.crt", false, "ec.crt", "no PEM private key"},
        {"cut", "cut.crt", "ec.key", false, "cut.crt", "certificate 1 of the file is damaged"},
        {"second cut", "cut2.crt", "ec.key", false, "cut2.crt", "certificate 2 of the file is"},
        {"cut key", "ec.crt", "cut.key", false, "cut.key", "no PEM private key"},
        {"encrypted", "ec.crt", "pkcs8.key", false, "pkcs8.key", "is encrypted"},
        {"encrypted as of old", "ec.crt", "traditional.key", false, "traditional.key",
         "is encrypted"},
        {"another's key", "ec.crt", "p384.key", false, "p384.key", "does not fit the certificate"},
        {"another kind of key", "ec.crt", "rsa.key", false, "rsa.key", "does not fit"},
        {"wrong order", "order.crt", "order.key", false, "order.crt", "fits certificate 2"},
        {"long chain", "long.crt", "long.key", false, "long.crt", "more than 16 certificates"},
        {"weak", "weak.crt", "weak.key", false, "weak.crt", "key too small"},
        {"odd curve", "odd.crt", "odd.key", false, "odd.crt", "no use for TLS"},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct problem why = {0};
        struct tls_pair *p = NULL;
        enum status s = tls_pair_load(&p, in_dir(rows[i].cert), in_dir(rows[i].key), NOW_MS, &why);
        ROW(rows[i].name, ERR_peek_error() == 0);
        if (!rows[i].words) {
            ROW(rows[i].name, s == STATUS_OK && p);
            ROW(rows[i].name, tls_pair_expired(p) == rows[i].expired);
            tls_pair_destroy(p);
            continue;
        }
        ROW(rows[i].name, s == STATUS_BAD_CONFIG && !p);
        if (!strstr(why.text, rows[i].words))
            fail_msg("row \"%s\": %s", rows[i].name, why.text);
        ROW(rows[i].name, strstr(why.text, in_dir(rows[i].file)));
        ROW(rows[i].name, strncmp(why.text, "tls_", 4) == 0);
    }
}

static void knows_its_days(void **state)
{
    struct problem why;
    struct tls_pair *p;
    int64_t begins = NOW_MS - DAY_S * 1000, ends = NOW_MS + DAY_S * 1000;
    static const struct {
        const char *name;
        int64_t off_ms;
        bool begin, expired;
    } rows[] = {
        {"just before", -1, true, true},
        {"at the first moment", 0, true, false},
        {"the last moment", -1, false, false},
        {"at the end", 0, false, true},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        int64_t now = (rows[i].begin ? begins : ends) + rows[i].off_ms;
        ROW(rows[i].name,
            tls_pair_load(&p, in_dir("ec.crt"), in_dir("ec.key"), now, &why) == STATUS_OK);
        ROW(rows[i].name, tls_pair_expired(p) == rows[i].expired);
        ROW(rows[i].name, tls_pair_begins_ms(p) == begins && tls_pair_ends_ms(p) == ends);
        tls_pair_destroy(p);
    }
    tls_pair_destroy(NULL);
}

/* ---- handshakes ---- */

struct server {
    struct tls_pair *pair;
    SSL_CTX *ctx;
};

static struct tls_pair *load_pair(const char *cert, const char *key)
{
    struct problem why = {0};
    struct tls_pair *p = NULL;
    if (tls_pair_load(&p, in_dir(cert), in_dir(key), NOW_MS, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    return p;
}

static void start_server(struct server *s, struct tls_pair *pair)
{
    struct problem why;
    s->pair = pair;
    s->ctx = SSL_CTX_new(TLS_server_method());
    assert_int_equal(tls_pair_attach(s->ctx, &s->pair, &why), STATUS_OK);
    assert_int_equal(ERR_peek_error(), 0);
}

static void stop_server(struct server *s)
{
    SSL_CTX_free(s->ctx);
    tls_pair_destroy(s->pair);
}

struct ends {
    SSL *client, *server;
};

static struct ends make_ends(const struct server *s, SSL_CTX *client)
{
    struct ends e = {SSL_new(client), SSL_new(s->ctx)};
    BIO *a, *b;
    assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
    SSL_set_bio(e.client, a, a);
    SSL_set_bio(e.server, b, b);
    SSL_set_connect_state(e.client);
    SSL_set_accept_state(e.server);
    return e;
}

static void free_ends(struct ends *e)
{
    SSL_free(e->client);
    SSL_free(e->server);
    ERR_clear_error();
}

/* 1: done; 0: goes on; -1: failed. */
static int step(SSL *ssl)
{
    int n = SSL_do_handshake(ssl);
    int error = SSL_get_error(ssl, n);
    if (n == 1)
        return 1;
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static bool shake(struct ends *e)
{
    for (int i = 0; i < 20; i++) {
        int c = step(e->client), s = step(e->server);
        if (c < 0 || s < 0)
            return false;
        if (c && s)
            return true;
    }
    return false;
}

static bool exchange(struct ends *e)
{
    char got[8];
    if (SSL_write(e->client, "ping", 4) != 4 || SSL_read(e->server, got, 8) != 4)
        return false;
    return SSL_write(e->server, "pong", 4) == 4 && SSL_read(e->client, got, 8) == 4 &&
           memcmp(got, "pong", 4) == 0;
}

static SSL_CTX *make_client(int min, int max)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(ctx, 0); /* it would refuse by itself what the server should */
    SSL_CTX_set_min_proto_version(ctx, min);
    SSL_CTX_set_max_proto_version(ctx, max);
    return ctx;
}

static void takes_good_clients_only(void **state)
{
    static const struct {
        const char *name, *pair;
        int min, max;
        const char *ciphers, *groups; /* NULL: the client's default */
        const char *suite;            /* what comes of it; NULL: it is refused */
    } rows[] = {
        {"TLS 1.3", "rsa", TLS1_3_VERSION, 0, NULL, NULL, "TLS_AES_256_GCM_SHA384"},
        {"TLS 1.2, RSA", "rsa", 0, TLS1_2_VERSION, NULL, NULL, "ECDHE-RSA-AES128-GCM-SHA256"},
        {"TLS 1.2, EC", "ec", 0, TLS1_2_VERSION, NULL, NULL, "ECDHE-ECDSA-AES128-GCM-SHA256"},
        {"TLS 1.2, Ed25519", "ed", 0, TLS1_2_VERSION, NULL, NULL, "ECDHE-ECDSA-AES128-GCM-SHA256"},
        {"TLS 1.3, P-521", "p521", TLS1_3_VERSION, 0, NULL, NULL, "TLS_AES_256_GCM_SHA384"},
        {"a client without AES", "ec", 0, TLS1_2_VERSION,
         "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256", NULL,
         "ECDHE-ECDSA-CHACHA20-POLY1305"},
        {"TLS 1.1", "rsa", 0, TLS1_1_VERSION, NULL, NULL, NULL},
        {"TLS 1.0", "rsa", 0, TLS1_VERSION, NULL, NULL, NULL},
        {"no forward secrecy", "rsa", 0, TLS1_2_VERSION, "AES128-GCM-SHA256", NULL, NULL},
        {"CBC", "rsa", 0, TLS1_2_VERSION, "ECDHE-RSA-AES128-SHA256", NULL, NULL},
        {"finite fields", "rsa", 0, TLS1_2_VERSION, "DHE-RSA-AES128-GCM-SHA256", NULL, NULL},
        {"nobody's certificate", "rsa", 0, TLS1_2_VERSION, "AECDH-AES128-SHA:ADH-AES128-GCM-SHA256",
         NULL, NULL},
        {"no encryption", "rsa", 0, TLS1_2_VERSION, "ECDHE-RSA-NULL-SHA:NULL-SHA256", NULL, NULL},
        {"P-256 alone", "rsa", TLS1_3_VERSION, 0, NULL, "P-256", "TLS_AES_256_GCM_SHA384"},
        {"the big groups alone", "rsa", TLS1_3_VERSION, 0, NULL, "ffdhe8192:P-521", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char cert[16], key[16];
        struct server s;
        snprintf(cert, sizeof cert, "%s.crt", rows[i].pair);
        snprintf(key, sizeof key, "%s.key", rows[i].pair);
        start_server(&s, load_pair(cert, key));
        SSL_CTX *client = make_client(rows[i].min, rows[i].max);
        ROW(rows[i].name,
            !rows[i].ciphers || SSL_CTX_set_cipher_list(client, rows[i].ciphers) == 1);
        ROW(rows[i].name, !rows[i].groups || SSL_CTX_set1_groups_list(client, rows[i].groups) == 1);
        struct ends e = make_ends(&s, client);
        ROW(rows[i].name, shake(&e) == (rows[i].suite != NULL));
        if (rows[i].suite && strcmp(SSL_get_cipher_name(e.client), rows[i].suite) != 0)
            fail_msg("row \"%s\": %s", rows[i].name, SSL_get_cipher_name(e.client));
        ROW(rows[i].name, !rows[i].suite || exchange(&e));
        free_ends(&e);
        SSL_CTX_free(client);
        stop_server(&s);
    }
}

static bool shows(const struct ends *e, const char *kind, int certificates)
{
    X509 *x = SSL_get0_peer_certificate(e->client);
    return x && EVP_PKEY_is_a(X509_get0_pubkey(x), kind) &&
           sk_X509_num(SSL_get_peer_cert_chain(e->client)) == certificates;
}

static void exchanges_the_pair(void **state)
{
    static const struct {
        const char *name;
        int min, max;
    } rows[] = {{"TLS 1.2", 0, TLS1_2_VERSION}, {"TLS 1.3", TLS1_3_VERSION, 0}};
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct server s;
        start_server(&s, load_pair("rsa.crt", "rsa.key"));
        SSL_CTX *client = make_client(rows[i].min, rows[i].max);
        struct ends before = make_ends(&s, client), between = make_ends(&s, client);
        ROW(rows[i].name, shake(&before) && shows(&before, "RSA", 1));
        ROW(rows[i].name, step(between.client) == 0); /* its ClientHello waits to be read */

        tls_pair_destroy(s.pair);
        s.pair = load_pair("chain.crt", "chain.key");
        struct ends after = make_ends(&s, client);
        ROW(rows[i].name, shake(&after) && shows(&after, "EC", 3));
        ROW(rows[i].name, shake(&between) && shows(&between, "EC", 3));
        ROW(rows[i].name, exchange(&before) && exchange(&between) && exchange(&after));

        free_ends(&before);
        free_ends(&between);
        free_ends(&after);
        SSL_CTX_free(client);
        stop_server(&s);
    }
}

static void fails_without_a_pair(void **state)
{
    struct server s;
    (void)state;
    start_server(&s, NULL);
    SSL_CTX *client = make_client(0, 0);
    struct ends e = make_ends(&s, client);
    assert_false(shake(&e));
    free_ends(&e);
    SSL_CTX_free(client);
    stop_server(&s);
}

static void never_resumes(void **state)
{
    static const struct {
        const char *name;
        int max;
    } rows[] = {{"TLS 1.2", TLS1_2_VERSION}, {"TLS 1.3", TLS1_3_VERSION}};
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct server s;
        start_server(&s, load_pair("ec.crt", "ec.key"));
        SSL_CTX *client = make_client(0, rows[i].max);
        struct ends first = make_ends(&s, client);
        ROW(rows[i].name, shake(&first) && exchange(&first));
        SSL_SESSION *session = SSL_get1_session(first.client);
        ROW(rows[i].name, !SSL_SESSION_has_ticket(session));
        struct ends second = make_ends(&s, client);
        SSL_set_session(second.client, session);
        ROW(rows[i].name, shake(&second) && !SSL_session_reused(second.client));
        SSL_SESSION_free(session);
        free_ends(&first);
        free_ends(&second);
        SSL_CTX_free(client);
        stop_server(&s);
    }
}

static void never_renegotiates(void **state)
{
    struct server s;
    char byte;
    (void)state;
    start_server(&s, load_pair("ec.crt", "ec.key"));
    SSL_CTX *client = make_client(0, TLS1_2_VERSION);
    struct ends e = make_ends(&s, client);
    assert_true(shake(&e));
    assert_int_equal(SSL_renegotiate(e.client), 1);
    assert_int_equal(step(e.client), 0);                /* a second ClientHello */
    assert_int_equal(SSL_read(e.server, &byte, 1), -1); /* is answered by an alert */
    assert_int_equal(step(e.client), -1);
    assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_NO_RENEGOTIATION);
    free_ends(&e);
    SSL_CTX_free(client);
    stop_server(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_or_says_why),       cmocka_unit_test(knows_its_days),
        cmocka_unit_test(takes_good_clients_only), cmocka_unit_test(exchanges_the_pair),
        cmocka_unit_test(fails_without_a_pair),    cmocka_unit_test(never_resumes),
        cmocka_unit_test(never_renegotiates),
    };
    return cmocka_run_group_tests(tests, put_files, remove_files);
}
