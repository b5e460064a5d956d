/* Clients as they are: they read what was sent in order, some time later or never, keep the last
 * session, secret and number that they read, and come back with them, or with something else. */
#include "router_play.h"

#include "core/frame.h"

struct socket sockets[SOCKETS];
struct client clients[SOCKETS];
static const struct socket *resuming; /* whose `resume` is being handled */
static uint64_t resuming_seq;
static bool resuming_compare;

enum { MEMBERS = 32 };

void copy_text(char *to, size_t size, struct text t)
{
    size_t len = text_len(&t) < size - 1 ? text_len(&t) : size - 1;
    memset(to, 0, size);
    if (len)
        memcpy(to, t.p, len);
}

static struct json_span member(const struct json_member *m, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (json_equals(m[i].key, name))
            return m[i].value;
    return (struct json_span){.type = JSON_NONE};
}

static size_t view_find(const struct view *v, struct text name)
{
    size_t i = 0;
    while (i < v->count && !text_equals(name, v->names[i]))
        i++;
    return i;
}

void view_add(struct view *v, struct text name)
{
    require(view_find(v, name) == v->count);
    if (v->count == VIEW_MAX)
        v->lost = true;
    else
        copy_text(v->names[v->count++], sizeof *v->names, name);
}

static bool view_same(const struct view *a, const struct view *b)
{
    if (a->lost || b->lost)
        return true;
    for (size_t i = 0; i < a->count; i++)
        if (view_find(b, text_of_str(a->names[i])) == b->count)
            return false;
    return a->count == b->count;
}

static void view_apply(struct view *v, const char *change, struct text name)
{
    size_t at = view_find(v, name);
    if (strcmp(change, "updated") == 0) {
        require(at < v->count);
    } else if (strcmp(change, "left") == 0) {
        require(at < v->count);
        memmove(v->names[at], v->names[v->count - 1], sizeof *v->names);
        v->count--;
    } else {
        view_add(v, name);
    }
}

static void view_list(struct view *v, const char *change, struct json_span list)
{
    struct json_span items[2 * VIEW_MAX];
    struct json_member m[8];
    size_t count, members;
    if (list.type != JSON_ARRAY || v->lost ||
        json_array(list.p, list.len, items, 2 * VIEW_MAX, &count, NULL) != STATUS_OK)
        return;
    for (size_t i = 0; i < count && !v->lost; i++) {
        require(json_object(items[i].p, items[i].len, m, 8, &members, NULL) == STATUS_OK);
        require(members > 0 && json_equals(m[0].key, "peer"));
        view_apply(v, change, text_of(m[0].value.p, m[0].value.len));
    }
}

/* In the order in which a client applies them. */
static void view_presence(struct view *v, const struct json_member *m, size_t count)
{
    static const char *const changes[] = {"left", "joined", "updated"};
    for (size_t k = 0; k < sizeof changes / sizeof *changes; k++)
        view_list(v, changes[k], member(m, count, changes[k]));
}

/* The frames that were missed made of the old view what `peers` said. */
static void catch_up(struct socket *s)
{
    if (!s->catching_up || s->seq != s->until)
        return;
    if (s->compare)
        require(view_same(&s->view, &s->expected));
    s->view = s->expected;
    s->catching_up = false;
}

static void sent_welcome(struct socket *s, bool resumed, const struct json_member *m, size_t count)
{
    const struct question *q;
    struct view peers = {0};
    require(s->session && s->session->state == SESSION_JOINED && !s->catching_up);
    view_list(&peers, "peers", member(m, count, "peers"));
    s->welcome++;
    s->next_said = 0;
    if (!resumed) {
        s->seq = 0;
        s->view = peers;
        return;
    }
    require(json_uint(member(m, count, "seq"), UINT64_MAX, &s->until));
    s->compare = false;
    if (resuming == s) {
        s->seq = resuming_seq;
        s->compare = resuming_compare;
    } else {
        require((q = question_for(s->session)) != NULL);
        s->seq = q->seq;
        s->compare = q->compare;
        s->view = q->view;
    }
    s->expected = peers;
    s->catching_up = true;
    require(s->seq <= s->until);
    catch_up(s);
}

