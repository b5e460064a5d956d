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

enum { NUMBER_LENGTH = CALL_LENGTH };

/* A member whose value is a number of eight digits; `text` ends with it and a quote. */
static struct span numbered(char *text, size_t size, uint32_t number)
{
    work_call(text + size - 2 - NUMBER_LENGTH, number);
    return (struct span){text, size - 1};
}

static size_t write_head(struct span *pieces, const struct message *m, const char *to)
{
    static char call[] = ",\"call\":\"00000000\"";
    size_t n = 0;
    pieces[n++] = span_of(parts[m->kind].type);
    if (to) {
        pieces[n++] = span_of(",\"to\":\"");
        pieces[n++] = (struct span){to, NAME_LENGTH};
        pieces[n++] = span_of("\"");
    }
    if (m->kind != KIND_DATA)
        pieces[n++] = numbered(call, sizeof call, m->number / EACH_WAY);
    return n;
}

static size_t write_payload(struct span *pieces, uint32_t lane, const struct message *m)
{
    pieces[0] = span_of(parts[m->kind].member);
    pieces[1] = payload_json(m->kind, (struct payload_id){lane, m->number});
    pieces[2] = span_of("}");
    return 3;
}

size_t envelope_write(struct span pieces[ENVELOPE_PIECES], uint32_t lane, const struct message *m,
                      const char *to)
{
    size_t n = write_head(pieces, m, to);
    return n + write_payload(pieces + n, lane, m);
}

size_t envelope_write_id(struct span pieces[ENVELOPE_PIECES], uint32_t lane,
                         const struct message *m, const char *to)
{
    static char id[] = ",\"id\":\"00000000\"";
    size_t n = write_head(pieces, m, to);
    pieces[n++] = numbered(id, sizeof id, m->number);
    return n + write_payload(pieces + n, lane, m);
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
    else if (span_is(key, "candidates"))
        e->candidates = value;
    else if (span_is(key, "seq"))
        e->seq = value;
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
