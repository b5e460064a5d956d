#include "policy/access.h"

#include "proto/json.h"

#include <stdlib.h>
#include <string.h>

enum { CAN_OFFER = 1, CAN_MESSAGE = 2, CAN_ADMIN = 4 };

/* One room's entry in the list: its length in one byte, then the name or the prefix with its `*`.
 */
enum { ROOM_MAX = NAME_MAX_BYTES + 1, ROOMS_BYTES = ACCESS_ROOMS_MAX * (1 + ROOM_MAX) };

struct access {
    int64_t expires_ms;
    uint16_t meta_len;
    uint16_t rooms_len;
    uint8_t subject_len;
    uint8_t can;
    char bytes[]; /* meta, the list of rooms, the subject */
};

/* What was read, before it is known how long it is altogether. */
struct reading {
    struct json_span meta;
    char subject[NAME_MAX_BYTES];
    size_t subject_len;
    char rooms[ROOMS_BYTES];
    size_t rooms_len;
    uint8_t can;
};

static enum status refuse(struct problem *why, const char *claim, const char *rule)
{
    return problem_set(why, STATUS_UNAUTHORIZED, 0, "token-claim", "the token's claim %s %s", claim,
                       rule);
}

static enum status read_subject(struct json_span v, struct reading *r, struct problem *why)
{
    if (v.type != JSON_STRING || !json_decode(v, r->subject, sizeof r->subject, &r->subject_len) ||
        !name_ok(r->subject, r->subject_len))
        return refuse(why, "sub",
                      "must be a peer's name: 1 to 64 characters of A-Z a-z 0-9 . _ ~ -, the first "
                      "one a letter or a digit");
    return STATUS_OK;
}

/* A name, or a name or nothing with a `*` behind it. */
static bool room_entry_ok(const char *entry, size_t len)
{
    if (len > 0 && entry[len - 1] == '*')
        return len == 1 || name_ok(entry, len - 1);
    return name_ok(entry, len);
}

static enum status read_rooms(struct json_span v, struct reading *r, struct problem *why)
{
    struct json_span items[ACCESS_ROOMS_MAX];
    size_t count;
    if (v.type != JSON_ARRAY ||
        json_array(v.p, v.len, items, ACCESS_ROOMS_MAX, &count, NULL) != STATUS_OK)
        return refuse(why, "rooms", "must be an array of at most 64 room names");
    for (size_t i = 0; i < count; i++) {
        char *entry = r->rooms + r->rooms_len + 1;
        size_t len;
        if (items[i].type != JSON_STRING || !json_decode(items[i], entry, ROOM_MAX, &len) ||
            !room_entry_ok(entry, len))
            return refuse(why, "rooms",
                          "must hold room names, each with a * behind it if it is a prefix");
        entry[-1] = (char)len;
        r->rooms_len += 1 + len;
    }
    return STATUS_OK;
}

static enum status read_can(struct json_span v, struct reading *r, struct problem *why)
{
    static const struct {
        const char *word;
        uint8_t bit;
    } words[] = {{"offer", CAN_OFFER}, {"message", CAN_MESSAGE}, {"admin", CAN_ADMIN}};
    struct json_span items[ACCESS_WORDS_MAX];
    size_t count;
    if (v.type != JSON_ARRAY ||
        json_array(v.p, v.len, items, ACCESS_WORDS_MAX, &count, NULL) != STATUS_OK)
        return refuse(why, "can", "must be an array of at most 64 words: offer, message, admin");
    r->can = 0;
    for (size_t i = 0; i < count; i++) {
        if (items[i].type != JSON_STRING)
            return refuse(why, "can", "must hold words: offer, message, admin");
        for (size_t w = 0; w < sizeof words / sizeof *words; w++)
            if (json_equals(items[i], words[w].word))
                r->can |= words[w].bit;
    }
    return STATUS_OK;
}

static enum status read_meta(struct json_span v, struct reading *r, struct problem *why)
{
    if (v.type != JSON_OBJECT || v.len > ACCESS_META_MAX)
        return refuse(why, "meta", "must be an object of at most 4096 bytes");
    r->meta = v;
    return STATUS_OK;
}

