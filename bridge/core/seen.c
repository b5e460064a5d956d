#include "core/seen.h"

#include "base/digest.h"

#include <stdlib.h>
#include <string.h>

struct seen_ring {
    unsigned size, next;
    int64_t since_us;   /* when the first place was taken last */
    uint64_t digests[]; /* 0: free */
};

void seen_init(struct seen *s)
{
    s->ring = NULL;
}

void seen_release(struct seen *s)
{
    free(s->ring);
    s->ring = NULL;
}

uint64_t seen_digest(struct text from, struct text payload)
{
    uint64_t sender = digest_bytes(0, from.p, text_len(&from));
    return digest_bytes(sender, payload.p, text_len(&payload)) | 1;
}

/* Twice as large, with what it holds; or as it is, when memory is short. */
static void resize(struct seen *s, unsigned size)
{
    unsigned old = s->ring ? s->ring->size : 0;
    struct seen_ring *ring = realloc(s->ring, sizeof *ring + size * sizeof *ring->digests);
    if (!ring)
        return;
    memset(ring->digests + old, 0, (size - old) * sizeof *ring->digests);
    ring->size = size;
    ring->next = old;
    s->ring = ring;
}

/* A place for one more. All were taken within a minute: then there are too few. */
static bool make_place(struct seen *s, int64_t now_us)
{
    struct seen_ring *ring = s->ring;
    if (!ring)
        resize(s, SEEN_MIN);
    else if (ring->next == ring->size && ring->size < SEEN_MAX && now_us - ring->since_us < SEEN_US)
        resize(s, ring->size * 2);
    ring = s->ring;
    if (!ring)
        return false;
    if (ring->next >= ring->size)
        ring->next = 0;
    if (ring->next == 0)
        ring->since_us = now_us;
    return true;
}

bool seen_before(struct seen *s, uint64_t digest, int64_t now_us)
{
    for (unsigned i = 0; s->ring && i < s->ring->size; i++)
        if (s->ring->digests[i] == digest)
            return true;
    if (make_place(s, now_us))
        s->ring->digests[s->ring->next++] = digest;
    return false;
}

size_t seen_list(const struct seen *s, uint64_t *out, size_t max)
{
    size_t n = 0;
    for (unsigned i = 0; s->ring && i < s->ring->size && n < max; i++) {
        unsigned back = (s->ring->next + s->ring->size - 1 - i) % s->ring->size;
        if (s->ring->digests[back])
            out[n++] = s->ring->digests[back];
    }
    return n;
}
