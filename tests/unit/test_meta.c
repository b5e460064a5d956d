#include "proto/envelope.h"
#include "proto/meta.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

static void the_token_s_members_count(void **state)
{
    (void)state;
    static const struct {
        const char *name, *asked, *trusted, *merged;
    } rows[] = {
        {"nothing at all", NULL, "", ""},
        {"only the client's", "{\"a\":1}", "", "{\"a\":1}"},
        {"only the token's", NULL, "{\"a\":1}", "{\"a\":1}"},
        {"an empty token's", "{\"a\":1}", "{}", "{\"a\":1}"},
        {"both empty", "{}", "{}", "{}"},
        {"side by side", "{\"b\":[2]}", "{\"a\":1}", "{\"a\":1,\"b\":[2]}"},
        {"the same key", "{\"a\":2,\"b\":3}", "{\"a\":1}", "{\"a\":1,\"b\":3}"},
        {"the same key, escaped", "{\"\\u0061\":2}", "{\"a\":1}", "{\"a\":1}"},
        {"escaped in the token", "{\"a\":2}", "{\"\\u0061\":1}", "{\"\\u0061\":1}"},
        {"a longer key", "{\"ab\":2}", "{\"a\":1}", "{\"a\":1,\"ab\":2}"},
        {"not member by member within", "{\"a\":{\"x\":1}}", "{\"a\":{\"y\":1}}",
         "{\"a\":{\"y\":1}}"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct json_span asked = {0};
        struct buf b;
        buf_init(&b, 1 << 16);
        if (rows[i].asked)
            asked = (struct json_span){
                .p = rows[i].asked, .len = strlen(rows[i].asked), .type = JSON_OBJECT};
        ROW(rows[i].name, meta_merge(&b, asked, text_of_str(rows[i].trusted), NULL) == STATUS_OK);
        ROW(rows[i].name, strcmp(buf_cstr(&b), rows[i].merged) == 0);
        buf_release(&b);
    }
}

static void together_they_are_bounded(void **state)
{
    (void)state;
    char asked[ENVELOPE_META_MAX + 1];
    struct problem why = {0};
    struct buf b;
    memset(asked, 'x', sizeof asked);
    memcpy(asked, "{\"b\":\"", 6);
    struct json_span span = {.p = asked, .type = JSON_OBJECT};
    for (size_t len = ENVELOPE_META_MAX - 9; len <= ENVELOPE_META_MAX; len++) {
        memset(asked + 6, 'x', sizeof asked - 6);
        memcpy(asked + len - 2, "\"}", 2);
        span.len = len;
        buf_init(&b, 1 << 16);
        enum status status = meta_merge(&b, span, text_of_str("{\"a\":1}"), &why);
        /* `"a":1,` are 6 bytes more. */
        assert_int_equal(status, len + 6 > ENVELOPE_META_MAX ? STATUS_TOO_LARGE : STATUS_OK);
        buf_release(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_token_s_members_count),
                                       cmocka_unit_test(together_they_are_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
