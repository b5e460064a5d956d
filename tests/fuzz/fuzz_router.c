/* The whole core against a broker and browsers that do anything in any order.
 *
 * The input is a list of steps: a code byte, an argument byte, then for some steps a length byte
 * and that many bytes. Sockets, bus and time are simulated; what is published may come back, be
 * refused or be lost. Beside memory errors and leaks it looks for frames that are not JSON, for
 * numbers that do not rise by one, for a `joined` or a numbered frame to a session that is not
 * joined, for changes of presence that do not follow from what a member knows, for members that
 * know something else than the roster, for counts that do not count, for timers out of order, and
 * for rooms and peers that nobody needs. */
#include "core/router.h"
#include "proto/json.h"

#include "core/delivery.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SOCKETS = 4, PUBLISHED = 32, VIEW_MAX = 64 };

struct socket {
    struct session *session;
    uint64_t seq;
    bool closing;
    /* Who is in the room, as its frames say. */
    char view[VIEW_MAX][NAME_MAX_BYTES + 1];
    size_t view_count;
    bool view_lost; /* more peers than fit */
};

struct published {
    char topic[TOPIC_MAX];
    char *payload;
    size_t len;
    struct delivery *delivery;
};

static struct router router;
static struct socket sockets[SOCKETS];
static struct published published[PUBLISHED];
static size_t published_count;
static struct now now;

static void require(bool holds)
{
    if (!holds)
        abort();
}

static size_t view_find(const struct socket *s, struct text name)
{
    size_t i = 0;
    while (i < s->view_count && !text_equals(name, s->view[i]))
        i++;
    return i;
}

static void view_apply(struct socket *s, const char *change, struct text name)
{
    size_t at = view_find(s, name);
    bool known = at < s->view_count;
    if (strcmp(change, "updated") == 0) {
        require(known);
    } else if (strcmp(change, "left") == 0) {
        require(known);
        memmove(s->view[at], s->view[--s->view_count], sizeof *s->view);
    } else {
        require(!known);
        if (s->view_count == VIEW_MAX) {
            s->view_lost = true;
            return;
        }
        memcpy(s->view[s->view_count], name.p, text_len(&name));
        s->view[s->view_count++][text_len(&name)] = '\0';
    }
}

static void view_list(struct socket *s, const char *change, struct json_span list)
{
    struct json_span items[2 * VIEW_MAX];
    struct json_member m[8];
    size_t count, members;
    if (list.type != JSON_ARRAY || s->view_lost ||
        json_array(list.p, list.len, items, 2 * VIEW_MAX, &count, NULL) != STATUS_OK)
        return;
    for (size_t i = 0; i < count && !s->view_lost; i++) {
        require(json_object(items[i].p, items[i].len, m, 8, &members, NULL) == STATUS_OK);
        require(members > 0 && json_equals(m[0].key, "peer"));
        view_apply(s, change, text_of(m[0].value.p, m[0].value.len));
    }
}

/* In the order in which a client applies them. */
static void view_frame(struct socket *s, const struct json_member *m, size_t count)
{
    static const char *const changes[] = {"peers", "left", "joined", "updated"};
    if (!json_equals(m[0].value, "joined") && !json_equals(m[0].value, "presence"))
        return;
    if (json_equals(m[0].value, "joined")) {
        s->view_count = 0;
        s->view_lost = false;
    }
    for (size_t k = 0; k < sizeof changes / sizeof *changes; k++)
        for (size_t i = 0; i < count; i++)
            if (json_equals(m[i].key, changes[k]))
                view_list(s, changes[k], m[i].value);
}

static void check_view(const struct socket *s)
{
    const struct session *session = s->session;
    size_t at = 0, present = 0;
    const struct peer *p;
    if (!session || session->state != SESSION_JOINED || session->announce || s->view_lost ||
        !list_empty(&session->peer->room->dirty))
        return;
    while ((p = map_next(&session->peer->room->peers, &at))) {
        if (!p->info || p == session->peer)
            continue;
        present++;
        require(view_find(s, peer_name(p)) < s->view_count);
    }
    require(present == s->view_count);
}

static size_t check_timers(const struct link *list)
{
    size_t count = 0;
    int64_t last = INT64_MIN;
    LIST_EACH(l, list)
    {
        const struct session *s = LIST_ITEM(l, struct session, timer);
        require(s->deadline_us >= last);
        last = s->deadline_us;
        count++;
    }
    return count;
}