static void sent_numbered(struct socket *s, uint64_t seq, const struct json_member *m, size_t count)
{
    require(s->session->state == SESSION_JOINED && !s->session->announce);
    require(seq == ++s->seq);
    bool presence = json_equals(m[0].value, "presence");
    if (presence && (!s->catching_up || s->compare))
        view_presence(&s->view, m, count);
    catch_up(s);
}

static size_t parse(const struct frame *f, struct json_member *m)
{
    size_t count;
    struct text t = frame_text(f);
    require(json_object(t.p, text_len(&t), m, MEMBERS, &count, NULL) == STATUS_OK);
    require(count > 0 && json_equals(m[0].key, "type"));
    return count;
}

static void on_close(void *socket, int code, const char *reason)
{
    struct socket *s = socket;
    require(code >= 1000 && code < 5000 && reason);
    s->closing = true;
}

static void on_send(void *socket, struct frame *f)
{
    struct socket *s = socket;
    struct json_member m[MEMBERS];
    uint64_t seq;
    size_t count = parse(f, m);
    if (s->closing)
        return;
    if (s->full || s->queued == QUEUE_MAX) {
        s->closing = true;
        return;
    }
    require(!f->next_queued && s->last != f);
    if (s->last)
        s->last->next_queued = frame_hold(f);
    else
        s->first = frame_hold(f);
    s->last = f;
    s->queued++;
    bool resumed = json_equals(m[0].value, "resumed");
    said_heard(s, m[0].value, member(m, count, "id"));
    if (resumed || json_equals(m[0].value, "joined"))
        sent_welcome(s, resumed, m, count);
    else if (json_uint(member(m, count, "seq"), UINT64_MAX, &seq))
        sent_numbered(s, seq, m, count);
}

static struct frame *pop(struct socket *s)
{
    struct frame *f = s->first;
    s->first = f->next_queued;
    if (!s->first)
        s->last = NULL;
    s->queued--;
    f->next_queued = NULL;
    return f;
}

static void clear_queue(struct socket *s)
{
    while (s->first)
        frame_release(pop(s));
}

static struct client *client_of(const struct socket *s)
{
    return &clients[s - sockets];
}

static void read_one(struct client *c, const struct json_member *m, size_t count)
{
    uint64_t seq;
    bool joined = json_equals(m[0].value, "joined");
    if (joined || json_equals(m[0].value, "resumed")) {
        struct json_span session = member(m, count, "session"), secret = member(m, count, "secret");
        copy_text(c->session, sizeof c->session, text_of(session.p, session.len));
        copy_text(c->secret, sizeof c->secret, text_of(secret.p, secret.len));
        c->welcome++;
        if (joined) {
            c->seq = 0;
            c->lied = false;
        }
    } else if (json_uint(member(m, count, "seq"), UINT64_MAX, &seq)) {
        c->seq = seq;
    }
}

void client_read(struct socket *s, size_t count)
{
    struct json_member m[MEMBERS];
    for (; count && s->first; count--) {
        struct frame *f = pop(s);
        read_one(client_of(s), m, parse(f, m));
        if (f->mark)
            s->mark = f->mark;
        frame_release(f);
    }
}

/* What it knows when its socket ends, where it has read everything. */
static void remember(struct socket *s)
{
    struct client *c = client_of(s);
    c->view_known = c->welcome && c->welcome == s->welcome && c->seq == s->seq && !s->catching_up;
    c->view = s->view;
}

static void reset(struct socket *s)
{
    remember(s);
    clear_queue(s);
    *s = (struct socket){0};
}

static void on_bind(void *socket, struct session *session)
{
    struct socket *s = socket;
    s->session = session;
}

