/* What holds between any two turns of the loop, by walking all there is. */
#include "router_play.h"

#include "core/frame.h"

static bool is_lost(const struct session *s)
{
    return s->away && !replay_reaches(&s->replay, s->away_seq);
}

static size_t view_find(const struct view *v, struct text name)
{
    size_t i = 0;
    while (i < v->count && !text_equals(name, v->names[i]))
        i++;
    return i;
}

/* Members know the roster. */
static void check_view(const struct socket *s)
{
    const struct session *session = s->session;
    size_t at = 0, present = 0;
    const struct peer *p;
    if (!session || session->state != SESSION_JOINED || session->announce || s->closing)
        return;
    require(!s->catching_up);
    require(session->seq == s->seq);
    if (s->view.lost || !list_empty(&session->peer->room->dirty))
        return;
    while ((p = map_next(&session->peer->room->peers, &at))) {
        if (!p->info || p == session->peer)
            continue;
        present++;
        require(view_find(&s->view, peer_name(p)) < s->view.count);
    }
    require(present == s->view.count);
}

/* Whoever read something and has the secret can come back, unless more was missed than is kept. */
static void check_client(const struct client *c)
{
    size_t len = strlen(c->session);
    if (len < SESSION_ID_LEN || c->lied || !router.o.resume_window_us)
        return;
    struct text own = session_own(text_of(c->session + len - SESSION_ID_LEN, SESSION_ID_LEN));
    const struct session *s = map_get(&router.own, own.p, text_len(&own));
    if (!s || s->state != SESSION_JOINED || !session_secret_fits(s, text_of_str(c->secret)) ||
        is_lost(s))
        return;
    bool full = s->replay.count >= router.o.replay_messages ||
                s->replay.bytes + 70000 > router.o.replay_bytes;
    require(full || replay_reaches(&s->replay, c->seq));
    require(c->seq <= s->seq);
}

enum { FRAMES_MAX = 4096 };

struct frames {
    const struct frame *all[FRAMES_MAX];
    size_t count;
};

static int by_address(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (const struct frame *const *)a;
    uintptr_t y = (uintptr_t) * (const struct frame *const *)b;
    return (x > y) - (x < y);
}

static void note(struct frames *f, const struct frame *frame)
{
    if (f->count < FRAMES_MAX)
        f->all[f->count++] = frame;
}

static void check_once(struct frames *f)
{
    qsort(f->all, f->count, sizeof *f->all, by_address);
    for (size_t i = 1; i < f->count; i++)
        require(f->all[i] != f->all[i - 1]);
}

/* Each frame is in one queue and in one replay buffer at most, and nobody else holds it. */
static void check_frames(void)
{
    static struct frames queued, kept, both;
    queued.count = kept.count = both.count = 0;
    for (size_t i = 0; i < SOCKETS; i++)
        for (const struct frame *f = sockets[i].first; f; f = f->next_queued)
            note(&queued, f);
    LIST_EACH(l, &router.sessions)
    for (const struct frame *f = LIST_ITEM(l, struct session, in_all)->replay.first; f;
         f = f->next_kept)
        note(&kept, f);
    check_once(&queued);
    check_once(&kept);
    for (size_t i = 0; i < queued.count + kept.count; i++)
        note(&both, i < queued.count ? queued.all[i] : kept.all[i - queued.count]);
    qsort(both.all, both.count, sizeof *both.all, by_address);
    for (size_t i = 0; i < both.count; i++) {
        bool twice = i + 1 < both.count && both.all[i + 1] == both.all[i];
        require(both.all[i]->holders == 1U + twice);
        i += twice;
    }
}

/* Without a gap from `before` to the last one. */
static void check_replay(const struct session *s)
{
    size_t count = 0, bytes = 0;
    uint64_t at = s->replay.before;
    const struct frame *last = NULL;
    for (const struct frame *f = s->replay.first; f; f = f->next_kept) {
        require(f->mark == ++at + 1);
        count++;
        bytes += f->len;
        last = f;
    }
    require(s->replay.last == last && s->replay.count == count && s->replay.bytes == bytes);
    require(count <= 1 || (count <= router.o.replay_messages && bytes <= router.o.replay_bytes));
    if (s->state == SESSION_IDLE)
        require(!count);
    if (s->state == SESSION_JOINED || s->state == SESSION_HANDING || s->state == SESSION_RESUMING)
        require(is_lost(s) || at == s->seq);
}

enum list_name { IDLE, JOINING, RENEWING, ASKING, LISTS };

static size_t check_timers(const struct link *list, enum list_name name)
{
    static const unsigned allowed[LISTS] = {
        [IDLE] = 1U << SESSION_IDLE,
        [JOINING] = 1U << SESSION_WATCHING | 1U << SESSION_JOINING,
        [RENEWING] = 1U << SESSION_JOINED,
        [ASKING] = 1U << SESSION_RESUMING,
    };
    size_t count = 0;
    int64_t last = INT64_MIN;
    LIST_EACH(l, list)
    {
        const struct session *s = LIST_ITEM(l, struct session, timer);
        require(allowed[name] >> s->state & 1);
        require(name == RENEWING || s->deadline_us >= last);
        last = s->deadline_us;
        count++;
    }
    return count;
}

