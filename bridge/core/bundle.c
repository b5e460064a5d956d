#include "core/bundle.h"

#include "core/echo.h"
#include "core/outbound.h"
#include "core/router.h"
#include "proto/message.h"

enum {
    LARGE = BUNDLE_BYTES_MAX / 4, /* a message that gains nothing by company */
    AROUND = 256                  /* what a bundle, and a message, have around their fields */
};

_Static_assert((int)BUNDLE_MESSAGES_MAX == (int)ENVELOPE_CANDIDATES_MAX, "one bound for both ways");

void bundle_init(struct bundle *b)
{
    *b = (struct bundle){0};
    buf_init(&b->items, BUNDLE_BYTES_MAX);
}

void bundle_release(struct bundle *b)
{
    while (b->first) {
        struct delivery *d = b->first;
        b->first = d->with;
        delivery_destroy(d);
    }
    buf_release(&b->items);
}

/* `data` and `ext` may be as deep as JSON may be, and would be deeper in company. */
static bool may_travel_together(const struct envelope *e)
{
    return e->type != MSG_MESSAGE && !envelope_has(e, FIELD_EXT) &&
           e->field[FIELD_SDP].len < LARGE && e->field[FIELD_DATA].len < LARGE;
}

enum bundle_way bundle_way(const struct session *s, const struct envelope *e)
{
    const struct peer *target = registry_peer(s->peer->room, envelope_text(e, FIELD_TO));
    if (!target || !target->info || !may_travel_together(e))
        return BUNDLE_NONE;
    if (target->info->together)
        return BUNDLE_TOGETHER;
    return target->info->bundle && e->type == MSG_CANDIDATE ? BUNDLE_CANDIDATES : BUNDLE_NONE;
}

/* About as many bytes as it takes, and some more. */
static size_t size_of(const struct envelope *e)
{
    size_t size = AROUND;
    for (int f = 0; f < FIELD_COUNT; f++)
        size += e->field[f].len;
    return size;
}

/* A small device has room for a description and what is around it: for as many bytes of candidates,
 * then, too. And whatever a broker takes, it takes the largest message of a session. */
static bool has_room(const struct router *r, const struct envelope *e, const struct delivery *d)
{
    const struct bundle *b = &r->bundle;
    const struct peer *target = registry_peer(d->session->peer->room, delivery_to(d));
    uint64_t sdp_max = b->way == BUNDLE_CANDIDATES ? target->info->budget.sdp : 0;
    return b->count < BUNDLE_MESSAGES_MAX && b->items.len < BUNDLE_BYTES_MAX - 2 * LARGE &&
           b->items.len + size_of(e) <= r->o.message_max &&
           (!sdp_max || b->items.len + e->field[FIELD_CANDIDATE].len < sdp_max);
}

static bool takes(const struct router *r, enum bundle_way way, const struct envelope *e,
                  const struct delivery *d)
{
    const struct bundle *b = &r->bundle;
    return b->way == way && b->session == d->session &&
           text_same(delivery_to(b->first), delivery_to(d)) &&
           (way == BUNDLE_TOGETHER || text_same(delivery_call(b->first), delivery_call(d))) &&
           has_room(r, e, d);
}

static struct text items_of(const struct bundle *b)
{
    return text_of(b->items.data, b->items.len);
}

static void put(struct router *r, const struct envelope *e, struct session *s)
{
    struct bundle *b = &r->bundle;
    struct candidate_init c;
    if (b->count)
        buf_char(&b->items, ',');
    if (b->way == BUNDLE_TOGETHER) {
        struct bundle_part *part = &b->parts[b->count];
        part->at = (uint32_t)b->items.len;
        part->marks = message_put_mqtt(&b->items, e, outbound_stamp(r, s));
        part->len = (uint32_t)b->items.len - part->at;
    } else {
        (void)candidate_init_parse(e->field[FIELD_CANDIDATE], &c, NULL); /* checked before */
        message_put_candidate_init(&b->items, &c);
    }
}

bool bundle_add(struct router *r, enum bundle_way way, const struct envelope *e, struct delivery *d)
{
    struct bundle *b = &r->bundle;
    if (!takes(r, way, e, d))
        bundle_send(r);
    size_t before = b->items.len;
    b->way = way;
    put(r, e, d->session);
    if (!buf_ok(&b->items)) {
        b->items.len = before;
        b->items.failed = false;
        b->way = b->count ? way : BUNDLE_NONE;
        return false;
    }
    if (b->last)
        b->last->with = d;
    else
        b->first = d;
    b->last = d;
    b->session = d->session;
    b->count++;
    return true;
}

static void put_together(struct router *r, struct delivery *first, struct session *target)
{
    struct bundle *b = &r->bundle;
    uint32_t begin = (uint32_t)message_put_together(&r->out, items_of(b), b->count);
    for (size_t i = 0; i < b->count; i++)
        b->parts[i].at += begin;
    if (target && target->state == SESSION_JOINED && buf_ok(&r->out))
        echo_keep(r, target, first, text_of(r->out.data, r->out.len), b->parts, b->count);
}

static void empty(struct bundle *b)
{
    b->way = BUNDLE_NONE;
    b->session = NULL;
    b->first = b->last = NULL;
    b->count = 0;
    buf_clear(&b->items);
}

void bundle_send(struct router *r)
{
    struct bundle *b = &r->bundle;
    struct session *s = b->session;
    struct delivery *first = b->first;
    size_t count = b->count;
    if (b->way == BUNDLE_NONE)
        return;
    const struct peer *target = registry_peer(s->peer->room, delivery_to(first));
    buf_clear(&r->topic);
    topic_inbox(&r->topic, r->o.prefix, room_name(s->peer->room), delivery_to(first),
                peer_name(s->peer));
    buf_clear(&r->out);
    if (b->way == BUNDLE_TOGETHER)
        put_together(r, first, target ? target->session : NULL);
    else
        message_put_candidates(&r->out, items_of(b), b->count, delivery_call(first),
                               delivery_id(first), outbound_stamp(r, s));
    empty(b);
    enum status status = router_publish_out(r, false, 0, first);
    if (status == STATUS_OK)
        r->metrics.forwarded_mqtt += count;
    else
        outbound_unsent(r, first, status);
}
