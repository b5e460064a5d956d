/* sigdev core: names, topics out, topics in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sigdev/core.h>
#include <stdio.h>
#include <string.h>

#define A64  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A36  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A100 A64 A36

enum which { PRESENCE, PRESENCE_OF, INBOX, ROOM, ROSTER, TO, ALL };

static enum sigdev_error build(enum which which, const struct sigdev_self *self, const char *peer,
                               char *out, size_t size)
{
    switch (which) {
    case PRESENCE:
        return sigdev_topic_presence(self, NULL, out, size);
    case PRESENCE_OF:
        return sigdev_topic_presence(self, peer, out, size);
    case INBOX:
        return sigdev_topic_inbox(self, out, size);
    case ROOM:
        return sigdev_topic_room(self, out, size);
    case ROSTER:
        return sigdev_topic_roster(self, out, size);
    case TO:
        return sigdev_topic_to(self, peer, out, size);
    default:
        return sigdev_topic_all(self, out, size);
    }
}

static const struct build_row {
    const char *name;
    enum which which;
    struct sigdev_self self;
    const char *peer;
    enum sigdev_error want;
    const char *topic;
} build_rows[] = {
    {"own presence",
     PRESENCE,
     {NULL, "lobby", "cam1"},
     NULL,
     SIGDEV_OK,
     "sigbridge/v1/rooms/lobby/peers/cam1/presence"},
    {"another's presence",
     PRESENCE_OF,
     {NULL, "lobby", "cam1"},
     "tab",
     SIGDEV_OK,
     "sigbridge/v1/rooms/lobby/peers/tab/presence"},
    {"inbox filter",
     INBOX,
     {NULL, "lobby", "cam1"},
     NULL,
     SIGDEV_OK,
     "sigbridge/v1/rooms/lobby/peers/cam1/in/+"},
    {"room filter",
     ROOM,
     {NULL, "lobby", "cam1"},
     NULL,
     SIGDEV_OK,
     "sigbridge/v1/rooms/lobby/all/+"},
    {"roster filter",
     ROSTER,
     {NULL, "lobby", "cam1"},
     NULL,
     SIGDEV_OK,
     "sigbridge/v1/rooms/lobby/peers/+/presence"},
    {"to a peer",
     TO,
     {NULL, "lobby", "cam1"},
     "tab-1",
     SIGDEV_OK,
     "sigbridge/v1/rooms/lobby/peers/tab-1/in/cam1"},
    {"to the bridge",
     TO,
     {NULL, "lobby", "cam1"},
     "_bridge",
     SIGDEV_OK,
     "sigbridge/v1/rooms/lobby/peers/_bridge/in/cam1"},
    {"to all", ALL, {NULL, "lobby", "cam1"}, NULL, SIGDEV_OK, "sigbridge/v1/rooms/lobby/all/cam1"},
    {"own prefix",
     TO,
     {"acme/eu", "r.1", "c~_-"},
     "x",
     SIGDEV_OK,
     "acme/eu/rooms/r.1/peers/x/in/c~_-"},
    {"longest of all",
     TO,
     {A100, A64, A64},
     A64,
     SIGDEV_OK,
     A100 "/rooms/" A64 "/peers/" A64 "/in/" A64},
    {"prefix of 101", TO, {A100 "a", "r", "c"}, "x", SIGDEV_ERR_ARGUMENT, NULL},
    {"empty prefix", TO, {"", "r", "c"}, "x", SIGDEV_ERR_ARGUMENT, NULL},
    {"prefix ends in a slash", TO, {"a/", "r", "c"}, "x", SIGDEV_ERR_ARGUMENT, NULL},
    {"prefix begins with a slash", TO, {"/a", "r", "c"}, "x", SIGDEV_ERR_ARGUMENT, NULL},
    {"wildcard in the prefix", INBOX, {"a/+", "r", "c"}, NULL, SIGDEV_ERR_ARGUMENT, NULL},
    {"hash in the prefix", INBOX, {"a/#", "r", "c"}, NULL, SIGDEV_ERR_ARGUMENT, NULL},
    {"control character in the prefix", INBOX, {"a\n", "r", "c"}, NULL, SIGDEV_ERR_ARGUMENT, NULL},
    {"no room", TO, {NULL, NULL, "c"}, "x", SIGDEV_ERR_ARGUMENT, NULL},
    {"no peer", PRESENCE, {NULL, "r", NULL}, NULL, SIGDEV_ERR_ARGUMENT, NULL},
    {"slash in the room", TO, {NULL, "r/s", "c"}, "x", SIGDEV_ERR_ARGUMENT, NULL},
    {"wildcard as a peer", TO, {NULL, "r", "c"}, "+", SIGDEV_ERR_ARGUMENT, NULL},
    {"empty target", TO, {NULL, "r", "c"}, "", SIGDEV_ERR_ARGUMENT, NULL},
    {"no target", TO, {NULL, "r", "c"}, NULL, SIGDEV_ERR_ARGUMENT, NULL},
    {"the bridge has no presence",
     PRESENCE_OF,
     {NULL, "r", "c"},
     "_bridge",
     SIGDEV_ERR_ARGUMENT,
     NULL},
    {"target of 65", TO, {NULL, "r", "c"}, A64 "a", SIGDEV_ERR_ARGUMENT, NULL},
};

static void test_build(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof build_rows / sizeof *build_rows; i++) {
        const struct build_row *r = &build_rows[i];
        char out[SIGDEV_TOPIC_SIZE] = "";
        enum sigdev_error e = build(r->which, &r->self, r->peer, out, sizeof out);
        if (e != r->want || (r->topic && strcmp(out, r->topic) != 0))
            fail_msg("%s: error %d, \"%s\"", r->name, e, out);
    }
}

/* One byte too few is an error, and nothing is written past the size that was given. */
static void test_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof build_rows / sizeof *build_rows; i++) {
        const struct build_row *r = &build_rows[i];
        char out[SIGDEV_TOPIC_SIZE + 1];
        if (!r->topic)
            continue;
        size_t need = strlen(r->topic) + 1;
        for (size_t size = 0; size <= need; size++) {
            memset(out, '?', sizeof out);
            enum sigdev_error e = build(r->which, &r->self, r->peer, out, size);
            bool ok = size == need ? e == SIGDEV_OK : e != SIGDEV_OK;
            if (!ok || out[size] != '?')
                fail_msg("%s: size %zu of %zu gives %d", r->name, size, need, e);
        }
    }
    assert_int_equal(strlen(A100 "/rooms/" A64 "/peers/" A64 "/in/" A64) + 1, SIGDEV_TOPIC_SIZE);
}

