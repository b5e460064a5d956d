#include "io/store_queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A record's head; the texts follow without separators. Records are multiples of 8 bytes, as is the
 * ring, so that at least `size` and `what` fit wherever the ring's end cuts. */
struct record {
    uint32_t size; /* bytes of the whole record */
    uint32_t what; /* enum store_what, or SKIP: nothing more up to the ring's end */
    uint32_t len[STORE_EVENT_TEXTS];
    int64_t since_ms;
    int64_t at_ms;
};

static const uint32_t SKIP = UINT32_MAX;

/* Of an empty queue: what a storm has touched beyond is given back to the system. */
enum { KEEP_BYTES = 64 << 10 };

void store_event_texts(struct store_event *e, struct text *out[STORE_EVENT_TEXTS])
{
    struct text *texts[STORE_EVENT_TEXTS] = {&e->room,      &e->peer, &e->kind, &e->bridge,
                                             &e->transport, &e->sid,  &e->meta, &e->reason};
    memcpy(out, texts, sizeof texts);
}

bool store_event_fits(const struct store_event *e)
{
    struct store_event copy = *e;
    struct text *texts[STORE_EVENT_TEXTS];
    store_event_texts(&copy, texts);
    for (size_t i = 0; i < STORE_EVENT_TEXTS; i++)
        if (text_len(texts[i]) > (texts[i] == &copy.meta ? STORE_META_MAX : STORE_NAME_MAX))
            return false;
    return true;
}

enum status store_queue_init(struct store_queue *q, size_t max_count, size_t max_bytes)
{
    *q = (struct store_queue){.max_count = max_count};
    if (max_bytes < STORE_QUEUE_BYTES_MIN)
        max_bytes = STORE_QUEUE_BYTES_MIN;
    q->size = max_bytes & ~(size_t)7;
    q->ring = malloc(q->size);
    return q->ring ? STATUS_OK : STATUS_NO_MEMORY;
}

void store_queue_release(struct store_queue *q)
{
    free(q->ring);
    *q = (struct store_queue){0};
}

/* Makes `size` bytes in one piece free at head, skipping the ring's end where they do not fit. */
static bool make_room(struct store_queue *q, size_t size)
{
    if (q->used == q->size)
        return false;
    if (q->head < q->tail)
        return size <= q->tail - q->head;
    size_t to_end = q->size - q->head;
    if (size <= to_end)
        return true;
    if (size > q->tail)
        return false;
    uint32_t skip[2] = {(uint32_t)to_end, SKIP};
    memcpy(q->ring + q->head, skip, sizeof skip);
    q->used += to_end;
    q->head = 0;
    return true;
}

bool store_queue_put(struct store_queue *q, const struct store_event *e)
{
    struct store_event copy = *e;
    struct text *texts[STORE_EVENT_TEXTS];
    struct record r = {.what = e->what, .since_ms = e->since_ms, .at_ms = e->at_ms};
    store_event_texts(&copy, texts);
    size_t size = sizeof r;
    for (size_t i = 0; i < STORE_EVENT_TEXTS; i++) {
        r.len[i] = (uint32_t)text_len(texts[i]);
        size += r.len[i];
    }
    size = (size + 7) & ~(size_t)7;
    if (q->count >= q->max_count || !make_room(q, size))
        return false;
    r.size = (uint32_t)size;
    unsigned char *at = q->ring + q->head;
    memcpy(at, &r, sizeof r);
    at += sizeof r;
    for (size_t i = 0; i < STORE_EVENT_TEXTS; i++) {
        if (r.len[i]) /* an empty text may have no pointer at all */
            memcpy(at, texts[i]->p, r.len[i]);
        at += r.len[i];
    }
    q->head = (q->head + size) % q->size;
    q->used += size;
    q->count++;
    size_t end = (size_t)(at - q->ring);
    q->touched = end > q->touched ? end : q->touched;
    return true;
}

struct store_cursor store_queue_first(const struct store_queue *q)
{
    return (struct store_cursor){.at = q->tail};
}

void store_queue_next(const struct store_queue *q, struct store_cursor *c, struct store_event *e)
{
    struct record r;
    uint32_t head[2];
    memcpy(head, q->ring + c->at, sizeof head);
    if (head[1] == SKIP) {
        c->at = 0;
        c->used += head[0];
    }
    memcpy(&r, q->ring + c->at, sizeof r);
    *e = (struct store_event){
        .what = (enum store_what)r.what, .since_ms = r.since_ms, .at_ms = r.at_ms};
    struct text *texts[STORE_EVENT_TEXTS];
    store_event_texts(e, texts);
    const char *p = (const char *)q->ring + c->at + sizeof r;
    for (size_t i = 0; i < STORE_EVENT_TEXTS; i++) {
        *texts[i] = text_of(p, r.len[i]);
        p += r.len[i];
    }
    c->at = (c->at + r.size) % q->size;
    c->used += r.size;
    c->count++;
}

static void give_back(struct store_queue *q)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)q->ring + KEEP_BYTES + page - 1) / page * page;
    uintptr_t to = ((uintptr_t)q->ring + q->touched) / page * page;
    if (to > from)
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
    q->touched = 0;
}

void store_queue_done(struct store_queue *q, const struct store_cursor *c)
{
    assert(c->count <= q->count && c->used <= q->used);
    q->tail = c->at;
    q->used -= c->used;
    q->count -= c->count;
    if (q->count)
        return;
    q->head = q->tail = q->used = 0; /* a queue that keeps up stays in the same few pages */
    if (q->touched > 4 * KEEP_BYTES)
        give_back(q);
}
