/* An OpenSSL whose memory runs out at one chosen allocation: for tests of what is left then. To be
 * included once; call failing_crypto_init() before anything else of OpenSSL. */
#ifndef SIGBRIDGE_FAILING_CRYPTO_H
#define SIGBRIDGE_FAILING_CRYPTO_H

#include <openssl/crypto.h>

#include <stdbool.h>
#include <stdlib.h>

static bool counting;
static unsigned long allocations, fail_at;

static bool fails(void)
{
    return counting && ++allocations == fail_at;
}

static void *allocate(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return fails() ? NULL : malloc(size);
}

static void *reallocate(void *old, size_t size, const char *file, int line)
{
    (void)file, (void)line;
    if (size == 0) { /* as CRYPTO_realloc() means it */
        free(old);
        return NULL;
    }
    return fails() ? NULL : realloc(old, size);
}

static void release(void *p, const char *file, int line)
{
    (void)file, (void)line;
    free(p);
}

static bool failing_crypto_init(void)
{
    return CRYPTO_set_mem_functions(allocate, reallocate, release) == 1;
}

#endif
