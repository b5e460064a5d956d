#include "core/router.h"

#include "base/clock.h"
#include "base/log.h"
#include "core/admission.h"
#include "core/away.h"
#include "core/delivery.h"
#include "core/handover.h"
#include "core/inbound.h"
#include "core/joining.h"
#include "core/membership.h"
#include "core/outbound.h"
#include "core/probe.h"
#include "core/resume.h"
#include "core/roster.h"
#include "core/takeover.h"
#include "core/watch.h"
#include "proto/message.h"

#include <stdlib.h>
#include <string.h>

enum { OUT_MAX = 16 * 1024 * 1024 };

#define TICK_US INT64_C(1000000)

/* One per membership that ended while the broker was away, so no more than there were sessions. */
struct stale_filter {
    struct link at;
    char filter[];
};

enum status router_init(struct router *r, const struct router_options *o, struct now now)
{
    *r = (struct router){.o = *o, .now = now};
    r->started_ms = now.wall_ms;
    registry_init(&r->registry);
    bridges_init(&r->bridges);
    list_init(&r->sessions);
    list_init(&r->idle);
    list_init(&r->joining);
    list_init(&r->renewing);
    list_init(&r->expiring);
    list_init(&r->confirming);
    list_init(&r->away);
    list_init(&r->handing);
    list_init(&r->asking);
    map_init(&r->own);
    moved_init(&r->moved);
    r->ask = clock_random() >> 32; /* not those of a run before */
    list_init(&r->fences);
    list_init(&r->stale);
    list_init(&r->watch.waiting);
    rate_init(&r->error_replies, &inbound_error_replies, now.mono_us);
    log_budget_init(&r->refusals, now.mono_us);
    log_budget_init(&r->too_fast, now.mono_us);
    buf_init(&r->out, OUT_MAX);
    bundle_init(&r->bundle);
    transit_init(&r->transit);
    buf_init_fixed(&r->topic, r->topic_bytes, sizeof r->topic_bytes);
    r->scratch_size = ENVELOPE_SDP_MAX;
    r->scratch = malloc(r->scratch_size);
    return r->scratch ? STATUS_OK : STATUS_NO_MEMORY;
}

void router_release(struct router *r)
{
    struct link *l;
    bundle_release(&r->bundle);
    while ((l = list_first(&r->sessions))) {
        struct session *s = LIST_ITEM(l, struct session, in_all);
        away_end(r, s);
        session_destroy(s);
    }
    map_release(&r->own);
    moved_release(&r->moved);
    while ((l = list_first(&r->stale))) {
        list_remove(l);
        free(LIST_ITEM(l, struct stale_filter, at));
    }
    bridges_release(&r->bridges);
    registry_release(&r->registry);
    buf_release(&r->out);
    transit_release(&r->transit);
    free(r->scratch);
    r->scratch = NULL;
}

void router_enter(struct router *r, struct now now)
{
    bundle_send(r);
    r->now = now;
}

bool router_ready(const struct router *r)
{
    return r->bus_up && r->watch.complete && !r->draining;
}

enum status router_publish_out(struct router *r, bool retain, uint32_t expiry_s, struct delivery *d)
{
    if (!buf_ok(&r->out))
        return STATUS_NO_MEMORY;
    return router_publish(r, text_of(r->out.data, r->out.len), retain, expiry_s, NULL, d);
}

enum status router_publish(struct router *r, struct text payload, bool retain, uint32_t expiry_s,
                           const char *reason, struct delivery *d)
{
    struct publication p = {
        .topic = buf_cstr(&r->topic),
        .payload = payload,
        .retain = retain,
        .expiry_s = expiry_s,
        .ours = !d || retain,
        .reason = reason,
        .delivery = d,
    };
    return r->bus_ops.publish(r->bus, &p);
}

void router_unsubscribe(struct router *r, const char *filter)
{
    if (r->bus_up) {
        r->bus_ops.unsubscribe(r->bus, filter);
        return;
    }
    size_t size = strlen(filter) + 1;
    struct stale_filter *stale = malloc(sizeof *stale + size);
    if (!stale)
        return; /* then messages to nobody are counted, not reported, until the broker forgets us */
    memcpy(stale->filter, filter, size);
    list_init(&stale->at);
    list_add(&r->stale, &stale->at);
}

static void unsubscribe_stale(struct router *r)
{
    struct link *l;
    while ((l = list_first(&r->stale))) {
        struct stale_filter *stale = LIST_ITEM(l, struct stale_filter, at);
        list_remove(l);
        r->bus_ops.unsubscribe(r->bus, stale->filter);
        free(stale);
    }
}

