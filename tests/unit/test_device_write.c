/* sigdev core: messages and presence out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sigdev/core.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define T(s)                                                                                       \
    {                                                                                              \
        s, sizeof(s) - 1                                                                           \
    }

static const struct sigdev_candidate two[] = {
    {.candidate = T("candidate:1 1 udp 1 192.0.2.1 9 typ host"), .mid = T("0")},
    {.end = true},
};
static const struct sigdev_candidate bad_utf8[] = {{.candidate = T("\xff"), .mid = T("0")}};
static char long_reason[SIGDEV_REASON_MAX + 2];

static const struct write_row {
    const char *name;
    struct sigdev_message m;
    enum sigdev_error want;
    const char *json;
} rows[] = {
    {"offer",
     {.type = SIGDEV_OFFER, .sdp = T("v=0\r\n")},
     SIGDEV_OK,
     "{\"type\":\"offer\",\"sdp\":\"v=0\\r\\n\"}"},
    {"answer with everything",
     {.type = SIGDEV_ANSWER,
      .sdp = T("v=0\n"),
      .call = T("c 1"),
      .id = T("7"),
      .ext = T("{\"x\":[1, 2]}"),
      .sent_ms = 1767225600000},
     SIGDEV_OK,
     "{\"type\":\"answer\",\"sdp\":\"v=0\\n\",\"call\":\"c 1\",\"id\":\"7\",\"ext\":{\"x\":[1, "
     "2]},\"sent\":1767225600000}"},
    {"quotes and backslashes",
     {.type = SIGDEV_OFFER, .sdp = T("a=\"\\\"\t\x01")},
     SIGDEV_OK,
     "{\"type\":\"offer\",\"sdp\":\"a=\\\"\\\\\\\"\\t\\u0001\"}"},
    {"UTF-8 stays",
     {.type = SIGDEV_BYE, .reason = T("schl\xc3\xb6\xc3\x9f")},
     SIGDEV_OK,
     "{\"type\":\"bye\",\"reason\":\"schl\xc3\xb6\xc3\x9f\"}"},
    {"empty call is the default call",
     {.type = SIGDEV_BYE, .call = T("")},
     SIGDEV_OK,
     "{\"type\":\"bye\"}"},
    {"candidate",
     {.type = SIGDEV_CANDIDATE,
      .candidate = {.candidate = T("candidate:x"),
                    .mid = T("a"),
                    .has_mline = true,
                    .mline = 65535,
                    .ufrag = T("uuuu")}},
     SIGDEV_OK,
     "{\"type\":\"candidate\",\"candidate\":{\"candidate\":\"candidate:x\",\"sdpMid\":\"a\","
     "\"sdpMLineIndex\":65535,\"usernameFragment\":\"uuuu\"}}"},
    {"candidate, index not said",
     {.type = SIGDEV_CANDIDATE,
      .candidate = {.candidate = T("candidate:x"), .mid = T("v"), .mline = 3}},
     SIGDEV_OK,
     "{\"type\":\"candidate\",\"candidate\":{\"candidate\":\"candidate:x\",\"sdpMid\":\"v\"}}"},
    {"candidate without its place",
     {.type = SIGDEV_CANDIDATE, .candidate = {.candidate = T("candidate:x"), .mline = 3}},
     SIGDEV_ERR_ARGUMENT,
     NULL},
    {"end of candidates",
     {.type = SIGDEV_CANDIDATE, .candidate = {.end = true}},
     SIGDEV_OK,
     "{\"type\":\"candidate\",\"candidate\":null}"},
    {"bundle",
     {.type = SIGDEV_CANDIDATES, .call = T("c"), .bundle = two, .bundle_len = 2},
     SIGDEV_OK,
     "{\"type\":\"candidates\",\"candidates\":[{\"candidate\":\"candidate:1 1 udp 1 192.0.2.1 9 "
     "typ host\",\"sdpMid\":\"0\"},null],\"call\":\"c\"}"},
    {"bare bye", {.type = SIGDEV_BYE}, SIGDEV_OK, "{\"type\":\"bye\"}"},
    {"bare invite", {.type = SIGDEV_INVITE}, SIGDEV_OK, "{\"type\":\"invite\"}"},
    {"invite for video",
     {.type = SIGDEV_INVITE, .media = {.audio = SIGDEV_WANT_NO, .video = SIGDEV_WANT_YES}},
     SIGDEV_OK,
     "{\"type\":\"invite\",\"media\":{\"audio\":false,\"video\":true}}"},
    {"invite for data",
     {.type = SIGDEV_INVITE, .media = {.data = SIGDEV_WANT_YES}},
     SIGDEV_OK,
     "{\"type\":\"invite\",\"media\":{\"data\":true}}"},
    {"message, object",
     {.type = SIGDEV_MESSAGE, .data = T("{\"a\":1}")},
     SIGDEV_OK,
     "{\"type\":\"message\",\"data\":{\"a\":1}}"},
    {"message, string",
     {.type = SIGDEV_MESSAGE, .data = T("\"hi\"")},
     SIGDEV_OK,
     "{\"type\":\"message\",\"data\":\"hi\"}"},
    {"message, space around",
     {.type = SIGDEV_MESSAGE, .data = T(" \n null\t ")},
     SIGDEV_OK,
     "{\"type\":\"message\",\"data\":null}"},
    {"message has no call",
     {.type = SIGDEV_MESSAGE, .call = T("c"), .data = T("1")},
     SIGDEV_OK,
     "{\"type\":\"message\",\"data\":1}"},
    {"sealed",
     {.type = SIGDEV_SEALED, .sealed = T("aGk="), .call = T("c")},
     SIGDEV_OK,
     "{\"type\":\"sealed\",\"data\":\"aGk=\",\"call\":\"c\"}"},
    {"question for ICE servers",
     {.type = SIGDEV_ICE_SERVERS, .id = T("q")},
     SIGDEV_OK,
     "{\"type\":\"ice-servers\",\"id\":\"q\"}"},

    {"no type", {.sdp = T("v=0")}, SIGDEV_ERR_ARGUMENT, NULL},
    {"unknown type", {.type = (enum sigdev_type)77}, SIGDEV_ERR_ARGUMENT, NULL},
    {"errors are the bridge's", {.type = SIGDEV_ERROR}, SIGDEV_ERR_ARGUMENT, NULL},
    {"offer without SDP", {.type = SIGDEV_OFFER}, SIGDEV_ERR_ARGUMENT, NULL},
    {"empty SDP", {.type = SIGDEV_OFFER, .sdp = T("")}, SIGDEV_ERR_ARGUMENT, NULL},
    {"SDP with a NUL", {.type = SIGDEV_OFFER, .sdp = T("v=\0")}, SIGDEV_ERR_ARGUMENT, NULL},
    {"SDP in Latin-1", {.type = SIGDEV_OFFER, .sdp = T("s=\xfc")}, SIGDEV_ERR_ARGUMENT, NULL},
    {"call of two lines", {.type = SIGDEV_BYE, .call = T("a\nb")}, SIGDEV_ERR_ARGUMENT, NULL},
    {"empty id", {.type = SIGDEV_BYE, .id = T("")}, SIGDEV_ERR_ARGUMENT, NULL},
    {"id of 65",
     {.type = SIGDEV_BYE,
      .id = T("12345678901234567890123456789012345678901234567890123456789012345")},
     SIGDEV_ERR_ARGUMENT,
     NULL},
    {"reason too long",
     {.type = SIGDEV_BYE, .reason = {long_reason, sizeof long_reason - 1}},
     SIGDEV_ERR_ARGUMENT,
     NULL},
    {"message without data", {.type = SIGDEV_MESSAGE}, SIGDEV_ERR_ARGUMENT, NULL},
    {"data that is no JSON",
     {.type = SIGDEV_MESSAGE, .data = T("hello")},
     SIGDEV_ERR_ARGUMENT,
     NULL},
    {"data with duplicate keys",
     {.type = SIGDEV_MESSAGE, .data = T("{\"a\":1,\"a\":2}")},
     SIGDEV_ERR_ARGUMENT,
     NULL},
    {"data that adds a field",
     {.type = SIGDEV_MESSAGE, .data = T("1,\"id\":\"x\"")},
     SIGDEV_ERR_ARGUMENT,
     NULL},
    {"data that closes the object",
     {.type = SIGDEV_MESSAGE, .data = T("1},{\"a\":1")},
     SIGDEV_ERR_ARGUMENT,
     NULL},
    {"ext that adds a field",
     {.type = SIGDEV_BYE, .ext = T("{},\"reason\":\"x\"")},
     SIGDEV_ERR_ARGUMENT,
     NULL},
    {"ext that is no object", {.type = SIGDEV_BYE, .ext = T("[]")}, SIGDEV_ERR_ARGUMENT, NULL},
    {"sealed that is no base64",
     {.type = SIGDEV_SEALED, .sealed = T("a-b=")},
     SIGDEV_ERR_ARGUMENT,
     NULL},
    {"empty bundle", {.type = SIGDEV_CANDIDATES, .bundle = two}, SIGDEV_ERR_ARGUMENT, NULL},
    {"bundle too long",
     {.type = SIGDEV_CANDIDATES, .bundle = two, .bundle_len = SIGDEV_BUNDLE_MAX + 1},
     SIGDEV_ERR_ARGUMENT,
     NULL},
    {"bundle in bad UTF-8",
     {.type = SIGDEV_CANDIDATES, .bundle = bad_utf8, .bundle_len = 1},
     SIGDEV_ERR_ARGUMENT,
     NULL},
};

static void test_write(void **state)
{
    (void)state;
    memset(long_reason, 'x', sizeof long_reason - 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[1024];
        size_t len = 0;
        enum sigdev_error e = sigdev_write(&rows[i].m, out, sizeof out, &len);
        if (e != rows[i].want)
            fail_msg("%s: error %d (%s), %d wanted", rows[i].name, e, sigdev_error_text(e),
                     rows[i].want);
        if (e == SIGDEV_OK && (strcmp(out, rows[i].json) != 0 || len != strlen(out)))
            fail_msg("%s: %s", rows[i].name, out);
    }
}

/* Every size up to the one that is needed: an error, no byte too far. */
static void test_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].want != SIGDEV_OK)
            continue;
        size_t need = strlen(rows[i].json) + 1, len;
        for (size_t size = 0; size <= need; size++) {
            char *out = malloc(size ? size : 1); /* exact, for the address sanitizer */
            enum sigdev_error e = sigdev_write(&rows[i].m, size ? out : NULL, size, &len);
            free(out);
            if (e != (size == need ? SIGDEV_OK : SIGDEV_ERR_SPACE))
                fail_msg("%s: size %zu of %zu gives %d", rows[i].name, size, need, e);
        }
    }
}

