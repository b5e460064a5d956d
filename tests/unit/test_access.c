/* What claims allow, and which of them are refused. */
#include "policy/access.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

enum { CLAIMS_MAX = 64 };

static enum status make(const char *json, struct access **a, struct problem *why)
{
    struct json_member m[CLAIMS_MAX];
    size_t count;
    assert_int_equal(json_object(json, strlen(json), m, CLAIMS_MAX, &count, NULL), STATUS_OK);
    *why = (struct problem){0};
    return access_create(m, count, 1234, a, why);
}

static void rooms(void **state)
{
    (void)state;
    static const struct {
        const char *name, *claims, *room;
        bool yes;
    } rows[] = {
        {"no claim: no room", "{}", "lobby", false},
        {"an empty list", "{\"rooms\":[]}", "lobby", false},
        {"the name", "{\"rooms\":[\"lobby\"]}", "lobby", true},
        {"the second name", "{\"rooms\":[\"yard\",\"lobby\"]}", "lobby", true},
        {"more than the name", "{\"rooms\":[\"lobby\"]}", "lobby2", false},
        {"less than the name", "{\"rooms\":[\"lobby\"]}", "lobb", false},
        {"another case", "{\"rooms\":[\"lobby\"]}", "Lobby", false},
        {"a prefix", "{\"rooms\":[\"yard-*\"]}", "yard-7", true},
        {"a prefix and nothing more", "{\"rooms\":[\"yard-*\"]}", "yard-", true},
        {"less than the prefix", "{\"rooms\":[\"yard-*\"]}", "yard", false},
        {"another prefix", "{\"rooms\":[\"yard-*\"]}", "yards-7", false},
        {"the second prefix", "{\"rooms\":[\"a*\",\"b*\",\"c\"]}", "b1", true},
        {"every room", "{\"rooms\":[\"*\"]}", "x", true},
        {"a star is no name", "{\"rooms\":[\"yard\"]}", "*", false},
        {"by an escape", "{\"rooms\":[\"l\\u006fbby\"]}", "lobby", true},
        {"64 characters and a star",
         "{\"rooms\":[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa*\"]}",
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", true},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct access *a;
        struct problem why;
        ROW(rows[i].name, make(rows[i].claims, &a, &why) == STATUS_OK);
        ROW(rows[i].name, access_room(a, text_of_str(rows[i].room)) == rows[i].yes);
        access_destroy(a);
    }
}

static void what_may_be_sent(void **state)
{
    (void)state;
    static const struct {
        const char *name, *claims;
        bool offer, message, admin;
    } rows[] = {
        {"by default all but admin", "{}", true, true, false},
        {"nothing", "{\"can\":[]}", false, false, false},
        {"offer", "{\"can\":[\"offer\"]}", true, false, false},
        {"message", "{\"can\":[\"message\"]}", false, true, false},
        {"admin", "{\"can\":[\"admin\"]}", false, false, true},
        {"all", "{\"can\":[\"offer\",\"message\",\"admin\"]}", true, true, true},
        {"twice is once", "{\"can\":[\"offer\",\"offer\"]}", true, false, false},
        {"unknown words", "{\"can\":[\"fly\",\"Admin\",\"offers\",\"\"]}", false, false, false},
        {"by an escape", "{\"can\":[\"adm\\u0069n\"]}", false, false, true},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct access *a;
        struct problem why;
        ROW(rows[i].name, make(rows[i].claims, &a, &why) == STATUS_OK);
        for (enum msg_type t = 0; t < MSG_TYPE_COUNT; t++) {
            bool wanted = t == MSG_INVITE || t == MSG_OFFER || t == MSG_SEALED ? rows[i].offer
                          : t == MSG_MESSAGE                                   ? rows[i].message
                                                                               : true;
            if (access_sends(a, t) != wanted)
                fail_msg("row \"%s\": %s", rows[i].name, msg_type_name(t));
        }
        ROW(rows[i].name, access_admin(a) == rows[i].admin);
        access_destroy(a);
    }
}

static void everything_together(void **state)
{
    (void)state;
    struct access *a;
    struct problem why;
    assert_int_equal(make("{\"meta\":{\"name\":\"Ann\",\"n\":[1,2]},\"rooms\":[\"r1\",\"s*\"],"
                          "\"sub\":\"ann.7\",\"other\":{}}",
                          &a, &why),
                     STATUS_OK);
    assert_int_equal(access_expires_ms(a), 1234);
    assert_true(text_equals(access_subject(a), "ann.7"));
    assert_true(text_equals(access_meta(a), "{\"name\":\"Ann\",\"n\":[1,2]}"));
    assert_true(access_peer(a, text_of_str("ann.7")));
    assert_false(access_peer(a, text_of_str("ann")));
    assert_false(access_peer(a, text_of_str("ann.77")));
    assert_true(access_room(a, text_of_str("r1")));
    assert_true(access_room(a, text_of_str("s9")));
    assert_false(access_room(a, text_of_str("ann.7")));
    access_destroy(a);

    assert_int_equal(make("{}", &a, &why), STATUS_OK);
    assert_int_equal(access_subject(a).end - access_subject(a).p, 0);
    assert_int_equal(access_meta(a).end - access_meta(a).p, 0);
    assert_true(access_peer(a, text_of_str("anybody")));
    access_destroy(a);
    access_destroy(NULL);
}

/* An array of `count` times the item. */
static const char *array_of(char *out, size_t size, const char *claim, const char *item, int count)
{
    size_t at = (size_t)snprintf(out, size, "{\"%s\":[", claim);
    for (int i = 0; i < count; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%s", i ? "," : "", item);
    snprintf(out + at, size - at, "]}");
    return out;
}

static void bounds(void **state)
{
    (void)state;
    static const struct {
        const char *name, *claim, *item;
        int count;
        bool fits;
    } rows[] = {
        {"64 rooms, each as long as may be", "rooms",
         "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa*\"", 64, true},
        {"65 rooms", "rooms", "\"a\"", 65, false},
        {"64 words", "can", "\"offer\"", 64, true},
        {"65 words", "can", "\"offer\"", 65, false},
    };
    char json[8192];
    struct access *a;
    struct problem why;
    for (size_t i = 0; i < ROWS(rows); i++) {
        enum status s =
            make(array_of(json, sizeof json, rows[i].claim, rows[i].item, rows[i].count), &a, &why);
        ROW(rows[i].name, s == (rows[i].fits ? STATUS_OK : STATUS_UNAUTHORIZED));
        access_destroy(a);
    }
    for (int meta = 4096; meta <= 4097; meta++) {
        snprintf(json, sizeof json, "{\"meta\":{\"x\":\"%*s\"}}", meta - 8, "");
        assert_int_equal(make(json, &a, &why), meta == 4096 ? STATUS_OK : STATUS_UNAUTHORIZED);
        if (a)
            assert_int_equal(access_meta(a).end - access_meta(a).p, meta);
        access_destroy(a);
    }
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *claim, *value;
    } rows[] = {
        {"sub", "1"},
        {"sub", "null"},
        {"sub", "true"},
        {"sub", "[\"a\"]"},
        {"sub", "\"\""},
        {"sub", "\"a/b\""},
        {"sub", "\"a#\""},
        {"sub", "\"+\""},
        {"sub", "\"_bridge\""},
        {"sub", "\"auth0|12345\""},
        {"sub", "\"a\\nb\""},
        {"sub", "\"<b>\""},
        {"sub", "\"\xc3\xa9\""},
        {"sub", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""},
        {"rooms", "\"lobby\""},
        {"rooms", "null"},
        {"rooms", "{}"},
        {"rooms", "[1]"},
        {"rooms", "[null]"},
        {"rooms", "[[\"lobby\"]]"},
        {"rooms", "[\"\"]"},
        {"rooms", "[\"lobby\",\"a/b\"]"},
        {"rooms", "[\"**\"]"},
        {"rooms", "[\"*a\"]"},
        {"rooms", "[\"a*b\"]"},
        {"rooms", "[\"a**\"]"},
        {"rooms", "[\"#\"]"},
        {"rooms", "[\"-*\"]"},
        {"rooms", "[\"../*\"]"},
        {"rooms", "[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"]"},
        {"rooms", "[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa*\"]"},
        {"can", "\"admin\""},
        {"can", "null"},
        {"can", "{\"admin\":true}"},
        {"can", "[1]"},
        {"can", "[[\"admin\"]]"},
        {"can", "true"},
        {"meta", "\"x\""},
        {"meta", "[]"},
        {"meta", "null"},
        {"meta", "1"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char json[512], named[64];
        struct access *a;
        struct problem why;
        snprintf(json, sizeof json, "{\"%s\":%s}", rows[i].claim, rows[i].value);
        snprintf(named, sizeof named, "the token's claim %s must ", rows[i].claim);
        if (make(json, &a, &why) != STATUS_UNAUTHORIZED || a || !why.rule ||
            strcmp(why.rule, "token-claim") != 0 || strncmp(why.text, named, strlen(named)) != 0)
            fail_msg("row %s: %s", json, why.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rooms),
        cmocka_unit_test(what_may_be_sent),
        cmocka_unit_test(everything_together),
        cmocka_unit_test(bounds),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
