#include "io/tls_pair.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    CHAIN_MAX = 16,
    SECURITY_LEVEL = 2 /* OpenSSL's own scale: RSA of 2048 bits, curves of 224, no SHA-1 */
};

/* Forward secrecy and authenticated encryption; RFC 9325 section 4.2. TLS 1.3 has nothing else. */
#define CIPHERS_1_2                                                                                \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
/* The big groups of OpenSSL's default cost us a hundred times what they cost an attacker. */
#define GROUPS "X25519:P-256:P-384"

struct tls_pair {
    X509 *leaf;
    STACK_OF(X509) * chain; /* what follows the leaf */
    EVP_PKEY *key;
    int64_t begins_ms, ends_ms;
    bool expired;
};

/* The bytes of a file; `bytes` is NUL-terminated storage of the caller, cleared by release(). */
struct file {
    const char *option, *path;
    char *bytes;
    size_t len;
};

static enum status cannot_read(const struct file *f, const char *reason, struct problem *why)
{
    return problem_set(why, STATUS_BAD_CONFIG, 0, f->option, "%s %.120s cannot be read: %s",
                       f->option, f->path, reason);
}

static enum status out_of_memory(struct problem *why)
{
    return problem_set(why, STATUS_NO_MEMORY, 0, NULL, "out of memory");
}

static void release(struct file *f)
{
    if (f->bytes)
        explicit_bzero(f->bytes, TLS_FILE_MAX);
    free(f->bytes);
    f->bytes = NULL;
}

static enum status read_all(struct file *f, int fd, struct problem *why)
{
    ssize_t n = 1;
    while (n > 0 && f->len < TLS_FILE_MAX) {
        n = read(fd, f->bytes + f->len, TLS_FILE_MAX - f->len);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            f->len += (size_t)n;
    }
    if (n < 0)
        return cannot_read(f, strerrordesc_np(errno), why);
    if (f->len == TLS_FILE_MAX)
        return cannot_read(f, "it is too large for a PEM file", why);
    return STATUS_OK;
}

/* A pipe would stop the loop at a reload: only a file will do. */
static enum status read_file(struct file *f, struct problem *why)
{
    struct stat st;
    enum status status;
    int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return cannot_read(f, strerrordesc_np(errno), why);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        status = cannot_read(f, "it is not a file", why);
    else if (!(f->bytes = malloc(TLS_FILE_MAX)))
        status = out_of_memory(why);
    else
        status = read_all(f, fd, why);
    close(fd);
    return status;
}

/* OpenSSL asks here for the password of an encrypted key, instead of on the terminal. */
static int no_password(char *buf, int size, int writing, void *asked)
{
    (void)buf;
    (void)size;
    (void)writing;
    *(bool *)asked = true;
    return -1;
}

static enum status add_certificate(struct tls_pair *p, X509 *x, const struct file *f,
                                   struct problem *why)
{
    if (!p->leaf) {
        p->leaf = x;
        return STATUS_OK;
    }
    if (sk_X509_num(p->chain) < CHAIN_MAX - 1) {
        if (sk_X509_push(p->chain, x) > 0)
            return STATUS_OK;
        X509_free(x);
        return out_of_memory(why);
    }
    X509_free(x);
    return problem_set(why, STATUS_BAD_CONFIG, 0, f->option,
                       "%s %.100s holds more than %d certificates: give the server's own and those "
                       "between it and the root",
                       f->option, f->path, CHAIN_MAX);
}

