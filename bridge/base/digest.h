/* A 64-bit digest of bytes, for tables and for recognizing what came before. Not cryptographic: who
 * knows the seed can make two texts with the same one. With the seed 0 it is the same in every
 * process on machines of one byte order, so it may go to another bridge. Pure. */
#ifndef SIGBRIDGE_BASE_DIGEST_H
#define SIGBRIDGE_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

uint64_t digest_bytes(uint64_t seed, const void *bytes, size_t len);

#endif
