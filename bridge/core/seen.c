#include "core/seen.h"

#include "base/digest.h"

#include <stdlib.h>
#include <string.h>

/* The digests in the order in which they came, and an index to them: digests that share a bucket
 * are a chain. Places count from 1 there. */
struct seen_ring {
    unsigned size, next; /* a power of two */
    int64_t since_us;    /* when the first place was taken last */
    uint64_t *digests;   /* 0: free */
    uint16_t *buckets, *chain;
};

_Static_assert(SEEN_MAX <= UINT16_MAX, "places are counted in 16 bits");

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

static uint16_t *bucket_of(const struct seen_ring *r, uint64_t digest)
{
    return &r->buckets[(digest >> 1) & (r->size - 1)]; /* the lowest bit is always set */
}

static struct seen_ring *make(unsigned size)
{
    size_t each = sizeof(uint64_t) + 2 * sizeof(uint16_t);
    struct seen_ring *r = calloc(1, sizeof *r + size * each);
    if (!r)
        return NULL;
    r->size = size;
    r->digests = (uint64_t *)(r + 1);
    r->buckets = (uint16_t *)(r->digests + size);
    r->chain = r->buckets + size;
    return r;
}

static void forget(struct seen_ring *r, unsigned place)
{
    uint16_t *at = bucket_of(r, r->digests[place]);
    while (*at != place + 1)
        at = &r->chain[*at - 1];
    *at = r->chain[place];
}

static void remember(struct seen_ring *r, uint64_t digest)
{
    unsigned place = r->next++;
    uint16_t *bucket = bucket_of(r, digest);
    if (r->digests[place])
        forget(r, place);
    r->digests[place] = digest;
    r->chain[place] = *bucket;
    *bucket = (uint16_t)(place + 1);
}

static bool holds(const struct seen_ring *r, uint64_t digest)
{
    for (unsigned i = *bucket_of(r, digest); i; i = r->chain[i - 1])
        if (r->digests[i - 1] == digest)
            return true;
    return false;
}

/* Twice as large, with what it holds; or as it is, when memory is short. */
static void resize(struct seen *s, unsigned size)
{
    struct seen_ring *old = s->ring, *ring = make(size);
    if (!ring)
        return;
    for (unsigned i = 0; old && i < old->size; i++)
        remember(ring, old->digests[i]);
    ring->since_us = old ? old->since_us : 0;
    free(old);
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
    if (s->ring && holds(s->ring, digest))
        return true;
    if (make_place(s, now_us))
        remember(s->ring, digest);
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
