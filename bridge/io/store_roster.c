#include "io/store_roster.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_MAX = 2 * STORE_NAME_MAX + 1 };

struct roster_peer {
    struct link in_unsettled;
    struct store_event *missing; /* the state that the queue had no room for, or NULL */
    bool recorded;               /* the history, or the queue, holds an open membership */
    size_t key_len;
    char key[];
};

static size_t make_key(char key[KEY_MAX], const struct store_event *e)
{
    size_t room = text_len(&e->room), peer = text_len(&e->peer);
    if (room)
        memcpy(key, e->room.p, room);
    key[room] = '\0';
    if (peer)
        memcpy(key + room + 1, e->peer.p, peer);
    return room + 1 + peer;
}

void store_roster_init(struct store_roster *r)
{
    *r = (struct store_roster){0};
    map_init(&r->peers);
    list_init(&r->unsettled);
}

void store_roster_release(struct store_roster *r)
{
    size_t at = 0;
    for (struct roster_peer *p; (p = map_next(&r->peers, &at)) != NULL;) {
        free(p->missing);
        free(p);
    }
    map_release(&r->peers);
    list_init(&r->unsettled);
}

static struct roster_peer *find(struct store_roster *r, const struct store_event *e)
{
    char key[KEY_MAX];
    return map_get(&r->peers, key, make_key(key, e));
}

static struct roster_peer *add(struct store_roster *r, const struct store_event *e)
{
    char key[KEY_MAX];
    size_t len = make_key(key, e);
    struct roster_peer *p = calloc(1, sizeof *p + len);
    if (!p)
        return NULL;
    list_init(&p->in_unsettled);
    p->key_len = len;
    memcpy(p->key, key, len);
    if (map_put(&r->peers, p->key, len, p) != STATUS_OK) {
        free(p);
        return NULL;
    }
    return p;
}

static void settled(struct store_roster *r, struct roster_peer *p)
{
    if (!p->missing)
        return;
    free(p->missing);
    p->missing = NULL;
    list_remove(&p->in_unsettled);
    r->unsettled_count--;
}

static void forget(struct store_roster *r, struct roster_peer *p)
{
    settled(r, p);
    map_remove(&r->peers, p->key, p->key_len);
    free(p);
}

/* One block: the event and, behind it, its texts. */
static struct store_event *copy_event(const struct store_event *e)
{
    struct store_event from = *e;
    struct text *texts[STORE_EVENT_TEXTS];
    store_event_texts(&from, texts);
    size_t size = 0;
    for (size_t i = 0; i < STORE_EVENT_TEXTS; i++)
        size += text_len(texts[i]);
    struct store_event *copy = malloc(sizeof *copy + size);
    if (!copy)
        return NULL;
    char *at = (char *)(copy + 1);
    for (size_t i = 0; i < STORE_EVENT_TEXTS; i++) {
        size_t len = text_len(texts[i]);
        if (len)
            memcpy(at, texts[i]->p, len);
        *texts[i] = text_of(at, len);
        at += len;
    }
    *copy = from;
    return copy;
}

/* Without memory for the copy the older state stands: better than none. */
static void keep(struct store_roster *r, struct roster_peer *p, const struct store_event *e)
{
    struct store_event *copy = copy_event(e);
    if (!copy)
        return;
    if (!p->missing) {
        list_add(&r->unsettled, &p->in_unsettled);
        r->unsettled_count++;
    }
    free(p->missing);
    p->missing = copy;
}

static void note_queued(struct store_roster *r, struct roster_peer *p, const struct store_event *e)
{
    if (!p)
        return;
    if (e->what == STORE_LEFT) {
        forget(r, p);
    } else {
        settled(r, p);
        p->recorded = true;
    }
}

static void note_dropped(struct store_roster *r, struct roster_peer *p, const struct store_event *e)
{
    if (!p)
        return;
    if (e->what == STORE_LEFT && !p->recorded)
        forget(r, p); /* neither the coming nor the going is in the history */
    else
        keep(r, p, e);
    if (e->what != STORE_LEFT && !p->recorded && !p->missing)
        forget(r, p); /* no memory for the copy: an entry would promise what nobody keeps */
}

static void queue_sweep(struct store_roster *r, struct store_queue *q)
{
    struct store_event sweep = {.what = STORE_SWEEP, .at_ms = r->sweep_at_ms};
    if (r->sweep_waits && list_empty(&r->unsettled) && store_queue_put(q, &sweep))
        r->sweep_waits = false;
}

bool store_roster_push(struct store_roster *r, struct store_queue *q, const struct store_event *e)
{
    if (e->what == STORE_SWEEP) {
        r->sweep_waits = true;
        r->sweep_at_ms = e->at_ms;
        queue_sweep(r, q);
        return true;
    }
    struct roster_peer *p = find(r, e);
    if (!p && e->what != STORE_LEFT && !(p = add(r, e)))
        return false;
    bool queued = store_queue_put(q, e);
    if (queued)
        note_queued(r, p, e);
    else
        note_dropped(r, p, e);
    return queued;
}

void store_roster_settle(struct store_roster *r, struct store_queue *q, size_t max)
{
    struct link *link;
    while (max-- > 0 && (link = list_first(&r->unsettled)) != NULL) {
        struct roster_peer *p = LIST_ITEM(link, struct roster_peer, in_unsettled);
        if (!store_queue_put(q, p->missing))
            return;
        struct store_event e = {.what = p->missing->what};
        note_queued(r, p, &e);
    }
    queue_sweep(r, q);
}
