#include "io/store_roster.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_MAX = 2 * STORE_NAME_MAX + 1 };
enum { STATE_TEXTS = STORE_EVENT_TEXTS - 2 }; /* room and peer are the key */

/* An event without its room and peer; the texts stand one after the other. */
struct state {
    int64_t since_ms;
    int64_t at_ms;
    uint16_t len[STATE_TEXTS];
    uint8_t what;
    char bytes[];
};

struct roster_peer {
    struct link in_unsettled;
    struct state *state; /* the last one; NULL only where memory ran out */
    bool recorded;       /* the history, or the queue, holds an open membership */
    uint16_t room_len;
    uint16_t key_len;
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
        free(p->state);
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
    p->room_len = (uint16_t)text_len(&e->room);
    p->key_len = (uint16_t)len;
    memcpy(p->key, key, len);
    if (map_put(&r->peers, p->key, len, p) != STATUS_OK) {
        free(p);
        return NULL;
    }
    return p;
}

static void unsettle(struct store_roster *r, struct roster_peer *p)
{
    if (!list_empty(&p->in_unsettled))
        return;
    list_add(&r->unsettled, &p->in_unsettled);
    r->unsettled_count++;
}

static void settled(struct store_roster *r, struct roster_peer *p)
{
    if (list_empty(&p->in_unsettled))
        return;
    list_remove(&p->in_unsettled);
    r->unsettled_count--;
}

static void forget(struct store_roster *r, struct roster_peer *p)
{
    settled(r, p);
    map_remove(&r->peers, p->key, p->key_len);
    free(p->state);
    free(p);
}

/* False without memory: the older state stands. */
static bool keep(struct roster_peer *p, const struct store_event *e)
{
    struct store_event from = *e;
    struct text *texts[STORE_EVENT_TEXTS];
    store_event_texts(&from, texts);
    size_t size = 0;
    for (size_t i = 0; i < STATE_TEXTS; i++)
        size += text_len(texts[i + 2]);
    struct state *state = malloc(sizeof *state + size);
    if (!state)
        return false;
    *state = (struct state){.what = (uint8_t)e->what, .since_ms = e->since_ms, .at_ms = e->at_ms};
    char *at = state->bytes;
    for (size_t i = 0; i < STATE_TEXTS; i++) {
        state->len[i] = (uint16_t)text_len(texts[i + 2]);
        if (state->len[i])
            memcpy(at, texts[i + 2]->p, state->len[i]);
        at += state->len[i];
    }
    free(p->state);
    p->state = state;
    return true;
}

/* The texts live as long as the entry and its state. */
static struct store_event kept_event(const struct roster_peer *p)
{
    const struct state *state = p->state;
    struct store_event e = {
        .what = (enum store_what)state->what,
        .room = text_of(p->key, p->room_len),
        .peer = text_of(p->key + p->room_len + 1, (size_t)p->key_len - p->room_len - 1),
        .since_ms = state->since_ms,
        .at_ms = state->at_ms};
    struct text *texts[STORE_EVENT_TEXTS];
    store_event_texts(&e, texts);
    const char *at = state->bytes;
    for (size_t i = 0; i < STATE_TEXTS; i++) {
        *texts[i + 2] = text_of(at, state->len[i]);
        at += state->len[i];
    }
    return e;
}

static void note_queued(struct store_roster *r, struct roster_peer *p, const struct store_event *e)
{
    if (!p)
        return;
    if (e->what == STORE_LEFT) {
        forget(r, p);
    } else {
        (void)keep(p, e);
        settled(r, p);
        p->recorded = true;
    }
}

static void note_dropped(struct store_roster *r, struct roster_peer *p, const struct store_event *e)
{
    if (!p)
        return;
    if (e->what == STORE_LEFT && !p->recorded) {
        forget(r, p); /* neither the coming nor the going is in the history */
        return;
    }
    if (!keep(p, e) && p->state && e->what == STORE_LEFT) { /* at least that: it needs no memory */
        p->state->what = STORE_LEFT;
        p->state->at_ms = e->at_ms;
    }
    if (p->state)
        unsettle(r, p);
    else if (!p->recorded)
        forget(r, p); /* an entry would promise what nobody keeps */
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
        r->swept = r->sweep_waits = true;
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
        struct store_event e = kept_event(p);
        if (!store_queue_put(q, &e))
            return;
        if (e.what == STORE_LEFT) {
            forget(r, p);
        } else {
            settled(r, p);
            p->recorded = true;
        }
    }
    queue_sweep(r, q);
}

/* `recorded` stays: the queue may hold events from before, which go into the new file. Where it
 * holds none, a leaving is recorded in vain, which does no harm. */
void store_roster_begin_anew(struct store_roster *r, int64_t now_ms)
{
    size_t at = 0;
    for (struct roster_peer *p; (p = map_next(&r->peers, &at)) != NULL;)
        if (p->state)
            unsettle(r, p);
    r->sweep_waits = r->swept;
    r->sweep_at_ms = now_ms;
}
