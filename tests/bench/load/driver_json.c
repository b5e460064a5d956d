/* sigbridge, and the room servers that speak like it: node-bridge and room-server. One JSON object
 * in each text frame, join and joined, presence with names. */
#include "drivers.h"
#include "envelope.h"
#include "ws_link.h"

static void opened(struct session *s)
{
    ws_link_open(s, s->world->options->path);
}

static void up(struct session *s, const void *context)
{
    (void)context;
    world_is_open(s);
}

static void join(struct session *s)
{
    const struct span pieces[] = {span_of("{\"type\":\"join\",\"room\":\""), span_of(s->room_name),
                                  span_of("\",\"peer\":\""), span_of(s->name), span_of("\"}")};
    ws_write(session_out(s), WS_TEXT, pieces, sizeof pieces / sizeof *pieces);
}

static void send_message(struct session *s, const struct message *m)
{
    struct world *world = s->world;
    struct span pieces[ENVELOPE_PIECES];
    const char *to = m->to ? m->to->name : NULL;
    bool id = world->options->ids && world->candidate->acknowledges;
    size_t n =
        id ? envelope_write_id(pieces, s->index, m, to) : envelope_write(pieces, s->index, m, to);
    ws_write(session_out(s), WS_TEXT, pieces, n);
    world->acks_due += id;
}

/* Digits without a sign; anything else is 0, which nobody may send. */
static uint64_t read_seq(struct span digits)
{
    uint64_t n = 0;
    for (size_t i = 0; i < digits.n; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9')
            return 0;
        n = n * 10 + (uint64_t)(digits.p[i] - '0');
    }
    return n;
}

/* Of a message from a peer or a change of presence: nobody resumes here, so that even a repetition
 * is wrong. */
static bool is_next(struct session *s, struct span seq)
{
    if (!s->world->candidate->numbers || read_seq(seq) == ++s->seq)
        return true;
    world_fail(s, "seq %llu was due, and \"%.*s\" came", (unsigned long long)s->seq, (int)seq.n,
               seq.p ? seq.p : "");
    return false;
}

static void hear_message(struct session *s, const struct envelope *e)
{
    if (e->from.n == 0)
        world_fail(s, "a message that does not say from whom it is");
    else if (is_next(s, e->seq))
        world_message(s, e->from, e->to, &e->arrival);
}

static void hear_presence(struct session *s, const struct envelope *e)
{
    s->world->presence_frames++;
    if (is_next(s, e->seq))
        envelope_hear(s, e->joined);
}

static void text(struct session *s, struct span bytes, const void *context)
{
    (void)context;
    struct envelope e;
    if (!envelope_read(bytes, &e)) {
        world_unexpected(s, bytes);
    } else if (e.is_message) {
        hear_message(s, &e);
    } else if (span_is(e.type, "ack")) {
        s->world->acks++;
    } else if (span_is(e.type, "joined")) {
        world_is_joined(s);
        envelope_hear(s, e.peers);
    } else if (span_is(e.type, "presence") && e.left.n == 0) {
        hear_presence(s, &e);
    } else {
        world_unexpected(s, bytes);
    }
}

static size_t on_bytes(struct session *s, unsigned char *bytes, size_t len)
{
    static const struct ws_link_handlers handlers = {up, text, NULL};
    return ws_link_bytes(s, bytes, len, &handlers);
}

const struct protocol driver_json = {.opened = opened,
                                     .bytes = on_bytes,
                                     .join = join,
                                     .send = send_message,
                                     .leave = ws_link_leave};
