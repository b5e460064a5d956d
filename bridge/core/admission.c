#include "core/admission.h"

#include "base/log.h"
#include "core/membership.h"

/* A client that is told to wait and does not is closed when it has this many more messages refused
 * than taken. */
enum { STRIKES_MAX = 256 };

/* Less than a round trip would only bring the next refusal, and mix up the order. */
#define RETRY_MIN_MS INT64_C(50)

#define YEAR_MS (INT64_C(365) * 24 * 3600 * 1000)

/* Kept in order: most tokens of one issuer live equally long, so the place is near the end. */
static void watch_expiry(struct router *r, struct session *s)
{
    int64_t left_ms = access_expires_ms(s->access) - r->now.wall_ms;
    left_ms = left_ms > YEAR_MS ? YEAR_MS : left_ms;
    s->expires_us = r->now.mono_us + left_ms * 1000;
    list_remove(&s->expiring);
    struct link *at = r->expiring.prev;
    while (at != &r->expiring &&
           LIST_ITEM(at, struct session, expiring)->expires_us > s->expires_us)
        at = at->prev;
    list_add(at->next, &s->expiring);
}

void admission_take(struct router *r, struct session *s, struct access *access)
{
    access_destroy(s->access);
    s->access = access;
    watch_expiry(r, s);
}

static enum status verify(struct router *r, struct visitor *visitor, struct text token,
                          struct access **out, struct problem *why)
{
    int64_t retry_ms = 0;
    if (visitor && !visitor_may_try(visitor, r->now.mono_us, &retry_ms)) {
        problem_set(why, STATUS_RATE_LIMITED, 0, "token-attempts",
                    "too many tokens from this address were refused: try again later");
        why->retry_ms = retry_ms;
        return STATUS_RATE_LIMITED;
    }
    enum status status =
        token_verify(r->o.keys, &r->o.token_rules, token, r->now.wall_ms, out, why);
    if (visitor && status == STATUS_OK)
        visitor_passed(visitor);
    if (status != STATUS_UNAUTHORIZED)
        return status;
    r->metrics.tokens_refused++;
    if (visitor)
        visitor_failed(visitor, r->now.mono_us);
    return status;
}

static enum status verify_field(struct router *r, struct session *s, const struct envelope *e,
                                struct access **out, struct problem *why)
{
    struct json_span token = e->field[FIELD_TOKEN];
    if (token.escaped) /* base64url and dots: nothing that JSON would escape */
        return problem_set(why, STATUS_UNAUTHORIZED, 0, "token", "`token` is not a JWT");
    return verify(r, s->visitor, text_of(token.p, token.len), out, why);
}

void admission_open(struct router *r, struct session *s, struct text token)
{
    struct problem why = {0};
    struct access *access = NULL;
    struct text none = text_of_str("");
    if (!r->o.keys || text_end(&token))
        return;
    enum status status = verify(r, s->visitor, token, &access, &why);
    if (status == STATUS_OK) {
        s->token_of_socket = true;
        admission_take(r, s, access);
        return;
    }
    r->metrics.refused[FROM_WS][status]++;
    router_send_error(r, s, &why, none, none);
    router_log_refused(r, "ws", s->visitor, none, none, &why);
    router_close_socket(r, s, status == STATUS_UNAUTHORIZED ? 4401 : 1013, status_word(status));
}

static enum status forbid(struct problem *why, const char *text)
{
    return problem_set(why, STATUS_FORBIDDEN, 0, "token", "%s", text);
}

/* peer: empty when we are to make one up. */
static enum status check_place(const struct access *a, struct text room, struct text peer,
                               struct problem *why)
{
    if (!access_room(a, room))
        return forbid(why, "the token does not allow this room: its claim `rooms` must name it");
    if (!text_end(&peer) && !access_peer(a, peer))
        return forbid(why, "the token does not allow this peer name: it is not its claim `sub`");
    return STATUS_OK;
}

enum status admission_join(struct router *r, struct session *s, const struct envelope *e,
                           struct text *peer, struct problem *why)
{
    bool brings = envelope_has(e, FIELD_TOKEN) && !s->token_of_socket;
    struct access *access = NULL;
    enum status status;
    if (!r->o.keys)
        return STATUS_OK;
    if (!brings && !s->access)
        return problem_set(why, STATUS_UNAUTHORIZED, 0, "token",
                           "a token is needed: as the field `token`, in `?token=` or as"
                           " `Authorization: Bearer`");
    if (brings) {
        status = verify_field(r, s, e, &access, why);
        if (status != STATUS_OK)
            return status;
        admission_take(r, s, access);
    }
    if (s->expires_us <= r->now.mono_us)
        return problem_set(why, STATUS_UNAUTHORIZED, 0, "token", "the token has expired");
    if (text_end(peer))
        *peer = access_subject(s->access);
    return check_place(s->access, envelope_text(e, FIELD_ROOM), *peer, why);
}

