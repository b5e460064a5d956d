/* Where sessions went that other bridges took over: a client that did not hear of it comes back
 * with the old name (protocol, section 7). The last MOVED_MAX, each for MOVED_US. Threads: one
 * owner. */
#ifndef SIGBRIDGE_CORE_MOVED_H
#define SIGBRIDGE_CORE_MOVED_H

#include "base/list.h"
#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

enum { MOVED_MAX = 4096 };

#define MOVED_US INT64_C(60000000)

struct moved_sessions {
    struct link all; /* the oldest first */
    size_t count;
};

void moved_init(struct moved_sessions *m);
void moved_release(struct moved_sessions *m);
/* own: the session's own part of its id. Without memory it just is not remembered. */
void moved_add(struct moved_sessions *m, struct text own, struct text bridge, int64_t now_us);
/* The bridge, or empty. */
struct text moved_find(struct moved_sessions *m, struct text own, int64_t now_us);

#endif
