#include "core/bundle.h"

#include "core/outbound.h"
#include "core/router.h"
#include "proto/message.h"

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

bool bundle_takes(const struct session *s, const struct envelope *e)
{
    const struct peer *target = registry_peer(s->peer->room, envelope_text(e, FIELD_TO));
    return e->type == MSG_CANDIDATE && !envelope_has(e, FIELD_EXT) && target && target->info &&
           target->info->bundle;
}

static bool goes_the_same_way(const struct bundle *b, const struct delivery *d)
{
    return b->session == d->session && text_same(delivery_to(b->first), delivery_to(d)) &&
           text_same(delivery_call(b->first), delivery_call(d));
}

static void append(struct bundle *b, struct delivery *d)
{
    if (b->last)
        b->last->with = d;
    else
        b->first = d;
    b->last = d;
    b->session = d->session;
    b->count++;
}

bool bundle_add(struct router *r, const struct envelope *e, struct delivery *d)
{
    struct bundle *b = &r->bundle;
    struct candidate_init c;
    if (b->session && (!goes_the_same_way(b, d) || b->count == ENVELOPE_CANDIDATES_MAX ||
                       b->items.len + e->field[FIELD_CANDIDATE].len >= BUNDLE_BYTES_MAX))
        bundle_send(r);
    size_t before = b->items.len;
    if (b->count)
        buf_char(&b->items, ',');
    (void)candidate_init_parse(e->field[FIELD_CANDIDATE], &c, NULL); /* checked before */
    message_put_candidate_init(&b->items, &c);
    if (!buf_ok(&b->items)) {
        b->items.len = before;
        b->items.failed = false;
        return false;
    }
    append(b, d);
    return true;
}

void bundle_send(struct router *r)
{
    struct bundle *b = &r->bundle;
    struct session *s = b->session;
    struct delivery *first = b->first;
    if (!s)
        return;
    buf_clear(&r->topic);
    topic_inbox(&r->topic, r->o.prefix, room_name(s->peer->room), delivery_to(first),
                peer_name(s->peer));
    buf_clear(&r->out);
    message_put_waiting(&r->out, text_of(b->items.data, b->items.len), b->count,
                        delivery_call(first), delivery_id(first), outbound_stamp(r, s));
    b->session = NULL;
    b->first = b->last = NULL;
    b->count = 0;
    buf_clear(&b->items);
    enum status status = router_publish_out(r, false, 0, first);
    if (status != STATUS_OK)
        outbound_unsent(r, first, status);
}
