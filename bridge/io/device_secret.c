#include "io/device_secret.h"

#include "base/clock.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

/* What mosquitto 2.0 takes: exactly so many bytes of each. */
enum { SALT_BYTES = 12, HASH_BYTES = 64, ROUNDS = 101 };
enum { BASE64_SALT = 16, BASE64_HASH = 88 };

static void fill_random(unsigned char *out, size_t size)
{
    for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
        uint64_t word = clock_random();
        size_t left = size - at;
        memcpy(out + at, &word, left < sizeof word ? left : sizeof word);
    }
}

void device_secret_make(char out[DEVICE_SECRET_CHARS + 1])
{
    unsigned char bytes[DEVICE_SECRET_CHARS / 2];
    fill_random(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    explicit_bzero(bytes, sizeof bytes);
}

bool device_secret_hash(const char *secret, char out[DEVICE_HASH_MAX])
{
    unsigned char salt[SALT_BYTES], hash[HASH_BYTES];
    unsigned char salt64[BASE64_SALT + 1], hash64[BASE64_HASH + 1];
    fill_random(salt, sizeof salt);
    if (PKCS5_PBKDF2_HMAC(secret, (int)strlen(secret), salt, sizeof salt, ROUNDS, EVP_sha512(),
                          sizeof hash, hash) != 1)
        return false;
    EVP_EncodeBlock(salt64, salt, sizeof salt);
    EVP_EncodeBlock(hash64, hash, sizeof hash);
    snprintf(out, DEVICE_HASH_MAX, "$7$%d$%s$%s", ROUNDS, (char *)salt64, (char *)hash64);
    return true;
}