static const struct parse_row {
    const char *name;
    const char *topic;
    enum sigdev_error want;
    enum sigdev_topic_kind kind;
    const char *from;
} parse_rows[] = {
    {"inbox", "p/rooms/r/peers/me/in/tab", SIGDEV_OK, SIGDEV_TOPIC_INBOX, "tab"},
    {"inbox, from the bridge", "p/rooms/r/peers/me/in/_bridge", SIGDEV_OK, SIGDEV_TOPIC_INBOX,
     "_bridge"},
    {"room", "p/rooms/r/all/tab", SIGDEV_OK, SIGDEV_TOPIC_ROOM, "tab"},
    {"presence", "p/rooms/r/peers/tab/presence", SIGDEV_OK, SIGDEV_TOPIC_PRESENCE, "tab"},
    {"longest sender", "p/rooms/r/peers/me/in/" A64, SIGDEV_OK, SIGDEV_TOPIC_INBOX, A64},
    {"sender too long", "p/rooms/r/peers/me/in/" A64 "a", SIGDEV_ERR_TOPIC, 0, NULL},
    {"another's inbox", "p/rooms/r/peers/you/in/tab", SIGDEV_ERR_TOPIC, 0, NULL},
    {"name that begins with ours", "p/rooms/r/peers/me2/in/tab", SIGDEV_ERR_TOPIC, 0, NULL},
    {"another room", "p/rooms/s/peers/me/in/tab", SIGDEV_ERR_TOPIC, 0, NULL},
    {"another prefix", "q/rooms/r/peers/me/in/tab", SIGDEV_ERR_TOPIC, 0, NULL},
    {"longer prefix", "pp/rooms/r/peers/me/in/tab", SIGDEV_ERR_TOPIC, 0, NULL},
    {"a bridge's status", "p/bridges/b/status", SIGDEV_ERR_TOPIC, 0, NULL},
    {"no sender", "p/rooms/r/peers/me/in/", SIGDEV_ERR_TOPIC, 0, NULL},
    {"a level too many", "p/rooms/r/peers/me/in/tab/x", SIGDEV_ERR_TOPIC, 0, NULL},
    {"illegal sender", "p/rooms/r/peers/me/in/t b", SIGDEV_ERR_TOPIC, 0, NULL},
    {"filter", "p/rooms/r/peers/me/in/+", SIGDEV_ERR_TOPIC, 0, NULL},
    {"room message from the bridge", "p/rooms/r/all/_bridge", SIGDEV_ERR_TOPIC, 0, NULL},
    {"nothing", "", SIGDEV_ERR_TOPIC, 0, NULL},
};

