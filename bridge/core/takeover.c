#include "core/takeover.h"

#include "core/away.h"
#include "core/bridges.h"
#include "core/inbound.h"
#include "core/known.h"
#include "core/membership.h"
#include "core/resume.h"
#include "core/roster.h"
#include "core/session_state.h"
#include "core/talk.h"
#include "core/watch.h"
#include "core/welcome.h"

#include <stdlib.h>
#include <string.h>

enum { MISSED_TIMES = 4 };

/* A message behind the mark, until the session is ours. */
struct held {
    struct held *next;
    uint64_t digest;
    size_t topic_len, len;
    char bytes[]; /* topic, payload */
};

struct takeover {
    /* What it waits for: the answer, the roster, our mark, the rest; its end. */
    enum { ASKED, WAITING, MARKED, PASSED, HOPELESS } phase;
    uint64_t ask, seq;
    struct held *first, *last;
    size_t held_count, held_bytes;
    unsigned front_count;
    uint64_t front[SEEN_MIN]; /* what came in front of the mark, the last ones */
    struct known *known;
    char bridge[NAME_MAX_BYTES + 1];
    char id[NAME_MAX_BYTES];
    size_t id_len;
};

static struct held *pop_held(struct takeover *t)
{
    struct held *h = t->first;
    if (!h)
        return NULL;
    t->first = h->next;
    if (!t->first)
        t->last = NULL;
    t->held_count--;
    t->held_bytes -= h->len;
    return h;
}

void takeover_release(struct session *s)
{
    struct takeover *t = s->takeover;
    struct held *h;
    if (!t)
        return;
    while ((h = pop_held(t)))
        free(h);
    known_release(&t->known);
    free(t);
    s->takeover = NULL;
}

bool takeover_goes_on(const struct session *s)
{
    return s->state == SESSION_RESUMING && s->takeover->phase >= MARKED;
}

/* To the other bridge: which session, and, with `proof`, what shows that its client is here. */
static bool say(struct router *r, const struct session *s, const char *type, bool proof)
{
    const struct takeover *t = s->takeover;
    talk_begin(r, type, t->ask);
    buf_str(&r->out, ",\"sid\":");
    json_put_str(&r->out, s->sid);
    if (proof) {
        buf_str(&r->out, ",\"secret\":");
        json_put_str(&r->out, s->secret);
    }
    buf_str(&r->out, ",\"seq\":");
    buf_uint(&r->out, t->seq);
    buf_char(&r->out, '}');
    return talk_send(r, text_of_str(t->bridge));
}

static void end(struct router *r, struct session *s, bool told)
{
    if (r->bus_up)
        (void)say(r, s, "forget", told);
    r->asking_count--;
    takeover_release(s);
    membership_forget(r, s);
}

void takeover_cancel(struct router *r, struct session *s)
{
    end(r, s, false);
}

static void give_up(struct router *r, struct session *s,
                    void (*answer)(struct router *r, struct session *s, struct text id))
{
    char id[NAME_MAX_BYTES];
    size_t len = s->takeover->id_len;
    bool asked = s->socket != NULL;
    memcpy(id, s->takeover->id, len);
    r->metrics.takeovers_failed++;
    end(r, s, asked && answer == resume_expired);
    if (asked)
        answer(r, s, text_of(id, len));
}

static void fail(struct router *r, struct session *s)
{
    give_up(r, s, resume_expired);
}

static bool ask(struct router *r, struct session *s)
{
    s->takeover->phase = ASKED;
    s->takeover->ask = ++r->ask;
    return say(r, s, "take", true);
}

void takeover_begin(struct router *r, struct session *s, const struct takeover_wish *wish)
{
    size_t secret = text_len(&wish->secret);
    enum bridge_state other = bridges_state(r, wish->bridge, wish->run);
    if (!r->watch.complete || other == BRIDGE_DOUBTFUL || r->draining ||
        r->asking_count >= TAKEOVER_MAX) {
        resume_later(r, s, wish->id);
        return;
    }
    struct takeover *t = NULL;
    /* Where nothing is kept, there is no place for what it missed. */
    if (secret == SESSION_SECRET_LEN && other == BRIDGE_RUNS && r->o.resume_window_us)
        t = calloc(1, sizeof *t);
    if (!t) {
        resume_expired(r, s, wish->id);
        return;
    }
    s->takeover = t;
    s->state = SESSION_RESUMING;
    memcpy(s->sid, wish->sid.p, SESSION_ID_LEN);
    s->sid[SESSION_ID_LEN] = '\0';
    memcpy(s->secret, wish->secret.p, secret);
    s->secret[secret] = '\0';
    t->seq = s->seq = wish->seq;
    replay_init(&s->replay, s->seq);
    memcpy(t->bridge, wish->bridge.p, text_len(&wish->bridge));
    t->id_len = text_len(&wish->id);
    if (t->id_len)
        memcpy(t->id, wish->id.p, t->id_len);
    r->asking_count++;
    list_remove(&s->timer);
    s->deadline_us = r->now.mono_us + TAKEOVER_US;
    list_add(&r->asking, &s->timer);
    struct text own = session_own(text_of_str(s->sid));
    if (map_put(&r->own, own.p, text_len(&own), s) != STATUS_OK || !ask(r, s))
        fail(r, s);
}

