/* The last 64 message ids that a session used, so that a retried message is acknowledged again and
 * not forwarded again. Ids are kept as 64-bit digests. A session that uses no ids costs one
 * pointer. Threads: one owner. */
#ifndef SIGBRIDGE_CORE_RECENT_H
#define SIGBRIDGE_CORE_RECENT_H

#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

enum { RECENT_MAX = 64 };

enum recent_state {
    RECENT_NEW,     /* never seen: go on */
    RECENT_PENDING, /* on its way: its answer will come */
    RECENT_DONE     /* acknowledged */
};

struct recent_id {
    uint64_t hash; /* 0: none */
    enum recent_state state;
};

struct recent_ring;

struct recent {
    struct recent_ring *ring;
};

void recent_init(struct recent *r);
void recent_release(struct recent *r);
enum recent_state recent_find(const struct recent *r, struct text id);
/* Remembers the id as pending and forgets the oldest. Without memory it just is not remembered. */
void recent_add(struct recent *r, struct text id);
void recent_done(struct recent *r, struct text id);
void recent_forget(struct recent *r, struct text id); /* it failed: a retry is a new attempt */
/* For another bridge: what is remembered, the oldest first, and how it is remembered there. */
size_t recent_list(const struct recent *r, struct recent_id out[RECENT_MAX]);
void recent_restore(struct recent *r, struct recent_id id);

#endif
