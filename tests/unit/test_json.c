#include "proto/json.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MEMBERS = 8 };

static bool same_span(struct json_span a, struct json_span b)
{
    return a.p == b.p && a.len == b.len && a.type == b.type && a.escaped == b.escaped;
}

/* What the reader says of a container and of all within, the walker says too. */
static bool walks_the_same(struct json_span container)
{
    struct json_member read[MEMBERS], walked[MEMBERS];
    struct json_span read_items[MEMBERS], walked_items[MEMBERS];
    size_t n = 99, k = 77;
    bool same = true;
    if (container.type == JSON_OBJECT) {
        same = json_object(container.p, container.len, read, MEMBERS, &n, NULL) == STATUS_OK &&
               json_known_object(container, walked, MEMBERS, &k) && n == k;
        for (size_t i = 0; same && i < n; i++)
            same = same_span(read[i].key, walked[i].key) &&
                   same_span(read[i].value, walked[i].value) && walks_the_same(read[i].value);
        same = same && (n == 0 || !json_known_object(container, walked, n - 1, &k));
    } else if (container.type == JSON_ARRAY) {
        same = json_array(container.p, container.len, read_items, MEMBERS, &n, NULL) == STATUS_OK &&
               json_known_array(container, walked_items, MEMBERS, &k) && n == k;
        for (size_t i = 0; same && i < n; i++)
            same = same_span(read_items[i], walked_items[i]) && walks_the_same(read_items[i]);
        same = same && (n == 0 || !json_known_array(container, walked_items, n - 1, &k));
    }
    return same;
}

static bool inside(struct json_span s, const char *text, size_t len)
{
    return s.p >= text && s.p + s.len <= text + len;
}

/* Whatever it is given: in a block of its own, so that a sanitizer sees a byte too far. */
static bool stays_inside(const char *text, size_t len)
{
    struct json_member m[MEMBERS];
    struct json_span items[MEMBERS];
    size_t n = 0;
    bool ok = true;
    char *exact = malloc(len + !len);
    assert_non_null(exact);
    memcpy(exact, text, len);
    struct json_span all = {.p = exact, .len = len, .type = JSON_OBJECT};
    (void)json_known_object(all, m, MEMBERS, &n);
    for (size_t i = 0; i < n; i++)
        ok = ok && inside(m[i].key, exact, len) && inside(m[i].value, exact, len);
    ok = ok && n <= MEMBERS;
    (void)json_known_array(all, items, MEMBERS, &n);
    for (size_t i = 0; i < n; i++)
        ok = ok && inside(items[i], exact, len);
    free(exact);
    return ok && n <= MEMBERS;
}

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
        for (size_t cut = 0; cut <= strlen(rows[i].text); cut++)
            ROW(rows[i].name, stays_inside(rows[i].text, cut));
    }
}

static void what_was_read_once_is_walked_the_same(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
    } rows[] = {
        {"empty", "[{},[]]"},
        {"white space everywhere",
         "[ { \"a\" :\t1 ,\r\n\"b\" : [ ] , \"c\":{ } } , [ 1 , \"x\" ] , null ]"},
        {"words", "[null,true,false,0,-1,1.5e-3,1E+9]"},
        {"words at the end", "[{\"a\":null},{\"a\":-1.5e+3},[true]]"},
        {"empty strings", "[\"\",{\"\":\"\"}]"},
        {"an escaped quote", "[\"\\\"\",\"a\\\"b\",{\"\\\"\":\"\\\"\"}]"},
        {"escaped backslashes", "[\"\\\\\",\"\\\\\\\"\",\"a\\\\\"]"},
        {"an escaped bracket", "[\"\\u005d\",\"\\u0022\",{\"\\u007d\":1}]"},
        {"brackets in strings", "[{\"]\":\"}\",\"{\":\"[\"},[\"]]\",\"}}\"],\"[\"]"},
        {"commas and colons in strings", "[{\",\":\":\"},\",\",[\":,\"]]"},
        {"words in strings", "[\"null\",{\"true\":\"false\"}]"},
        {"beyond ASCII", "[\"\xc3\xa9\",{\"\xe2\x82\xac\":\"\xf0\x9f\x98\x80\"},\"\x7f\"]"},
        {"escapes around words of eight bytes",
         "[\"1234567\\n\",\"12345678\\n\",\"123456789\\n\",\"1234567\xc3\xa9x\"]"},
        {"strings of each length around eight bytes",
         "[\"123456\",\"1234567\",\"12345678\",\"123456789\",\"1234567890123456\"]"},
        {"deep", "[[[[[[[[{\"a\":[{\"b\":[[1],[2]]}]}]]]]]]]]"},
        {"as many as there may be", "[1,2,3,4,5,6,7,8]"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct json_span all = {.p = rows[i].text, .len = strlen(rows[i].text), .type = JSON_ARRAY};
        ROW(rows[i].name, walks_the_same(all));
        for (size_t cut = 0; cut <= all.len; cut++)
            ROW(rows[i].name, stays_inside(rows[i].text, cut));
    }
}

