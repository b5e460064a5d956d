#include "payload.h"

#include "base/buf.h"
#include "models.h"

#include <assert.h>

enum { ID_LENGTH = sizeof MODEL_ID - 1, PLACES_MAX = 16, TEXT_MAX = 4096 };

static_assert(sizeof MODEL_UFRAG == sizeof MODEL_ID, "both are written in the same way");

struct text {
    const char *model;
    char bytes[TEXT_MAX];
    size_t length; /* 0: not made yet */
    size_t ids[PLACES_MAX], ufrags[PLACES_MAX];
    size_t id_count, ufrag_count;
};

static struct text texts[KINDS] = {
    [KIND_OFFER] = {.model = model_offer},
    [KIND_ANSWER] = {.model = model_answer},
    [KIND_CANDIDATE] = {.model = model_candidate},
    [KIND_DATA] = {.model = model_data},
};

/* The model as a JSON value: a description becomes a string. */
static void write_value(struct text *text)
{
    struct buf value;
    buf_init_fixed(&value, text->bytes, sizeof text->bytes);
    bool description = text->model[0] != '{';
    if (description)
        buf_char(&value, '"');
    for (const char *p = text->model; *p; p++)
        if (*p == '\n')
            buf_str(&value, "\\r\\n");
        else
            buf_char(&value, *p);
    if (description)
        buf_char(&value, '"');
    assert(buf_ok(&value));
    text->length = value.len;
}

static size_t find_places(struct span text, char mark, size_t *places)
{
    size_t count = 0;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == mark) {
            assert(count < PLACES_MAX);
            places[count++] = i;
            i += ID_LENGTH - 1;
        }
    return count;
}

static void prepare(struct text *text)
{
    write_value(text);
    const struct span value = {text->bytes, text->length};
    text->id_count = find_places(value, '@', text->ids);
    text->ufrag_count = find_places(value, '~', text->ufrags);
}

static const char HEX[] = "0123456789abcdef";

static void put_hex(char *out, uint32_t n, int digits)
{
    for (int i = digits - 1; i >= 0; i--, n >>= 4)
        out[i] = HEX[n & 15];
}

static void put_mark(char out[ID_LENGTH], char first, struct payload_id id)
{
    out[0] = first;
    out[1] = 'q';
    put_hex(out + 2, id.lane, 5);
    put_hex(out + 7, id.number, 8);
}

struct span payload_json(enum kind kind, struct payload_id id)
{
    struct text *text = &texts[kind];
    if (text->length == 0)
        prepare(text);
    char mark[ID_LENGTH];
    put_mark(mark, 'z', id);
    for (size_t i = 0; i < text->id_count; i++)
        memcpy(text->bytes + text->ids[i], mark, ID_LENGTH);
    put_mark(mark, 'u', (struct payload_id){id.lane, id.number - id.number % EACH_WAY});
    for (size_t i = 0; i < text->ufrag_count; i++)
        memcpy(text->bytes + text->ufrags[i], mark, ID_LENGTH);
    return (struct span){text->bytes, text->length};
}

static bool read_hex(const char *p, int digits, uint32_t *n)
{
    *n = 0;
    for (int i = 0; i < digits; i++) {
        const char *digit = memchr(HEX, p[i], 16);
        if (!digit)
            return false;
        *n = *n << 4 | (uint32_t)(digit - HEX);
    }
    return true;
}

bool payload_read_id(struct span text, struct payload_id *id)
{
    const char *p = text.p, *end = text.p + text.n;
    while ((p = memmem(p, (size_t)(end - p), "zq", 2)) != NULL && end - p >= ID_LENGTH) {
        if (read_hex(p + 2, 5, &id->lane) && read_hex(p + 7, 8, &id->number))
            return true;
        p += 2;
    }
    return false;
}
