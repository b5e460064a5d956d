/* A hash map from byte strings to pointers. The keys belong to the values: the map keeps a pointer
 * to them, so they must live and stay put as long as the entry. Hashes are keyed with a random
 * number per process, so that names from the network cannot be chosen to collide.
 *
 * map_put() can fail for want of memory; nothing else allocates. Linear probing, at most 3/4 full,
 * 24 bytes per slot; it shrinks when 1/8 full. Threads: one owner. */
#ifndef SIGBRIDGE_BASE_MAP_H
#define SIGBRIDGE_BASE_MAP_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_slot {
    const char *key;
    void *value; /* NULL: free slot */
    uint32_t len;
    uint32_t hash;
};

struct map {
    struct map_slot *slots;
    size_t cap; /* 0 or a power of two */
    size_t count;
};

uint64_t map_hash(const void *bytes, size_t len); /* keyed per process: never put it on the wire */

void map_init(struct map *m);
void map_release(struct map *m); /* frees the table; keys and values are the caller's */
void *map_get(const struct map *m, const char *key, size_t len); /* NULL: not there */
/* STATUS_OK, or STATUS_NO_MEMORY with the map unchanged. The key must not be there; value != NULL.
 */
enum status map_put(struct map *m, const char *key, size_t len, void *value);
void *map_remove(struct map *m, const char *key, size_t len); /* the value, or NULL */
/* Each value once, in no order: start with *at = 0; NULL at the end. No put or remove between. */
void *map_next(const struct map *m, size_t *at);

#endif