void admission_move(struct router *r, struct session *from, struct session *to)
{
    struct problem why;
    const struct peer *p = to->peer; /* not known yet: another bridge is still asked for it */
    if (!from->access ||
        (p && check_place(from->access, room_name(p->room), peer_name(p), &why) != STATUS_OK))
        return;
    admission_take(r, to, from->access);
    from->access = NULL;
}

void admission_bring(struct router *r, struct session *s, struct access *had)
{
    struct problem why;
    if (!s->access ||
        check_place(s->access, room_name(s->peer->room), peer_name(s->peer), &why) != STATUS_OK)
        admission_take(r, s, had);
    else
        access_destroy(had);
}

enum status admission_refresh(struct router *r, struct session *s, const struct envelope *e,
                              struct problem *why)
{
    struct access *access = NULL;
    if (!r->o.keys)
        return STATUS_OK;
    enum status status = verify_field(r, s, e, &access, why);
    if (status != STATUS_OK)
        return status;
    status = check_place(access, room_name(s->peer->room), peer_name(s->peer), why);
    if (status != STATUS_OK) {
        access_destroy(access);
        return status;
    }
    admission_take(r, s, access);
    return STATUS_OK;
}

enum status admission_admin(struct router *r, struct visitor *visitor, struct text token,
                            struct problem *why, struct now now)
{
    struct access *access = NULL;
    router_enter(r, now);
    if (!r->o.keys || text_end(&token))
        return problem_set(why, STATUS_UNAUTHORIZED, 0, "token",
                           "a token with the right `admin` is needed, as `Authorization: Bearer`");
    enum status status = verify(r, visitor, token, &access, why);
    if (status == STATUS_OK && !access_admin(access))
        status = forbid(why, "the token does not have the right `admin` in its claim `can`");
    access_destroy(access);
    if (status != STATUS_OK)
        router_log_refused(r, "http", visitor, text_of_str(""), text_of_str(""), why);
    return status;
}

enum status admission_sends(const struct session *s, enum msg_type type, struct problem *why)
{
    if (!s->access || access_sends(s->access, type))
        return STATUS_OK;
    return problem_set(why, STATUS_FORBIDDEN, 0, "token",
                       "the token does not allow `%s`: its claim `can` leaves it out",
                       msg_type_name(type));
}

enum status admission_rate(struct router *r, struct session *s, size_t len, struct problem *why)
{
    int64_t retry_ms = 0;
    if (rate_take(&s->messages, &r->o.messages, 1, r->now.mono_us, &retry_ms) &&
        rate_take(&s->bytes, &r->o.bytes, (int64_t)len, r->now.mono_us, &retry_ms)) {
        if (s->strikes)
            s->strikes--;
        return STATUS_OK;
    }
    problem_set(why, STATUS_RATE_LIMITED, 0, "rate",
                "too many messages at once: send this one again later");
    why->retry_ms = retry_ms > RETRY_MIN_MS ? retry_ms : RETRY_MIN_MS;
    if (++s->strikes == STRIKES_MAX) {
        char address[VISITOR_TEXT_MAX];
        uint64_t unsaid;
        r->metrics.rate_closed++;
        if (log_budget_take(&r->too_fast, r->now.mono_us, &unsaid))
            log_line(LOG_WARN, "too-fast", LOG_S("address", visitor_format(s->visitor, address)),
                     LOG_I("unsaid", unsaid), LOG_END);
        router_close_socket(r, s, 1008, "too many messages, again and again");
    }
    return STATUS_RATE_LIMITED;
}

bool admission_owns(const struct session *s, struct text peer)
{
    return s->access && text_same(access_subject(s->access), peer);
}

int64_t admission_seconds_left(const struct router *r, const struct session *s)
{
    if (!s->access)
        return -1;
    int64_t left_us = s->expires_us - r->now.mono_us;
    return left_us > 0 ? left_us / 1000000 : 0;
}

void admission_tick(struct router *r)
{
    struct link *l;
    struct problem why;
    struct text none = text_of_str("");
    while ((l = list_first(&r->expiring))) {
        struct session *s = LIST_ITEM(l, struct session, expiring);
        if (s->expires_us > r->now.mono_us)
            return;
        list_remove(l);
        r->metrics.tokens_expired++;
        problem_set(&why, STATUS_UNAUTHORIZED, 0, "token",
                    "the token has expired: come back with a new one");
        membership_leave(r, s, "expired", none);
        router_send_error(r, s, &why, none, none);
        router_close_socket(r, s, 4401, "the token has expired");
    }
}
