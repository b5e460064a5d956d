#include "core/membership.h"

#include "base/clock.h"
#include "core/admission.h"
#include "core/away.h"
#include "core/bridges.h"
#include "core/delivery.h"
#include "core/handover.h"
#include "core/outbound.h"
#include "core/roster.h"
#include "core/takeover.h"
#include "core/watch.h"
#include "proto/meta.h"

#include <stdlib.h>
#include <string.h>

enum { SUBSCRIBE_BATCH = 100, GUEST_NAME_LEN = 8 };

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

static void set_timer(struct session *s, struct link *list, int64_t deadline_us)
{
    list_remove(&s->timer);
    list_add(list, &s->timer);
    s->deadline_us = deadline_us;
}

/* When half of the expiry is over at the latest, and not all at once after a reconnect: an eighth
 * of it is left to chance. Who stands behind a later one in the list waits for that, no longer. */
static int64_t renew_at(const struct router *r)
{
    int64_t eighth = (int64_t)r->o.presence_expiry_s * 125000;
    return r->now.mono_us + 3 * eighth + (int64_t)(clock_random() % (uint64_t)eighth);
}

static const char *inbox_filter(struct router *r, const struct peer *p)
{
    buf_clear(&r->topic);
    topic_inbox(&r->topic, r->o.prefix, room_name(p->room), peer_name(p), text_of_str("+"));
    return buf_cstr(&r->topic);
}

static const char *all_filter(struct router *r, const struct room *room)
{
    buf_clear(&r->topic);
    topic_all(&r->topic, r->o.prefix, room_name(room), text_of_str("+"));
    return buf_cstr(&r->topic);
}

static void subscribe(struct router *r, const char *filter)
{
    r->bus_ops.subscribe(r->bus, &filter, 1);
}