void router_log_refused(struct router *r, const char *from, const struct visitor *visitor,
                        struct text room, struct text peer, const struct problem *p)
{
    char address[VISITOR_TEXT_MAX];
    uint64_t unsaid = 0;
    enum log_level level =
        log_budget_take(&r->refusals, r->now.mono_us, &unsaid) ? LOG_INFO : LOG_DEBUG;
    log_line(level, "refused", LOG_S("from", from),
             LOG_S("address", visitor_format(visitor, address)),
             LOG_T("room", room.p, text_len(&room)), LOG_T("peer", peer.p, text_len(&peer)),
             LOG_S("error", status_name(p->status)), LOG_S("why", p->text), LOG_I("unsaid", unsaid),
             LOG_END);
}

void router_refuse(struct router *r, struct session *s, const struct problem *p,
                   const struct envelope *e)
{
    char id[NAME_MAX_BYTES];
    int code = status_close_code(p->status);
    r->metrics.refused[FROM_WS][p->status]++;
    router_send_error(r, s, p, envelope_plain(e, FIELD_ID, id), envelope_text(e, FIELD_TO));
    router_log_refused(r, "ws", s->visitor, s->peer ? room_name(s->peer->room) : text_of_str(""),
                       s->peer ? peer_name(s->peer) : text_of_str(""), p);
    if (code)
        router_close_socket(r, s, code, status_word(p->status));
}

void router_set_keys(struct router *r, const struct token_keys *keys)
{
    r->o.keys = keys;
}

struct session *router_open(struct router *r, void *socket, struct visitor *visitor,
                            struct text token, struct now now)
{
    router_enter(r, now);
    struct session *s = session_create(socket);
    if (!s)
        return NULL;
    list_add(&r->sessions, &s->in_all);
    list_add(&r->idle, &s->timer);
    s->deadline_us = now.mono_us + r->o.join_timeout_us;
    s->visitor = visitor;
    rate_init(&s->messages, &r->o.messages, now.mono_us);
    rate_init(&s->bytes, &r->o.bytes, now.mono_us);
    r->session_count++;
    admission_open(r, s, token);
    return s;
}

/* A session without socket is swept up by the tick once its membership is over. */
void router_close(struct router *r, struct session *s, const char *reason, bool lost,
                  struct now now)
{
    router_enter(r, now);
    r->session_count--;
    s->socket = NULL;
    if (lost && takeover_goes_on(s)) {
        s->visitor = NULL; /* gone, maybe, when the session is here */
        return;
    }
    if (lost && away_begin(r, s))
        return;
    if (!s->away)
        s->visitor = NULL;
    membership_leave(r, s, reason, text_of_str(""));
}

void router_confirmed(struct router *r, struct session *s, uint64_t mark, struct now now)
{
    router_enter(r, now);
    away_confirmed(s, mark);
}

static void on_ping(struct router *r, struct session *s, const struct envelope *e)
{
    char id[NAME_MAX_BYTES];
    buf_clear(&r->out);
    buf_str(&r->out, "{\"type\":\"pong\",\"time\":");
    buf_int(&r->out, r->now.wall_ms);
    buf_char(&r->out, '}');
    router_send(r, s);
    router_ack(r, s, envelope_plain(e, FIELD_ID, id), false);
}

/* A token that does not count is no reason to end what the one before still allows. */
static void on_refresh(struct router *r, struct session *s, const struct envelope *e)
{
    struct problem why = {0};
    char bytes[NAME_MAX_BYTES];
    struct text id = envelope_plain(e, FIELD_ID, bytes);
    enum status status = admission_refresh(r, s, e, &why);
    if (status == STATUS_OK) {
        router_ack(r, s, id, true);
        return;
    }
    r->metrics.refused[FROM_WS][status]++;
    router_send_error(r, s, &why, id, text_of_str(""));
    router_log_refused(r, "ws", s->visitor, room_name(s->peer->room), peer_name(s->peer), &why);
}

/* What only a member may send. */
static void on_member_message(struct router *r, struct session *s, struct envelope *e)
{
    struct problem why;
    char id[NAME_MAX_BYTES];
    if (s->state != SESSION_JOINED) {
        problem_set(&why, STATUS_NOT_JOINED, 0, NULL, "`join` a room first and wait for `joined`");
        router_refuse(r, s, &why, e);
        return;
    }
    s->known = s->known || !s->last_secret[0]; /* it has read `joined` */
    switch (e->type) {
    case MSG_LEAVE:
        membership_leave(r, s, "leave", envelope_plain(e, FIELD_ID, id));
        break;
    case MSG_UPDATE:
        membership_update(r, s, e);
        break;
    case MSG_REFRESH:
        on_refresh(r, s, e);
        break;
    default:
        outbound_forward(r, s, e);
    }
}

/* Those wait for each other; everything else goes on from what is already sent. */
static bool is_forwarded(enum msg_type t)
{
    return t >= MSG_INVITE && t <= MSG_SEALED;
}