static enum status parse_chain(struct tls_pair *p, const struct file *f, struct problem *why)
{
    enum status status = STATUS_OK;
    bool asked = false;
    X509 *x;
    BIO *bio = BIO_new_mem_buf(f->bytes, (int)f->len);
    p->chain = sk_X509_new_null();
    if (!bio || !p->chain) {
        BIO_free(bio);
        return out_of_memory(why);
    }
    while (status == STATUS_OK && (x = PEM_read_bio_X509(bio, NULL, no_password, &asked)))
        status = add_certificate(p, x, f, why);
    BIO_free(bio);
    if (status != STATUS_OK)
        return status;
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return problem_set(why, STATUS_BAD_CONFIG, 0, f->option,
                           "%s %.100s: certificate %d of the file is damaged: copy the file again",
                           f->option, f->path, p->leaf ? sk_X509_num(p->chain) + 2 : 1);
    if (!p->leaf)
        return problem_set(why, STATUS_BAD_CONFIG, 0, f->option,
                           "%s %.100s holds no PEM certificate: it begins with -----BEGIN "
                           "CERTIFICATE-----",
                           f->option, f->path);
    return STATUS_OK;
}

static enum status parse_key(struct tls_pair *p, const struct file *f, struct problem *why)
{
    bool asked = false;
    BIO *bio = BIO_new_mem_buf(f->bytes, (int)f->len);
    if (!bio)
        return out_of_memory(why);
    p->key = PEM_read_bio_PrivateKey(bio, NULL, no_password, &asked);
    BIO_free(bio);
    if (p->key)
        return STATUS_OK;
    if (asked)
        return problem_set(why, STATUS_BAD_CONFIG, 0, f->option,
                           "%s %.80s is encrypted, and nobody is there to type its password: store "
                           "it without one, readable for the bridge only",
                           f->option, f->path);
    return problem_set(why, STATUS_BAD_CONFIG, 0, f->option,
                       "%s %.80s holds no PEM private key that OpenSSL can read: it begins with "
                       "-----BEGIN PRIVATE KEY-----",
                       f->option, f->path);
}

/* What every browser since TLS 1.2 takes, and Ed25519 for other clients. */
static bool is_known_kind(const EVP_PKEY *key)
{
    static const char *const curves[] = {"prime256v1", "secp384r1", "secp521r1"};
    char group[32];
    size_t len;
    if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "ED25519"))
        return true;
    if (!EVP_PKEY_is_a(key, "EC") || EVP_PKEY_get_group_name(key, group, sizeof group, &len) != 1)
        return false;
    for (size_t i = 0; i < sizeof curves / sizeof *curves; i++)
        if (strcmp(group, curves[i]) == 0)
            return true;
    return false;
}

static enum status does_not_fit(const struct tls_pair *p, const struct file *cert,
                                const struct file *key, struct problem *why)
{
    for (int i = 0; i < sk_X509_num(p->chain); i++)
        if (X509_check_private_key(sk_X509_value(p->chain, i), p->key) == 1)
            return problem_set(
                why, STATUS_BAD_CONFIG, 0, cert->option,
                "%s %.80s: the key fits certificate %d of the file: put the server's "
                "own certificate first",
                cert->option, cert->path, i + 2);
    return problem_set(why, STATUS_BAD_CONFIG, 0, key->option,
                       "%s %.70s does not fit the certificate in %s %.70s: give the two that were "
                       "made together",
                       key->option, key->path, cert->option, cert->path);
}

static bool set_rules(SSL_CTX *ctx)
{
    if (SSL_CTX_get_security_level(ctx) < SECURITY_LEVEL)
        SSL_CTX_set_security_level(ctx, SECURITY_LEVEL);
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                 SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_NO_TICKET);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    return SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
           SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(ctx, CIPHERS_1_2) == 1 &&
           SSL_CTX_set1_groups_list(ctx, GROUPS) == 1;
}

/* Whether handshakes will be able to use it: better told now than to each client. */
static enum status check_use(const struct tls_pair *p, const struct file *cert, struct problem *why)
{
    enum status status = STATUS_OK;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx)
        return out_of_memory(why);
    if (!is_known_kind(p->key))
        status =
            problem_set(why, STATUS_BAD_CONFIG, 0, cert->option,
                        "%s %.100s: keys of this kind are no use for TLS: take EC P-256 or RSA",
                        cert->option, cert->path);
    else if (!set_rules(ctx) || SSL_CTX_use_cert_and_key(ctx, p->leaf, p->key, p->chain, 1) != 1)
        status =
            problem_set(why, STATUS_BAD_CONFIG, 0, cert->option,
                        "%s %.80s is refused by OpenSSL (%.60s): take EC P-256, or RSA of 2048 "
                        "bits",
                        cert->option, cert->path, ERR_reason_error_string(ERR_peek_last_error()));
    SSL_CTX_free(ctx);
    return status;
}

