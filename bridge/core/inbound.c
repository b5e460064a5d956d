#include "core/inbound.h"

#include "core/echo.h"
#include "core/handover.h"
#include "core/roster.h"
#include "core/takeover.h"
#include "proto/message.h"

const struct rate_limit inbound_error_replies = {.per_second = 50, .burst = 200};

static struct text none(void)
{
    return text_of_str("");
}

void inbound_refuse(struct router *r, struct text room, struct text to, const struct problem *p,
                    struct text id)
{
    int64_t retry_ms;
    router_log_refused(r, "mqtt", NULL, room, to, p);
    if (!rate_take(&r->error_replies, &inbound_error_replies, 1, r->now.mono_us, &retry_ms)) {
        r->metrics.dropped[DROP_ERROR_REPLIES]++;
        return;
    }
    buf_clear(&r->topic);
    topic_inbox(&r->topic, r->o.prefix, room, to, text_of_str(NAME_BRIDGE));
    buf_clear(&r->out);
    message_put_error(&r->out, p, id, none());
    (void)router_publish_out(r, false, 0, NULL);
}

/* A payload that repeats who sent it to whom must agree with its topic. */
static bool agrees(const struct envelope *e, const struct topic *t, struct problem *why)
{
    if (envelope_has(e, FIELD_FROM) && !text_same(envelope_text(e, FIELD_FROM), t->from)) {
        problem_set(why, STATUS_INVALID_MESSAGE, 0, "message-topic",
                    "`from` is not the sender that stands in the topic");
        return false;
    }
    if (envelope_has(e, FIELD_TO) && !text_same(envelope_text(e, FIELD_TO), t->peer)) {
        problem_set(why, STATUS_INVALID_MESSAGE, 0, "message-topic",
                    "`to` is not the receiver that stands in the topic");
        return false;
    }
    return true;
}

static bool is_expected(const struct session *s, enum msg_type type, struct text from,
                        struct text call)
{
    return type != MSG_ANSWER || calls_waiting(&s->calls, from, call, CALL_OUT);
}

static void note_order(struct session *s, enum msg_type type, struct text from, struct text call)
{
    if (type == MSG_OFFER)
        (void)calls_offer(&s->calls, from, call, CALL_IN);
    else if (type == MSG_ANSWER || type == MSG_BYE)
        calls_clear(&s->calls, from, call);
}

static bool in_order(struct session *s, const struct envelope *e, struct text from,
                     struct text call, struct problem *why)
{
    if (!is_expected(s, e->type, from, call)) {
        problem_set(why, STATUS_UNEXPECTED_ANSWER, 0, NULL,
                    "no offer to this peer and call waits for an answer");
        return false;
    }
    note_order(s, e->type, from, call);
    return true;
}

static bool read(struct router *r, const struct topic *t, struct text payload, enum msg_side side,
                 struct envelope *e, struct problem *why)
{
    return envelope_parse(payload.p, text_len(&payload), side, e, why) == STATUS_OK &&
           agrees(e, t, why) && envelope_check(e, r->scratch, r->scratch_size, why) == STATUS_OK;
}

static void refuse(struct router *r, const struct topic *t, const struct envelope *e,
                   const struct problem *why)
{
    char id[NAME_MAX_BYTES];
    r->metrics.refused[FROM_MQTT][why->status]++;
    inbound_refuse(r, t->room, t->from, why, envelope_plain(e, FIELD_ID, id));
}

static void deliver(struct router *r, struct session *s)
{
    router_send_numbered(r, s);
    r->metrics.forwarded_ws++;
}

static void deliver_bundle(struct router *r, struct session *s, const struct envelope *e,
                           struct text from)
{
    struct json_span items[ENVELOPE_CANDIDATES_MAX];
    size_t n;
    (void)json_known_array(e->field[FIELD_CANDIDATES], items, ENVELOPE_CANDIDATES_MAX, &n);
    for (size_t i = 0; i < n; i++) {
        struct candidate_init c;
        (void)candidate_init_parse(items[i], &c, NULL);
        buf_clear(&r->out);
        message_put_candidate(&r->out, e, &c, from);
        deliver(r, s);
    }
}

