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
 * none of our settings.
 *
 * TLS 1.2 and 1.3, with forward secrecy and authenticated ciphers only (RFC 9325); no renegotiation
 * and no compression. No session tickets: OpenSSL's ticket key would stay the same for the months
 * that a bridge runs, and whoever gets hold of it reads all of them; a WebSocket saves nothing by
 * resuming, and after a reload every client sees the new certificate. The name in the ClientHello
 * (SNI) is not looked at: there is one certificate.
 *
 * How libwebsockets 4.1.6 makes a virtual host whose certificates it never sees:
 *   - lws_create_context(): LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT in info.options;
 *   - lws_create_vhost(): info.port CONTEXT_PORT_NO_LISTEN_SERVER (with CONTEXT_PORT_NO_LISTEN it
 *     stays plain), info.alpn "http/1.1" (the default offers h2), no certificate files, and in
 *     info.options DO_SSL_GLOBAL_INIT (it is looked for here again), CREATE_VHOST_SSL_CTX, and
 *     DISABLE_OS_CA_CERTS, or it reads the system's CAs for a client that we do not have. A plain
 *     virtual host beside it has none of the three;
 *   - within that call, protocols[0].callback gets
 * LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS with the SSL_CTX as `user` and a wsi that has
 * nothing but context and vhost: call this, and return non-zero when it fails, for which
 * lws_create_vhost() returns NULL;
 *   - accepted sockets: lws_adopt_socket_vhost(), as for a plain one. Handshakes that are not done
 *     after info.timeout_secs are cut. */
enum status tls_pair_attach(SSL_CTX *ctx, struct tls_pair *const *current, struct problem *why);

#endif
