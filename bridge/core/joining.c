#include "core/joining.h"

#include "base/clock.h"
#include "core/admission.h"
#include "core/bridges.h"
#include "core/delivery.h"
#include "core/membership.h"
#include "core/watch.h"

#include <stdlib.h>
#include <string.h>

enum { GUEST_NAME_LEN = 8 };

static struct text request_room(const struct join_request *q)
{
    return text_of(q->texts, q->room_len);
}

static struct text request_peer(const struct join_request *q)
{
    return text_of(q->texts + q->room_len, q->peer_len);
}

static struct text request_id(const struct join_request *q)
{
    return text_of(q->texts + q->room_len + q->peer_len, q->id_len);
}

static struct join_request *make_request(struct text room, struct text peer, struct text id)
{
    size_t room_len = text_len(&room), peer_len = text_len(&peer), id_len = text_len(&id);
    struct join_request *q = malloc(sizeof *q + room_len + peer_len + id_len);
    if (!q)
        return NULL;
    q->room_len = (uint8_t)room_len;
    q->peer_len = (uint8_t)peer_len;
    q->id_len = (uint8_t)id_len;
    memcpy(q->texts, room.p, room_len);
    memcpy(q->texts + room_len, peer.p, peer_len);
    if (id_len)
        memcpy(q->texts + room_len + peer_len, id.p, id_len);
    return q;
}

struct text joining_room(const struct session *s)
{
    return request_room(s->join);
}

struct delivery *joining_delivery(const struct session *s)
{
    LIST_EACH(l, &s->deliveries)
    {
        struct delivery *d = LIST_ITEM(l, struct delivery, in_session);
        if (d->type == MSG_JOIN)
            return d;
    }
    return NULL;
}

static void fail_join(struct router *r, struct session *s, enum status status, const char *text)
{
    struct problem why;
    char id[NAME_MAX_BYTES];
    struct text request = request_id(s->join);
    size_t len = text_len(&request);
    memcpy(id, request.p, len);
    problem_set(&why, status, 0, NULL, "%s", text);
    membership_leave(r, s, "failed", text_of_str(""));
    r->metrics.refused[FROM_WS][status]++;
    router_send_error(r, s, &why, text_of(id, len), text_of_str(""));
}

/* Is the name in use, and not to be had? A device cannot be told to go, so it keeps its name. */
static bool is_taken(struct router *r, const struct session *s, const struct peer *p)
{
    /* A presence of ours without a session is about to be cleared, in front of what follows. So is
     * one of a bridge that does not run any more. */
    bool elsewhere =
        p->info && !text_equals(info_via(p->info), r->o.bridge) && !bridges_left_behind(r, p->info);
    bool device = p->info && p->info->via_len == 0;
    return (p->session || elsewhere) && (device || !admission_owns(s, peer_name(p)));
}

static struct peer *take_name(struct router *r, struct session *s, enum status *status,
                              const char **text)
{
    struct room *room = registry_room(&r->registry, request_room(s->join));
    struct peer *p = registry_peer(room, request_peer(s->join));
    *status = STATUS_NO_MEMORY;
    *text = "the bridge is out of memory: try again later";
    if (p && is_taken(r, s, p)) {
        *status = STATUS_PEER_TAKEN;
        *text = "the name is in use in this room: choose another one";
        return NULL;
    }
    if (!p && room->peers.count >= r->o.room_peers_max) {
        *status = STATUS_UNAVAILABLE;
        *text = "the room is full";
        r->metrics.rooms_full++;
        return NULL;
    }
    if (p && p->session)
        membership_replaced(r, p->session);
    return registry_make_peer(&r->registry, room, request_peer(s->join));
}

/* By what of its id stays the same, so that it is found when its client comes back. */
static bool remember(struct router *r, struct session *s)
{
    struct text own = session_own(text_of_str(s->sid));
    return map_put(&r->own, own.p, text_len(&own), s) == STATUS_OK;
}