static void fill_sdp(char *sdp, size_t len)
{
    static const char line[] = "a=\r\n"; /* as many line ends as an SDP can have */
    for (size_t i = 0; i < len; i++)
        sdp[i] = line[i % 4];
}

/* What SIGDEV_MESSAGE_SIZE promises, and the limits of the protocol. */
static void test_large(void **state)
{
    static char sdp[SIGDEV_SDP_MAX + 1], out[SIGDEV_MESSAGE_SIZE(SIGDEV_SDP_MAX)];
    static char data[SIGDEV_DATA_MAX + 1];
    const size_t sizes[] = {4, 4000, 8000, 100000};
    size_t len;
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        fill_sdp(sdp, sizes[i]);
        struct sigdev_message m = {.type = SIGDEV_OFFER,
                                   .sdp = {sdp, sizes[i]},
                                   .call = T("0123456789012345678901234567890123456789012345678"),
                                   .sent_ms = INT64_C(1767225600000)};
        assert_int_equal(sigdev_write(&m, out, SIGDEV_MESSAGE_SIZE(sizes[i]), &len), SIGDEV_OK);
    }
    memset(sdp, 'a', sizeof sdp);
    struct sigdev_message most = {.type = SIGDEV_OFFER, .sdp = {sdp, SIGDEV_SDP_MAX}};
    assert_int_equal(sigdev_write(&most, out, sizeof out, &len), SIGDEV_OK);
    most.sdp.len++;
    assert_int_equal(sigdev_write(&most, out, sizeof out, &len), SIGDEV_ERR_TOO_LARGE);
    memset(data, '1', sizeof data);
    struct sigdev_message message = {.type = SIGDEV_MESSAGE, .data = {data, SIGDEV_DATA_MAX}};
    assert_int_equal(sigdev_write(&message, out, sizeof out, &len), SIGDEV_OK);
    message.data.len++;
    assert_int_equal(sigdev_write(&message, out, sizeof out, &len), SIGDEV_ERR_TOO_LARGE);
}

