/* Compares a certificate with a fingerprint of SDP (RFC 8122 section 5).
 *
 * Threads: pure functions. */
#ifndef CAMERA_FINGERPRINT_H
#define CAMERA_FINGERPRINT_H

#include <stdbool.h>

#include "base/text.h"

/* pem: the certificate. hash: "sha-256", "sha-384" or "sha-512", in any case. fingerprint: bytes in
 * hexadecimal, in any case, with colons between them. */
bool fingerprint_matches(const char *pem, struct text hash, struct text fingerprint);

#endif
