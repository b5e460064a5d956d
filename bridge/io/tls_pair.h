/* A certificate chain and its private key: loaded, checked, and exchanged without dropping anybody.
 *
 * What goes wrong inside OpenSSL leaves nothing in its queue of errors: the TLS sockets of the same
 * thread read that.
 *
 * Threads: the loop's. */
#ifndef SIGBRIDGE_IO_TLS_PAIR_H
#define SIGBRIDGE_IO_TLS_PAIR_H

#include "base/problem.h"

#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>

struct tls_pair;

enum { TLS_FILE_MAX = 256 * 1024 /* bytes of a PEM file */ };

/* Reads a PEM chain, the server's own certificate first, and the PEM key that fits it; the key is
 * not encrypted. STATUS_BAD_CONFIG with a sentence that names the file and the remedy, or
 * STATUS_NO_MEMORY; *out is written on success only. A certificate that is out of its time is taken
 * all the same, since a clock may be wrong: the caller asks tls_pair_expired() and warns. */
enum status tls_pair_load(struct tls_pair **out, const char *cert_path, const char *key_path,
                          int64_t now_ms, struct problem *why);
void tls_pair_destroy(struct tls_pair *p); /* NULL is fine; open connections keep what they use */

bool tls_pair_expired(const struct tls_pair *p); /* or not valid yet, at the load's now_ms */
int64_t tls_pair_begins_ms(const struct tls_pair *p);
int64_t tls_pair_ends_ms(const struct tls_pair *p);

/* Makes every later handshake of ctx use *current, a pointer that its owner may change between two
 * turns of the loop; it and what it points to outlive ctx. STATUS_BAD_CONFIG: this OpenSSL takes
 * none of our settings. */
enum status tls_pair_attach(SSL_CTX *ctx, struct tls_pair *const *current, struct problem *why);

#endif
