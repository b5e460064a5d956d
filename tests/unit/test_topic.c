#include "proto/names.h"
#include "proto/topic.h"
#include "test.h"

#include <string.h>

#define N64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void names(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        bool ok;
    } rows[] = {
        {"letter", "a", true},
        {"digit first", "0x", true},
        {"all signs", "a._~-Z9", true},
        {"64 bytes", N64, true},
        {"65 bytes", N64 "a", false},
        {"empty", "", false},
        {"dot first", ".a", false},
        {"underscore first", "_bridge", false},
        {"dash first", "-a", false},
        {"slash", "a/b", false},
        {"plus", "a+b", false},
        {"hash", "a#", false},
        {"dollar", "$a", false},
        {"space", "a b", false},
        {"at", "a@b", false},
        {"colon", "a:b", false},
        {"utf-8", "caf\xc3\xa9", false},
        {"backslash", "a\\b", false},
    };
    for (size_t i = 0; i < ROWS(rows); i++)
        ROW(rows[i].name, name_ok(rows[i].text, strlen(rows[i].text)) == rows[i].ok);
    assert_false(name_ok("a\0b", 3));
    assert_true(id_ok(" ~", 2));
    assert_false(id_ok("\x7f", 1));
    assert_false(id_ok("", 0));
    assert_false(id_ok(N64 "a", 65));
}

static void topics_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *name, *topic;
        int kind; /* -1: none of ours */
        const char *room, *peer, *from;
    } rows[] = {
        {"presence", "s/v1/rooms/r/peers/p/presence", TOPIC_PRESENCE, "r", "p", ""},
        {"inbox", "s/v1/rooms/r/peers/p/in/q", TOPIC_INBOX, "r", "p", "q"},
        {"inbox of the bridge", "s/v1/rooms/r/peers/_bridge/in/q", TOPIC_INBOX, "r", "_bridge",
         "q"},
        {"from the bridge", "s/v1/rooms/r/peers/p/in/_bridge", TOPIC_INBOX, "r", "p", "_bridge"},
        {"all", "s/v1/rooms/r/all/q", TOPIC_ALL, "r", "", "q"},
        {"status", "s/v1/bridges/b/status", TOPIC_BRIDGE_STATUS, "", "b", ""},
        {"takeover", "s/v1/bridges/b/in/c", TOPIC_BRIDGE_INBOX, "", "b", "c"},
        {"longest names", "s/v1/rooms/" N64 "/peers/" N64 "/in/" N64, TOPIC_INBOX, N64, N64, N64},
        {"other prefix", "s/v2/rooms/r/all/q", -1, NULL, NULL, NULL},
        {"prefix continues", "s/v11/rooms/r/all/q", -1, NULL, NULL, NULL},
        {"presence of the bridge", "s/v1/rooms/r/peers/_bridge/presence", -1, NULL, NULL, NULL},
        {"all from the bridge", "s/v1/rooms/r/all/_bridge", -1, NULL, NULL, NULL},
        {"reserved room", "s/v1/rooms/_r/all/q", -1, NULL, NULL, NULL},
        {"empty level", "s/v1/rooms//all/q", -1, NULL, NULL, NULL},
        {"more behind", "s/v1/rooms/r/peers/p/presence/x", -1, NULL, NULL, NULL},
        {"slash behind", "s/v1/rooms/r/all/q/", -1, NULL, NULL, NULL},
        {"too short", "s/v1/rooms/r/peers/p", -1, NULL, NULL, NULL},
        {"65 bytes", "s/v1/rooms/r/all/" N64 "a", -1, NULL, NULL, NULL},
        {"wildcard", "s/v1/rooms/+/all/q", -1, NULL, NULL, NULL},
        {"empty", "", -1, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct topic t;
        bool ok = topic_parse("s/v1", rows[i].topic, strlen(rows[i].topic), &t);
        ROW(rows[i].name, ok == (rows[i].kind >= 0));
        if (!ok)
            continue;
        ROW(rows[i].name, (int)t.kind == rows[i].kind);
        ROW(rows[i].name, text_equals(t.room, rows[i].room));
        ROW(rows[i].name, text_equals(t.peer, rows[i].peer));
        ROW(rows[i].name, text_equals(t.from, rows[i].from));
    }
}

static void the_longest_topic_fits(void **state)
{
    (void)state;
    char prefix[TOPIC_PREFIX_MAX + 1], bytes[TOPIC_MAX];
    struct buf b;
    struct text n = text_of_str(N64);
    memset(prefix, 'p', TOPIC_PREFIX_MAX);
    prefix[TOPIC_PREFIX_MAX] = '\0';
    buf_init_fixed(&b, bytes, sizeof bytes);
    topic_inbox(&b, prefix, n, n, n);
    assert_true(buf_cstr(&b)[0] && buf_ok(&b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(topics_are_taken_apart),
        cmocka_unit_test(the_longest_topic_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