void takeover_again(struct router *r, struct session *held, struct session *s, struct text secret,
                    struct text id)
{
    if (session_secret_fits(held, secret))
        resume_move_socket(r, s, held);
    else
        resume_later(r, s, id); /* one of the two is wrong: soon it is known which */
}

static void mark(struct router *r, struct session *s)
{
    struct takeover *t = s->takeover;
    t->phase = MARKED;
    talk_begin(r, "takeover", t->ask);
    buf_str(&r->out, ",\"by\":");
    json_put_str(&r->out, r->o.bridge);
    buf_char(&r->out, '}');
    buf_clear(&r->topic);
    topic_inbox(&r->topic, r->o.prefix, room_name(s->peer->room), peer_name(s->peer),
                text_of_str(NAME_BRIDGE));
    if (router_publish_out(r, false, 0, NULL) != STATUS_OK)
        fail(r, s);
}

void takeover_roster_complete(struct router *r)
{
    struct link *l = r->asking.next;
    while (l != &r->asking) {
        struct session *s = LIST_ITEM(l, struct session, timer);
        l = l->next; /* a failure takes this one out of the list */
        if (s->takeover->phase == WAITING && watch_complete(r, s->peer->room))
            mark(r, s);
    }
}

static void granted(struct router *r, struct session *s, const struct json_member *m, size_t n)
{
    struct text room_is = talk_text(m, n, "room"), peer_is = talk_text(m, n, "peer");
    bool names = name_ok(room_is.p, text_len(&room_is)) && name_ok(peer_is.p, text_len(&peer_is));
    struct room *room = names ? registry_make_room(&r->registry, room_is) : NULL;
    struct peer *p = room ? registry_make_peer(&r->registry, room, peer_is) : NULL;
    if (!p || p->session) {
        if (room)
            registry_tidy_room(&r->registry, room);
        fail(r, s);
        return;
    }
    s->takeover->phase = WAITING;
    membership_attach(r, s, p);
    watch_room(r, room);
    if (watch_complete(r, room))
        mark(r, s);
}

/* What it missed keeps its number. */
static bool take_frame(struct router *r, struct session *s, struct text frame)
{
    /* It may keep more than we do, within reason. */
    if (s->replay.bytes + text_len(&frame) > MISSED_TIMES * r->o.replay_bytes)
        return false;
    struct frame *f = frame_make(frame, text_of_str(""), ++s->seq + 1);
    if (!f)
        return false;
    away_keep(r, s, f);
    frame_release(f);
    return true;
}

/* Of what waits here, takes away what the other bridge had. */
static void drop_taken(struct takeover *t, struct json_span taken)
{
    uint64_t theirs[SEEN_MIN];
    size_t count = talk_digests(taken, theirs, SEEN_MIN);
    unsigned front = t->front_count < SEEN_MIN ? t->front_count : SEEN_MIN;
    for (size_t i = 0; i < count; i++) {
        bool in_front = false;
        for (unsigned k = 0; k < front && !in_front; k++)
            if ((in_front = t->front[k] == theirs[i]))
                t->front[k] = 0;
        for (struct held *h = in_front ? NULL : t->first; h; h = h->next)
            if (h->digest == theirs[i]) {
                h->digest = 0;
                break;
            }
    }
}

static void deliver_held(struct router *r, struct session *s, struct takeover *t)
{
    struct held *h;
    struct topic topic;
    while ((h = pop_held(t))) {
        if (h->digest && topic_parse(r->o.prefix, h->bytes, h->topic_len, &topic))
            inbound_one(r, s, &topic, text_of(h->bytes + h->topic_len, h->len));
        free(h);
    }
}

static void complete(struct router *r, struct session *s, const struct json_member *m, size_t n)
{
    struct takeover *t = s->takeover;
    void *socket = s->socket;
    if (t->phase != PASSED || !session_state_read(r, s, m, n)) {
        fail(r, s);
        return;
    }
    drop_taken(t, talk_field(m, n, "taken"));
    roster_flush_room(r, s->peer->room);
    s->socket = NULL; /* nothing goes out in front of `resumed` */
    known_correct(r, s, t->known);
    s->socket = socket;
    if (!replay_reaches(&s->replay, t->seq)) { /* more than is kept here, or than memory holds */
        fail(r, s);
        return;
    }
    session_name(s, r->o.run, session_own(text_of_str(s->sid)));
    session_renew_secret(s, text_of(s->secret, SESSION_SECRET_LEN));
    s->known = false;
    r->asking_count--;
    r->metrics.takeovers++;
    membership_resumed(r, s);
    s->takeover = NULL;
    if (s->socket)
        welcome_resumed(r, s);
    else if (away_begin(r, s))
        s->away_seq = t->seq;
    deliver_held(r, s, t);
    known_release(&t->known);
    free(t);
    if (!s->socket && !s->away)
        membership_leave(r, s, "closed", text_of_str(""));
}