static void what_nobody_has_read_is_walked_within_its_bounds(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{",
        "[",
        "}",
        "]",
        "{{{{",
        "[[[[",
        "[]]]]",
        "{\"",
        "{\"a",
        "{\"a\"",
        "{\"a\":",
        "{\"a\" ",
        "{\"a\\",
        "[\"\\",
        "{a:1}",
        "{a}",
        "{:",
        "{,",
        "{,,,,,,,,,,,,}",
        "[,,,,,,,,,,,,]",
        "[1 2 3]",
        "[}",
        "{]",
        "[{]}",
        "{\"a\":}",
        "{\"a\":,",
        "{\"a\":]",
        "{\"a\"1}",
        "{1:2}",
        "[\"a\"\"b\"]",
        "\"\"\"\"\"\"\"\"\"\"\"",
        "[1,2,3,4,5,6,7,8,9]",
        "{\"a\":\"b\\\"}",
        "[tru,nul,-,.]",
        "[\"\xff\xff\xff\"]",
        "[\x01\x02]",
        "[[[[\"]]]]",
        "{\"a\":{\"b\":\"}}}",
    };
    for (size_t i = 0; i < ROWS(texts); i++)
        for (size_t cut = 0; cut <= strlen(texts[i]); cut++)
            ROW(texts[i], stays_inside(texts[i], cut));
    struct json_span nothing = {0};
    size_t n = 99;
    assert_true(json_known_array(nothing, NULL, 0, &n));
    assert_int_equal(n, 0);
}

/* They are compared by their ends first: what lies between must count too. */
static void keys_that_look_alike(void **state)
{
    (void)state;
    static const struct {
        const char *name, *a, *b;
        bool same;
    } rows[] = {
        {"one byte", "a", "b", false},
        {"one and none", "a", "", false},
        {"none twice", "", "", true},
        {"seven bytes", "1234567", "1234567", true},
        {"seven and eight", "1234567", "12345678", false},
        {"eight and its double", "12345678", "1234567812345678", false},
        {"ends the same, the middle not", "12345678a87654321", "12345678b87654321", false},
        {"ends the same, longer", "12345678a87654321", "12345678aa87654321", false},
        {"ends that overlap", "123456789", "123456789", true},
        {"ends that overlap, of other lengths", "aaaaaaaaa", "aaaaaaaaaa", false},
        {"all the same", "12345678abcdefgh87654321", "12345678abcdefgh87654321", true},
        {"all the same, one of them escaped", "12345678abcd87654321", "12345678\\u0061bcd87654321",
         true},
        {"escaped, and another one", "12345678abcd87654321", "12345678\\u0062bcd87654321", false},
        {"escaped to the same length", "\\u0061234567", "a234567", true},
        {"shorter once it is unescaped", "\\n", "n", false},
        {"case", "12345678A87654321", "12345678a87654321", false},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char text[256];
        struct problem why = {0};
        struct json_member m[MEMBERS];
        size_t n;
        snprintf(text, sizeof text, "{\"%s\":1,\"other\":2,\"%s\":3}", rows[i].a, rows[i].b);
        enum status s = json_object(text, strlen(text), m, MEMBERS, &n, &why);
        ROW(rows[i].name, (s != STATUS_OK) == rows[i].same);
        ROW(rows[i].name, s == STATUS_OK || strcmp(why.rule, "json-duplicate") == 0);
    }
}

/* Eight bytes at a time or one by one: a quote ends the string too early here, and `\x` is no
 * escape. */
static void each_byte_ends_a_plain_run(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        for (size_t at = 0; at < 20; at++) {
            char text[64] = "{\"a\":\"xxxxxxxxxxxxxxxxxxxx\"}";
            struct json_member m[1];
            size_t n;
            text[6 + at] = (char)c;
            bool plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
            bool ok = json_object(text, strlen(text), m, 1, &n, NULL) == STATUS_OK;
            if (ok != plain)
                fail_msg("byte %d at %zu", c, at);
        }
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

/* The shortest of some tries, in CPU time: of one object whose keys differ in their middle only. */
static double time_of_keys(const char *head, const char *tail)
{
    enum { KEYS = 250, TRIES = 20, TIMES = 20 };
    double best = 1e9;
    struct buf b;
    static struct json_member m[KEYS];
    size_t n = 0;
    buf_init(&b, 1 << 20);
    for (unsigned i = 0; i < KEYS; i++) {
        buf_str(&b, i ? ",\"" : "{\"");
        buf_str(&b, head);
        buf_uint(&b, 100 + i);
        buf_str(&b, tail);
        buf_str(&b, "\":1");
    }
    buf_char(&b, '}');
    for (int i = 0; i < TRIES; i++) {
        clock_t start = clock();
        for (int k = 0; k < TIMES; k++)
            assert_int_equal(json_object(b.data, b.len, m, KEYS, &n, NULL), STATUS_OK);
        double took = (double)(clock() - start);
        best = took < best ? took : best;
    }
    assert_int_equal(n, KEYS);
    buf_release(&b);
    return best;
}

/* Nobody makes the bridge work by keys that look alike. */
static void keys_cost_the_same(void **state)
{
    static const struct {
        const char *name, *head, *tail;
    } rows[] = {
        {"the same ends", "aaaaaaaa", "bbbbbbbb"},
        {"the same ends, escaped", "\\u0061aaaaaaa", "bbbbbbbb"},
        {"the same beginning", "aaaaaaaaaaaaaaaa", ""},
        {"the same end", "", "bbbbbbbbbbbbbbbb"},
    };
    (void)state;
    double usual = time_of_keys("", "");
    for (size_t i = 0; i < ROWS(rows); i++)
        ROW(rows[i].name, time_of_keys(rows[i].head, rows[i].tail) < 6 * usual);
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
        cmocka_unit_test(what_was_read_once_is_walked_the_same),
        cmocka_unit_test(what_nobody_has_read_is_walked_within_its_bounds),
        cmocka_unit_test(keys_that_look_alike),
        cmocka_unit_test(each_byte_ends_a_plain_run),
        cmocka_unit_test(a_nul_byte_is_no_end),
        cmocka_unit_test(strings_decode),
        cmocka_unit_test(strings_are_written_so_that_they_read_back),
        cmocka_unit_test(keys_are_bounded),
        cmocka_unit_test(keys_cost_the_same),
        cmocka_unit_test(arrays_list_their_items),
        cmocka_unit_test(whole_numbers_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