static const struct {
    const char *name;
    enum status (*read)(struct json_span v, struct reading *r, struct problem *why);
} readers[] = {
    {"sub", read_subject}, {"rooms", read_rooms}, {"can", read_can}, {"meta", read_meta}};

static void put(char **to, const char *bytes, size_t len)
{
    if (len > 0)
        memcpy(*to, bytes, len);
    *to += len;
}

enum status access_create(const struct json_member *claims, size_t count, int64_t expires_ms,
                          struct access **out, struct problem *why)
{
    struct reading r;
    r.meta = (struct json_span){0};
    r.subject_len = r.rooms_len = 0;
    r.can = CAN_OFFER | CAN_MESSAGE;
    *out = NULL;
    for (const struct json_member *m = claims; m < claims + count; m++)
        for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
            enum status s = json_equals(m->key, readers[i].name)
                                ? readers[i].read(m->value, &r, why)
                                : STATUS_OK;
            if (s != STATUS_OK)
                return s;
        }
    struct access *a = malloc(sizeof *a + r.meta.len + r.rooms_len + r.subject_len);
    if (!a)
        return problem_set(why, STATUS_NO_MEMORY, 0, NULL, "out of memory");
    *a = (struct access){.expires_ms = expires_ms,
                         .meta_len = (uint16_t)r.meta.len,
                         .rooms_len = (uint16_t)r.rooms_len,
                         .subject_len = (uint8_t)r.subject_len,
                         .can = r.can};
    char *to = a->bytes;
    put(&to, r.meta.p, r.meta.len);
    put(&to, r.rooms, r.rooms_len);
    put(&to, r.subject, r.subject_len);
    *out = a;
    return STATUS_OK;
}

void access_destroy(struct access *a)
{
    free(a);
}

int64_t access_expires_ms(const struct access *a)
{
    return a->expires_ms;
}

struct text access_subject(const struct access *a)
{
    return text_of(a->bytes + a->meta_len + a->rooms_len, a->subject_len);
}

struct text access_meta(const struct access *a)
{
    return text_of(a->bytes, a->meta_len);
}

bool access_room(const struct access *a, struct text room)
{
    const char *p = a->bytes + a->meta_len, *end = p + a->rooms_len;
    size_t room_len = text_len(&room);
    for (; p < end; p += 1 + (size_t)*p) {
        size_t len = (size_t)*p;
        bool prefix = p[len] == '*';
        if (prefix)
            len--;
        if ((prefix ? room_len >= len : room_len == len) && memcmp(room.p, p + 1, len) == 0)
            return true;
    }
    return false;
}

bool access_peer(const struct access *a, struct text peer)
{
    return a->subject_len == 0 || text_same(access_subject(a), peer);
}

bool access_sends(const struct access *a, enum msg_type type)
{
    switch (type) {
    case MSG_INVITE:
    case MSG_OFFER:
    case MSG_SEALED:
        return (a->can & CAN_OFFER) != 0;
    case MSG_MESSAGE:
        return (a->can & CAN_MESSAGE) != 0;
    default:
        return true;
    }
}

bool access_admin(const struct access *a)
{
    return (a->can & CAN_ADMIN) != 0;
}

void access_put_claims(struct buf *b, const struct access *a)
{
    static const struct {
        const char *word;
        uint8_t bit;
    } words[] = {{"\"offer\"", CAN_OFFER}, {"\"message\"", CAN_MESSAGE}, {"\"admin\"", CAN_ADMIN}};
    const char *p = a->bytes + a->meta_len, *end = p + a->rooms_len;
    const char *comma = "";
    buf_str(b, "{\"rooms\":[");
    for (; p < end; p += 1 + (size_t)*p) {
        buf_str(b, comma);
        json_put_string(b, p + 1, (size_t)*p);
        comma = ",";
    }
    buf_str(b, "],\"can\":[");
    comma = "";
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!(a->can & words[i].bit))
            continue;
        buf_str(b, comma);
        buf_str(b, words[i].word);
        comma = ",";
    }
    buf_char(b, ']');
    if (a->subject_len) {
        buf_str(b, ",\"sub\":");
        json_put_text(b, access_subject(a));
    }
    if (a->meta_len) {
        buf_str(b, ",\"meta\":");
        buf_add(b, a->bytes, a->meta_len);
    }
    buf_char(b, '}');
}
