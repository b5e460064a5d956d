#include "envelope.h"

#include "world.h"

static const struct {
    const char *type;   /* how the message begins */
    const char *member; /* what comes before the payload */
} parts[KINDS] = {
    [KIND_OFFER] = {"{\"type\":\"offer\"", ",\"sdp\":"},
    [KIND_ANSWER] = {"{\"type\":\"answer\"", ",\"sdp\":"},
    [KIND_CANDIDATE] = {"{\"type\":\"candidate\"", ",\"candidate\":"},
    [KIND_DATA] = {"{\"type\":\"message\"", ",\"data\":"},
};

size_t envelope_write(struct span pieces[ENVELOPE_PIECES], uint32_t lane, const struct message *m,
                      const char *to)
{
    static char call[] = ",\"call\":\"00000000\"";
    size_t n = 0;
    pieces[n++] = span_of(parts[m->kind].type);
    if (to) {
        pieces[n++] = span_of(",\"to\":\"");
        pieces[n++] = (struct span){to, NAME_LENGTH};
        pieces[n++] = span_of("\"");
    }
    if (m->kind != KIND_DATA) {
        work_call(call + sizeof call - 2 - CALL_LENGTH, m->number / EACH_WAY);
        pieces[n++] = (struct span){call, sizeof call - 1};
    }
    pieces[n++] = span_of(parts[m->kind].member);
    pieces[n++] = payload_json(m->kind, (struct payload_id){lane, m->number});
    pieces[n++] = span_of("}");
    return n;
}

static bool find_kind(struct span type, enum kind *kind)
{
    static const char *const types[KINDS] = {"offer", "answer", "candidate", "message"};
    for (int i = 0; i < KINDS; i++)
        if (span_is(type, types[i])) {
            *kind = (enum kind)i;
            return true;
        }
    return false;
}

static void take(struct envelope *e, struct span key, struct span value)
{
    if (span_is(key, "sdp") || span_is(key, "candidate") || span_is(key, "data"))
        e->arrival.value = value;
    else if (span_is(key, "type"))
        e->type = json_text(value);
    else if (span_is(key, "from"))
        e->from = json_text(value);
    else if (span_is(key, "to"))
        e->to = json_text(value);
    else if (span_is(key, "call"))
        e->arrival.call = json_text(value);
    else if (span_is(key, "joined"))
        e->joined = value;
    else if (span_is(key, "left"))
        e->left = value;
    else if (span_is(key, "peers"))
        e->peers = value;
}

bool envelope_read(struct span text, struct envelope *e)
{
    *e = (struct envelope){0};
    struct json_walk walk = json_enter(text);
    struct span key, value;
    while (json_next(&walk, &key, &value))
        take(e, key, value);
    e->is_message = e->arrival.value.n > 0 && find_kind(e->type, &e->arrival.kind);
    return !walk.broken;
}

void envelope_hear(struct session *s, struct span array)
{
    if (array.n == 0)
        return;
    struct json_walk walk = json_enter(array);
    struct span none, entry, key, value;
    while (json_next(&walk, &none, &entry)) {
        struct json_walk inner = json_enter(entry);
        while (json_next(&inner, &key, &value))
            if (span_is(key, "peer"))
                world_heard(s, json_text(value));
    }
}