static int64_t to_ms(const ASN1_TIME *t)
{
    struct tm tm;
    return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) * 1000 : 0;
}

static enum status load(struct tls_pair *p, struct file *cert, struct file *key,
                        struct problem *why)
{
    enum status status = read_file(cert, why);
    if (status == STATUS_OK)
        status = parse_chain(p, cert, why);
    if (status == STATUS_OK)
        status = read_file(key, why);
    if (status == STATUS_OK)
        status = parse_key(p, key, why);
    if (status == STATUS_OK && X509_check_private_key(p->leaf, p->key) != 1)
        status = does_not_fit(p, cert, key, why);
    if (status == STATUS_OK)
        status = check_use(p, cert, why);
    return status;
}

/* OpenSSL takes what it has no memory for as if it were malformed. */
static bool memory_ran_out(void)
{
    unsigned long error;
    while ((error = ERR_get_error()))
        if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
            return true;
    return false;
}

enum status tls_pair_load(struct tls_pair **out, const char *cert_path, const char *key_path,
                          int64_t now_ms, struct problem *why)
{
    struct file cert = {.option = "tls_cert", .path = cert_path};
    struct file key = {.option = "tls_key", .path = key_path};
    struct tls_pair *p = calloc(1, sizeof *p);
    if (!p)
        return out_of_memory(why);
    ERR_clear_error();
    enum status status = load(p, &cert, &key, why);
    if (status == STATUS_BAD_CONFIG && memory_ran_out())
        status = out_of_memory(why);
    ERR_clear_error();
    release(&cert);
    release(&key);
    if (status != STATUS_OK) {
        tls_pair_destroy(p);
        return status;
    }
    p->begins_ms = to_ms(X509_get0_notBefore(p->leaf));
    p->ends_ms = to_ms(X509_get0_notAfter(p->leaf));
    p->expired = now_ms < p->begins_ms || now_ms >= p->ends_ms;
    *out = p;
    return STATUS_OK;
}

void tls_pair_destroy(struct tls_pair *p)
{
    if (!p)
        return;
    X509_free(p->leaf);
    sk_X509_pop_free(p->chain, X509_free);
    EVP_PKEY_free(p->key);
    free(p);
}

bool tls_pair_expired(const struct tls_pair *p)
{
    return p->expired;
}

int64_t tls_pair_begins_ms(const struct tls_pair *p)
{
    return p->begins_ms;
}

int64_t tls_pair_ends_ms(const struct tls_pair *p)
{
    return p->ends_ms;
}

/* Runs in every handshake, after the ClientHello was read. The connection takes references, so the
 * pair may go while it lives. */
static int use_current(SSL *ssl, void *arg)
{
    struct tls_pair *const *current = arg;
    const struct tls_pair *p = *current;
    SSL_certs_clear(ssl);
    return p && SSL_use_cert_and_key(ssl, p->leaf, p->key, p->chain, 1) == 1;
}

enum status tls_pair_attach(SSL_CTX *ctx, struct tls_pair *const *current, struct problem *why)
{
    bool taken = set_rules(ctx);
    ERR_clear_error();
    if (!taken)
        return problem_set(why, STATUS_BAD_CONFIG, 0, "tls",
                           "OpenSSL takes none of our TLS 1.2 ciphers and groups: look into the "
                           "system's openssl.cnf");
    SSL_CTX_set_tlsext_servername_callback(ctx, NULL);
    SSL_CTX_set_cert_cb(ctx, use_current, (void *)(uintptr_t)current);
    return STATUS_OK;
}
