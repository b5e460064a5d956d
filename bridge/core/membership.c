#include "core/membership.h"

#include "base/clock.h"
#include "core/admission.h"
#include "core/away.h"
#include "core/bridges.h"
#include "core/delivery.h"
#include "core/handover.h"
#include "core/joining.h"
#include "core/outbound.h"
#include "core/roster.h"
#include "core/takeover.h"
#include "core/watch.h"
#include "proto/meta.h"

#include <stdlib.h>
#include <string.h>

enum { SUBSCRIBE_BATCH = 100 };

void membership_wait(struct session *s, struct link *list, int64_t deadline_us)
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
    buf_str(b, ",\"bundle\":true,\"together\":true}");
    buf_clear(&r->topic);
    topic_presence(&r->topic, r->o.prefix, room_name(s->peer->room), peer_name(s->peer));
    return router_publish_out(r, true, r->o.presence_expiry_s, d);
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

/* `meta` as the session may have it: what it asks for, and what its token says. */
enum status membership_set_meta(struct router *r, struct session *s, const struct envelope *e,
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

static void become_member(struct router *r, struct session *s)
{
    s->state = SESSION_JOINED;
    membership_wait(s, &r->renewing, renew_at(r));
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
    enum status status = membership_set_meta(r, s, e, &why);
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
    struct delivery *join = joining_delivery(s);
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
        membership_wait(s, &r->idle, r->now.mono_us + r->o.join_timeout_us);
    else
        membership_wait(s, r->idle.next, r->now.mono_us);
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
        room = registry_room(&r->registry, joining_room(s));
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

void membership_tick(struct router *r)
{
    struct session *s;
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
        membership_wait(s, &r->renewing, renew_at(r));
    }
}
