#include "proto/message.h"
#include "test.h"

#include <string.h>

static void messages_are_written_anew(void **state)
{
    (void)state;
    static const struct {
        const char *name, *in, *mqtt, *ws;
    } rows[] = {
        {"bye", "{ \"reason\":\"busy\", \"x\":1, \"to\":\"b\", \"type\":\"bye\" }",
         "{\"type\":\"bye\",\"reason\":\"busy\",\"sent\":9}",
         "{\"type\":\"bye\",\"from\":\"a\",\"reason\":\"busy\""},
        {"offer, call, id, ext",
         "{\"type\":\"offer\",\"to\":\"b\",\"sdp\":\"v=0\\r\\n\",\"ext\":{\"k\":1},\"id\":\"1\","
         "\"call\":\"c\"}",
         "{\"type\":\"offer\",\"sdp\":\"v=0\\r\\n\",\"call\":\"c\",\"id\":\"1\",\"ext\":{\"k\":1},"
         "\"sent\":9}",
         "{\"type\":\"offer\",\"from\":\"a\",\"sdp\":\"v=0\\r\\n\",\"call\":\"c\",\"id\":\"1\","
         "\"ext\":{\"k\":1}"},
        {"an SDP whose last line is open", "{\"type\":\"offer\",\"to\":\"b\",\"sdp\":\"v=0\"}",
         "{\"type\":\"offer\",\"sdp\":\"v=0\\r\\n\",\"sent\":9}",
         "{\"type\":\"offer\",\"from\":\"a\",\"sdp\":\"v=0\\r\\n\""},
        {"an SDP whose last line is half open",
         "{\"type\":\"offer\",\"to\":\"b\",\"sdp\":\"v=0\\r\"}",
         "{\"type\":\"offer\",\"sdp\":\"v=0\\r\\n\",\"sent\":9}",
         "{\"type\":\"offer\",\"from\":\"a\",\"sdp\":\"v=0\\r\\n\""},
        {"half open, otherwise escaped", "{\"type\":\"offer\",\"to\":\"b\",\"sdp\":\"v=0\\u000D\"}",
         "{\"type\":\"offer\",\"sdp\":\"v=0\\u000D\\n\",\"sent\":9}",
         "{\"type\":\"offer\",\"from\":\"a\",\"sdp\":\"v=0\\u000D\\n\""},
        {"an SDP that ends otherwise escaped",
         "{\"type\":\"offer\",\"to\":\"b\",\"sdp\":\"v=0\\u000A\"}",
         "{\"type\":\"offer\",\"sdp\":\"v=0\\u000A\",\"sent\":9}",
         "{\"type\":\"offer\",\"from\":\"a\",\"sdp\":\"v=0\\u000A\""},
        {"an SDP that ends with a backslash and an n",
         "{\"type\":\"offer\",\"to\":\"b\",\"sdp\":\"v=0\\\\n\"}",
         "{\"type\":\"offer\",\"sdp\":\"v=0\\\\n\\r\\n\",\"sent\":9}",
         "{\"type\":\"offer\",\"from\":\"a\",\"sdp\":\"v=0\\\\n\\r\\n\""},
        {"invite keeps three booleans",
         "{\"type\":\"invite\",\"to\":\"b\",\"media\":{\"video\":true,\"hd\":1,\"audio\":false}}",
         "{\"type\":\"invite\",\"media\":{\"audio\":false,\"video\":true},\"sent\":9}",
         "{\"type\":\"invite\",\"from\":\"a\",\"media\":{\"audio\":false,\"video\":true}"},
        {"candidate keeps four members",
         "{\"type\":\"candidate\",\"to\":\"b\",\"candidate\":{\"foo\":1,\"sdpMid\":null,"
         "\"candidate\":\"\",\"usernameFragment\":\"abcd\",\"sdpMLineIndex\":0}}",
         "{\"type\":\"candidate\",\"candidate\":{\"candidate\":\"\",\"sdpMid\":null,"
         "\"sdpMLineIndex\":0,\"usernameFragment\":\"abcd\"},\"sent\":9}",
         "{\"type\":\"candidate\",\"from\":\"a\",\"candidate\":{\"candidate\":\"\",\"sdpMid\":null,"
         "\"sdpMLineIndex\":0,\"usernameFragment\":\"abcd\"}"},
        {"end of candidates", "{\"type\":\"candidate\",\"to\":\"b\",\"candidate\":null}",
         "{\"type\":\"candidate\",\"candidate\":null,\"sent\":9}",
         "{\"type\":\"candidate\",\"from\":\"a\",\"candidate\":null"},
        {"data of any kind", "{\"type\":\"message\",\"data\":[1,\"\\u00e9\",{}]}",
         "{\"type\":\"message\",\"data\":[1,\"\\u00e9\",{}],\"sent\":9}",
         "{\"type\":\"message\",\"from\":\"a\",\"data\":[1,\"\\u00e9\",{}]"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct envelope e;
        struct buf b;
        buf_init(&b, 4096);
        ROW(rows[i].name,
            envelope_parse(rows[i].in, strlen(rows[i].in), SIDE_CLIENT, &e, NULL) == STATUS_OK);
        message_put_mqtt(&b, &e, 9);
        ROW(rows[i].name, strcmp(buf_cstr(&b), rows[i].mqtt) == 0);
        buf_clear(&b);
        message_put_ws(&b, &e, text_of_str("a"));
        ROW(rows[i].name, strcmp(buf_cstr(&b), rows[i].ws) == 0);
        buf_release(&b);
    }
}

static void errors_say_what_to_do(void **state)
{
    (void)state;
    struct problem p;
    struct buf b;
    buf_init(&b, 4096);
    problem_set(&p, STATUS_INVALID_SDP, 7, "sdp-setup", "say \"active\"");
    message_put_error(&b, &p, text_of_str("1"), text_of_str("cam"));
    assert_string_equal(buf_cstr(&b),
                        "{\"type\":\"error\",\"code\":400,\"error\":\"invalid-sdp\",\"message\":"
                        "\"line 7: say \\\"active\\\"\",\"rule\":\"sdp-setup\",\"id\":\"1\","
                        "\"to\":\"cam\"}");
    buf_clear(&b);
    problem_set(&p, STATUS_RATE_LIMITED, 0, NULL, "slow down");
    p.retry_ms = 1500;
    message_put_error(&b, &p, text_of_str(""), text_of_str(""));
    assert_string_equal(buf_cstr(&b), "{\"type\":\"error\",\"code\":429,\"error\":\"rate-limited\","
                                      "\"message\":\"slow down\",\"retryAfter\":1500}");
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_written_anew),
        cmocka_unit_test(errors_say_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
