/* Which messages are taken from which side, and what an error says. The rows of
 * clients/schema/vectors run through `sigbridge check` in tests/integration; here stand the ones
 * that need a reason. */
#include "proto/envelope.h"
#include "test.h"

#include <string.h>

static void verdicts(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum msg_side side;
        const char *json;
        enum status status;
        const char *text; /* part of the error's sentence */
    } rows[] = {
        {"join", SIDE_CLIENT, "{\"type\":\"join\",\"room\":\"r\"}", STATUS_OK, ""},
        {"no type", SIDE_CLIENT, "{}", STATUS_INVALID_MESSAGE, "`type` is missing"},
        {"type is a number", SIDE_CLIENT, "{\"type\":1}", STATUS_INVALID_MESSAGE, "`type`"},
        {"unknown type", SIDE_CLIENT, "{\"type\":\"x\"}", STATUS_INVALID_MESSAGE, "`type`"},
        {"type of the bridge", SIDE_CLIENT, "{\"type\":\"error\",\"code\":1,\"error\":\"x\"}",
         STATUS_INVALID_MESSAGE, "`type`"},
        {"no room", SIDE_CLIENT, "{\"type\":\"join\"}", STATUS_INVALID_MESSAGE,
         "`room` is missing"},
        {"room with a slash", SIDE_CLIENT, "{\"type\":\"join\",\"room\":\"a/b\"}",
         STATUS_INVALID_MESSAGE, "`room` must be"},
        {"escaped name", SIDE_CLIENT, "{\"type\":\"join\",\"room\":\"\\u0061\"}",
         STATUS_INVALID_MESSAGE, "`room` must be"},
        {"to the bridge", SIDE_CLIENT, "{\"type\":\"bye\",\"to\":\"_bridge\"}",
         STATUS_INVALID_MESSAGE, "`to` must be"},
        {"meta is an array", SIDE_CLIENT, "{\"type\":\"update\",\"meta\":[]}",
         STATUS_INVALID_MESSAGE, "`meta` must be an object"},
        {"empty call", SIDE_CLIENT, "{\"type\":\"bye\",\"to\":\"a\",\"call\":\"\"}", STATUS_OK, ""},
        {"empty id", SIDE_CLIENT, "{\"type\":\"ping\",\"id\":\"\"}", STATUS_INVALID_MESSAGE,
         "`id`"},
        {"message to all", SIDE_CLIENT, "{\"type\":\"message\",\"data\":null}", STATUS_OK, ""},
        {"candidates from a browser", SIDE_CLIENT,
         "{\"type\":\"candidates\",\"to\":\"a\",\"candidates\":[null]}", STATUS_INVALID_MESSAGE,
         "`type`"},
        {"negative seq", SIDE_CLIENT,
         "{\"type\":\"resume\",\"session\":\"a\",\"secret\":\"b\",\"seq\":-1}",
         STATUS_INVALID_MESSAGE, "`seq`"},
        {"reason with a line end", SIDE_CLIENT,
         "{\"type\":\"bye\",\"to\":\"a\",\"reason\":\"x\\ny\"}", STATUS_INVALID_MESSAGE,
         "`reason`"},
        {"sealed is no base64", SIDE_CLIENT, "{\"type\":\"sealed\",\"to\":\"a\",\"data\":\"ab=c\"}",
         STATUS_INVALID_MESSAGE, "base64"},
        {"device without to", SIDE_PEER, "{\"type\":\"bye\"}", STATUS_OK, ""},
        {"device joins", SIDE_PEER, "{\"type\":\"join\",\"room\":\"r\"}", STATUS_INVALID_MESSAGE,
         "`type`"},
        {"device as the bridge", SIDE_PEER, "{\"type\":\"error\",\"code\":1,\"error\":\"x\"}",
         STATUS_INVALID_MESSAGE, "`type`"},
        {"question to the bridge", SIDE_ASK, "{\"type\":\"ice-servers\"}", STATUS_OK, ""},
        {"offer to the bridge", SIDE_ASK, "{\"type\":\"offer\",\"sdp\":\"v\"}",
         STATUS_INVALID_MESSAGE, "`type`"},
        {"candidate is a string", SIDE_PEER, "{\"type\":\"candidate\",\"candidate\":\"x\"}",
         STATUS_INVALID_MESSAGE, "`candidate`"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct envelope e;
        struct problem why = {0};
        enum status s = envelope_parse(rows[i].json, strlen(rows[i].json), rows[i].side, &e, &why);
        ROW(rows[i].name, s == rows[i].status);
        ROW(rows[i].name, strstr(why.text, rows[i].text));
    }
}

