#include "core/outbound.h"

#include "core/admission.h"
#include "core/bundle.h"
#include "core/delivery.h"
#include "core/handover.h"
#include "core/membership.h"
#include "core/roster.h"
#include "proto/message.h"

static bool refuse(struct problem *why, enum status status, const char *text)
{
    problem_set(why, status, 0, NULL, "%s", text);
    return false;
}

/* Is it there to be reached, and is it somebody else? */
static bool check_target(const struct session *s, struct text to, struct problem *why)
{
    const struct peer *p = registry_peer(s->peer->room, to);
    if (p == s->peer)
        return refuse(why, STATUS_INVALID_MESSAGE, "`to` is your own name");
    if (!p || !p->info)
        return refuse(why, STATUS_PEER_NOT_FOUND, "nobody of this name is in the room");
    return true;
}

static bool change(struct router *r, const struct session *s, struct envelope *e, struct text to,
                   bool *dropped, struct problem *why)
{
    const struct peer *target = text_end(&to) ? NULL : registry_peer(s->peer->room, to);
    struct transit_rules rules = {
        .policy = ice_policy_for(r->o.ice_policies, room_name(s->peer->room)),
        .budget = target && budget_bounds(&target->info->budget) ? &target->info->budget : NULL,
    };
    return transit_apply(&r->transit, &rules, e, r->scratch, r->scratch_size, &r->metrics.transit,
                         dropped, why) == STATUS_OK;
}

static bool check_order(const struct session *s, const struct envelope *e, struct text to,
                        struct text call, struct problem *why)
{
    if (e->type == MSG_ANSWER && !calls_waiting(&s->calls, to, call, CALL_IN))
        return refuse(why, STATUS_UNEXPECTED_ANSWER,
                      "no offer of this peer and call waits for an answer");
    return true;
}

static void note_order(struct session *s, const struct envelope *e, struct text to,
                       struct text call)
{
    if (e->type == MSG_OFFER)
        (void)calls_offer(&s->calls, to, call, CALL_OUT); /* without memory its answer is refused */
    else if (e->type == MSG_ANSWER || e->type == MSG_BYE)
        calls_clear(&s->calls, to, call);
}

uint64_t outbound_stamp(const struct router *r, struct session *s)
{
    uint64_t now = (uint64_t)r->now.wall_ms;
    s->sent_ms = now > s->sent_ms ? now : s->sent_ms + 1;
    return s->sent_ms;
}

static enum status publish(struct router *r, struct session *s, const struct envelope *e,
                           struct text to, struct text call, struct text id)
{
    struct delivery *d = delivery_create(s, e->type, id, to, call, r->now.mono_us);
    if (!d)
        return STATUS_NO_MEMORY;
    enum bundle_way way = bundle_way(s, e);
    if (way != BUNDLE_NONE) {
        if (bundle_add(r, way, e, d))
            return STATUS_OK;
        delivery_destroy(d);
        return STATUS_NO_MEMORY;
    }
    bundle_send(r);
    buf_clear(&r->topic);
    if (text_end(&to))
        topic_all(&r->topic, r->o.prefix, room_name(s->peer->room), peer_name(s->peer));
    else
        topic_inbox(&r->topic, r->o.prefix, room_name(s->peer->room), to, peer_name(s->peer));
    buf_clear(&r->out);
    message_put_mqtt(&r->out, e, outbound_stamp(r, s));
    enum status status = router_publish_out(r, false, 0, d);
    if (status == STATUS_OK)
        r->metrics.forwarded_mqtt++;
    else
        delivery_destroy(d);
    return status;
}

static const char *publish_problem(enum status s)
{
    switch (s) {
    case STATUS_TOO_LARGE:
        return "the message is larger than the broker takes";
    case STATUS_NO_MEMORY:
        return "the bridge is out of memory: try again later";
    default:
        return "the broker cannot be reached and the outage buffer is full: try again later";
    }
}

