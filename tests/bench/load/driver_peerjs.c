/* PeerJS' server: a client has a name and no room, and names the other one in `dst`. The payload is
 * what its browser library puts there. */
#include "drivers.h"
#include "work.h"
#include "ws_link.h"

#include <stdio.h>

static void opened(struct session *s)
{
    char target[128];
    snprintf(target, sizeof target, "/peerjs?key=peerjs&id=%s&token=%s&version=1.5.4", s->name,
             s->world->run);
    ws_link_open(s, target);
}

static void up(struct session *s, const void *context)
{
    (void)context;
    (void)s; /* OPEN follows */
}

static void join(struct session *s)
{
    world_is_joined(s);
}

static const struct {
    const char *type, *before, *behind; /* of the message; what stands around the payload */
} parts[KINDS] = {
    [KIND_OFFER] = {"OFFER", "\"sdp\":{\"type\":\"offer\",\"sdp\":", "}}}"},
    [KIND_ANSWER] = {"ANSWER", "\"sdp\":{\"type\":\"answer\",\"sdp\":", "}}}"},
    [KIND_CANDIDATE] = {"CANDIDATE", "\"candidate\":", "}}"},
};

static void send_message(struct session *s, const struct message *m)
{
    char head[200], call[CALL_LENGTH];
    work_call(call, m->number / EACH_WAY);
    int n = snprintf(head, sizeof head,
                     "{\"type\":\"%s\",\"dst\":\"%s\",\"payload\":{\"type\":\"media\","
                     "\"connectionId\":\"%.*s\",%s",
                     parts[m->kind].type, m->to->name, CALL_LENGTH, call, parts[m->kind].before);
    const struct span pieces[] = {{head, (size_t)n},
                                  payload_json(m->kind, (struct payload_id){s->index, m->number}),
                                  span_of(parts[m->kind].behind)};
    ws_write(session_out(s), WS_TEXT, pieces, 3);
}

static void read_payload(struct span payload, struct arrival *arrival)
{
    struct json_walk walk = json_enter(payload);
    struct span key, value, inner;
    while (json_next(&walk, &key, &value))
        if (span_is(key, "connectionId"))
            arrival->call = json_text(value);
        else if (span_is(key, "candidate"))
            arrival->value = value;
        else if (span_is(key, "sdp")) {
            struct json_walk description = json_enter(value);
            while (json_next(&description, &key, &inner))
                if (span_is(key, "sdp"))
                    arrival->value = inner;
        }
}

static bool find_kind(struct span type, enum kind *kind)
{
    for (int i = 0; i < KINDS; i++)
        if (parts[i].type && span_is(type, parts[i].type)) {
            *kind = (enum kind)i;
            return true;
        }
    return false;
}

static void text(struct session *s, struct span bytes, const void *context)
{
    (void)context;
    struct span key, value, type = {bytes.p, 0}, from = type, to = type, payload = type;
    struct json_walk walk = json_enter(bytes);
    while (json_next(&walk, &key, &value))
        if (span_is(key, "type"))
            type = json_text(value);
        else if (span_is(key, "src"))
            from = json_text(value);
        else if (span_is(key, "dst"))
            to = json_text(value);
        else if (span_is(key, "payload"))
            payload = value;
    struct arrival arrival = {0};
    if (find_kind(type, &arrival.kind) && from.n > 0) {
        read_payload(payload, &arrival);
        world_message(s, from, to, &arrival);
    } else if (span_is(type, "OPEN")) {
        world_is_open(s);
    } else {
        world_unexpected(s, bytes);
    }
}

static size_t on_bytes(struct session *s, unsigned char *bytes, size_t len)
{
    static const struct ws_link_handlers handlers = {up, text, NULL};
    return ws_link_bytes(s, bytes, len, &handlers);
}

/* Whoever does not say this is taken for gone. */
static void beat(struct session *s)
{
    const struct span heartbeat = span_of("{\"type\":\"HEARTBEAT\"}");
    ws_write(session_out(s), WS_TEXT, &heartbeat, 1);
}

const struct protocol driver_peerjs = {.opened = opened,
                                       .bytes = on_bytes,
                                       .join = join,
                                       .send = send_message,
                                       .leave = ws_link_leave,
                                       .beat = beat};
