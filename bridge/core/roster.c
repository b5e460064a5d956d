#include "core/roster.h"

#include "core/handover.h"
#include "core/inbound.h"
#include "core/membership.h"
#include "core/outbound.h"
#include "core/watch.h"

#include <stdlib.h>
#include <string.h>

/* A device gets this long beyond its ttl: clocks and networks are not exact. */
#define TTL_GRACE_US INT64_C(1000000)
#define TTL_RETRY_US INT64_C(10000000)
#define RECHECK_US   INT64_C(1000000)
#define RESTORE_US   INT64_C(1000000) /* between two repairs of the same presence */

/* Reasons come from other bridges as text; only known words are believed. */
static const char *known_reason(struct text reason)
{
    static const char *const words[] = {"leave",  "closed",   "timeout",     "ttl",
                                        "drain",  "replaced", "bridge-gone", "bridge-restart",
                                        "kicked", "expired",  "slow"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (text_equals(reason, words[i]))
            return words[i];
    return NULL;
}

void roster_mark_dirty(struct router *r, struct room *room)
{
    if (list_empty(&room->dirty))
        list_add(&r->registry.dirty, &room->dirty);
}

static void mark_changed(struct router *r, struct peer *p)
{
    r->metrics.presence_changes++;
    if (list_empty(&p->changed))
        list_add(&p->room->changed, &p->changed);
    roster_mark_dirty(r, p->room);
}

static void record(struct router *r, enum record_what what, const struct peer *p,
                   const char *reason)
{
    const struct presence_info *i = p->info;
    struct json_member members[8];
    size_t n = 0;
    struct record rec = {
        .what = what,
        .room = room_name(p->room),
        .peer = peer_name(p),
        .kind = info_kind(i),
        .bridge = info_via(i),
        .transport = text_of_str(i->via_len ? "ws" : "mqtt"),
        .sid = info_sid(i),
        .reason = text_of_str(reason ? reason : ""),
        .meta = text_of_str(""),
        .since_ms = i->since_ms,
        .at_ms = r->now.wall_ms,
    };
    if (what != RECORD_LEFT)
        (void)json_object(i->bytes, i->json_len, members, 8, &n, NULL);
    for (size_t k = 0; k < n; k++)
        if (json_equals(members[k].key, "meta"))
            rec.meta = text_of(members[k].value.p, members[k].value.len);
    r->recorder_ops.record(r->recorder, &rec);
}

void roster_clear(struct router *r, struct text room, struct text peer, const char *reason,
                  struct delivery *d)
{
    buf_clear(&r->topic);
    topic_presence(&r->topic, r->o.prefix, room, peer);
    if (router_publish(r, text_of_str(""), true, 0, reason, d) != STATUS_OK && d)
        outbound_published(r, d, STATUS_OK, true); /* the membership ended all the same */
}

static struct presence_info *make_info(struct router *r, const struct peer *p,
                                       const struct presence *presence)
{
    const char *fallback = text_len(&presence->via) ? "browser" : "device";
    struct text kind = presence->kind.type == JSON_STRING
                           ? text_of(presence->kind.p, presence->kind.len)
                           : text_of_str(fallback);
    struct buf *b = &r->out;
    buf_clear(b);
    buf_str(b, "{\"peer\":");
    json_put_text(b, peer_name(p));
    buf_str(b, ",\"kind\":");
    json_put_text(b, kind);
    if (presence->meta.type == JSON_OBJECT) {
        buf_str(b, ",\"meta\":");
        json_put_span(b, presence->meta);
    }
    if (presence->since_ms) { /* else each bridge would make up another one */
        buf_str(b, ",\"since\":");
        buf_uint(b, presence->since_ms);
    }
    buf_char(b, '}');
    size_t json_len = b->len;
    buf_add(b, presence->via.p, text_len(&presence->via));
    buf_add(b, presence->sid.p, text_len(&presence->sid));
    buf_add(b, kind.p, text_len(&kind));
    struct presence_info *i = buf_ok(b) ? malloc(sizeof *i + b->len) : NULL;
    if (!i)
        return NULL;
    *i = (struct presence_info){
        .json_len = (uint32_t)json_len,
        .via_len = (uint16_t)text_len(&presence->via),
        .sid_len = (uint16_t)text_len(&presence->sid),
        .kind_len = (uint16_t)text_len(&kind),
        .bundle = presence->bundle,
        .together = presence->together,
        .budget = {presence->max_sdp, presence->max_line, presence->max_candidates},
        .since_ms = (int64_t)presence->since_ms,
        .ttl_s = (uint32_t)presence->ttl_s,
    };
    memcpy(i->bytes, b->data, b->len);
    return i;
}

/* A session that another bridge took over is the same one. */
static bool same_holder(const struct presence_info *i, const struct presence *presence)
{
    if (text_same(info_via(i), presence->via) && text_same(info_sid(i), presence->sid))
        return true;
    struct text own = session_own(presence->sid);
    return !text_end(&own) && text_same(session_own(info_sid(i)), own);
}

static void restart_ttl(struct router *r, struct peer *p)
{
    list_remove(&p->expiring);
    if (!p->info->ttl_s || (p->session && p->session->state != SESSION_HANDING))
        return; /* of our own sessions we know */
    p->expires_us = r->now.mono_us + (int64_t)p->info->ttl_s * 1000000 + TTL_GRACE_US;
    list_add(&r->registry.expiring, &p->expiring);
}

/* False without memory: the older word stands. */
static bool set_info(struct router *r, struct peer *p, const struct presence *presence)
{
    struct presence_info *old = p->info;
    bool same = old && same_holder(old, presence);
    struct presence_info *info = make_info(r, p, presence);
    if (!info)
        return false;
    bool equal = same && text_same(info_json(old), info_json(info));
    bool moved = same && !text_same(info_via(old), presence->via);
    if (p->told && !same && !p->replaced) {
        p->replaced = true;
        p->replaced_reason = old && !p->left_reason ? "replaced" : p->left_reason;
    }
    p->info = info;
    p->left_reason = NULL;
    restart_ttl(r, p);
    if (!old)
        r->registry.present_count++;
    if (!equal) {
        mark_changed(r, p);
        record(r, same ? RECORD_UPDATED : RECORD_JOINED, p, NULL);
    } else if (!r->swept || moved) {
        record(r, RECORD_UPDATED, p, NULL);
    }
    free(old);
    return true;
}

void roster_remove(struct router *r, struct peer *p, const char *reason)
{
    if (!p->info)
        return;
    record(r, RECORD_LEFT, p, reason);
    free(p->info);
    p->info = NULL;
    p->left_reason = reason;
    r->registry.present_count--;
    list_remove(&p->expiring);
    mark_changed(r, p);
}

/* Somebody cleared the presence of a session that is still here: it is published again, at most
 * once in RESTORE_US. The second one keeps its place in time, however often it is cleared
 * meanwhile. */
static void restore(struct router *r, struct session *s)
{
    struct peer *p = s->peer;
    int64_t due_us = r->now.mono_us + RESTORE_US;
    struct link *at;
    if (r->now.mono_us - p->restored_us >= RESTORE_US) {
        p->restored_us = r->now.mono_us;
        membership_publish(r, s, NULL);
        return;
    }
    if (s->deadline_us <= due_us)
        return;
    list_remove(&s->timer);
    s->deadline_us = due_us;
    at = r->renewing.next;
    while (at != &r->renewing && LIST_ITEM(at, struct session, timer)->deadline_us <= due_us)
        at = at->next;
    list_add(at, &s->timer);
}

static void gone(struct router *r, const struct topic *t, const char *reason)
{
    struct room *room = registry_room(&r->registry, t->room);
    struct peer *p = room ? registry_peer(room, t->peer) : NULL;
    if (!p)
        return;
    if (!p->session) {
        roster_remove(r, p, reason ? reason : p->left_reason ? p->left_reason : "gone");
        registry_tidy_peer(&r->registry, p);
        registry_tidy_room(&r->registry, room);
    } else if (p->session->state == SESSION_JOINED) {
        restore(r, p->session);
    } else {
        /* The one before under this name; our session's own presence is behind it. */
        roster_remove(r, p, reason ? reason : p->left_reason ? p->left_reason : "gone");
    }
}

/* Our name stands on it, but no session of ours has it: it is cleared. Replayed, it is what an
 * earlier run or an outage left behind. Live, it is the echo of a session of this run that has just
 * ended; its end may follow, but not when it ended during an outage and libmosquitto sent the
 * presence once more after it. */
static void ownerless(struct router *r, const struct topic *t, const struct peer *p,
                      struct text sid, bool retained)
{
    size_t run = SESSION_RUN_LEN;
    const char *fallback = retained ? "bridge-restart" : "closed";
    if (retained || (text_len(&sid) > run && text_equals(text_of(sid.p, run), r->o.run)))
        roster_clear(r, t->room, t->peer, p && p->left_reason ? p->left_reason : fallback, NULL);
}

/* Somebody is there whom we have no memory for: the broker tells us again in a moment. */
static void missed(struct router *r, struct room *room)
{
    if (room)
        registry_tidy_room(&r->registry, room);
    r->recheck_us = r->now.mono_us + RECHECK_US;
}

/* Two sessions of one name at two bridges: which one stays? Between brokers that are joined each
 * bridge may see the other's presence last, so that the order of arrival must not decide. A device,
 * and who does not say since when, has nothing to compare and stays. */
static bool is_newer(const struct presence *other, const struct session *s)
{
    struct text theirs = session_own(other->sid), mine = session_own(text_of_str(s->sid));
    size_t len = text_len(&theirs) < text_len(&mine) ? text_len(&theirs) : text_len(&mine);
    int order;
    if (text_end(&other->via) || !other->since_ms)
        return true;
    if ((int64_t)other->since_ms != s->since_ms)
        return (int64_t)other->since_ms > s->since_ms;
    order = len ? memcmp(theirs.p, mine.p, len) : 0;
    return order ? order > 0 : text_len(&theirs) > text_len(&mine);
}

/* Whose it is, and what that means for a session of ours under this name. */
static void settle(struct router *r, struct peer *p, const struct presence *presence)
{
    struct session *s = p->session;
    struct room *room = p->room;
    bool ours = text_equals(presence->via, r->o.bridge);
    bool same = s && text_same(session_own(presence->sid), session_own(text_of_str(s->sid)));
    if (ours && !text_equals(presence->sid, s->sid))
        return; /* the echo of an earlier session of the same name: the newer one's is behind it */
    if (!ours && same && s->state == SESSION_JOINED)
        return; /* the echo of the bridge that had it before */
    bool replaced =
        !ours && !same && s && (s->state == SESSION_JOINED || s->state == SESSION_HANDING);
    bool handed = !ours && same && s->state == SESSION_HANDING;
    if (replaced && s->state == SESSION_JOINED && !is_newer(presence, s)) {
        restore(r, s); /* the other bridge sees it and lets its session go */
        return;
    }
    if (replaced)
        membership_replaced(r, s);
    if (!set_info(r, p, presence))
        missed(r, NULL);
    else if (ours && s->state == SESSION_JOINING)
        membership_arrived(r, s);
    if (handed)
        handover_done(r, s, presence->via); /* p may be gone */
    else if (replaced)
        watch_release(r, room);
}

static void here(struct router *r, const struct topic *t, const struct presence *presence,
                 bool retained)
{
    struct room *room = registry_room(&r->registry, t->room);
    struct peer *p = room ? registry_peer(room, t->peer) : NULL;
    if (!r->o.watch_all && !(room && room->watch.wanted))
        return; /* on its way when we stopped looking: nobody would tell us of its end */
    if (text_equals(presence->via, r->o.bridge) && !(p && p->session)) {
        if (p)
            p->generation = r->generation;
        ownerless(r, t, p, presence->sid, retained);
        return;
    }
    if (!room && r->registry.rooms.count >= r->o.rooms_max) {
        r->metrics.dropped[DROP_ROOMS]++;
        return;
    }
    if (!room)
        room = registry_make_room(&r->registry, t->room);
    p = room ? registry_make_peer(&r->registry, room, t->peer) : NULL;
    if (!p) {
        missed(r, room);
        return;
    }
    p->generation = r->generation;
    if (!retained)
        p->spoke = r->generation;
    settle(r, p, presence);
    room = registry_room(&r->registry, t->room);
    p = room ? registry_peer(room, t->peer) : NULL;
    if (p)
        registry_tidy_peer(&r->registry, p);
    if (room)
        registry_tidy_room(&r->registry, room);
}

void roster_message(struct router *r, const struct topic *t, struct text payload, bool retained,
                    struct text reason)
{
    struct presence presence;
    struct problem why = {0};
    if (text_end(&payload)) {
        gone(r, t, known_reason(reason));
        return;
    }
    enum status s = presence_parse(payload.p, text_len(&payload), &presence, &why);
    if (s == STATUS_OK) {
        here(r, t, &presence, retained);
        return;
    }
    /* The roster is what the broker holds: what cannot be read there is not present. */
    r->metrics.refused[FROM_MQTT][s]++;
    if (!retained)
        inbound_refuse(r, t->room, t->peer, &why, text_of_str(""));
    gone(r, t, "invalid");
}

void roster_tick(struct router *r)
{
    LIST_EACH(l, &r->registry.expiring)
    {
        struct peer *p = LIST_ITEM(l, struct peer, expiring);
        /* After an outage it may have come back: the roster knows. */
        if (p->expires_us > r->now.mono_us || !watch_complete(r, p->room))
            continue;
        p->expires_us = r->now.mono_us + TTL_RETRY_US;
        p->left_reason = "ttl";
        roster_clear(r, room_name(p->room), peer_name(p), "ttl", NULL);
    }
}
