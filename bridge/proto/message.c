#include "proto/message.h"

#include "proto/names.h"

#include <string.h>

static void put_field(struct buf *b, const struct envelope *e, enum msg_field f)
{
    if (!envelope_has(e, f))
        return;
    buf_str(b, ",\"");
    buf_str(b, msg_field_name(f));
    buf_str(b, "\":");
    json_put_span(b, e->field[f]);
}

/* Only the members that the protocol knows, and only once. */
static void put_media(struct buf *b, struct json_span media)
{
    static const char *const names[] = {"audio", "video", "data"};
    struct json_member m[8];
    size_t n;
    bool first = true;
    if (json_object(media.p, media.len, m, 8, &n, NULL) != STATUS_OK)
        return;
    buf_str(b, ",\"media\":{");
    for (size_t k = 0; k < 3; k++) {
        for (size_t i = 0; i < n; i++) {
            if (!json_equals(m[i].key, names[k]))
                continue;
            buf_str(b, first ? "\"" : ",\"");
            buf_str(b, names[k]);
            buf_str(b, m[i].value.type == JSON_TRUE ? "\":true" : "\":false");
            first = false;
        }
    }
    buf_char(b, '}');
}

void message_put_candidate_init(struct buf *b, const struct candidate_init *c)
{
    if (c->line.type == JSON_NONE) {
        buf_str(b, "null");
        return;
    }
    buf_str(b, "{\"candidate\":");
    json_put_span(b, c->line);
    if (c->mid.type != JSON_NONE) {
        buf_str(b, ",\"sdpMid\":");
        json_put_span(b, c->mid);
    }
    if (c->index.type != JSON_NONE) {
        buf_str(b, ",\"sdpMLineIndex\":");
        json_put_span(b, c->index);
    }
    if (c->ufrag.type != JSON_NONE) {
        buf_str(b, ",\"usernameFragment\":");
        json_put_span(b, c->ufrag);
    }
    buf_char(b, '}');
}

static void put_bundle(struct buf *b, struct json_span bundle)
{
    struct json_span items[ENVELOPE_CANDIDATES_MAX];
    size_t n;
    if (!json_known_array(bundle, items, ENVELOPE_CANDIDATES_MAX, &n))
        return;
    buf_str(b, ",\"candidates\":[");
    for (size_t i = 0; i < n; i++) {
        struct candidate_init c;
        if (i)
            buf_char(b, ',');
        candidate_init_parse(items[i], &c, NULL);
        message_put_candidate_init(b, &c);
    }
    buf_char(b, ']');
}

/* Does the escaped string end with this escape sequence, its backslash not itself escaped? */
static bool ends_with_escape(struct json_span s, const char *letters)
{
    size_t n = strlen(letters), slashes = 0;
    struct text tail = text_of(s.p + s.len - (s.len < n ? s.len : n), s.len < n ? s.len : n);
    if (!text_equals_nocase(tail, letters))
        return false;
    while (slashes < s.len - n && s.p[s.len - n - 1 - slashes] == '\\')
        slashes++;
    return slashes % 2 == 1;
}

/* RFC 8866 section 5 ends every line. Some endpoints leave the last one open, or half open with a
 * CR; Chromium refuses that. */
static void put_sdp(struct buf *b, struct json_span sdp)
{
    bool ended = ends_with_escape(sdp, "n") || ends_with_escape(sdp, "u000a");
    bool half = ends_with_escape(sdp, "r") || ends_with_escape(sdp, "u000d");
    buf_str(b, ",\"sdp\":\"");
    buf_add(b, sdp.p, sdp.len);
    buf_str(b, ended ? "\"" : half ? "\\n\"" : "\\r\\n\"");
}

/* What the type carries, and what every forwarded message may carry. */
static void put_body(struct buf *b, const struct envelope *e)
{
    switch (e->type) {
    case MSG_INVITE:
        if (envelope_has(e, FIELD_MEDIA))
            put_media(b, e->field[FIELD_MEDIA]);
        break;
    case MSG_OFFER:
    case MSG_ANSWER:
        put_sdp(b, e->field[FIELD_SDP]);
        break;
    case MSG_CANDIDATE: {
        struct candidate_init c;
        candidate_init_parse(e->field[FIELD_CANDIDATE], &c, NULL);
        buf_str(b, ",\"candidate\":");
        message_put_candidate_init(b, &c);
        break;
    }
    case MSG_CANDIDATES:
        put_bundle(b, e->field[FIELD_CANDIDATES]);
        break;
    case MSG_BYE:
        put_field(b, e, FIELD_REASON);
        break;
    case MSG_MESSAGE:
    case MSG_SEALED:
        put_field(b, e, FIELD_DATA);
        break;
    default:
        break;
    }
}

