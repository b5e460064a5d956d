#include "core/recent.h"

#include "base/digest.h"

#include <stdlib.h>

struct recent_ring {
    unsigned next;
    struct recent_id ids[RECENT_MAX];
};

void recent_init(struct recent *r)
{
    r->ring = NULL;
}

void recent_release(struct recent *r)
{
    free(r->ring);
    r->ring = NULL;
}

static uint64_t hash_of(struct text id)
{
    return digest_bytes(0, id.p, text_len(&id)) | 1;
}

static int find(const struct recent *r, struct text id)
{
    uint64_t hash = hash_of(id);
    for (int i = 0; r->ring && i < RECENT_MAX; i++)
        if (r->ring->ids[i].hash == hash)
            return i;
    return -1;
}

enum recent_state recent_find(const struct recent *r, struct text id)
{
    int i = find(r, id);
    return i < 0 ? RECENT_NEW : r->ring->ids[i].state;
}

static void put(struct recent *r, struct recent_id id)
{
    if (!r->ring)
        r->ring = calloc(1, sizeof *r->ring);
    if (r->ring)
        r->ring->ids[r->ring->next++ % RECENT_MAX] = id;
}

void recent_add(struct recent *r, struct text id)
{
    put(r, (struct recent_id){hash_of(id), RECENT_PENDING});
}

size_t recent_list(const struct recent *r, struct recent_id out[RECENT_MAX])
{
    size_t n = 0;
    for (unsigned i = 0; r->ring && i < RECENT_MAX; i++) {
        struct recent_id id = r->ring->ids[(r->ring->next + i) % RECENT_MAX];
        if (id.hash)
            out[n++] = id;
    }
    return n;
}

void recent_restore(struct recent *r, struct recent_id id)
{
    put(r, id);
}

void recent_done(struct recent *r, struct text id)
{
    int i = find(r, id);
    if (i >= 0)
        r->ring->ids[i].state = RECENT_DONE;
}

void recent_forget(struct recent *r, struct text id)
{
    int i = find(r, id);
    if (i >= 0)
        r->ring->ids[i].hash = 0;
}
