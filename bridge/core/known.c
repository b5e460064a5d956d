#include "core/known.h"

#include "core/talk.h"

#include <stdlib.h>
#include <string.h>

enum { IN_ONE_MESSAGE = 200, SPANS_MAX = 2 * IN_ONE_MESSAGE };

struct known {
    struct known *next;
    int64_t since_ms; /* what its presence said; 0: nothing */
    bool here;
    uint8_t len;
    char name[];
};

static void begin(struct router *r, uint64_t ask)
{
    talk_begin(r, "knows", ask);
    buf_str(&r->out, ",\"peers\":[");
}

static bool end(struct router *r, struct text to)
{
    buf_str(&r->out, "]}");
    return talk_send(r, to);
}

bool known_send(struct router *r, const struct session *s, struct text to, uint64_t ask)
{
    struct buf *b = &r->out;
    size_t at = 0, count = 0;
    const struct peer *p;
    begin(r, ask);
    while ((p = map_next(&s->peer->room->peers, &at))) {
        if (p == s->peer || !p->info || !p->told)
            continue;
        if (count == IN_ONE_MESSAGE) {
            if (!end(r, to))
                return false;
            begin(r, ask);
            count = 0;
        }
        if (count++)
            buf_char(b, ',');
        json_put_text(b, peer_name(p));
        buf_char(b, ',');
        buf_int(b, p->info->since_ms);
    }
    return end(r, to);
}

void known_learn(struct known **list, struct json_span peers)
{
    struct json_span items[SPANS_MAX];
    size_t count = 0;
    uint64_t since;
    if (peers.type != JSON_ARRAY ||
        json_array(peers.p, peers.len, items, SPANS_MAX, &count, NULL) != STATUS_OK)
        return;
    for (size_t i = 0; i + 1 < count; i += 2) {
        if (items[i].type != JSON_STRING || !name_ok(items[i].p, items[i].len) ||
            !json_uint(items[i + 1], INT64_MAX, &since))
            return;
        struct known *k = malloc(sizeof *k + items[i].len);
        if (!k)
            return; /* then the client hears of this one again: it can tell */
        *k =
            (struct known){.next = *list, .since_ms = (int64_t)since, .len = (uint8_t)items[i].len};
        memcpy(k->name, items[i].p, items[i].len);
        *list = k;
    }
}

void known_release(struct known **list)
{
    while (*list) {
        struct known *k = *list;
        *list = k->next;
        free(k);
    }
}

/* `left`: who is not there any more, or is another one by now. */
static size_t put_left(struct buf *b, const struct session *s, struct known *list)
{
    size_t count = 0;
    for (struct known *k = list; k; k = k->next) {
        const struct peer *p = registry_peer(s->peer->room, text_of(k->name, k->len));
        k->here = p && p->info && p->info->since_ms == k->since_ms;
        if (k->here)
            continue;
        buf_str(b, count++ ? ",{\"peer\":" : ",\"left\":[{\"peer\":");
        json_put_string(b, k->name, k->len);
        buf_str(b, ",\"reason\":\"missed\"}");
    }
    if (count)
        buf_char(b, ']');
    return count;
}

static size_t put_joined(struct buf *b, const struct session *s, const struct map *names)
{
    size_t at = 0, count = 0;
    const struct peer *p;
    while ((p = map_next(&s->peer->room->peers, &at))) {
        const struct known *k = map_get(names, p->name, p->name_len);
        if (p == s->peer || !p->info || (k && k->here))
            continue;
        struct text json = info_json(p->info);
        buf_str(b, count++ ? "," : ",\"joined\":[");
        buf_add(b, json.p, text_len(&json));
    }
    if (count)
        buf_char(b, ']');
    return count;
}

void known_correct(struct router *r, struct session *s, struct known *list)
{
    struct buf *b = &r->out;
    struct map names;
    map_init(&names);
    for (struct known *k = list; k; k = k->next)
        if (!map_get(&names, k->name, k->len))
            (void)map_put(&names, k->name, k->len, k);
    buf_clear(b);
    buf_str(b, "{\"type\":\"presence\"");
    size_t left = put_left(b, s, list), joined = put_joined(b, s, &names);
    map_release(&names);
    if (left || joined)
        router_send_numbered(r, s);
}
