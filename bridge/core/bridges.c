#include "core/bridges.h"

#include "base/log.h"
#include "core/roster.h"
#include "core/watch.h"

#include <stdlib.h>
#include <string.h>

struct other_bridge {
    struct link in_all;
    bool online;
    bool awaited;     /* it ran when the connection broke and has not been heard of since */
    int64_t due_us;   /* online: when its status must have been renewed; else when to clear */
    int64_t grace_us; /* until then presence of another run than this is left alone */
    size_t name_len, run_len;
    char texts[]; /* name, run */
};

static struct text name_of(const struct other_bridge *o)
{
    return text_of(o->texts, o->name_len);
}

static struct text run_of(const struct other_bridge *o)
{
    return text_of(o->texts + o->name_len, o->run_len);
}

void bridges_init(struct bridges *b)
{
    *b = (struct bridges){.check_us = INT64_MAX};
    list_init(&b->all);
}

static void drop(struct bridges *b, struct other_bridge *o)
{
    list_remove(&o->in_all);
    b->count--;
    free(o);
}

void bridges_release(struct bridges *b)
{
    struct link *l;
    while ((l = list_first(&b->all)))
        drop(b, LIST_ITEM(l, struct other_bridge, in_all));
}

static struct other_bridge *find(const struct bridges *b, struct text name)
{
    LIST_EACH(l, &b->all)
    {
        struct other_bridge *o = LIST_ITEM(l, struct other_bridge, in_all);
        if (text_same(name_of(o), name))
            return o;
    }
    return NULL;
}

/* NULL without memory or beyond BRIDGES_MAX: then nothing is known of it. */
static struct other_bridge *add(struct bridges *b, struct text name, struct text run)
{
    size_t name_len = text_len(&name), run_len = text_len(&run);
    struct other_bridge *o =
        b->count < BRIDGES_MAX ? calloc(1, sizeof *o + name_len + run_len) : NULL;
    if (!o)
        return NULL;
    o->name_len = name_len;
    o->run_len = run_len;
    memcpy(o->texts, name.p, name_len);
    if (run_len)
        memcpy(o->texts + name_len, run.p, run_len);
    list_init(&o->in_all);
    list_add(&b->all, &o->in_all);
    b->count++;
    return o;
}

static void check_at(struct router *r, int64_t when_us)
{
    if (when_us < r->bridges.check_us)
        r->bridges.check_us = when_us;
}

void bridges_status(struct router *r, struct text name, struct text run, bool online, bool retained)
{
    struct bridges *b = &r->bridges;
    int64_t now = r->now.mono_us;
    struct other_bridge *o = find(b, name);
    if (o && !online && o->online && !text_same(run_of(o), run))
        return; /* the late will of an earlier run */
    if (o && !text_same(run_of(o), run)) {
        drop(b, o);
        o = NULL;
    }
    bool fresh = !o;
    if (!o)
        o = add(b, name, run);
    if (!o)
        return;
    if (fresh || o->online != online)
        o->grace_us = now + BRIDGES_GRACE_US;
    o->online = online;
    o->awaited = o->awaited && !online;
    /* A broker that goes down sends everybody's wills: ours breaks off a moment later. */
    bool sure = !retained && r->watch.complete;
    o->due_us = online ? now + INT64_C(1000000) * BRIDGES_EXPIRY_S
                : sure ? now + BRIDGES_WILL_US
                       : now + BRIDGES_GRACE_US;
    check_at(r, o->due_us);
    check_at(r, o->grace_us);
    watch_bridges_back(r);
}

void bridges_restart(struct router *r)
{
    struct bridges *b = &r->bridges;
    int64_t due_us = r->now.mono_us + BRIDGES_GRACE_US;
    LIST_EACH(l, &b->all)
    {
        struct other_bridge *o = LIST_ITEM(l, struct other_bridge, in_all);
        o->awaited = o->online || o->due_us > r->now.mono_us;
        o->due_us = o->grace_us = due_us;
    }
    b->check_us = due_us;
}

void bridges_check(struct router *r)
{
    check_at(r, r->now.mono_us);
}

