/* Rooms of socket.io: its packets over engine.io 4, and the envelope of the others in the event
 * `signal`, or `message` for everyone in the room. */
#include "drivers.h"
#include "envelope.h"
#include "ws_link.h"

static void opened(struct session *s)
{
    ws_link_open(s, "/socket.io/?EIO=4&transport=websocket");
}

static void up(struct session *s, const void *context)
{
    (void)context;
    (void)s; /* engine.io speaks first */
}

static void say(struct session *s, const char *packet)
{
    const struct span piece = span_of(packet);
    ws_write(session_out(s), WS_TEXT, &piece, 1);
}

static void join(struct session *s)
{
    const struct span pieces[] = {span_of("42[\"join\",{\"room\":\""), span_of(s->room_name),
                                  span_of("\",\"peer\":\""), span_of(s->name), span_of("\"}]")};
    ws_write(session_out(s), WS_TEXT, pieces, sizeof pieces / sizeof *pieces);
}

static void send_message(struct session *s, const struct message *m)
{
    struct span pieces[ENVELOPE_PIECES + 2];
    pieces[0] = span_of(m->to ? "42[\"signal\"," : "42[\"message\",");
    size_t n = 1 + envelope_write(pieces + 1, s->index, m, m->to ? m->to->name : NULL);
    pieces[n++] = span_of("]");
    ws_write(session_out(s), WS_TEXT, pieces, n);
}

static void take_event(struct session *s, struct span bytes)
{
    struct span none, name = {bytes.p, 0}, body = name;
    struct json_walk walk = json_enter((struct span){bytes.p + 2, bytes.n - 2});
    struct envelope e;
    bool read =
        json_next(&walk, &none, &name) && json_next(&walk, &none, &body) && envelope_read(body, &e);
    name = json_text(name);
    if (read && e.is_message && e.from.n > 0) {
        world_message(s, e.from, e.to, &e.arrival);
    } else if (read && span_is(name, "joined")) {
        world_is_joined(s);
        envelope_hear(s, e.peers);
    } else if (read && span_is(name, "presence") && e.left.n == 0) {
        s->world->presence_frames++;
        envelope_hear(s, e.joined);
    } else {
        world_unexpected(s, bytes);
    }
}

static void text(struct session *s, struct span bytes, const void *context)
{
    (void)context;
    if (bytes.n >= 2 && memcmp(bytes.p, "42", 2) == 0)
        take_event(s, bytes);
    else if (bytes.n >= 2 && memcmp(bytes.p, "40", 2) == 0)
        world_is_open(s);
    else if (bytes.n >= 1 && bytes.p[0] == '0')
        say(s, "40"); /* the namespace, please */
    else if (span_is(bytes, "2"))
        say(s, "3"); /* its ping */
    else
        world_unexpected(s, bytes);
}

static size_t on_bytes(struct session *s, unsigned char *bytes, size_t len)
{
    static const struct ws_link_handlers handlers = {up, text, NULL};
    return ws_link_bytes(s, bytes, len, &handlers);
}

const struct protocol driver_socketio = {.opened = opened,
                                         .bytes = on_bytes,
                                         .join = join,
                                         .send = send_message,
                                         .leave = ws_link_leave};
