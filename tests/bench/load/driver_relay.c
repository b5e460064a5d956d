/* The bare relay: the target of the request is /ROOM/PEER, and each frame goes as it is to everyone
 * else in the room. There is no other word in this protocol. */
#include "drivers.h"
#include "envelope.h"
#include "ws_link.h"

#include <stdio.h>

static void opened(struct session *s)
{
    char target[2 * NAME_LENGTH + 3];
    snprintf(target, sizeof target, "/%s/%s", s->room_name, s->name);
    ws_link_open(s, target);
}

static void up(struct session *s, const void *context)
{
    (void)context;
    world_is_open(s);
}

static void join(struct session *s)
{
    world_is_joined(s);
}

static void send_message(struct session *s, const struct message *m)
{
    struct span pieces[ENVELOPE_PIECES];
    size_t n = envelope_write(pieces, s->index, m, m->to ? m->to->name : NULL);
    ws_write(session_out(s), WS_TEXT, pieces, n);
}

static void text(struct session *s, struct span bytes, const void *context)
{
    (void)context;
    struct envelope e;
    if (envelope_read(bytes, &e) && e.is_message)
        world_message(s, e.from, e.to, &e.arrival);
    else
        world_unexpected(s, bytes);
}

static size_t on_bytes(struct session *s, unsigned char *bytes, size_t len)
{
    static const struct ws_link_handlers handlers = {up, text, NULL};
    return ws_link_bytes(s, bytes, len, &handlers);
}

const struct protocol driver_relay = {.opened = opened,
                                      .bytes = on_bytes,
                                      .join = join,
                                      .send = send_message,
                                      .leave = ws_link_leave};