static char long_meta[SIGDEV_META_MAX + 64];

static const struct presence_row {
    const char *name;
    struct sigdev_presence p;
    enum sigdev_error want;
    const char *json;
} presence_rows[] = {
    {"nothing said", {.ttl_s = 0}, SIGDEV_OK, "{\"bundle\":false}"},
    {"everything",
     {.kind = T("device"),
      .meta = T(" {\"name\":\"Front door\"} "),
      .since_ms = 5,
      .ttl_s = 86400,
      .bundle = true,
      .limit_sdp = 8000,
      .limit_line = 512,
      .limit_candidates = 20},
     SIGDEV_OK,
     "{\"bundle\":true,\"kind\":\"device\",\"meta\":{\"name\":\"Front door\"},\"since\":5,"
     "\"ttl\":86400,\"limits\":{\"sdp\":8000,\"line\":512,\"candidates\":20}}"},
    {"one limit", {.limit_line = 1}, SIGDEV_OK, "{\"bundle\":false,\"limits\":{\"line\":1}}"},
    {"two limits",
     {.limit_sdp = 9, .limit_candidates = 2},
     SIGDEV_OK,
     "{\"bundle\":false,\"limits\":{\"sdp\":9,\"candidates\":2}}"},
    {"via and sid are not ours", {.via = T("b1"), .sid = T("s1")}, SIGDEV_OK, "{\"bundle\":false}"},
    {"unknown kind", {.kind = T("toaster")}, SIGDEV_ERR_ARGUMENT, NULL},
    {"meta that is no object", {.meta = T("[]")}, SIGDEV_ERR_ARGUMENT, NULL},
    {"meta that adds a member", {.meta = T("{},\"ttl\":1")}, SIGDEV_ERR_ARGUMENT, NULL},
    {"empty meta", {.meta = T("")}, SIGDEV_ERR_ARGUMENT, NULL},
    {"ttl over a day", {.ttl_s = 86401}, SIGDEV_ERR_ARGUMENT, NULL},
    {"meta too long", {.meta = {long_meta, SIGDEV_META_MAX + 1}}, SIGDEV_ERR_TOO_LARGE, NULL},
};

static void test_presence(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof presence_rows / sizeof *presence_rows; i++) {
        const struct presence_row *r = &presence_rows[i];
        char out[512];
        size_t len = 0;
        enum sigdev_error e = sigdev_write_presence(&r->p, out, sizeof out, &len);
        if (e != r->want)
            fail_msg("%s: error %d (%s)", r->name, e, sigdev_error_text(e));
        if (e != SIGDEV_OK)
            continue;
        if (strcmp(out, r->json) != 0 || len != strlen(out))
            fail_msg("%s: %s", r->name, out);
        for (size_t size = 0; size <= len; size++)
            if (sigdev_write_presence(&r->p, out, size, NULL) != SIGDEV_ERR_SPACE)
                fail_msg("%s: size %zu of %zu", r->name, size, len + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_presence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
