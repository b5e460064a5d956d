/* What members say to each other in good order, many messages in one turn of the loop: those travel
 * together and come back as they went. Each has a number in its `id`: it is answered once at most,
 * or acknowledged first and refused by its receiver then, and whoever gets several gets them in
 * order. */
#include "router_play.h"

#include "../fake/sdp.h"

enum { AT_ONCE_MAX = 80, SAID_MAX = 8192, PREFIX = 4 };

static const char prefix[PREFIX + 1] = "say#";
static enum answer { NONE, ACKNOWLEDGED, REFUSED } answers[SAID_MAX];
static unsigned said;

void said_begin(void)
{
    memset(answers, 0, sizeof answers);
    said = 0;
}

bool said_is(const char *bytes, size_t len)
{
    return memmem(bytes, len, prefix, PREFIX) != NULL;
}

/* Bits of how: 0-2 what, 3-4 to whom, 5 without an id, 6 of a call. */
static void say(struct socket *s, uint8_t how)
{
    static const char *const what[] = {
        "\"type\":\"candidate\",\"candidate\":{\"candidate\":\"candidate:1 1 udp 1 192.0.2.1 5000 "
        "typ relay\",\"sdpMid\":\"0\"}",
        "\"type\":\"candidate\",\"candidate\":null",
        OFFER,
        ANSWER,
        "\"type\":\"bye\",\"reason\":\"]}\\\"\"",
        "\"type\":\"invite\",\"media\":{\"audio\":true}",
        "\"type\":\"sealed\",\"data\":\"AAAA\"",
        "\"type\":\"message\",\"data\":[{}]",
    };
    static const char *const to[] = {"a", "b", "cam", "x"};
    char json[1024], id[32] = "";
    if (!(how & 32) && said < SAID_MAX)
        snprintf(id, sizeof id, ",\"id\":\"%s%u\"", prefix, said++);
    snprintf(json, sizeof json, "{%s,\"to\":\"%s\"%s%s}", what[how & 7], to[how >> 3 & 3],
             how & 64 ? ",\"call\":\"k\"" : "", id);
    router_message(&router, s->session, json, strlen(json), now);
}

void client_says(struct socket *s, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len && i < AT_ONCE_MAX && s->session && !s->closing; i++)
        say(s, (uint8_t)bytes[i]);
}

void said_heard(struct socket *s, struct json_span type, struct json_span id)
{
    char text[NAME_MAX_BYTES + 1];
    copy_text(text, sizeof text, text_of(id.p, id.type == JSON_STRING ? id.len : 0));
    if (!said_is(text, strlen(text)))
        return;
    unsigned number = (unsigned)strtoul(text + PREFIX, NULL, 10);
    require(number < said);
    if (json_equals(type, "ack")) {
        require(answers[number] == NONE);
        answers[number] = ACKNOWLEDGED;
    } else if (json_equals(type, "error")) {
        require(answers[number] != REFUSED);
        answers[number] = REFUSED;
    } else {
        require(number >= s->next_said);
        s->next_said = number + 1;
    }
}