static void on_part(void *socket, int code, const char *reason, bool flush)
{
    struct socket *s = socket;
    require(s->session != NULL);
    s->session = NULL;
    if (!flush)
        clear_queue(s);
    on_close(s, code, reason);
}

static void on_confirm(void *socket)
{
    const struct socket *s = socket;
    require(s->session != NULL);
}

const struct socket_ops client_ops = {on_send, on_close, on_bind, on_part, on_confirm};

void clients_begin(void)
{
    memset(clients, 0, sizeof clients);
}

void client_open_or_close(struct socket *s)
{
    if (s->open) {
        struct session *session = s->session;
        s->session = NULL;
        if (session)
            router_close(&router, session, "closed", false, now);
        reset(s);
        return;
    }
    s->open = true;
    client_of(s)->welcome = 0;
    s->session = router_open(&router, s, NULL, text_of_str(""), now);
    require(s->session != NULL);
}

void client_lose(struct socket *s)
{
    struct session *session = s->session;
    if (!s->open)
        return;
    s->session = NULL;
    if (session)
        router_close(&router, session, "closed", true, now);
    reset(s);
}

void client_pong(struct socket *s)
{
    if (s->session && !s->closing && s->mark)
        router_confirmed(&router, s->session, s->mark, now);
}

/* Who has the same secret suffers from it as well. */
static void tell_lie(const char *secret)
{
    for (size_t i = 0; i < SOCKETS; i++)
        if (strcmp(clients[i].secret, secret) == 0)
            clients[i].lied = true;
}

static bool is_lied_about(const char *secret)
{
    for (size_t i = 0; i < SOCKETS; i++)
        if (clients[i].lied && strcmp(clients[i].secret, secret) == 0)
            return true;
    return false;
}

/* Bits of how: 0-1 the socket, 2-3 whose session, 4-6 what it says. */
void client_resume(struct socket *s, uint8_t how)
{
    enum { RIGHT, WRONG_SECRET, TOO_MUCH, TOO_LITTLE, OF_OTHER, OF_OTHER_NOW, SELDOM };
    char json[320];
    struct client *as = &clients[how >> 2 & 3], *c = client_of(s), copy;
    int what = how >> 4 & 7;
    struct session *session = s->session;
    if (!session || s->closing)
        return;
    remember(&sockets[as - clients]);
    copy = *as;
    if (what == WRONG_SECRET && copy.secret[0])
        copy.secret[0] ^= 1;
    if (what == TOO_MUCH)
        copy.seq++;
    if (what == TOO_LITTLE && copy.seq)
        copy.seq--;
    if (what == OF_OTHER)
        copy = (struct client){"b2.bbbbbb-abcdefghijklm", "ssssssssssssssssssssssss", .seq = 3};
    /* As the other bridge would have said, had it not been played. */
    if (what == OF_OTHER_NOW && strlen(copy.session) > 9)
        memcpy(copy.session, "b2.bbbbbb", 9);
    snprintf(json, sizeof json,
             "{\"type\":\"resume\",\"session\":\"%s\",\"secret\":\"%s\","
             "\"seq\":%llu,\"id\":\"r\"}",
             copy.session, copy.secret, (unsigned long long)copy.seq);
    if (what == TOO_MUCH || what == TOO_LITTLE) {
        tell_lie(copy.secret);
        copy.lied = true;
    }
    copy.lied = copy.lied || is_lied_about(copy.secret);
    if (session->state == SESSION_IDLE) {
        copy.welcome = 0;
        *c = copy;
        s->view = copy.view;
        s->welcome = 0;
        s->seq = 0;
    }
    resuming = s;
    resuming_seq = copy.seq;
    resuming_compare = copy.view_known && what != TOO_MUCH && what != TOO_LITTLE;
    router_message(&router, session, json, strlen(json), now);
    resuming = NULL;
}
