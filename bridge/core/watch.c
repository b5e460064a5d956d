#include "core/watch.h"

#include "base/log.h"
#include "core/bridges.h"
#include "core/joining.h"
#include "core/membership.h"
#include "core/roster.h"
#include "core/takeover.h"
#include "core/talk.h"

/* Far more than a large roster takes. */
#define ROSTER_LATE_US INT64_C(5000000)
#define FENCE_RETRY_US INT64_C(10000000)
#define HOLD_US        INT64_C(2000000)

static struct text any(void)
{
    return text_of_str("+");
}

static void subscribe_topic(struct router *r)
{
    const char *filter = buf_cstr(&r->topic);
    r->bus_ops.subscribe(r->bus, &filter, 1);
}

static void publish_fence(struct router *r)
{
    char payload[40];
    struct buf b;
    struct text me = text_of_str(r->o.bridge);
    buf_init_fixed(&b, payload, sizeof payload);
    buf_str(&b, "{\"fence\":");
    buf_uint(&b, r->fence);
    buf_char(&b, '}');
    buf_clear(&r->topic);
    topic_bridge_inbox(&r->topic, r->o.prefix, me, me);
    (void)router_publish(r, text_of(b.data, b.len), false, 0, NULL, NULL);
    r->fence_retry_us = r->now.mono_us + FENCE_RETRY_US;
}

static void start_fence(struct router *r, struct watch *w)
{
    w->complete = false;
    w->wanted = true;
    w->fence = ++r->fence;
    list_remove(&w->waiting);
    list_add(&r->fences, &w->waiting);
    publish_fence(r);
}

static void subscribe_room(struct router *r, struct room *room)
{
    buf_clear(&r->topic);
    topic_presence(&r->topic, r->o.prefix, room_name(room), any());
    subscribe_topic(r);
    start_fence(r, &room->watch);
}

void watch_put_status(struct buf *b, const struct router_options *o, bool online, int64_t since_ms)
{
    buf_str(b, online ? "{\"online\":true" : "{\"online\":false");
    buf_str(b, ",\"run\":");
    json_put_str(b, o->run);
    if (online) {
        buf_str(b, ",\"since\":");
        buf_int(b, since_ms);
        buf_str(b, ",\"version\":");
        json_put_str(b, o->version);
    }
    buf_char(b, '}');
}

/* To its end it answers for the members that wait for other bridges. */
static bool is_online(const struct router *r)
{
    return !r->draining || !router_drained(r);
}

void watch_publish_status(struct router *r, bool online)
{
    buf_clear(&r->topic);
    topic_bridge_status(&r->topic, r->o.prefix, text_of_str(r->o.bridge));
    buf_clear(&r->out);
    watch_put_status(&r->out, &r->o, online, r->started_ms);
    /* Renewed, so that it does not outlive us for long. */
    (void)router_publish_out(r, true, online ? BRIDGES_EXPIRY_S : 0, NULL);
    r->status_due_us = r->now.mono_us + INT64_C(1000000) * BRIDGES_RENEW_S;
}

/* Members of other bridges hear of a message only once those bridges have subscribed again. */
static void hold_messages(struct router *r)
{
    if (bridges_are_back(r))
        return;
    r->hold_until_us = r->now.mono_us + HOLD_US;
    r->bus_ops.hold(r->bus, true);
}

static void release_messages(struct router *r)
{
    if (!r->hold_until_us)
        return;
    r->hold_until_us = 0;
    r->bus_ops.hold(r->bus, false);
}

void watch_bridges_back(struct router *r)
{
    if (r->watch.complete && bridges_are_back(r))
        release_messages(r);
}

