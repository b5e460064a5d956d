/* Any bytes as a message from each side and as a presence. What is accepted is written anew, and
 * what was written must be accepted by the next reader, with the same fields. */
#include "proto/envelope.h"
#include "proto/message.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char scratch[ENVELOPE_SDP_MAX];

static void require(bool holds)
{
    if (!holds)
        abort();
}

static bool same(const struct envelope *a, const struct envelope *b, enum msg_field f)
{
    struct json_span x = a->field[f], y = b->field[f];
    return x.type == y.type && x.len == y.len && (x.len == 0 || memcmp(x.p, y.p, x.len) == 0);
}

static bool is_forwarded(const struct envelope *e)
{
    return e->type == MSG_INVITE || (e->type >= MSG_OFFER && e->type <= MSG_SEALED);
}

static void write_and_read(const struct envelope *e)
{
    static const enum msg_field kept[] = {FIELD_ID, FIELD_CALL, FIELD_DATA, FIELD_EXT,
                                          FIELD_REASON};
    struct buf b;
    struct envelope again;
    buf_init(&b, 1 << 20);
    message_put_mqtt(&b, e, 1);
    require(buf_ok(&b));
    require(envelope_parse(b.data, b.len, SIDE_PEER, &again, NULL) == STATUS_OK);
    require(again.type == e->type && again.sent_ms == 1);
    struct json_span sdp = e->field[FIELD_SDP], sent = again.field[FIELD_SDP];
    require(sent.len >= sdp.len && (!sdp.len || memcmp(sent.p, sdp.p, sdp.len) == 0));
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        require(same(e, &again, kept[i]));
    require(envelope_check(&again, scratch, sizeof scratch, NULL) == STATUS_OK);
    buf_clear(&b);
    message_put_ws(&b, e, text_of_str("cam1"));
    buf_str(&b, ",\"seq\":1}");
    struct json_member members[ENVELOPE_MEMBERS];
    size_t count;
    require(json_object(b.data, b.len, members, ENVELOPE_MEMBERS, &count, NULL) == STATUS_OK);
    buf_release(&b);
}

static void check_refusal(const struct envelope *e, const struct problem *why)
{
    char bytes[512];
    char id[NAME_MAX_BYTES];
    struct buf b;
    struct json_member members[16];
    size_t count;
    require(why->status != STATUS_OK && why->text[0]);
    buf_init_fixed(&b, bytes, sizeof bytes);
    message_put_error(&b, why, envelope_plain(e, FIELD_ID, id), envelope_text(e, FIELD_TO));
    require(buf_ok(&b));
    require(json_object(b.data, b.len, members, 16, &count, NULL) == STATUS_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum msg_side sides[] = {SIDE_CLIENT, SIDE_PEER, SIDE_BRIDGE, SIDE_ASK};
    const char *text = (const char *)data;
    struct presence presence;
    presence_parse(text, size, &presence, NULL);
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        struct envelope e;
        struct problem why = {0};
        enum status s = envelope_parse(text, size, sides[i], &e, &why);
        if (s == STATUS_OK)
            s = envelope_check(&e, scratch, sizeof scratch, &why);
        if (s != STATUS_OK)
            check_refusal(&e, &why);
        else if (is_forwarded(&e))
            write_and_read(&e);
    }
    return 0;
}
