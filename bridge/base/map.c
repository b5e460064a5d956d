#include "base/map.h"

#include "base/clock.h"
#include "base/digest.h"

#include <stdlib.h>
#include <string.h>

enum { MAP_MIN = 4 }; /* rooms of two are the most common ones */

static uint64_t seed(void)
{
    static uint64_t value;
    if (!value)
        value = clock_random() | 1;
    return value;
}

uint64_t map_hash(const void *bytes, size_t len)
{
    return digest_bytes(seed(), bytes, len);
}

void map_init(struct map *m)
{
    *m = (struct map){0};
}

void map_release(struct map *m)
{
    free(m->slots);
    map_init(m);
}

/* The slot that holds the key, or the free one where it would go. The table is never full. */
static struct map_slot *find(const struct map *m, const char *key, size_t len, uint32_t hash)
{
    for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct map_slot *slot = &m->slots[i];
        if (!slot->value)
            return slot;
        if (slot->hash == hash && slot->len == len && memcmp(slot->key, key, len) == 0)
            return slot;
    }
}

static enum status resize(struct map *m, size_t cap)
{
    struct map_slot *slots = calloc(cap, sizeof *slots);
    if (!slots)
        return STATUS_NO_MEMORY;
    struct map old = *m;
    m->slots = slots;
    m->cap = cap;
    for (size_t i = 0; i < old.cap; i++) {
        struct map_slot *slot = &old.slots[i];
        if (slot->value)
            *find(m, slot->key, slot->len, slot->hash) = *slot;
    }
    free(old.slots);
    return STATUS_OK;
}

void *map_get(const struct map *m, const char *key, size_t len)
{
    return m->count ? find(m, key, len, (uint32_t)map_hash(key, len))->value : NULL;
}

enum status map_put(struct map *m, const char *key, size_t len, void *value)
{
    if ((m->count + 1) * 4 > m->cap * 3) {
        enum status s = resize(m, m->cap ? m->cap * 2 : MAP_MIN);
        if (s != STATUS_OK)
            return s;
    }
    uint32_t hash = (uint32_t)map_hash(key, len);
    *find(m, key, len, hash) = (struct map_slot){key, value, (uint32_t)len, hash};
    m->count++;
    return STATUS_OK;
}

void *map_remove(struct map *m, const char *key, size_t len)
{
    if (!m->count)
        return NULL;
    struct map_slot *slot = find(m, key, len, (uint32_t)map_hash(key, len));
    void *value = slot->value;
    if (!value)
        return NULL;
    /* Close the gap: move back what probed past it. */
    size_t mask = m->cap - 1;
    size_t hole = (size_t)(slot - m->slots);
    for (size_t i = (hole + 1) & mask; m->slots[i].value; i = (i + 1) & mask) {
        size_t home = m->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct map_slot){0};
    m->count--;
    if (m->cap > MAP_MIN && m->count * 8 < m->cap)
        (void)resize(m, m->cap / 2); /* without memory it just stays large */
    return value;
}

void *map_next(const struct map *m, size_t *at)
{
    while (*at < m->cap) {
        void *value = m->slots[(*at)++].value;
        if (value)
            return value;
    }
    return NULL;
}