static void check_room(const struct room *room, size_t *peers, size_t *present)
{
    size_t at = 0, sessions = 0, held = 0;
    const struct peer *p;
    LIST_EACH(l, &room->sessions)
    {
        const struct session *s = LIST_ITEM(l, struct session, in_room);
        require(s->peer && s->peer->room == room && s->peer->session == s);
        sessions++;
    }
    require(sessions == room->session_count);
    while ((p = map_next(&room->peers, &at))) {
        require(p->room == room);
        require(p->info || p->session || p->told || !list_empty(&p->changed));
        require(list_empty(&p->changed) || !list_empty(&room->dirty));
        require(p->info || list_empty(&p->expiring));
        held += p->session != NULL;
        *present += p->info != NULL;
        (*peers)++;
    }
    require(held == sessions);
    require(room->peers.count || room->session_count || room->waiting_count || room->watch.wanted);
}

static void check_everything(void)
{
    size_t at = 0, peers = 0, present = 0, joined = 0;
    const struct room *room;
    while ((room = map_next(&router.registry.rooms, &at)))
        check_room(room, &peers, &present);
    require(peers == router.registry.peer_count && present == router.registry.present_count);
    LIST_EACH(l, &router.sessions)
    joined += LIST_ITEM(l, struct session, in_all)->state == SESSION_JOINED;
    require(joined == router.joined_count);
    require(check_timers(&router.renewing) == joined);
    check_timers(&router.joining);
    check_timers(&router.idle);
    for (size_t i = 0; i < SOCKETS; i++)
        check_view(&sockets[i]);
}

static void on_send(void *socket, struct text head, struct text tail)
{
    struct socket *s = socket;
    struct json_member m[32];
    size_t count, head_len = text_len(&head), len = head_len + text_len(&tail);
    char *frame = malloc(len + 1);
    require(frame != NULL);
    memcpy(frame, head.p, head_len);
    memcpy(frame + head_len, tail.p, len - head_len);
    require(json_object(frame, len, m, 32, &count, NULL) == STATUS_OK);
    for (size_t i = 0; i < count; i++) {
        uint64_t seq;
        if (json_equals(m[i].key, "type") && json_equals(m[i].value, "joined"))
            s->seq = 0;
        if (json_equals(m[i].key, "seq")) {
            require(json_uint(m[i].value, UINT64_MAX, &seq) && seq == ++s->seq);
            require(s->session->state == SESSION_JOINED && !s->session->announce);
        }
    }
    view_frame(s, m, count);
    free(frame);
}

static void on_close(void *socket, int code, const char *reason)
{
    struct socket *s = socket;
    require(code >= 1000 && code < 5000 && reason);
    s->closing = true;
}

static enum status on_publish(void *bus, const struct publication *p)
{
    (void)bus;
    if (published_count == PUBLISHED)
        return STATUS_UNAVAILABLE;
    struct published *out = &published[published_count];
    out->len = text_len(&p->payload);
    out->payload = malloc(out->len + 1);
    require(out->payload && strlen(p->topic) < sizeof out->topic);
    strcpy(out->topic, p->topic);
    memcpy(out->payload, p->payload.p, out->len);
    out->delivery = p->delivery;
    published_count++;
    return STATUS_OK;
}

static void on_subscribe(void *bus, const char *const *filters, size_t count)
{
    (void)bus;
    for (size_t i = 0; i < count; i++)
        require(filters[i][0] && strlen(filters[i]) < TOPIC_MAX);
}

static void on_unsubscribe(void *bus, const char *filter)
{
    (void)bus;
    require(filter[0] != '\0');
}

static void on_hold(void *bus, bool on)
{
    (void)bus;
    (void)on;
}

static void on_record(void *recorder, const struct record *r)
{
    (void)recorder;
    require(r->what == RECORD_SWEEP || (!text_end(&r->room) && !text_end(&r->peer)));
}

/* The oldest publication comes back to us, or does not, and its PUBACK says what `how` says. */
static void settle(uint8_t how)
{
    if (!published_count)
        return;
    struct published p = published[0];
    memmove(published, published + 1, --published_count * sizeof *published);
    if (how & 1)
        router_bus_message(&router, p.topic, text_of(p.payload, p.len), how & 8, text_of_str(""),
                           now);
    if (p.delivery)
        router_published(&router, p.delivery, how & 2 ? STATUS_UNAVAILABLE : STATUS_OK, how & 4,
                         now);
    free(p.payload);
}