/* What another bridge, or this one, has to say about a message of ours. */
static void pass_on_error(struct router *r, struct session *s, struct text payload)
{
    struct envelope e;
    struct buf *b = &r->out;
    static const enum msg_field fields[] = {FIELD_CODE, FIELD_ERROR, FIELD_MESSAGE,
                                            FIELD_ID,   FIELD_TO,    FIELD_RETRY_AFTER};
    if (envelope_parse(payload.p, text_len(&payload), SIDE_BRIDGE, &e, NULL) != STATUS_OK ||
        e.type != MSG_ERROR)
        return;
    buf_clear(b);
    buf_str(b, "{\"type\":\"error\"");
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (!envelope_has(&e, fields[i]))
            continue;
        buf_str(b, ",\"");
        buf_str(b, msg_field_name(fields[i]));
        buf_str(b, "\":");
        json_put_span(b, e.field[fields[i]]);
    }
    buf_char(b, '}');
    router_tell(r, s);
}

/* False: it was refused, or nothing of it may go on. */
static bool change(struct router *r, const struct topic *t, struct envelope *e, struct problem *why)
{
    bool dropped;
    struct transit_rules rules = {.policy = ice_policy_for(r->o.ice_policies, t->room)};
    if (transit_apply(&r->transit, &rules, e, r->scratch, r->scratch_size, &r->metrics.transit,
                      &dropped, why) != STATUS_OK) {
        refuse(r, t, e, why);
        return false;
    }
    return !dropped;
}

/* Does it say which one it is? Others that are the same may be meant twice. */
static bool is_marked(const struct envelope *e)
{
    return e->sent_ms || envelope_has(e, FIELD_ID);
}

/* Has this marked message come before? */
static bool again(struct router *r, struct seen *seen, uint64_t digest)
{
    if (!seen_before(seen, digest, r->now.mono_us))
        return false;
    r->metrics.redelivered++;
    return true;
}

static void to_session(struct router *r, struct session *s, const struct topic *t,
                       struct text payload)
{
    struct envelope e = {0};
    struct problem why = {0};
    char call_bytes[NAME_MAX_BYTES];
    uint64_t digest = seen_digest(t->from, payload);
    bool ok = read(r, t, payload, SIDE_PEER, &e, &why);
    if (why.status == STATUS_INVALID_MESSAGE && message_is_together(payload))
        problem_set(&why, STATUS_INVALID_MESSAGE, 0, "message-field",
                    "`together` must hold 1 to %d messages in `messages`, none of them `together`, "
                    "and be written as the protocol says",
                    BUNDLE_MESSAGES_MAX);
    if (ok && is_marked(&e)) {
        handover_note(s, digest);
        if (again(r, &s->seen, digest))
            return;
    }
    if (!ok || !in_order(s, &e, t->from, envelope_plain(&e, FIELD_CALL, call_bytes), &why)) {
        refuse(r, t, &e, &why);
        return;
    }
    r->metrics.received[FROM_MQTT][e.type]++;
    if (!change(r, t, &e, &why))
        return;
    roster_flush_room(r, s->peer->room); /* who speaks has been announced before */
    if (e.type == MSG_CANDIDATES) {
        deliver_bundle(r, s, &e, t->from);
        return;
    }
    buf_clear(&r->out);
    message_put_ws(&r->out, &e, t->from);
    deliver(r, s);
}

static void answer_ice_servers(struct router *r, const struct topic *t, const struct envelope *e)
{
    struct buf *b = &r->out;
    buf_clear(&r->topic);
    topic_inbox(&r->topic, r->o.prefix, t->room, t->from, text_of_str(NAME_BRIDGE));
    buf_clear(b);
    buf_str(b, "{\"type\":\"ice-servers\",\"iceServers\":");
    r->ice_ops.put_servers(r->ice, b, t->from, r->now.wall_ms);
    if (envelope_has(e, FIELD_ID)) {
        buf_str(b, ",\"id\":");
        json_put_span(b, e->field[FIELD_ID]);
    }
    buf_char(b, '}');
    (void)router_publish_out(r, false, 0, NULL);
}

static void to_bridge(struct router *r, const struct topic *t, struct text payload)
{
    struct envelope e = {0};
    struct problem why = {0};
    if (envelope_parse(payload.p, text_len(&payload), SIDE_ASK, &e, &why) != STATUS_OK) {
        refuse(r, t, &e, &why);
        return;
    }
    r->metrics.received[FROM_MQTT][e.type]++;
    answer_ice_servers(r, t, &e);
}

/* One message of it. d: its delivery, which knows what it is. */
static void deliver_echo(struct router *r, struct session *s, const struct topic *t,
                         const char *message, const struct bundle_part *part,
                         const struct delivery *d)
{
    struct text whole = text_of(message, part->len);
    if (!is_expected(s, d->type, t->from, delivery_call(d))) {
        to_session(r, s, t, whole);
        return;
    }
    uint64_t digest = seen_digest(t->from, whole);
    handover_note(s, digest);
    if (again(r, &s->seen, digest))
        return;
    note_order(s, d->type, t->from, delivery_call(d));
    r->metrics.received[FROM_MQTT][d->type]++;
    roster_flush_room(r, s->peer->room);
    buf_clear(&r->out);
    message_put_again(&r->out, message, part->marks, t->from);
    deliver(r, s);
}