static void put_common(struct buf *b, const struct envelope *e)
{
    put_field(b, e, FIELD_CALL);
    put_field(b, e, FIELD_ID);
    put_field(b, e, FIELD_EXT);
}

static void put_head(struct buf *b, enum msg_type type)
{
    buf_str(b, "{\"type\":\"");
    buf_str(b, msg_type_name(type));
    buf_char(b, '"');
}

static void put_from(struct buf *b, struct text from)
{
    buf_str(b, ",\"from\":");
    json_put_text(b, from);
}

static void put_sent(struct buf *b, uint64_t sent_ms)
{
    buf_str(b, ",\"sent\":");
    buf_uint(b, sent_ms);
    buf_char(b, '}');
}

struct message_marks message_put_mqtt(struct buf *b, const struct envelope *e, uint64_t sent_ms)
{
    struct message_marks marks;
    size_t from = b->len;
    put_head(b, e->type);
    marks.body = b->len - from;
    put_body(b, e);
    put_common(b, e);
    marks.end = b->len - from;
    put_sent(b, sent_ms);
    return marks;
}

void message_put_again(struct buf *b, const char *message, struct message_marks marks,
                       struct text from)
{
    buf_add(b, message, marks.body);
    put_from(b, from);
    buf_add(b, message + marks.body, marks.end - marks.body);
}

void message_put_ws(struct buf *b, const struct envelope *e, struct text from)
{
    put_head(b, e->type);
    put_from(b, from);
    put_body(b, e);
    put_common(b, e);
}

void message_put_candidate(struct buf *b, const struct envelope *e, const struct candidate_init *c,
                           struct text from)
{
    put_head(b, MSG_CANDIDATE);
    put_from(b, from);
    buf_str(b, ",\"candidate\":");
    message_put_candidate_init(b, c);
    put_common(b, e);
}

static void put_text(struct buf *b, enum msg_field f, struct text value)
{
    if (text_end(&value))
        return;
    buf_str(b, ",\"");
    buf_str(b, msg_field_name(f));
    buf_str(b, "\":");
    json_put_text(b, value);
}

void message_put_candidates(struct buf *b, struct text items, size_t count, struct text call,
                            struct text id, uint64_t sent_ms)
{
    put_head(b, count == 1 ? MSG_CANDIDATE : MSG_CANDIDATES);
    buf_str(b, count == 1 ? ",\"candidate\":" : ",\"candidates\":[");
    buf_add(b, items.p, text_len(&items));
    if (count > 1)
        buf_char(b, ']');
    put_text(b, FIELD_CALL, call);
    if (count == 1)
        put_text(b, FIELD_ID, id);
    put_sent(b, sent_ms);
}

static const char together[] = "{\"type\":\"together\",\"messages\":";

size_t message_put_together(struct buf *b, struct text items, size_t count)
{
    if (count > 1)
        buf_str(b, together);
    if (count > 1)
        buf_char(b, '[');
    size_t begin = b->len;
    buf_add(b, items.p, text_len(&items));
    if (count > 1)
        buf_str(b, "]}");
    return begin;
}

bool message_apart(struct text payload, struct json_span *messages, size_t max, size_t *count)
{
    size_t head = sizeof together - 1, len = text_len(&payload);
    if (len <= head + 2 || memcmp(payload.p, together, head) != 0 || payload.p[len - 1] != '}')
        return false;
    struct json_span array = {.p = payload.p + head, .len = len - head - 1, .type = JSON_ARRAY};
    return *array.p == '[' && json_known_array(array, messages, max, count) && *count > 0;
}

bool message_is_together(struct text payload)
{
    return text_literal(&payload, "{\"type\":\"together\"");
}

void message_put_error(struct buf *b, const struct problem *p, struct text id, struct text to)
{
    buf_str(b, "{\"type\":\"error\",\"code\":");
    buf_int(b, status_code(p->status));
    buf_str(b, ",\"error\":\"");
    buf_str(b, status_word(p->status));
    buf_str(b, "\",\"message\":");
    if (p->line) {
        char text[PROBLEM_TEXT_MAX + 32];
        struct buf line;
        buf_init_fixed(&line, text, sizeof text);
        buf_str(&line, "line ");
        buf_uint(&line, p->line);
        buf_str(&line, ": ");
        buf_str(&line, p->text);
        json_put_string(b, text, line.len);
    } else {
        json_put_str(b, p->text);
    }
    if (p->rule) {
        buf_str(b, ",\"rule\":");
        json_put_str(b, p->rule);
    }
    if (text_len(&id)) {
        buf_str(b, ",\"id\":");
        json_put_text(b, id);
    }
    if (text_len(&to)) {
        buf_str(b, ",\"to\":");
        json_put_text(b, to);
    }
    if (p->retry_ms) {
        buf_str(b, ",\"retryAfter\":");
        buf_int(b, p->retry_ms);
    }
    buf_char(b, '}');
}
