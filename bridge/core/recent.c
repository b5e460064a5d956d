#include "core/recent.h"

#include "base/map.h"

#include <stdlib.h>

struct recent_ring {
    unsigned next;
    struct {
        uint64_t hash; /* 0: free */
        enum recent_state state;
    } ids[RECENT_MAX];
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
    return map_hash(id.p, text_len(&id)) | 1;
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

void recent_add(struct recent *r, struct text id)
{
    if (!r->ring)
        r->ring = calloc(1, sizeof *r->ring);
    if (!r->ring)
        return;
    unsigned i = r->ring->next++ % RECENT_MAX;
    r->ring->ids[i].hash = hash_of(id);
    r->ring->ids[i].state = RECENT_PENDING;
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