static void test_parse(void **state)
{
    const struct sigdev_self self = {"p", "r", "me"};
    (void)state;
    for (size_t i = 0; i < sizeof parse_rows / sizeof *parse_rows; i++) {
        const struct parse_row *r = &parse_rows[i];
        struct sigdev_topic out;
        memset(&out, '?', sizeof out);
        enum sigdev_error e = sigdev_topic_parse(&self, r->topic, strlen(r->topic), &out);
        if (e != r->want || (!e && (out.kind != r->kind || strcmp(out.from, r->from) != 0)))
            fail_msg("%s: error %d", r->name, e);
    }
}

/* What one side builds the other side reads. */
static void test_round_trip(void **state)
{
    const struct sigdev_self cam = {NULL, "lobby", "cam1"}, tab = {NULL, "lobby", "tab"};
    char topic[SIGDEV_TOPIC_SIZE];
    struct sigdev_topic t;
    (void)state;
    assert_int_equal(sigdev_topic_to(&tab, "cam1", topic, sizeof topic), SIGDEV_OK);
    assert_int_equal(sigdev_topic_parse(&cam, topic, strlen(topic), &t), SIGDEV_OK);
    assert_int_equal(t.kind, SIGDEV_TOPIC_INBOX);
    assert_string_equal(t.from, "tab");
    assert_int_equal(sigdev_topic_all(&cam, topic, sizeof topic), SIGDEV_OK);
    assert_int_equal(sigdev_topic_parse(&tab, topic, strlen(topic), &t), SIGDEV_OK);
    assert_int_equal(t.kind, SIGDEV_TOPIC_ROOM);
    assert_string_equal(t.from, "cam1");
    assert_int_equal(sigdev_topic_presence(&cam, NULL, topic, sizeof topic), SIGDEV_OK);
    assert_int_equal(sigdev_topic_parse(&tab, topic, strlen(topic), &t), SIGDEV_OK);
    assert_int_equal(t.kind, SIGDEV_TOPIC_PRESENCE);
    assert_string_equal(t.from, "cam1");
}

static void test_errors_have_texts(void **state)
{
    (void)state;
    for (int e = 0; e < SIGDEV_ERR_COUNT; e++) {
        const char *text = sigdev_error_text((enum sigdev_error)e);
        assert_non_null(text);
        assert_true(strlen(text) > 0);
        for (int f = 0; f < e; f++)
            assert_string_not_equal(text, sigdev_error_text((enum sigdev_error)f));
    }
    assert_string_equal(sigdev_error_text((enum sigdev_error)SIGDEV_ERR_COUNT), "unknown error");
    assert_string_equal(sigdev_type_text(SIGDEV_ICE_SERVERS), "ice-servers");
    assert_string_equal(sigdev_type_text((enum sigdev_type)0), "?");
    assert_string_equal(sigdev_type_text((enum sigdev_type)99), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_build),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_errors_have_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
