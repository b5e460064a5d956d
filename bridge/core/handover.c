#include "core/handover.h"

#include "core/away.h"
#include "core/known.h"
#include "core/membership.h"
#include "core/roster.h"
#include "core/session_state.h"
#include "core/talk.h"

#include <stdlib.h>
#include <string.h>

struct handover {
    uint64_t ask;
    uint64_t seq; /* of the last frame that its client has */
    bool marked;
    bool given;
    unsigned taken_count;
    uint64_t taken[SEEN_MIN]; /* what came since the grant, the last ones */
    char by[NAME_MAX_BYTES + 1];
};

void handover_release(struct session *s)
{
    free(s->handover);
    s->handover = NULL;
}

static void answer(struct router *r, struct text to, const char *type, uint64_t ask)
{
    talk_begin(r, type, ask);
    buf_char(&r->out, '}');
    (void)talk_send(r, to);
}

/* Why not, as the word that is said; NULL: it may have it. */
static const char *refusal(struct router *r, const struct session *s, struct text secret,
                           uint64_t seq)
{
    if (s && (s->state == SESSION_HANDING || s->state == SESSION_RESUMING))
        return "later";
    if (!s || s->state != SESSION_JOINED || !session_secret_fits(s, secret) || seq > s->seq ||
        !replay_reaches(&s->replay, seq)) {
        r->metrics.handovers_refused++;
        return "refused";
    }
    return NULL;
}

void handover_asked(struct router *r, struct text from, const struct json_member *m, size_t n)
{
    uint64_t ask, seq;
    struct text sid = talk_text(m, n, "sid"), own = session_own(sid);
    if (!talk_uint(m, n, "ask", &ask) || !talk_uint(m, n, "seq", &seq))
        return;
    struct session *s = map_get(&r->own, own.p, text_len(&own));
    struct text moved = s ? text_of_str("") : moved_find(&r->moved, own, r->now.mono_us);
    if (!text_end(&moved)) {
        talk_begin(r, "moved", ask);
        buf_str(&r->out, ",\"to\":");
        json_put_text(&r->out, moved);
        buf_char(&r->out, '}');
        (void)talk_send(r, from);
        return;
    }
    const char *word = refusal(r, s, talk_text(m, n, "secret"), seq);
    if (!word && !s->handover)
        s->handover = calloc(1, sizeof *s->handover);
    if (word || !s->handover) {
        answer(r, from, word ? word : "refused", ask);
        return;
    }
    *s->handover = (struct handover){.ask = ask, .seq = seq};
    memcpy(s->handover->by, from.p, text_len(&from));
    talk_begin(r, "granted", ask);
    buf_str(&r->out, ",\"room\":");
    json_put_text(&r->out, room_name(s->peer->room));
    buf_str(&r->out, ",\"peer\":");
    json_put_text(&r->out, peer_name(s->peer));
    buf_char(&r->out, '}');
    (void)talk_send(r, from);
}

void handover_note(struct session *s, uint64_t digest)
{
    struct handover *h = s->handover;
    if (h && !h->marked)
        h->taken[h->taken_count++ % SEEN_MIN] = digest;
}

static bool send_missed(struct router *r, struct session *s)
{
    for (const struct frame *f = s->replay.first; f; f = f->next_kept) {
        struct text t = frame_text(f);
        if (f->mark - 1 <= s->handover->seq)
            continue;
        talk_begin(r, "missed", s->handover->ask);
        buf_str(&r->out, "}\n");
        buf_add(&r->out, t.p, text_len(&t));
        if (!talk_send(r, text_of_str(s->handover->by)))
            return false;
    }
    return true;
}

static bool send_state(struct router *r, struct session *s)
{
    const struct handover *h = s->handover;
    talk_begin(r, "state", h->ask);
    session_state_put(r, s);
    session_state_put_digests(&r->out, "taken", h->taken,
                              h->taken_count < SEEN_MIN ? h->taken_count : SEEN_MIN);
    buf_char(&r->out, '}');
    return talk_send(r, text_of_str(h->by));
}

/* Everything, or the word that there is nothing: then the session ends with its time. */
static void give(struct router *r, struct session *s)
{
    struct text by = text_of_str(s->handover->by);
    s->handover->given = true;
    /* More may have come since the grant than is kept. */
    if (replay_reaches(&s->replay, s->handover->seq) && known_send(r, s, by, s->handover->ask) &&
        send_missed(r, s) && send_state(r, s))
        return;
    r->metrics.handovers_refused++;
    answer(r, by, "refused", s->handover->ask);
}

void handover_settled(struct router *r, struct session *s)
{
    if (s->state == SESSION_HANDING && !s->handover->given && list_empty(&s->deliveries))
        give(r, s);
}

bool handover_mark(struct router *r, struct session *s, struct text payload)
{
    struct json_member m[TALK_MEMBERS];
    size_t n;
    uint64_t ask;
    struct handover *h = s->handover;
    if (json_object(payload.p, text_len(&payload), m, TALK_MEMBERS, &n, NULL) != STATUS_OK ||
        !json_equals(talk_field(m, n, "type"), "takeover"))
        return false;
    if (s->state != SESSION_JOINED || !h || !talk_uint(m, n, "ask", &ask) || ask != h->ask ||
        !text_equals(talk_text(m, n, "by"), h->by))
        return true;
    roster_flush_room(r, s->peer->room);
    router_part(r, s, 4409, "the session was resumed on another bridge", false);
    away_end(r, s);
    h->marked = true;
    s->state = SESSION_HANDING;
    r->metrics.handovers++;
    r->joined_count--;
    list_remove(&s->timer);
    list_remove(&s->expiring);
    list_remove(&s->keeping);
    s->keep_us = r->now.mono_us + HANDOVER_US;
    list_add(&r->handing, &s->keeping);
    handover_settled(r, s);
    return true;
}

void handover_given_up(struct router *r, struct text from, const struct json_member *m, size_t n)
{
    uint64_t ask;
    struct text own = session_own(talk_text(m, n, "sid"));
    struct session *s = map_get(&r->own, own.p, text_len(&own));
    if (!s || !talk_uint(m, n, "ask", &ask))
        return;
    const struct handover *h = s->handover;
    bool handed = s->state == SESSION_HANDING && h->ask == ask && text_equals(from, h->by);
    bool told = s->state == SESSION_JOINED && session_secret_is(s, talk_text(m, n, "secret"));
    if (!handed && !told)
        return;
    router_part(r, s, 4409, "the session was given up on another bridge", false);
    membership_leave(r, s, "timeout", text_of_str(""));
}

void handover_done(struct router *r, struct session *s, struct text via)
{
    moved_add(&r->moved, session_own(text_of_str(s->sid)), via, r->now.mono_us);
    membership_forget(r, s);
}

void handover_tick(struct router *r)
{
    struct link *l;
    while ((l = list_first(&r->handing))) {
        struct session *s = LIST_ITEM(l, struct session, keeping);
        if (s->keep_us > r->now.mono_us)
            return;
        membership_leave(r, s, "timeout", text_of_str(""));
    }
}