static void what_is_unknown_is_dropped(void **state)
{
    (void)state;
    static const char json[] =
        "{\"type\":\"bye\",\"to\":\"a\",\"sdp\":\"v=0\",\"whatever\":{\"x\":1},\"id\":\"7\"}";
    struct envelope e;
    assert_int_equal(envelope_parse(json, sizeof json - 1, SIDE_CLIENT, &e, NULL), STATUS_OK);
    assert_false(envelope_has(&e, FIELD_SDP)); /* known, but not to this type */
    assert_true(text_equals(envelope_text(&e, FIELD_TO), "a"));
    assert_true(text_equals(envelope_text(&e, FIELD_ID), "7"));
}

static void an_error_can_name_its_message(void **state)
{
    (void)state;
    static const struct {
        const char *name, *json, *id, *to;
    } rows[] = {
        {"both sound", "{\"type\":\"offer\",\"to\":\"a\",\"id\":\"1\"}", "1", "a"},
        {"bad to", "{\"type\":\"offer\",\"to\":\"a\\nb\",\"id\":\"1\"}", "1", ""},
        {"bad id", "{\"type\":\"offer\",\"to\":\"a\",\"id\":\"\\n\"}", "", "a"},
        {"unknown type", "{\"type\":\"?\",\"to\":\"#\",\"id\":\"1\"}", "1", ""},
        {"no type", "{\"to\":\"a\",\"id\":\"1\"}", "1", "a"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct envelope e;
        enum status s = envelope_parse(rows[i].json, strlen(rows[i].json), SIDE_CLIENT, &e, NULL);
        ROW(rows[i].name, s == STATUS_INVALID_MESSAGE);
        ROW(rows[i].name, text_equals(envelope_text(&e, FIELD_ID), rows[i].id));
        ROW(rows[i].name, text_equals(envelope_text(&e, FIELD_TO), rows[i].to));
    }
}

static void presences(void **state)
{
    (void)state;
    static const struct {
        const char *name, *json;
        bool ok;
    } rows[] = {
        {"empty", "{}", true},
        {"full",
         "{\"kind\":\"device\",\"meta\":{\"a\":1},\"since\":1,\"ttl\":60,\"via\":\"b\",\"sid\":"
         "\"s\","
         "\"bundle\":true,\"limits\":{\"sdp\":4096,\"line\":200,\"candidates\":4}}",
         true},
        {"unknown kind", "{\"kind\":\"toaster\"}", true},
        {"unknown member", "{\"x\":[]}", true},
        {"not an object", "1", false},
        {"kind is a number", "{\"kind\":1}", false},
        {"meta is a string", "{\"meta\":\"x\"}", false},
        {"ttl zero", "{\"ttl\":0}", false},
        {"ttl of two days", "{\"ttl\":172800}", false},
        {"since negative", "{\"since\":-1}", false},
        {"via with a slash", "{\"via\":\"a/b\"}", false},
        {"bundle is a number", "{\"bundle\":1}", false},
        {"limits of nothing", "{\"limits\":{\"sdp\":0}}", false},
        {"limits is an array", "{\"limits\":[]}", false},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct presence p;
        struct problem why = {0};
        enum status s = presence_parse(rows[i].json, strlen(rows[i].json), &p, &why);
        ROW(rows[i].name, (s == STATUS_OK) == rows[i].ok);
        ROW(rows[i].name, rows[i].ok || why.text[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(what_is_unknown_is_dropped),
        cmocka_unit_test(an_error_can_name_its_message),
        cmocka_unit_test(presences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