enum status membership_publish(struct router *r, struct session *s, struct delivery *d)
{
    struct buf *b = &r->out;
    buf_clear(b);
    buf_str(b, "{\"kind\":\"browser\"");
    if (s->meta) {
        buf_str(b, ",\"meta\":");
        buf_add(b, s->meta, s->meta_len);
    }
    buf_str(b, ",\"since\":");
    buf_int(b, s->since_ms);
    buf_str(b, ",\"via\":");
    json_put_str(b, r->o.bridge);
    buf_str(b, ",\"sid\":");
    json_put_str(b, s->sid);
    /* A broker drops what expires without a word: others must know when to stop believing it. */
    buf_str(b, ",\"ttl\":");
    buf_uint(b, r->o.presence_expiry_s);
    buf_str(b, ",\"bundle\":true}");
    buf_clear(&r->topic);
    topic_presence(&r->topic, r->o.prefix, room_name(s->peer->room), peer_name(s->peer));
    return router_publish_out(r, true, r->o.presence_expiry_s, d);
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

void membership_attach(struct router *r, struct session *s, struct peer *p)
{
    struct room *room = p->room;
    p->session = s;
    s->peer = p;
    list_add(&room->sessions, &s->in_room);
    if (++room->session_count == 1)
        subscribe(r, all_filter(r, room));
    subscribe(r, inbox_filter(r, p));
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

/* `meta` as the session may have it: what it asks for, and what its token says. */
static enum status set_meta(struct router *r, struct session *s, const struct envelope *e,
                            struct problem *why)
{
    struct text trusted = s->access ? access_meta(s->access) : text_of_str("");
    buf_clear(&r->out);
    enum status status = meta_merge(&r->out, e->field[FIELD_META], trusted, why);
    if (status != STATUS_OK)
        return status;
    if (buf_ok(&r->out) && session_set_meta(s, text_of(r->out.data, r->out.len)))
        return STATUS_OK;
    return problem_set(why, STATUS_UNAVAILABLE, 0, NULL,
                       "the bridge is out of memory: try again later");
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
        status = set_meta(r, s, e, why);
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

void membership_join(struct router *r, struct session *s, const struct envelope *e)
{
    struct problem why = {0};
    if (prepare(r, s, e, &why) != STATUS_OK) {
        router_refuse(r, s, &why, e);
        return;
    }
    struct room *room = registry_room(&r->registry, request_room(s->join));
    s->state = SESSION_WATCHING;
    room->waiting_count++;
    set_timer(s, &r->joining, r->now.mono_us + JOIN_WAIT_US);
    watch_room(r, room);
    if (watch_complete(r, room))
        enter(r, s);
}

void membership_roster_complete(struct router *r)
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

static void become_member(struct router *r, struct session *s)
{
    s->state = SESSION_JOINED;
    set_timer(s, &r->renewing, renew_at(r));
    r->joined_count++;
}

void membership_arrived(struct router *r, struct session *s)
{
    become_member(r, s);
    s->announce = true;
    r->metrics.joins++;
    roster_mark_dirty(r, s->peer->room);
}

void membership_resumed(struct router *r, struct session *s)
{
    become_member(r, s);
    if (membership_publish(r, s, NULL) == STATUS_OK)
        return;
    list_remove(&s->timer); /* in front: the next tick tries again */
    s->deadline_us = r->now.mono_us;
    list_add(r->renewing.next, &s->timer);
}

void membership_update(struct router *r, struct session *s, const struct envelope *e)
{
    struct problem why = {0};
    char id[NAME_MAX_BYTES];
    struct delivery *d = NULL;
    enum status status = set_meta(r, s, e, &why);
    if (status != STATUS_OK) {
        router_refuse(r, s, &why, e);
        return;
    }
    d = delivery_create(s, MSG_UPDATE, envelope_plain(e, FIELD_ID, id), text_of_str(""),
                        text_of_str(""), r->now.mono_us);
    status = d ? membership_publish(r, s, d) : STATUS_NO_MEMORY;
    if (status == STATUS_OK)
        return;
    if (d)
        delivery_destroy(d);
    problem_set(&why, status, 0, NULL, "the update could not be published: try again later");
    router_refuse(r, s, &why, e);
}

/* The `join` that waits for its PUBACK, or NULL. */
static struct delivery *join_delivery(const struct session *s)
{
    LIST_EACH(l, &s->deliveries)
    {
        struct delivery *d = LIST_ITEM(l, struct delivery, in_session);
        if (d->type == MSG_JOIN)
            return d;
    }
    return NULL;
}

/* Takes the peer away from the session; what stays of it is the registry's. reason: NULL where
 * nobody leaves. */
static void detach(struct router *r, struct session *s, const char *reason)
{
    struct peer *p = s->peer;
    struct room *room = p->room;
    router_unsubscribe(r, inbox_filter(r, p));
    list_remove(&s->in_room);
    if (--room->session_count == 0)
        router_unsubscribe(r, all_filter(r, room));
    if (s->state == SESSION_JOINED) {
        r->joined_count--;
        r->metrics.leaves++;
    }
    p->session = NULL;
    if (reason) /* else why it went, if it did, is known already, and still to be told */
        p->left_reason = reason;
    s->peer = NULL;
    s->state = SESSION_IDLE;
    struct delivery *join = join_delivery(s);
    if (join)
        delivery_orphan(join); /* what becomes of it is no news for the next membership */
}

/* One without socket waits in front of the others, for the tick to sweep it up: whoever ends it may
 * still look at it. */
static void become_idle(struct router *r, struct session *s)
{
    struct text own = session_own(text_of_str(s->sid));
    if (!text_end(&own))
        (void)map_remove(&r->own, own.p, text_len(&own));
    away_end(r, s);
    free(s->join);
    s->join = NULL;
    s->state = SESSION_IDLE;
    s->announce = false;
    s->sid[0] = '\0';
    session_set_meta(s, text_of_str(""));
    calls_release(&s->calls);
    recent_release(&s->recent);
    replay_release(&s->replay);
    seen_release(&s->seen);
    takeover_release(s);
    handover_release(s);
    list_remove(&s->keeping);
    list_remove(&s->timer); /* it may be the first one there */
    if (s->socket)
        set_timer(s, &r->idle, r->now.mono_us + r->o.join_timeout_us);
    else
        set_timer(s, r->idle.next, r->now.mono_us);
}

static void leave_room(struct router *r, struct room *room)
{
    if (!room)
        return;
    if (r->bus_up) /* else what it leaves behind is cleared when the roster comes again */
        watch_release(r, room);
    registry_tidy_room(&r->registry, room);
}

void membership_leave(struct router *r, struct session *s, const char *reason, struct text id)
{
    bool owed = text_len(&id) > 0;
    struct room *room = NULL;
    if (s->state == SESSION_RESUMING) {
        takeover_cancel(r, s);
        return;
    }
    if (s->state == SESSION_WATCHING) {
        room = registry_room(&r->registry, request_room(s->join));
        room->waiting_count--;
    } else if (s->state != SESSION_IDLE) {
        struct peer *p = s->peer;
        struct delivery *d = NULL;
        room = p->room;
        detach(r, s, reason);
        if (r->bus_up) {
            if (owed)
                d = delivery_create(s, MSG_LEAVE, id, text_of_str(""), text_of_str(""),
                                    r->now.mono_us);
            owed = owed && !d;
            roster_clear(r, room_name(room), peer_name(p), reason, d);
        } /* else: the presence is cleared after the reconnect, when it is replayed without owner */
        registry_tidy_peer(&r->registry, p);
    }
    become_idle(r, s);
    leave_room(r, room);
    if (owed)
        router_ack(r, s, id, false);
}

void membership_replaced(struct router *r, struct session *s)
{
    struct room *room = s->peer->room;
    roster_flush_room(r, room); /* it may not have heard of its own joining yet */
    if (s->state == SESSION_RESUMING)
        r->asking_count--;
    detach(r, s, "replaced");
    become_idle(r, s);
    r->metrics.replaced++;
    router_close_socket(r, s, 4409, "another session has taken this name");
}

void membership_forget(struct router *r, struct session *s)
{
    struct peer *p = s->peer;
    struct room *room = p ? p->room : NULL;
    if (p) {
        detach(r, s, NULL);
        registry_tidy_peer(&r->registry, p);
    }
    become_idle(r, s);
    leave_room(r, room);
}

void membership_subscribe_all(struct router *r)
{
    static char bytes[SUBSCRIBE_BATCH][TOPIC_MAX];
    const char *filters[SUBSCRIBE_BATCH];
    size_t n = 0;
    for (size_t i = 0; i < SUBSCRIBE_BATCH; i++)
        filters[i] = bytes[i];
    LIST_EACH(l, &r->sessions)
    {
        struct session *s = LIST_ITEM(l, struct session, in_all);
        if (!s->peer)
            continue;
        strcpy(bytes[n++], inbox_filter(r, s->peer));
        if (n == SUBSCRIBE_BATCH) {
            r->bus_ops.subscribe(r->bus, filters, n);
            n = 0;
        }
        /* The first member stands for its room. */
        if (list_first(&s->peer->room->sessions) != &s->in_room)
            continue;
        strcpy(bytes[n++], all_filter(r, s->peer->room));
        if (n == SUBSCRIBE_BATCH) {
            r->bus_ops.subscribe(r->bus, filters, n);
            n = 0;
        }
    }
    if (n)
        r->bus_ops.subscribe(r->bus, filters, n);
    LIST_EACH(renew, &r->renewing)
    LIST_ITEM(renew, struct session, timer)->deadline_us = r->now.mono_us;
}

static struct session *due(const struct router *r, const struct link *list)
{
    struct link *l = list_first(list);
    struct session *s = l ? LIST_ITEM(l, struct session, timer) : NULL;
    return s && s->deadline_us <= r->now.mono_us ? s : NULL;
}

static void give_up_join(struct router *r, struct session *s)
{
    struct problem why;
    char bytes[NAME_MAX_BYTES];
    const struct delivery *d = join_delivery(s);
    struct text id = s->join ? request_id(s->join) : d ? delivery_id(d) : text_of_str("");
    id = text_of(memcpy(bytes, id.p, text_len(&id)), text_len(&id));
    problem_set(&why, STATUS_UNAVAILABLE, 0, NULL,
                "the broker did not answer in time: join again later");
    membership_leave(r, s, "timeout", text_of_str(""));
    r->metrics.refused[FROM_WS][STATUS_UNAVAILABLE]++;
    router_send_error(r, s, &why, id, text_of_str(""));
}

void membership_tick(struct router *r)
{
    struct session *s;
    while ((s = due(r, &r->joining)))
        give_up_join(r, s);
    while ((s = due(r, &r->idle))) {
        list_remove(&s->timer);
        if (!s->socket) {
            session_destroy(s);
            continue;
        }
        r->metrics.join_timeouts++;
        r->socket_ops.close(s->socket, 4408, "no join in time");
    }
    /* Not before it is known whose the names are by now: they may have been taken while the broker
     * was out of our reach. */
    while (r->watch.complete && (s = due(r, &r->renewing))) {
        if (membership_publish(r, s, NULL) != STATUS_OK)
            break;
        set_timer(s, &r->renewing, renew_at(r));
    }
}