void router_message(struct router *r, struct session *s, const char *bytes, size_t len,
                    struct now now)
{
    struct envelope e;
    struct problem why = {0};
    if (r->bundle.session != s)
        bundle_send(r);
    r->now = now;
    bool in_time = admission_rate(r, s, len, &why) == STATUS_OK;
    /* What came too fast is read all the same, to name it in the answer. */
    if (envelope_parse(bytes, len, SIDE_CLIENT, &e, in_time ? &why : NULL) != STATUS_OK ||
        !in_time) {
        bundle_send(r);
        router_refuse(r, s, &why, &e);
        return;
    }
    r->metrics.received[FROM_WS][e.type]++;
    if (!is_forwarded(e.type))
        bundle_send(r);
    if (e.type == MSG_JOIN)
        joining_ask(r, s, &e);
    else if (e.type == MSG_RESUME)
        resume_message(r, s, &e);
    else if (e.type == MSG_PING)
        on_ping(r, s, &e);
    else
        on_member_message(r, s, &e);
}

void router_bus_up(struct router *r, bool kept, struct now now)
{
    router_enter(r, now);
    r->bus_up = true;
    unsubscribe_stale(r);
    watch_restart(r, kept);
    if (!kept)
        probe_restart(r);
}

void router_bus_down(struct router *r, struct now now)
{
    router_enter(r, now);
    r->bus_up = false;
    watch_lost(r);
}

void router_bus_message(struct router *r, const char *topic, struct text payload, bool retained,
                        struct text reason, struct now now)
{
    struct topic t;
    struct text bytes = text_of_str(topic);
    router_enter(r, now);
    if (!topic_parse(r->o.prefix, bytes.p, text_len(&bytes), &t)) {
        r->metrics.dropped[DROP_BAD_TOPIC]++;
        return;
    }
    if (retained && (t.kind == TOPIC_INBOX || t.kind == TOPIC_ALL)) {
        /* Somebody's mistake: an offer from any time, again for each session of that name. */
        r->metrics.dropped[DROP_RETAINED]++;
        return;
    }
    switch (t.kind) {
    case TOPIC_PRESENCE:
        roster_message(r, &t, payload, retained, reason);
        break;
    case TOPIC_INBOX:
        inbound_inbox(r, &t, payload);
        break;
    case TOPIC_ALL:
        inbound_all(r, &t, payload);
        break;
    case TOPIC_BRIDGE_STATUS:
        watch_bridge_status(r, &t, payload, retained);
        break;
    case TOPIC_BRIDGE_INBOX:
        watch_bridge_inbox(r, &t, payload);
        break;
    }
}

void router_published(struct router *r, struct delivery *d, enum status status, bool found,
                      struct now now)
{
    router_enter(r, now);
    if (d->session && status == STATUS_OK)
        metrics_puback(&r->metrics, now.mono_us - d->started_us);
    if (d->type == MSG_PING) {
        probe_published(r, d, status, found);
        delivery_destroy(d);
    } else {
        outbound_published(r, d, status, found);
    }
}

void router_refused(struct router *r, const char *filter, struct now now)
{
    router_enter(r, now);
    log_line(LOG_ERROR, "subscription-refused", LOG_S("filter", filter),
             LOG_S("remedy", "let the bridge's user read this topic in the broker's ACL"), LOG_END);
}

int64_t router_tick(struct router *r, struct now now)
{
    router_enter(r, now);
    admission_tick(r);
    joining_tick(r);
    membership_tick(r);
    away_tick(r);
    takeover_tick(r);
    handover_tick(r);
    roster_tick(r);
    if (r->recheck_us && r->recheck_us <= now.mono_us && r->bus_up) {
        r->recheck_us = 0;
        watch_restart(r, true);
    }
    probe_tick(r);
    watch_tick(r);
    bridges_tick(r);
    return now.mono_us + TICK_US;
}

void router_flush(struct router *r, struct now now)
{
    router_enter(r, now);
    roster_flush(r);
}

static void gauge(struct buf *b, const char *name, const char *help, uint64_t value)
{
    metric_head(b, name, "gauge", help);
    metric_value(b, name, NULL, value);
}

void router_put_metrics(const struct router *r, struct buf *b)
{
    metrics_put(&r->metrics, b);
    gauge(b, "sigbridge_sockets", "WebSockets that are open.", r->session_count);
    gauge(b, "sigbridge_sessions", "Members of a room that this bridge holds.", r->joined_count);
    gauge(b, "sigbridge_sessions_away", "Of these, those whose socket dropped.", r->away_count);
    gauge(b, "sigbridge_rooms", "Rooms with somebody in them.", r->registry.rooms.count);
    gauge(b, "sigbridge_peers", "Peers that are present, devices and sessions of all bridges.",
          r->registry.present_count);
    gauge(b, "sigbridge_broker_connected", "Whether the broker is connected.", r->bus_up);
    gauge(b, "sigbridge_ready", "Whether the roster is complete and sessions are let in.",
          router_ready(r));
}