/* False: it is none. */
static bool take_echo(struct router *r, struct session *s, const struct topic *t,
                      struct text payload)
{
    struct echo *echo = echo_find(s, t, payload);
    if (!echo)
        return false;
    const struct delivery *d = echo_first(echo);
    for (size_t i = 0; d; i++, d = d->with) {
        const struct bundle_part *part = echo_part(echo, i);
        deliver_echo(r, s, t, payload.p + part->at, part, d);
    }
    echo_drop(echo);
    return true;
}

static struct session *session_of(struct router *r, const struct topic *t)
{
    struct room *room = registry_room(&r->registry, t->room);
    struct peer *p = room ? registry_peer(room, t->peer) : NULL;
    return p ? p->session : NULL;
}

static void to_peer(struct router *r, const struct topic *t, struct text payload)
{
    struct session *s = session_of(r, t);
    if (s && s->state == SESSION_RESUMING)
        takeover_hear(r, s, t, payload);
    else if (s && s->state == SESSION_JOINED)
        inbound_one(r, s, t, payload);
    else if (!s || s->state != SESSION_HANDING) /* that is the other bridge's now */
        r->metrics.dropped[DROP_NO_SESSION]++;
}

void inbound_inbox(struct router *r, const struct topic *t, struct text payload)
{
    struct json_span messages[BUNDLE_MESSAGES_MAX];
    size_t n;
    if (text_equals(t->peer, NAME_BRIDGE)) {
        if (!text_equals(t->from, NAME_BRIDGE) && bridges_first(r))
            to_bridge(r, t, payload);
        return;
    }
    struct session *s = session_of(r, t);
    if (s && s->state == SESSION_JOINED && take_echo(r, s, t, payload))
        return;
    if (!message_apart(payload, messages, BUNDLE_MESSAGES_MAX, &n)) {
        to_peer(r, t, payload);
        return;
    }
    for (size_t i = 0; i < n; i++)
        to_peer(r, t, text_of(messages[i].p, messages[i].len));
}

static void put_all(struct router *r, const struct topic *t, const struct envelope *e)
{
    buf_clear(&r->out);
    message_put_ws(&r->out, e, t->from);
}

void inbound_one(struct router *r, struct session *s, const struct topic *t, struct text payload)
{
    struct envelope e = {0};
    struct problem why = {0};
    if (t->kind == TOPIC_ALL) {
        if (!read(r, t, payload, SIDE_PEER, &e, &why) || e.type != MSG_MESSAGE)
            return; /* refused when it came */
        put_all(r, t, &e);
        deliver(r, s);
    } else if (!text_equals(t->from, NAME_BRIDGE)) {
        to_session(r, s, t, payload);
    } else if (!handover_mark(r, s, payload)) {
        pass_on_error(r, s, payload);
    }
}

void inbound_all(struct router *r, const struct topic *t, struct text payload)
{
    struct envelope e = {0};
    struct problem why = {0};
    struct room *room = registry_room(&r->registry, t->room);
    if (!room || !room->session_count) {
        r->metrics.dropped[DROP_NO_SESSION]++;
        return;
    }
    if (!read(r, t, payload, SIDE_PEER, &e, &why)) {
        refuse(r, t, &e, &why);
        return;
    }
    if (e.type != MSG_MESSAGE) {
        problem_set(&why, STATUS_INVALID_MESSAGE, 0, "message-topic",
                    "only `message` goes to a whole room: publish to the inbox of a peer");
        refuse(r, t, &e, &why);
        return;
    }
    uint64_t digest = seen_digest(t->from, payload);
    if (is_marked(&e) && again(r, &room->seen, digest))
        return;
    r->metrics.received[FROM_MQTT][e.type]++;
    roster_flush_room(r, room);
    put_all(r, t, &e);
    LIST_EACH(l, &room->sessions)
    {
        struct session *s = LIST_ITEM(l, struct session, in_room);
        if (text_same(peer_name(s->peer), t->from))
            continue;
        if (is_marked(&e))
            handover_note(s, digest);
        if (s->state == SESSION_JOINED)
            deliver(r, s);
        else if (s->state == SESSION_RESUMING)
            takeover_hear(r, s, t, payload);
    }
}
