#include "core/away.h"

#include "core/membership.h"

/* A frame is kept for so long before its client is asked whether it has it. */
#define CONFIRM_US INT64_C(2000000)

#define UNCONFIRMED_US INT64_C(5000000)

static void keep_until(struct session *s, struct link *list, int64_t when_us)
{
    list_remove(&s->keeping);
    s->keep_us = when_us;
    list_add(list, &s->keeping);
}

/* In order: nearly all wait equally long, so the place is near the end. */
static void wait_until(struct router *r, struct session *s, int64_t when_us)
{
    list_remove(&s->keeping);
    s->keep_us = when_us;
    struct link *at = r->away.prev;
    while (at != &r->away && LIST_ITEM(at, struct session, keeping)->keep_us > when_us)
        at = at->prev;
    list_add(at->next, &s->keeping);
}

bool away_begin(struct router *r, struct session *s)
{
    int64_t window_us = r->o.resume_window_us;
    if (s->state != SESSION_JOINED || s->announce || !window_us)
        return false;
    if (s->visitor && !visitor_go_away(s->visitor)) {
        r->metrics.away_refused++;
        return false;
    }
    s->away = true;
    s->away_seq = s->seq;
    /* If it never read `joined` it cannot come back, and wants its name again. */
    if (!s->known && !s->last_secret[0] && window_us > UNCONFIRMED_US)
        window_us = UNCONFIRMED_US;
    wait_until(r, s, r->now.mono_us + window_us);
    if (++r->away_count > r->o.away_max) {
        struct session *oldest = LIST_ITEM(list_first(&r->away), struct session, keeping);
        r->metrics.away_refused++;
        membership_leave(r, oldest, "timeout", text_of_str(""));
    }
    return true;
}

void away_end(struct router *r, struct session *s)
{
    if (!s->away)
        return;
    if (s->visitor)
        visitor_return(s->visitor, r->now.mono_us);
    s->visitor = NULL;
    s->away = false;
    list_remove(&s->keeping);
    r->away_count--;
}

/* What it has missed for good cannot be given to it any more. */
static bool is_lost(const struct session *s)
{
    return s->away && !replay_reaches(&s->replay, s->away_seq);
}

void away_keep(struct router *r, struct session *s, struct frame *f)
{
    struct replay *kept = &s->replay;
    if (!r->o.resume_window_us) {
        kept->before = s->seq; /* who has not got it cannot come back, on another socket neither */
        return;
    }
    if (is_lost(s))
        return;
    replay_keep(kept, f);
    /* One frame always fits, and so does what another bridge kept. */
    while (kept->first != f && s->state != SESSION_RESUMING &&
           (kept->count > r->o.replay_messages || kept->bytes > r->o.replay_bytes))
        replay_forget_oldest(kept);
    if (is_lost(s)) {
        r->metrics.replay_overflows++;
        list_remove(&s->keeping); /* in front: the next tick ends it */
        s->keep_us = r->now.mono_us;
        list_add(r->away.next, &s->keeping);
    } else if (!s->away && list_empty(&s->keeping)) {
        keep_until(s, &r->confirming, r->now.mono_us + CONFIRM_US);
    }
    if (s->socket &&
        (kept->count > r->o.replay_messages / 4 || kept->bytes > r->o.replay_bytes / 4))
        r->socket_ops.confirm(s->socket);
}

void away_broken(struct session *s)
{
    replay_release(&s->replay);
    s->replay.before = s->seq;
}

void away_confirmed(struct session *s, uint64_t mark)
{
    /* A pong may be late, for what the socket had with another membership. */
    if (!mark || mark > s->seq + 1 || s->state != SESSION_JOINED)
        return;
    s->known = true;
    s->last_secret[0] = '\0';
    /* A browser answers before its page has read. Where another bridge asks, the page itself says
     * how far it has got. */
    if (!s->handover)
        replay_confirm(&s->replay, mark - 1);
    if (!s->replay.first && s->socket)
        list_remove(&s->keeping);
}

static struct session *due(const struct router *r, const struct link *list)
{
    struct link *l = list_first(list);
    struct session *s = l ? LIST_ITEM(l, struct session, keeping) : NULL;
    return s && s->keep_us <= r->now.mono_us ? s : NULL;
}

void away_tick(struct router *r)
{
    struct session *s;
    while ((s = due(r, &r->confirming))) {
        if (s->socket)
            r->socket_ops.confirm(s->socket);
        keep_until(s, &r->confirming, r->now.mono_us + CONFIRM_US);
    }
    while ((s = due(r, &r->away))) {
        r->metrics.away_expired++;
        membership_leave(r, s, "timeout", text_of_str(""));
    }
}