/* True when the id is known: it was answered here, or will be. */
static bool is_retry(struct router *r, struct session *s, struct text id)
{
    enum recent_state known = text_end(&id) ? RECENT_NEW : recent_find(&s->recent, id);
    if (known == RECENT_NEW)
        return false;
    r->metrics.duplicates++;
    if (known == RECENT_DONE)
        router_ack(r, s, id, false);
    return true;
}

void outbound_forward(struct router *r, struct session *s, struct envelope *e)
{
    bool dropped = false;
    struct problem why = {0};
    char id_bytes[NAME_MAX_BYTES], call_bytes[NAME_MAX_BYTES];
    struct text id = envelope_plain(e, FIELD_ID, id_bytes);
    struct text call = envelope_plain(e, FIELD_CALL, call_bytes);
    struct text to = envelope_text(e, FIELD_TO);
    if (is_retry(r, s, id))
        return;
    bool ok = admission_sends(s, e->type, &why) == STATUS_OK &&
              (text_end(&to) || check_target(s, to, &why)) &&
              envelope_check(e, r->scratch, r->scratch_size, &why) == STATUS_OK &&
              check_order(s, e, to, call, &why) && change(r, s, e, to, &dropped, &why);
    if (ok && dropped) {
        router_ack(r, s, id, false); /* as the room wants it: nothing that its sender could mend */
        return;
    }
    if (ok) {
        enum status status = publish(r, s, e, to, call, id);
        ok = status == STATUS_OK || refuse(&why, status, publish_problem(status));
    }
    if (!ok) {
        router_refuse(r, s, &why, e);
        return;
    }
    if (!text_end(&id))
        recent_add(&s->recent, id);
    note_order(s, e, to, call);
}

static void failed(struct router *r, struct delivery *d, const struct problem *why)
{
    struct session *s = d->session;
    r->metrics.refused[FROM_WS][why->status]++;
    if (d->type == MSG_JOIN)
        membership_leave(r, s, "failed", text_of_str(""));
    else if (d->type == MSG_OFFER)
        calls_withdraw(&s->calls, delivery_to(d), delivery_call(d), CALL_OUT);
    else if (d->type == MSG_ANSWER) /* the offer waits again, so that the answer may be repeated */
        (void)calls_offer(&s->calls, delivery_to(d), delivery_call(d), CALL_IN);
    recent_forget(&s->recent, delivery_id(d));
    router_send_error(r, s, why, delivery_id(d), delivery_to(d));
}

static void settle(struct router *r, struct delivery *d, enum status status, bool found)
{
    struct session *s = d->session;
    struct problem why;
    bool reached = found || d->to_len == 0; /* nobody in the room is no error of a broadcast */
    if (s && status == STATUS_OK && reached) {
        if (d->id_len) {
            recent_done(&s->recent, delivery_id(d));
            router_ack(r, s, delivery_id(d), false);
        }
    } else if (s) {
        if (status == STATUS_OK)
            problem_set(&why, STATUS_PEER_NOT_FOUND, 0, NULL,
                        "nobody listens at this peer's inbox");
        else
            problem_set(&why, status, 0, NULL, "%s",
                        status == STATUS_FORBIDDEN   ? "the broker does not allow it"
                        : status == STATUS_TOO_LARGE ? "the message is larger than the broker takes"
                        : found
                            ? "the broker broke off before it said that it took the message:"
                              " it may have arrived"
                            : "the broker did not take the message in time: it was not delivered");
        failed(r, d, &why);
    }
    delivery_destroy(d);
    if (s)
        handover_settled(r, s);
}

void outbound_published(struct router *r, struct delivery *d, enum status status, bool found)
{
    while (d) {
        struct delivery *with = d->with;
        settle(r, d, status, found);
        d = with;
    }
}

void outbound_unsent(struct router *r, struct delivery *d, enum status status)
{
    struct problem why = {0};
    problem_set(&why, status, 0, NULL, "%s", publish_problem(status));
    while (d) {
        struct delivery *with = d->with;
        failed(r, d, &why);
        delivery_destroy(d);
        d = with;
    }
}
