#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what)
{
    fprintf(stderr, "fake world: %s\n", what);
    abort();
}

static char *copy_text(struct text a, struct text b)
{
    size_t n = text_len(&a), m = text_len(&b);
    char *out = malloc(n + m + 1);
    if (!out)
        fail("out of memory");
    memcpy(out, a.p, n);
    memcpy(out + n, b.p, m);
    out[n + m] = '\0';
    return out;
}

static void on_send(void *socket, struct frame *f)
{
    struct world_socket *s = socket;
    if (s->close_code)
        return;
    if (s->count == WORLD_FRAMES)
        fail("too many frames");
    s->frames[s->count++] = copy_text(frame_text(f), text_of_str(""));
    if (f->mark)
        s->mark = f->mark;
}

static void on_close(void *socket, int code, const char *reason)
{
    struct world_socket *s = socket;
    (void)reason;
    if (!s->close_code)
        s->close_code = code;
}

static void on_bind(void *socket, struct session *session)
{
    struct world_socket *s = socket;
    s->session = session;
}

static void on_part(void *socket, int code, const char *reason, bool flush)
{
    struct world_socket *s = socket;
    (void)flush;
    s->session = NULL;
    on_close(s, code, reason);
}

static void on_confirm(void *socket)
{
    struct world_socket *s = socket;
    s->asked = true;
}

static void enqueue(struct world *w, const char *topic, struct text payload, bool retain,
                    struct delivery *d, const char *reason)
{
    if (w->queued == sizeof w->queue / sizeof *w->queue)
        fail("too many messages");
    struct world_message *m = &w->queue[w->queued++];
    *m = (struct world_message){.retain = retain, .delivery = d, .len = text_len(&payload)};
    snprintf(m->topic, sizeof m->topic, "%s", topic);
    snprintf(m->reason, sizeof m->reason, "%s", reason ? reason : "");
    m->payload = copy_text(payload, text_of_str(""));
}

static enum status on_publish(void *bus, const struct publication *p)
{
    struct world *w = bus;
    if (!p->ours && w->publish_room == 0)
        return STATUS_UNAVAILABLE;
    if (!p->ours)
        w->publish_room--;
    enqueue(w, p->topic, p->payload, p->retain, p->delivery, p->reason);
    return STATUS_OK;
}

static bool matches(const char *filter, const char *topic)
{
    while (*filter && *topic) {
        if (*filter == '+') {
            filter++;
            topic += strcspn(topic, "/");
        } else if (*filter++ != *topic++) {
            return false;
        }
    }
    return !*filter && !*topic;
}

static void add_filter(struct world *w, const char *filter)
{
    size_t i = 0;
    if (world_subscribed(w, filter))
        return;
    while (i < WORLD_FILTERS && w->filters[i])
        i++;
    if (i == WORLD_FILTERS)
        fail("too many filters");
    w->filters[i] = strdup(filter);
}

static void on_subscribe(void *bus, const char *const *filters, size_t count)
{
    struct world *w = bus;
    for (size_t k = 0; w->router.bus_up && k < count; k++) {
        add_filter(w, filters[k]);
        /* Retained messages come behind what is on its way already. retain marks a replay here. */
        for (size_t r = 0; r < WORLD_RETAINED; r++) {
            struct world_message *m = &w->retained[r];
            if (m->payload && matches(filters[k], m->topic))
                enqueue(w, m->topic, text_of(m->payload, m->len), true, NULL, "replay");
        }
    }
}

static void on_unsubscribe(void *bus, const char *filter)
{
    struct world *w = bus;
    if (!w->router.bus_up)
        fail("unsubscribed without a connection");
    for (size_t i = 0; i < WORLD_FILTERS; i++) {
        if (w->filters[i] && strcmp(w->filters[i], filter) == 0) {
            free(w->filters[i]);
            w->filters[i] = NULL;
            return;
        }
    }
}

static void on_hold(void *bus, bool on)
{
    struct world *w = bus;
    w->held = on;
}

static void on_record(void *recorder, const struct record *r)
{
    struct world *w = recorder;
    if (w->record_count == WORLD_RECORDS)
        fail("too many records");
    w->records[w->record_count] = r->what;
    if (r->what == RECORD_SWEEP)
        snprintf(w->record_texts[w->record_count++], 96, "sweep");
    else
        snprintf(w->record_texts[w->record_count++], 96, "%.*s/%.*s %.*s %.*s %.*s",
                 (int)text_len(&r->room), r->room.p, (int)text_len(&r->peer), r->peer.p,
                 (int)text_len(&r->kind), r->kind.p, (int)text_len(&r->transport), r->transport.p,
                 (int)text_len(&r->reason), r->reason.p);
}

static void put_servers(void *ice, struct buf *b, struct text peer, int64_t now_ms)
{
    (void)ice;
    (void)peer;
    (void)now_ms;
    buf_str(b, "[]");
}

bool world_subscribed(const struct world *w, const char *filter)
{
    for (size_t i = 0; i < WORLD_FILTERS; i++)
        if (w->filters[i] && strcmp(w->filters[i], filter) == 0)
            return true;
    return false;
}

static bool anyone_listens(const struct world *w, const char *topic)
{
    for (size_t i = 0; i < WORLD_FILTERS; i++)
        if (w->filters[i] && matches(w->filters[i], topic))
            return true;
    return false;
}