static bool sorts_before(struct text a, struct text b)
{
    size_t a_len = text_len(&a), b_len = text_len(&b);
    int order = memcmp(a.p, b.p, a_len < b_len ? a_len : b_len);
    return order ? order < 0 : a_len < b_len;
}

bool bridges_first(const struct router *r)
{
    struct text me = text_of_str(r->o.bridge);
    LIST_EACH(l, &r->bridges.all)
    {
        const struct other_bridge *o = LIST_ITEM(l, struct other_bridge, in_all);
        if (o->online && sorts_before(name_of(o), me))
            return false;
    }
    return true;
}

enum bridge_state bridges_state(const struct router *r, struct text name, struct text run)
{
    const struct other_bridge *o = find(&r->bridges, name);
    if (!o || (!text_end(&run) && !text_same(run_of(o), run)))
        return BRIDGE_GONE;
    return o->online ? BRIDGE_RUNS : o->due_us > r->now.mono_us ? BRIDGE_DOUBTFUL : BRIDGE_GONE;
}

bool bridges_others_run(const struct router *r)
{
    LIST_EACH(l, &r->bridges.all)
    if (LIST_ITEM(l, struct other_bridge, in_all)->online)
        return true;
    return false;
}

bool bridges_are_back(const struct router *r)
{
    LIST_EACH(l, &r->bridges.all)
    if (LIST_ITEM(l, struct other_bridge, in_all)->awaited)
        return false;
    return true;
}

static bool starts_with(struct text t, struct text start)
{
    size_t len = text_len(&start);
    return text_len(&t) >= len && text_same(text_of(t.p, len), start);
}

/* Sessions carry the run of their bridge in their ids. */
bool bridges_left_behind(struct router *r, const struct presence_info *i)
{
    struct text via = info_via(i);
    int64_t now = r->now.mono_us;
    if (text_end(&via) || text_equals(via, r->o.bridge))
        return false; /* a device's, or ours */
    struct other_bridge *o = find(&r->bridges, via);
    if (!o && (o = add(&r->bridges, via, text_of_str("")))) {
        o->due_us = o->grace_us = now + BRIDGES_GRACE_US;
        check_at(r, o->due_us);
    }
    if (!o)
        return false;
    return starts_with(info_sid(i), run_of(o)) ? !o->online && o->due_us <= now
                                               : o->grace_us <= now;
}

static void clear(struct router *r)
{
    size_t room_at = 0, count = 0;
    struct room *room;
    while ((room = map_next(&r->registry.rooms, &room_at))) {
        size_t at = 0;
        const struct peer *p;
        while ((p = map_next(&room->peers, &at))) {
            if (!p->info || p->session || !bridges_left_behind(r, p->info))
                continue;
            roster_clear(r, room_name(room), peer_name(p), "bridge-gone", NULL);
            count++;
        }
    }
    if (count)
        log_line(LOG_WARN, "bridge-gone", LOG_I("cleared", count), LOG_END);
}

static void bury(struct router *r)
{
    struct link *l = r->bridges.all.next;
    int64_t now = r->now.mono_us;
    while (l != &r->bridges.all) {
        struct other_bridge *o = LIST_ITEM(l, struct other_bridge, in_all);
        l = l->next;
        if (!o->online && o->due_us <= now && o->grace_us <= now) {
            drop(&r->bridges, o);
            continue;
        }
        if (o->due_us > now)
            check_at(r, o->due_us);
        if (o->grace_us > now)
            check_at(r, o->grace_us);
    }
}

void bridges_tick(struct router *r)
{
    struct bridges *b = &r->bridges;
    if (!r->watch.complete || b->check_us > r->now.mono_us)
        return;
    b->check_us = INT64_MAX;
    LIST_EACH(l, &b->all)
    {
        struct other_bridge *o = LIST_ITEM(l, struct other_bridge, in_all);
        if (o->online && o->due_us <= r->now.mono_us)
            o->online = false;
    }
    if (!r->o.watch_all || bridges_first(r))
        clear(r);
    bury(r);
}
