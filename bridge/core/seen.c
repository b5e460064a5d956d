#include "core/seen.h"

#include "base/digest.h"

#include <stdlib.h>

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

bool seen_before(struct seen *s, uint64_t digest)
{
    for (unsigned i = 0; s->ring && i < SEEN_MAX; i++)
        if (s->ring->digests[i] == digest)
            return true;
    if (!s->ring)
        s->ring = calloc(1, sizeof *s->ring);
    if (s->ring)
        s->ring->digests[s->ring->next++ % SEEN_MAX] = digest;
    return false;
}