static size_t check_keeping(const struct link *list)
{
    size_t count = 0;
    int64_t last = INT64_MIN;
    LIST_EACH(l, list)
    {
        const struct session *s = LIST_ITEM(l, struct session, keeping);
        if (list == &router.away)
            require(s->away && s->state == SESSION_JOINED);
        else if (list == &router.handing)
            require(s->state == SESSION_HANDING);
        else
            require(!s->away && (s->state == SESSION_JOINED || s->state == SESSION_RESUMING));
        require(s->keep_us >= last || is_lost(s));
        last = s->keep_us;
        count++;
    }
    return count;
}

static void check_session(const struct session *s)
{
    bool idle = s->state == SESSION_IDLE;
    struct text own = session_own(text_of_str(s->sid));
    require((s->state == SESSION_RESUMING) == (s->takeover != NULL));
    require(!s->handover || s->state == SESSION_JOINED || s->state == SESSION_HANDING);
    require(s->state != SESSION_HANDING || s->handover);
    require((s->state == SESSION_WATCHING) == (s->join != NULL));
    require(!s->away || (!s->socket && s->state == SESSION_JOINED));
    if (!s->socket)
        require(s->away || s->state == SESSION_HANDING || s->state == SESSION_RESUMING || idle);
    if (s->state == SESSION_HANDING)
        require(!s->socket && list_empty(&s->timer));
    else if (list_empty(&s->timer)) /* its join timeout is over */
        require(idle && s->socket && ((const struct socket *)s->socket)->closing);
    require(!s->announce || s->state == SESSION_JOINED);
    require(s->peer || idle || s->state == SESSION_WATCHING || s->state == SESSION_RESUMING);
    if (s->state == SESSION_IDLE || s->state == SESSION_WATCHING)
        require(!s->sid[0] && !s->peer);
    else
        require(map_get(&router.own, own.p, text_len(&own)) == s);
    if (s->socket)
        require(((const struct socket *)s->socket)->session == s);
    check_replay(s);
}

static void check_sessions(void)
{
    size_t states[SESSION_HANDING + 1] = {0}, away = 0, with_socket = 0, named = 0, idle_later = 0;
    size_t owed = 0;
    LIST_EACH(l, &router.sessions)
    {
        const struct session *s = LIST_ITEM(l, struct session, in_all);
        check_session(s);
        states[s->state]++;
        away += s->away;
        with_socket += s->socket != NULL;
        named += s->sid[0] != '\0';
        idle_later += s->state == SESSION_IDLE && list_empty(&s->timer);
        LIST_EACH(d, &s->deliveries)
        owed++;
        require(!s->echoes || router.echo_bytes);
    }
    require(owed == published_owed());
    require(router.session_count == with_socket);
    require(router.joined_count == states[SESSION_JOINED]);
    require(router.away_count == away && check_keeping(&router.away) == away);
    require(router.away_count <= router.o.away_max);
    require(router.asking_count == states[SESSION_RESUMING]);
    require(router.own.count == named);
    require(check_keeping(&router.handing) == states[SESSION_HANDING]);
    (void)check_keeping(&router.confirming);
    require(check_timers(&router.asking, ASKING) == states[SESSION_RESUMING]);
    require(check_timers(&router.renewing, RENEWING) == states[SESSION_JOINED]);
    require(check_timers(&router.joining, JOINING) ==
            states[SESSION_WATCHING] + states[SESSION_JOINING]);
    require(check_timers(&router.idle, IDLE) + idle_later == states[SESSION_IDLE]);
}

static void check_room(const struct room *room, size_t *peers, size_t *present, size_t *members)
{
    size_t at = 0, sessions = 0, here = 0;
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
        here += p->session != NULL;
        *present += p->info != NULL;
        (*peers)++;
    }
    require(here == sessions);
    *members += sessions;
    require(room->peers.count || room->session_count || room->waiting_count || room->watch.wanted);
}

static void check_rooms(void)
{
    size_t at = 0, peers = 0, present = 0, members = 0, attached = 0;
    const struct room *room;
    while ((room = map_next(&router.registry.rooms, &at)))
        check_room(room, &peers, &present, &members);
    LIST_EACH(l, &router.sessions)
    attached += LIST_ITEM(l, struct session, in_all)->peer != NULL;
    require(members == attached);
    require(peers == router.registry.peer_count && present == router.registry.present_count);
}

void check_everything(void)
{
    check_rooms();
    check_sessions();
    check_frames();
    require(held == (router.hold_until_us != 0));
    for (size_t i = 0; i < SOCKETS; i++) {
        require(!sockets[i].session || sockets[i].session->socket == &sockets[i]);
        check_view(&sockets[i]);
        check_client(&clients[i]);
    }
}