void watch_restart(struct router *r, bool kept)
{
    r->generation++;
    bridges_restart(r);
    if (!kept) {
        r->missing_until_us = r->now.mono_us + BRIDGES_GRACE_US;
        hold_messages(r);
    }
    watch_publish_status(r, is_online(r));
    buf_clear(&r->topic);
    topic_bridge_inbox(&r->topic, r->o.prefix, text_of_str(r->o.bridge), any());
    subscribe_topic(r);
    membership_subscribe_all(r);
    if (r->o.watch_all) {
        buf_clear(&r->topic);
        topic_presence(&r->topic, r->o.prefix, any(), any());
        subscribe_topic(r);
    } else {
        size_t at = 0;
        struct room *room;
        while ((room = map_next(&r->registry.rooms, &at)))
            if (room->watch.wanted)
                subscribe_room(r, room);
    }
    /* In front of the fence: who else runs is known with the roster. */
    buf_clear(&r->topic);
    topic_bridge_status(&r->topic, r->o.prefix, any());
    subscribe_topic(r);
    start_fence(r, &r->watch);
    r->roster_late_us = r->now.mono_us + ROSTER_LATE_US;
    buf_clear(&r->topic);
    topic_inbox(&r->topic, r->o.prefix, any(), text_of_str(NAME_BRIDGE), any());
    subscribe_topic(r);
}

void watch_lost(struct router *r)
{
    struct link *l;
    size_t at = 0;
    struct room *room;
    while ((l = list_first(&r->fences)))
        list_remove(l);
    r->watch.complete = false;
    r->roster_late_us = 0;
    release_messages(r);
    while ((room = map_next(&r->registry.rooms, &at)))
        room->watch.complete = false;
}

static void remove_unseen(struct router *r, struct room *room)
{
    size_t at = 0;
    struct peer *p;
    while ((p = map_next(&room->peers, &at)))
        if (!p->session && p->generation != r->generation)
            roster_remove(r, p, p->left_reason ? p->left_reason : "missed");
}

static void remove_all_unseen(struct router *r)
{
    size_t at = 0;
    struct room *room;
    while ((room = map_next(&r->registry.rooms, &at)))
        if (watch_complete(r, room))
            remove_unseen(r, room);
}

/* Renews the status, repeats a fence that got lost. Mosquitto grants every subscription and keeps
 * back what its ACL denies: nothing else tells. */
void watch_tick(struct router *r)
{
    struct text me = text_of_str(r->o.bridge);
    if (r->bus_up && is_online(r) && r->status_due_us <= r->now.mono_us)
        watch_publish_status(r, true);
    /* A broker drops messages beyond its queue's limit, and an ACL can be mended meanwhile. */
    if (r->bus_up && !list_empty(&r->fences) && r->fence_retry_us <= r->now.mono_us)
        publish_fence(r);
    if (r->hold_until_us && r->hold_until_us <= r->now.mono_us)
        release_messages(r);
    if (r->missing_until_us && r->missing_until_us <= r->now.mono_us && r->watch.complete) {
        r->missing_until_us = 0;
        remove_all_unseen(r);
    }
    if (!r->roster_late_us || r->now.mono_us < r->roster_late_us)
        return;
    r->roster_late_us = 0;
    buf_clear(&r->topic);
    topic_bridge_inbox(&r->topic, r->o.prefix, me, me);
    log_line(LOG_WARN, "roster-late", LOG_S("topic", buf_cstr(&r->topic)),
             LOG_S("remedy", "let the bridge's user read and write this topic in the broker's ACL"),
             LOG_END);
}

bool watch_complete(const struct router *r, const struct room *room)
{
    return r->watch.complete && (r->o.watch_all || room->watch.complete);
}

void watch_room(struct router *r, struct room *room)
{
    if (r->o.watch_all || room->watch.wanted)
        return;
    if (r->bus_up)
        subscribe_room(r, room);
    room->watch.wanted = true;
}

