#include "core/resume.h"

#include "core/admission.h"
#include "core/away.h"
#include "core/handover.h"
#include "core/membership.h"
#include "core/roster.h"
#include "core/takeover.h"
#include "core/welcome.h"

/* What `session` says: the bridge that held it, its id there, and what stays the same elsewhere. */
struct session_name {
    struct text bridge, sid, own;
};

static bool read_name(struct text name, struct session_name *out)
{
    size_t len = text_len(&name);
    if (len < SESSION_ID_LEN + 2 || name.p[len - SESSION_ID_LEN - 1] != '.')
        return false;
    out->bridge = text_of(name.p, len - SESSION_ID_LEN - 1);
    out->sid = text_of(name.p + len - SESSION_ID_LEN, SESSION_ID_LEN);
    out->own = session_own(out->sid);
    return name_ok(out->bridge.p, text_len(&out->bridge)) &&
           name_ok(out->sid.p, text_len(&out->sid));
}

void resume_later(struct router *r, struct session *s, struct text id)
{
    struct problem why;
    problem_set(&why, STATUS_UNAVAILABLE, 0, NULL,
                "the session cannot be resumed now: try again in a moment");
    r->metrics.refused[FROM_WS][STATUS_UNAVAILABLE]++;
    router_send_error(r, s, &why, id, text_of_str(""));
    router_close_socket(r, s, 1013, "resume again in a moment");
}

void resume_expired(struct router *r, struct session *s, struct text id)
{
    struct problem why;
    problem_set(&why, STATUS_SESSION_EXPIRED, 0, NULL,
                "the session is over, or never was: join again");
    r->metrics.refused[FROM_WS][STATUS_SESSION_EXPIRED]++;
    router_send_error(r, s, &why, id, text_of_str(""));
}

void resume_move_socket(struct router *r, struct session *from, struct session *to)
{
    /* The network may bring the old one back: it is nobody's then. */
    router_part(r, to, 4409, "the session was resumed on another socket", false);
    away_end(r, to);
    to->socket = from->socket;
    to->visitor = from->visitor;
    from->socket = NULL;
    from->visitor = NULL;
    r->socket_ops.bind(to->socket, to);
    admission_move(r, from, to);
    session_destroy(from);
}

/* Nobody but its client knows a session's secret, so it says everything. */
static bool resume_here(struct router *r, struct session *held, struct session *s,
                        const struct envelope *e, struct text id)
{
    struct text secret = envelope_text(e, FIELD_SECRET);
    if (held->state == SESSION_RESUMING) {
        takeover_again(r, held, s, secret, id);
        return true;
    }
    if (held->state == SESSION_HANDING) {
        resume_later(r, s, id); /* then it is known where it went */
        return true;
    }
    if (held->state != SESSION_JOINED || !session_secret_fits(held, secret) || e->seq > held->seq)
        return false;
    roster_flush_room(r, held->peer->room); /* one more to be kept, maybe */
    if (!replay_reaches(&held->replay, e->seq)) {
        membership_leave(r, held, "timeout", text_of_str(""));
        return false;
    }
    resume_move_socket(r, s, held);
    handover_release(held); /* who was granted it and has not taken it comes too late */
    replay_confirm(&held->replay, e->seq);
    session_renew_secret(held, secret);
    held->known = false;
    r->metrics.resumed_here++;
    welcome_resumed(r, held);
    return true;
}

void resume_message(struct router *r, struct session *s, const struct envelope *e)
{
    struct problem why;
    struct session_name name;
    char bytes[NAME_MAX_BYTES];
    struct text id = envelope_plain(e, FIELD_ID, bytes);
    if (s->state != SESSION_IDLE) {
        problem_set(&why, STATUS_ALREADY_JOINED, 0, NULL,
                    "this socket is a member already: `resume` is for a new one");
        router_refuse(r, s, &why, e);
        return;
    }
    if (r->draining) {
        resume_later(r, s, id);
        return;
    }
    if (!read_name(envelope_text(e, FIELD_SESSION), &name)) {
        resume_expired(r, s, id);
        return;
    }
    struct session *held = map_get(&r->own, name.own.p, text_len(&name.own));
    if (held && resume_here(r, held, s, e, id))
        return;
    struct text moved = moved_find(&r->moved, name.own, r->now.mono_us);
    struct takeover_wish wish = {
        .bridge = text_end(&moved) ? name.bridge : moved,
        .run = text_of(name.sid.p, text_end(&moved) ? SESSION_RUN_LEN : 0),
        .sid = name.sid,
        .secret = envelope_text(e, FIELD_SECRET),
        .seq = e->seq,
        .id = id,
    };
    if (held || text_equals(wish.bridge, r->o.bridge))
        resume_expired(r, s, id);
    else
        takeover_begin(r, s, &wish);
}
