/* Passwords for the broker: made here, and hashed as mosquitto keeps them in a password file.
 *
 * A secret is 128 random bits, so nobody guesses it and the hash needs no slowness: with
 * mosquitto's own 101 rounds a login costs the broker, which has one thread, well under a
 * millisecond.
 *
 * Threads: any. */
#ifndef SIGBRIDGE_IO_DEVICE_SECRET_H
#define SIGBRIDGE_IO_DEVICE_SECRET_H

#include <stdbool.h>

enum { DEVICE_SECRET_CHARS = 32, DEVICE_HASH_MAX = 128 };

/* 32 hexadecimal digits and a NUL. Wipe it with explicit_bzero() when it is of no use any more. */
void device_secret_make(char out[DEVICE_SECRET_CHARS + 1]);

/* "$7$rounds$salt$hash", PBKDF2 with SHA-512 and a salt of its own. False: OpenSSL failed. */
bool device_secret_hash(const char *secret, char out[DEVICE_HASH_MAX]);

#endif
