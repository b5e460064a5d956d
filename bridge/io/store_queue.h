/* The store's queue: events as flat records in one ring of bytes, so that pushing never allocates
 * and waiting events stay where they are until they are released.
 *
 *     store_queue_put(q, &e)                             under the store's mutex
 *     c = store_queue_first(q); n = min(q->count, 200);  under the mutex
 *     n times: store_queue_next(q, &c, &e)               without it: nobody writes there
 *     store_queue_done(q, &c)                         under it: the n records are free
 *
 * Threads: one reader; the store's mutex as said above. */
#ifndef SIGBRIDGE_IO_STORE_QUEUE_H
#define SIGBRIDGE_IO_STORE_QUEUE_H

#include "base/status.h"
#include "io/store.h"

struct store_queue {
    unsigned char *ring;
    size_t size;
    size_t head;    /* where the next record goes */
    size_t tail;    /* the oldest record */
    size_t used;    /* bytes, skipped ones at the ring's end included */
    size_t touched; /* bytes of the ring that were written since its pages were given back */
    size_t count;
    size_t max_count;
};

/* Where the reader stands. */
struct store_cursor {
    size_t at;
    size_t used;
    size_t count;
};

enum { STORE_QUEUE_BYTES_MIN = 64 << 10 }; /* any event fits into an empty queue */

enum status store_queue_init(struct store_queue *q, size_t max_count, size_t max_bytes);
void store_queue_release(struct store_queue *q); /* frees the ring */

bool store_queue_put(struct store_queue *q, const struct store_event *e); /* false: full */

struct store_cursor store_queue_first(const struct store_queue *q);
/* The texts of *e point into the ring and live until the record is released. */
void store_queue_next(const struct store_queue *q, struct store_cursor *c, struct store_event *e);
void store_queue_done(struct store_queue *q, const struct store_cursor *c);

/* The eight texts of an event, in the order in which records hold them. */
enum { STORE_EVENT_TEXTS = 8 };
void store_event_texts(struct store_event *e, struct text *out[STORE_EVENT_TEXTS]);
bool store_event_fits(const struct store_event *e); /* within STORE_NAME_MAX, STORE_META_MAX */

#endif