static void open_or_close(struct socket *s)
{
    if (s->session) {
        router_close(&router, s->session, "closed", false, now);
        *s = (struct socket){0};
    } else {
        s->session = router_open(&router, s, NULL, text_of_str(""), now);
        require(s->session != NULL);
    }
}

static const char *const topics[] = {
    "p/rooms/r/peers/a/presence",
    "p/rooms/r/peers/b/presence",
    "p/rooms/r/peers/a/in/b",
    "p/rooms/r/peers/b/in/a",
    "p/rooms/r/all/a",
    "p/rooms/r/peers/_bridge/in/a",
    "p/bridges/b2/status",
    "p/bridges/b1/in/b1",
    "p/rooms/r/peers/a/in/_bridge",
};

static void step(uint8_t code, uint8_t arg, const char *bytes, size_t len)
{
    struct socket *s = &sockets[arg % SOCKETS];
    switch (code % 9) {
    case 0:
        open_or_close(s);
        break;
    case 1:
    case 2:
        if (s->session && !s->closing)
            router_message(&router, s->session, bytes, len, now);
        break;
    case 3:
        settle(arg);
        break;
    case 4:
        router_bus_message(&router, topics[arg % (sizeof topics / sizeof *topics)],
                           text_of(bytes, len), arg & 128, text_of_str(""), now);
        break;
    case 5:
        if (arg & 1)
            router_bus_up(&router, arg & 1, now);
        else
            router_bus_down(&router, now);
        break;
    case 6:
        now.mono_us += (int64_t)arg * 1000000;
        now.wall_ms += (int64_t)arg * 1000;
        router_tick(&router, now);
        break;
    case 7:
        router_flush(&router, now);
        break;
    case 8:
        while (published_count)
            settle(5);
        router_flush(&router, now);
        break;
    }
}

static void run(const uint8_t *data, size_t size)
{
    size_t at = 0;
    while (at + 2 <= size) {
        uint8_t code = data[at], arg = data[at + 1];
        size_t len = 0;
        at += 2;
        bool with_bytes = code % 9 == 1 || code % 9 == 2 || code % 9 == 4;
        if (with_bytes && at < size) {
            len = data[at++];
            if (len > size - at)
                len = size - at;
        }
        /* A copy of its own, so that reading beyond it is seen. */
        char *bytes = malloc(len + 1);
        require(bytes != NULL);
        memcpy(bytes, data + at, len);
        step(code, arg, bytes, len);
        check_everything();
        free(bytes);
        at += len;
    }
}

static void put_servers(void *ice, struct buf *b, struct text peer, int64_t now_ms)
{
    (void)ice;
    (void)peer;
    (void)now_ms;
    buf_str(b, "[]");
}

/* Where the second bit of the input says so: one room in which only relayed candidates pass. */
static const struct ice_policies *relay_only(void)
{
    static const struct ice_policy_source rows[] = {{.rooms = "r*", .relay_only = true}};
    static struct ice_policies *policies;
    if (!policies)
        require(ice_policies_create(&policies, rows, 1, NULL) == STATUS_OK);
    return policies;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct router_options o = {
        .prefix = "p",
        .bridge = "b1",
        .run = "aaaaaa",
        .version = "0",
        .watch_all = size > 0 && data[0] & 1,
        .ice_policies = size > 0 && data[0] & 2 ? relay_only() : NULL,
        .presence_expiry_s = 60,
        .join_timeout_us = 10000000,
        .message_max = 65536,
        .room_peers_max = 3,
        .rooms_max = 5,
        .messages = {100, 400},
        .bytes = {10000, 100000},
    };
    now = (struct now){1000000, 1000};
    require(router_init(&router, &o, now) == STATUS_OK);
    router.socket_ops = (struct socket_ops){on_send, on_close};
    router.bus_ops = (struct bus_ops){on_publish, on_subscribe, on_unsubscribe, on_hold};
    router.recorder_ops = (struct recorder_ops){on_record};
    router.ice_ops = (struct ice_ops){put_servers};
    if (size)
        run(data + 1, size - 1);
    for (size_t i = 0; i < SOCKETS; i++)
        if (sockets[i].session)
            open_or_close(&sockets[i]);
    while (published_count)
        settle(2);
    router_flush(&router, now);
    check_everything();
    require(router.session_count == 0 && router.joined_count == 0);
    router_release(&router);
    return 0;
}