void watch_release(struct router *r, struct room *room)
{
    size_t at = 0;
    struct peer *p;
    if (r->o.watch_all || !room->watch.wanted || room->session_count || room->waiting_count)
        return;
    buf_clear(&r->topic);
    topic_presence(&r->topic, r->o.prefix, room_name(room), any());
    router_unsubscribe(r, buf_cstr(&r->topic));
    list_remove(&room->watch.waiting);
    room->watch.wanted = room->watch.complete = false;
    /* Nobody will tell us any more; the history says that we stopped looking. */
    while ((p = map_next(&room->peers, &at)))
        roster_remove(r, p, p->left_reason ? p->left_reason : "unwatched");
}

static void sweep_history(struct router *r)
{
    struct record rec = {.what = RECORD_SWEEP, .at_ms = r->now.wall_ms};
    if (r->swept)
        return;
    r->swept = true;
    r->recorder_ops.record(r->recorder, &rec);
}

static void completed(struct router *r, struct watch *w)
{
    w->complete = true;
    list_remove(&w->waiting);
    bridges_check(r);
    if (w != &r->watch) {
        if (!r->missing_until_us)
            remove_unseen(r, LIST_ITEM(w, struct room, watch));
        return;
    }
    r->roster_late_us = 0;
    if (r->o.watch_all && !r->missing_until_us)
        remove_all_unseen(r);
    sweep_history(r);
    watch_bridges_back(r);
}

static void fence_returned(struct router *r, uint64_t fence)
{
    struct link done, *l;
    list_init(&done);
    while ((l = list_first(&r->fences))) {
        struct watch *w = LIST_ITEM(l, struct watch, waiting);
        if (w->fence > fence)
            break;
        completed(r, w);
        list_add(&done, &w->waiting);
    }
    joining_roster_complete(r);
    takeover_roster_complete(r);
    while ((l = list_first(&done))) {
        struct watch *w = LIST_ITEM(l, struct watch, waiting);
        list_remove(l);
        if (w != &r->watch) { /* nobody came in after all: do not watch for nothing */
            struct room *room = LIST_ITEM(w, struct room, watch);
            watch_release(r, room);
            registry_tidy_room(&r->registry, room);
        }
    }
}

void watch_check(struct router *r, struct text name)
{
    struct room *room = r->o.watch_all ? NULL : registry_make_room(&r->registry, name);
    if (room)
        watch_room(r, room);
}

/* Somebody else has our name: one who began later than we, or it is what we said before we began
 * anew, on a broker that has it from another one. */
static void name_taken(struct router *r, struct text run, uint64_t since_ms)
{
    if (text_equals(run, r->o.run) || (int64_t)since_ms < r->started_ms)
        return;
    log_line(LOG_ERROR, "bridge-name-taken", LOG_S("bridge", r->o.bridge),
             LOG_S("remedy", "give each bridge on this broker a --bridge-id of its own"), LOG_END);
}

void watch_bridge_status(struct router *r, const struct topic *t, struct text payload,
                         bool retained)
{
    struct json_member m[TALK_MEMBERS];
    size_t n;
    uint64_t since = 0;
    if (json_object(payload.p, text_len(&payload), m, TALK_MEMBERS, &n, NULL) != STATUS_OK)
        return;
    enum json_type online = talk_field(m, n, "online").type;
    struct text run = talk_text(m, n, "run");
    if (online != JSON_TRUE && online != JSON_FALSE)
        return;
    (void)talk_uint(m, n, "since", &since);
    if (!text_equals(t->peer, r->o.bridge))
        bridges_status(r, t->peer, run, online == JSON_TRUE, retained);
    else if (online == JSON_TRUE && !retained)
        name_taken(r, run, since);
}

void watch_bridge_inbox(struct router *r, const struct topic *t, struct text payload)
{
    struct json_member m[TALK_MEMBERS];
    size_t n;
    uint64_t fence;
    if (!text_equals(t->peer, r->o.bridge))
        return;
    if (!text_same(t->from, t->peer))
        talk_message(r, t->from, payload);
    else if (json_object(payload.p, text_len(&payload), m, TALK_MEMBERS, &n, NULL) == STATUS_OK &&
             talk_uint(m, n, "fence", &fence))
        fence_returned(r, fence);
}