static struct world_message *find_retained(const struct world *w, const char *topic)
{
    for (size_t i = 0; i < WORLD_RETAINED; i++)
        if (w->retained[i].payload && strcmp(w->retained[i].topic, topic) == 0)
            return (struct world_message *)(uintptr_t)&w->retained[i];
    return NULL;
}

const char *world_retained(const struct world *w, const char *topic)
{
    struct world_message *m = find_retained(w, topic);
    return m ? m->payload : NULL;
}

static void retain(struct world *w, const struct world_message *m)
{
    struct world_message *at = find_retained(w, m->topic);
    if (at) {
        free(at->payload);
        at->payload = NULL;
    }
    if (m->len == 0)
        return;
    for (size_t i = 0; i < WORLD_RETAINED; i++) {
        if (!w->retained[i].payload) {
            w->retained[i] = *m;
            w->retained[i].payload = copy_text(text_of(m->payload, m->len), text_of_str(""));
            return;
        }
    }
    fail("too many retained messages");
}

static void deliver_first(struct world *w)
{
    struct world_message m = w->queue[0];
    bool replay = strcmp(m.reason, "replay") == 0;
    memmove(w->queue, w->queue + 1, --w->queued * sizeof *w->queue);
    if (m.retain && !replay)
        retain(w, &m);
    bool found = anyone_listens(w, m.topic);
    if (found && w->router.bus_up)
        router_bus_message(&w->router, m.topic, text_of(m.payload, m.len), replay,
                           text_of_str(replay ? "" : m.reason), w->now);
    if (m.delivery)
        router_published(&w->router, m.delivery, STATUS_OK, found, w->now);
    free(m.payload);
}

void world_settle(struct world *w)
{
    router_flush(&w->router, w->now);
    while (w->queued)
        deliver_first(w);
    router_flush(&w->router, w->now);
}

void world_publish(struct world *w, const char *topic, const char *payload, bool retained)
{
    enqueue(w, topic, text_of_str(payload), retained, NULL, "");
}

void world_init(struct world *w, bool watch_all)
{
    static const struct router_options options = {
        .prefix = "p",
        .bridge = "b1",
        .run = "run001",
        .version = "0",
        .presence_expiry_s = 600,
        .join_timeout_us = 10000000,
        .message_max = 262144,
        .room_peers_max = 100,
        .rooms_max = 100,
        .messages = {1000000, 1000000},
        .bytes = {1000000000, 1000000000},
        .resume_window_us = 30000000,
        .replay_messages = 16,
        .replay_bytes = 100000,
        .away_max = 4,
    };
    struct router_options o = options;
    *w = (struct world){.now = {1000000, 1700000000000}, .publish_room = SIZE_MAX, .kept = true};
    o.watch_all = watch_all;
    if (router_init(&w->router, &o, w->now) != STATUS_OK)
        fail("out of memory");
    w->router.socket_ops = (struct socket_ops){on_send, on_close, on_bind, on_part, on_confirm};
    w->router.bus_ops = (struct bus_ops){on_publish, on_subscribe, on_unsubscribe, on_hold};
    w->router.recorder_ops = (struct recorder_ops){on_record};
    w->router.ice_ops = (struct ice_ops){put_servers};
    w->router.bus = w->router.recorder = w;
    world_restore_link(w);
    world_settle(w);
}

void world_release(struct world *w)
{
    world_settle(w);
    router_release(&w->router);
    for (size_t i = 0; i < WORLD_FILTERS; i++)
        free(w->filters[i]);
    for (size_t i = 0; i < WORLD_RETAINED; i++)
        free(w->retained[i].payload);
}

void world_open_with(struct world *w, struct world_socket *s, const char *token)
{
    *s = (struct world_socket){0};
    s->session = router_open(&w->router, s, NULL, text_of_str(token), w->now);
    if (!s->session)
        fail("out of memory");
}

void world_open(struct world *w, struct world_socket *s)
{
    world_open_with(w, s, "");
}

void world_say(struct world *w, struct world_socket *s, const char *json)
{
    router_message(&w->router, s->session, json, strlen(json), w->now);
}

void world_shut(struct world *w, struct world_socket *s)
{
    if (s->session)
        router_close(&w->router, s->session, "closed", false, w->now);
    for (size_t i = 0; i < s->count; i++)
        free(s->frames[i]);
    *s = (struct world_socket){0};
}

void world_lose(struct world *w, struct world_socket *s)
{
    router_close(&w->router, s->session, "closed", true, w->now);
    s->session = NULL;
}

void world_answer(struct world *w, struct world_socket *s)
{
    s->asked = false;
    router_confirmed(&w->router, s->session, s->mark, w->now);
}

void world_join(struct world *w, struct world_socket *s, const char *room, const char *peer)
{
    char json[256];
    world_open(w, s);
    snprintf(json, sizeof json, "{\"type\":\"join\",\"room\":\"%s\",\"peer\":\"%s\"}", room, peer);
    world_say(w, s, json);
    world_settle(w);
    if (!strstr(world_read(s), "\"joined\""))
        fail("could not join");
}

void world_later(struct world *w, int64_t ms)
{
    w->now.mono_us += ms * 1000;
    w->now.wall_ms += ms;
    router_tick(&w->router, w->now);
}

void world_drop_link(struct world *w)
{
    router_bus_down(&w->router, w->now); /* the broker keeps the subscriptions */
}

void world_restore_link(struct world *w)
{
    router_bus_up(&w->router, w->kept, w->now);
}

const char *world_read(struct world_socket *s)
{
    return s->read < s->count ? s->frames[s->read++] : "";
}
