#include "proto/json.h"
#include "test.h"

#include <string.h>

enum { MEMBERS = 8 };

static void verdicts(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        size_t count;     /* members; with a rule it does not matter */
        const char *rule; /* NULL: accepted */
    } rows[] = {
        {"empty object", "{}", 0, NULL},
        {"white space", " \t\r\n{ \"a\" : 1 } \n", 1, NULL},
        {"all types",
         "{\"a\":null,\"b\":true,\"c\":false,\"d\":-1.5e+3,\"e\":\"x\",\"f\":[],\"g\":{}}", 7,
         NULL},
        {"nested", "{\"a\":[1,[2,{\"b\":[]}],{}],\"c\":{\"d\":{}}}", 2, NULL},
        {"same key in different objects", "{\"a\":{\"a\":{\"a\":1}}}", 1, NULL},
        {"same key in siblings", "{\"x\":{\"a\":1},\"y\":{\"a\":1}}", 2, NULL},
        {"escapes", "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"}", 1, NULL},
        {"utf-8", "{\"a\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}", 1, NULL},
        {"nothing", "", 0, "json-syntax"},
        {"array", "[]", 0, "json-syntax"},
        {"string", "\"a\"", 0, "json-syntax"},
        {"trailing comma", "{\"a\":1,}", 0, "json-syntax"},
        {"leading comma", "{,\"a\":1}", 0, "json-syntax"},
        {"missing colon", "{\"a\" 1}", 0, "json-syntax"},
        {"missing value", "{\"a\":}", 0, "json-syntax"},
        {"single quotes", "{'a':1}", 0, "json-syntax"},
        {"bare key", "{a:1}", 0, "json-syntax"},
        {"comment", "{/**/}", 0, "json-syntax"},
        {"NaN", "{\"a\":NaN}", 0, "json-syntax"},
        {"unfinished", "{\"a\":1", 0, "json-syntax"},
        {"wrong bracket", "{\"a\":[1}", 0, "json-syntax"},
        {"unfinished string", "{\"a\":\"x", 0, "json-string"},
        {"something behind", "{} {}", 0, "json-trailing"},
        {"leading zero", "{\"a\":01}", 0, "json-number"},
        {"plus", "{\"a\":+1}", 0, "json-syntax"},
        {"lone minus", "{\"a\":-}", 0, "json-number"},
        {"no fraction", "{\"a\":1.}", 0, "json-number"},
        {"no exponent", "{\"a\":1e}", 0, "json-number"},
        {"duplicate", "{\"a\":1,\"a\":2}", 0, "json-duplicate"},
        {"duplicate by escape", "{\"a\":1,\"\\u0061\":2}", 0, "json-duplicate"},
        {"duplicate inside", "{\"x\":[{\"a\":1,\"b\":2,\"a\":3}]}", 0, "json-duplicate"},
        {"duplicate after nested", "{\"a\":{\"b\":1},\"a\":2}", 0, "json-duplicate"},
        {"control character", "{\"a\":\"\x01\"}", 0, "json-control"},
        {"raw line end", "{\"a\":\"\n\"}", 0, "json-control"},
        {"NUL escape", "{\"a\":\"\\u0000\"}", 0, "json-nul"},
        {"unknown escape", "{\"a\":\"\\x41\"}", 0, "json-escape"},
        {"short escape", "{\"a\":\"\\u12\"}", 0, "json-escape"},
        {"lone high surrogate", "{\"a\":\"\\ud800\"}", 0, "json-surrogate"},
        {"lone low surrogate", "{\"a\":\"\\udc00\"}", 0, "json-surrogate"},
        {"high twice", "{\"a\":\"\\ud800\\ud800\"}", 0, "json-surrogate"},
        {"overlong slash", "{\"a\":\"\xc0\xaf\"}", 0, "json-utf8"},
        {"surrogate in utf-8", "{\"a\":\"\xed\xa0\x80\"}", 0, "json-utf8"},
        {"above U+10FFFF", "{\"a\":\"\xf4\x90\x80\x80\"}", 0, "json-utf8"},
        {"cut utf-8", "{\"a\":\"\xe2\x82\"}", 0, "json-utf8"},
        {"lone continuation", "{\"a\":\"\x80\"}", 0, "json-utf8"},
        {"byte order mark", "\xef\xbb\xbf{}", 0, "json-syntax"},
        {"too many members",
         "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1}", 0,
         "json-size"},
        {"deep enough", "{\"a\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}", 1, NULL},
        {"too deep", "{\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}", 0, "json-depth"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct json_member m[MEMBERS];
        struct problem why = {0};
        size_t n = 99;
        enum status s = json_object(rows[i].text, strlen(rows[i].text), m, MEMBERS, &n, &why);
        ROW(rows[i].name, (s == STATUS_OK) == !rows[i].rule);
        ROW(rows[i].name, rows[i].rule ? n == 0 : n == rows[i].count);
        ROW(rows[i].name, !rows[i].rule || (why.rule && strcmp(why.rule, rows[i].rule) == 0));
        /* A shorter text is never read beyond its end: each prefix is refused, not crashed on. */
        for (size_t cut = 0; cut + 1 < strlen(rows[i].text); cut++)
            (void)json_object(rows[i].text, cut, m, MEMBERS, &n, NULL);
    }
}