/* The roster is complete: takes the name, if it is free, and publishes the presence. */
static void enter(struct router *r, struct session *s)
{
    enum status status;
    const char *text;
    struct peer *p = take_name(r, s, &status, &text);
    struct delivery *d = NULL;
    if (p)
        d = delivery_create(s, MSG_JOIN, request_id(s->join), text_of_str(""), text_of_str(""),
                            r->now.mono_us);
    if (!d) {
        if (p)
            registry_tidy_peer(&r->registry, p);
        fail_join(r, s, status, text);
        return;
    }
    s->state = SESSION_JOINING;
    p->room->waiting_count--;
    s->since_ms = r->now.wall_ms;
    if (p->info && p->info->since_ms >= s->since_ms)
        s->since_ms =
            p->info->since_ms + 1; /* newer than whom it replaces, whatever the clocks say */
    s->seq = 0;
    s->known = false;
    replay_init(&s->replay, 0);
    session_name(s, r->o.run, text_of_str(""));
    clock_random_name(s->secret, SESSION_SECRET_LEN);
    s->last_secret[0] = '\0';
    membership_attach(r, s, p);
    status = remember(r, s) ? membership_publish(r, s, d) : STATUS_NO_MEMORY;
    if (status != STATUS_OK) {
        delivery_destroy(d);
        fail_join(r, s, status, "the broker cannot be reached: try again later");
        return;
    }
    free(s->join);
    s->join = NULL;
}

/* Room for one more, if the room is not there yet? */
static enum status check_places(struct router *r, struct text room, struct problem *why)
{
    if (r->draining)
        return problem_set(why, STATUS_UNAVAILABLE, 0, NULL,
                           "the bridge is going down: join another one");
    if (registry_room(&r->registry, room) || r->registry.rooms.count < r->o.rooms_max)
        return STATUS_OK;
    r->metrics.too_many_rooms++;
    return problem_set(why, STATUS_UNAVAILABLE, 0, NULL,
                       "the bridge has as many rooms as it may: try again later");
}

/* Keeps what was asked for until the roster is complete. */
static enum status prepare(struct router *r, struct session *s, const struct envelope *e,
                           struct problem *why)
{
    char id[NAME_MAX_BYTES], guest[GUEST_NAME_LEN + 7] = "guest-";
    struct text room = envelope_text(e, FIELD_ROOM), peer = envelope_text(e, FIELD_PEER);
    if (s->state != SESSION_IDLE)
        return problem_set(why, STATUS_ALREADY_JOINED, 0, NULL,
                           "this socket is a member already: `leave` first");
    enum status status = admission_join(r, s, e, &peer, why);
    if (status == STATUS_OK)
        status = check_places(r, room, why);
    if (status == STATUS_OK)
        status = membership_set_meta(r, s, e, why);
    if (status != STATUS_OK)
        return status;
    if (text_end(&peer)) {
        clock_random_name(guest + 6, GUEST_NAME_LEN);
        peer = text_of_str(guest);
    }
    s->join = make_request(room, peer, envelope_plain(e, FIELD_ID, id));
    if (s->join && registry_make_room(&r->registry, room))
        return STATUS_OK;
    free(s->join);
    s->join = NULL;
    return problem_set(why, STATUS_UNAVAILABLE, 0, NULL,
                       "the bridge is out of memory: try again later");
}

void joining_ask(struct router *r, struct session *s, const struct envelope *e)
{
    struct problem why = {0};
    if (prepare(r, s, e, &why) != STATUS_OK) {
        router_refuse(r, s, &why, e);
        return;
    }
    struct room *room = registry_room(&r->registry, request_room(s->join));
    s->state = SESSION_WATCHING;
    room->waiting_count++;
    membership_wait(s, &r->joining, r->now.mono_us + JOIN_WAIT_US);
    watch_room(r, room);
    if (watch_complete(r, room))
        enter(r, s);
}

void joining_roster_complete(struct router *r)
{
    struct link *l = r->joining.next;
    while (l != &r->joining) {
        struct session *s = LIST_ITEM(l, struct session, timer);
        l = l->next; /* entering may take this one out of the list */
        if (s->state == SESSION_WATCHING &&
            watch_complete(r, registry_room(&r->registry, request_room(s->join))))
            enter(r, s);
    }
}

static void give_up_join(struct router *r, struct session *s)
{
    struct problem why;
    char bytes[NAME_MAX_BYTES];
    const struct delivery *d = joining_delivery(s);
    struct text id = s->join ? request_id(s->join) : d ? delivery_id(d) : text_of_str("");
    id = text_of(memcpy(bytes, id.p, text_len(&id)), text_len(&id));
    problem_set(&why, STATUS_UNAVAILABLE, 0, NULL,
                "the broker did not answer in time: join again later");
    membership_leave(r, s, "timeout", text_of_str(""));
    r->metrics.refused[FROM_WS][STATUS_UNAVAILABLE]++;
    router_send_error(r, s, &why, id, text_of_str(""));
}

void joining_tick(struct router *r)
{
    struct link *l;
    while ((l = list_first(&r->joining))) {
        struct session *s = LIST_ITEM(l, struct session, timer);
        if (s->deadline_us > r->now.mono_us)
            return;
        give_up_join(r, s);
    }
}