static void moved(struct router *r, struct session *s, const struct json_member *m, size_t n)
{
    struct text to = talk_text(m, n, "to");
    if (!name_ok(to.p, text_len(&to)) || text_equals(to, s->takeover->bridge) ||
        text_equals(to, r->o.bridge)) {
        fail(r, s);
        return;
    }
    memset(s->takeover->bridge, 0, sizeof s->takeover->bridge);
    memcpy(s->takeover->bridge, to.p, text_len(&to));
    if (!ask(r, s))
        fail(r, s);
}

static struct session *find(const struct router *r, uint64_t ask)
{
    LIST_EACH(l, &r->asking)
    {
        struct session *s = LIST_ITEM(l, struct session, timer);
        if (s->takeover->ask == ask)
            return s;
    }
    return NULL;
}

void takeover_answer(struct router *r, struct text from, const struct json_member *m, size_t n,
                     struct text rest)
{
    uint64_t ask;
    struct json_span type = talk_field(m, n, "type");
    struct session *s = talk_uint(m, n, "ask", &ask) ? find(r, ask) : NULL;
    if (!s || !text_equals(from, s->takeover->bridge))
        return; /* too late */
    if (json_equals(type, "granted") && s->takeover->phase == ASKED)
        granted(r, s, m, n);
    else if (json_equals(type, "moved") && s->takeover->phase == ASKED)
        moved(r, s, m, n);
    else if (json_equals(type, "later") && s->takeover->phase == ASKED)
        give_up(r, s, resume_later);
    else if (json_equals(type, "knows"))
        known_learn(&s->takeover->known, talk_field(m, n, "peers"));
    else if (json_equals(type, "state"))
        complete(r, s, m, n);
    else if (!json_equals(type, "missed") || !take_frame(r, s, rest))
        fail(r, s);
}

static void hold(struct router *r, struct session *s, const struct topic *t, uint64_t digest,
                 struct text payload)
{
    struct takeover *take = s->takeover;
    size_t len = text_len(&payload);
    buf_clear(&r->topic);
    if (t->kind == TOPIC_ALL)
        topic_all(&r->topic, r->o.prefix, t->room, t->from);
    else
        topic_inbox(&r->topic, r->o.prefix, t->room, t->peer, t->from);
    struct held *h =
        take->held_count < r->o.replay_messages && take->held_bytes + len <= r->o.replay_bytes
            ? malloc(sizeof *h + r->topic.len + len)
            : NULL;
    if (!h) {
        take->phase =
            HOPELESS; /* its time ends it: whoever calls may be walking through the room */
        return;
    }
    *h = (struct held){.digest = digest, .topic_len = r->topic.len, .len = len};
    memcpy(h->bytes, r->topic.data, r->topic.len);
    if (len)
        memcpy(h->bytes + r->topic.len, payload.p, len);
    if (take->last)
        take->last->next = h;
    else
        take->first = h;
    take->last = h;
    take->held_count++;
    take->held_bytes += len;
}

static bool is_our_mark(const struct router *r, const struct takeover *t, struct text payload)
{
    struct json_member m[TALK_MEMBERS];
    size_t n;
    uint64_t ask;
    return json_object(payload.p, text_len(&payload), m, TALK_MEMBERS, &n, NULL) == STATUS_OK &&
           json_equals(talk_field(m, n, "type"), "takeover") && talk_uint(m, n, "ask", &ask) &&
           ask == t->ask && text_equals(talk_text(m, n, "by"), r->o.bridge);
}

void takeover_hear(struct router *r, struct session *s, const struct topic *t, struct text payload)
{
    struct takeover *take = s->takeover;
    uint64_t digest = seen_digest(t->from, payload);
    if (t->kind == TOPIC_INBOX && text_equals(t->from, NAME_BRIDGE) &&
        is_our_mark(r, take, payload)) {
        if (take->phase == MARKED) /* it may come twice */
            take->phase = PASSED;
        return;
    }
    if (take->phase == PASSED)
        hold(r, s, t, digest, payload);
    else
        take->front[take->front_count++ % SEEN_MIN] = digest;
}

void takeover_tick(struct router *r)
{
    struct link *l;
    while ((l = list_first(&r->asking))) {
        struct session *s = LIST_ITEM(l, struct session, timer);
        if (s->deadline_us > r->now.mono_us)
            return;
        fail(r, s);
    }
}