static void a_nul_byte_is_no_end(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":\"x\0y\"}";
    struct json_member m[MEMBERS];
    size_t n;
    assert_int_equal(json_object(text, sizeof text - 1, m, MEMBERS, &n, NULL), STATUS_INVALID_JSON);
}

static void strings_decode(void **state)
{
    (void)state;
    static const struct {
        const char *name, *json, *plain;
    } rows[] = {
        {"plain", "{\"a\":\"abc\"}", "abc"},
        {"empty", "{\"a\":\"\"}", ""},
        {"short escapes", "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "\"\\/\b\f\n\r\t"},
        {"two bytes", "{\"a\":\"\\u00e9x\"}", "\xc3\xa9x"},
        {"three bytes", "{\"a\":\"\\u20AC\"}", "\xe2\x82\xac"},
        {"surrogates", "{\"a\":\"x\\uD83D\\uDE00y\"}", "x\xf0\x9f\x98\x80y"},
        {"crlf of SDP", "{\"a\":\"v=0\\r\\ns=-\\r\\n\"}", "v=0\r\ns=-\r\n"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char json[64], out[64];
        struct json_member m[MEMBERS];
        size_t n, len = 0;
        strcpy(json, rows[i].json);
        ROW(rows[i].name, json_object(json, strlen(json), m, MEMBERS, &n, NULL) == STATUS_OK);
        ROW(rows[i].name, json_decode(m[0].value, out, sizeof out, &len));
        ROW(rows[i].name, len == strlen(rows[i].plain) && !memcmp(out, rows[i].plain, len));
        ROW(rows[i].name, len == 0 || !json_decode(m[0].value, out, len - 1, &len));
        /* In place, as firmware does it. */
        char *place = json + (m[0].value.p - json);
        ROW(rows[i].name, json_decode(m[0].value, place, m[0].value.len, &len));
        ROW(rows[i].name, !memcmp(place, rows[i].plain, len));
    }
}

static void strings_are_written_so_that_they_read_back(void **state)
{
    (void)state;
    char all[256], bytes[1024], back[256];
    struct json_member m[1];
    struct buf b;
    size_t n, len;
    for (int i = 1; i < 128; i++)
        all[i - 1] = (char)i;
    buf_init_fixed(&b, bytes, sizeof bytes);
    buf_str(&b, "{\"a\":");
    json_put_string(&b, all, 127);
    buf_char(&b, '}');
    assert_true(buf_ok(&b));
    assert_int_equal(json_object(b.data, b.len, m, 1, &n, NULL), STATUS_OK);
    assert_true(json_decode(m[0].value, back, sizeof back, &len));
    assert_int_equal(len, 127);
    assert_memory_equal(back, all, 127);
}

static void keys_are_bounded(void **state)
{
    (void)state;
    char text[8192];
    struct buf b;
    struct json_member m[1];
    size_t n;
    buf_init_fixed(&b, text, sizeof text);
    buf_str(&b, "{\"a\":{");
    for (unsigned i = 0; i < JSON_OPEN_KEYS; i++) {
        buf_str(&b, i ? ",\"k" : "\"k");
        buf_uint(&b, i);
        buf_str(&b, "\":0");
    }
    buf_str(&b, "}}");
    struct problem why = {0};
    assert_int_equal(json_object(b.data, b.len, m, 1, &n, &why), STATUS_INVALID_JSON);
    assert_string_equal(why.rule, "json-size");
    buf_clear(&b);
    buf_str(&b, "{\"");
    for (int i = 0; i <= JSON_MAX_KEY; i++)
        buf_char(&b, 'k');
    buf_str(&b, "\":0}");
    assert_int_equal(json_object(b.data, b.len, m, 1, &n, &why), STATUS_INVALID_JSON);
}

static void arrays_list_their_items(void **state)
{
    (void)state;
    struct json_span items[3];
    size_t n;
    assert_int_equal(json_array("[1,{\"a\":[2]},\"x\"]", 17, items, 3, &n, NULL), STATUS_OK);
    assert_int_equal(n, 3);
    assert_int_equal(items[1].type, JSON_OBJECT);
    assert_int_equal(items[1].len, 9);
    assert_int_equal(json_array("[1,2,3,4]", 9, items, 3, &n, NULL), STATUS_INVALID_JSON);
    assert_int_equal(json_array("{}", 2, items, 3, &n, NULL), STATUS_INVALID_JSON);
}

static void whole_numbers_only(void **state)
{
    (void)state;
    static const struct {
        const char *name, *json;
        bool ok;
    } rows[] = {
        {"zero", "[0]", true},        {"maximum", "[65535]", true}, {"above", "[65536]", false},
        {"negative", "[-1]", false},  {"fraction", "[1.0]", false}, {"exponent", "[1e1]", false},
        {"string", "[\"1\"]", false}, {"null", "[null]", false},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct json_span item;
        size_t n;
        uint64_t value;
        ROW(rows[i].name,
            json_array(rows[i].json, strlen(rows[i].json), &item, 1, &n, NULL) == STATUS_OK);
        ROW(rows[i].name, json_uint(item, 65535, &value) == rows[i].ok);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(a_nul_byte_is_no_end),
        cmocka_unit_test(strings_decode),
        cmocka_unit_test(strings_are_written_so_that_they_read_back),
        cmocka_unit_test(keys_are_bounded),
        cmocka_unit_test(arrays_list_their_items),
        cmocka_unit_test(whole_numbers_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
