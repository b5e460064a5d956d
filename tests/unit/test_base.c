/* Text cursor, buffers, the map, the clock's names: what everything else stands on. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "base/problem.h"
#include "base/text.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void lines_end_with_lf_crlf_or_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *lines[4];
    } rows[] = {
        {"empty", "", {NULL}},
        {"one without end", "a", {"a"}},
        {"lf", "a\nb\n", {"a", "b"}},
        {"crlf", "a\r\nb\r\n", {"a", "b"}},
        {"mixed, last without end", "a\r\nb\nc", {"a", "b", "c"}},
        {"empty lines", "\n\r\nx", {"", "", "x"}},
        {"a lone cr stays", "a\rb\n", {"a\rb"}},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct text t = text_of_str(rows[i].text), line;
        size_t n = 0;
        while (text_line(&t, &line)) {
            ROW(rows[i].name, n < 4 && rows[i].lines[n]);
            ROW(rows[i].name, text_equals(line, rows[i].lines[n]));
            n++;
        }
        ROW(rows[i].name, n == 4 || !rows[i].lines[n]);
    }
}

static void numbers_are_bounded(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        uint64_t max;
        bool ok;
        uint64_t value;
    } rows[] = {
        {"zero", "0", 9, true, 0},
        {"at the maximum", "65535", 65535, true, 65535},
        {"above it", "65536", 65535, false, 0},
        {"largest", "18446744073709551615", UINT64_MAX, true, UINT64_MAX},
        {"overflow", "18446744073709551616", UINT64_MAX, false, 0},
        {"twenty-one digits", "000000000000000000001", UINT64_MAX, false, 0},
        {"nothing", "", 9, false, 0},
        {"sign", "-1", 9, false, 0},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct text t = text_of_str(rows[i].text);
        uint64_t value = 0;
        ROW(rows[i].name, text_uint(&t, rows[i].max, &value) == rows[i].ok);
        ROW(rows[i].name, value == rows[i].value);
        ROW(rows[i].name, rows[i].ok || t.p == rows[i].text); /* nothing taken */
    }
}

static void a_cursor_that_fails_stays(void **state)
{
    (void)state;
    struct text t = text_of_str("abc:def"), word;
    assert_false(text_char(&t, 'b'));
    assert_false(text_literal(&t, "abd"));
    assert_false(text_until(&t, ':', 2, &word));
    assert_int_equal(text_len(&t), 7);
    assert_true(text_until(&t, ':', 3, &word));
    assert_true(text_equals(word, "abc"));
    assert_true(text_char(&t, ':'));
    assert_true(text_run(&t, text_is_alpha, 3, &word));
    assert_true(text_end(&t));
    assert_true(text_equals_nocase(word, "DeF"));
    assert_false(text_equals_nocase(word, "DeFg"));
}

static void a_buffer_never_exceeds_its_maximum(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    buf_str(&b, "12345");
    buf_str(&b, "6789012"); /* does not fit: not even in part */
    assert_false(buf_ok(&b));
    assert_int_equal(b.len, 5);
    buf_str(&b, "6"); /* a failed buffer takes nothing more */
    assert_int_equal(b.len, 5);
    buf_clear(&b);
    buf_int(&b, INT64_MIN + 1);
    assert_false(buf_ok(&b));
    buf_clear(&b);
    buf_uint(&b, 1234567890);
    assert_true(buf_ok(&b));
    assert_memory_equal(b.data, "1234567890", 10);
    buf_release(&b);
}

static void a_fixed_buffer_uses_no_heap(void **state)
{
    (void)state;
    char memory[4];
    struct buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    buf_str(&b, "abc");
    assert_string_equal(buf_cstr(&b), "abc");
    assert_ptr_equal(b.data, memory);
    buf_char(&b, 'd');
    assert_true(buf_ok(&b));
    assert_string_equal(buf_cstr(&b), ""); /* no room for the NUL */
    assert_false(buf_ok(&b));
}

enum { KEYS = 5000 };

static void the_map_keeps_what_it_is_given(void **state)
{
    (void)state;
    struct map m;
    char(*keys)[16] = calloc(KEYS, sizeof *keys);
    map_init(&m);
    assert_non_null(keys);
    for (int i = 0; i < KEYS; i++) {
        snprintf(keys[i], sizeof keys[i], "key-%d", i);
        assert_int_equal(map_put(&m, keys[i], strlen(keys[i]), keys[i]), STATUS_OK);
    }
    for (int i = 0; i < KEYS; i += 2) /* removing shifts what probed past */
        assert_ptr_equal(map_remove(&m, keys[i], strlen(keys[i])), keys[i]);
    for (int i = 0; i < KEYS; i++)
        assert_ptr_equal(map_get(&m, keys[i], strlen(keys[i])), i % 2 ? keys[i] : NULL);
    size_t at = 0, seen = 0;
    while (map_next(&m, &at))
        seen++;
    assert_int_equal(seen, KEYS / 2);
    assert_null(map_remove(&m, "none", 4));
    for (int i = 1; i < KEYS; i += 2)
        map_remove(&m, keys[i], strlen(keys[i]));
    assert_int_equal(m.count, 0);
    assert_true(m.cap <= 64); /* it gave the memory back */
    map_release(&m);
    free(keys);
}

static void a_link_can_be_removed_twice(void **state)
{
    (void)state;
    struct link head, a, b;
    list_init(&head);
    list_init(&a);
    list_init(&b);
    list_add(&head, &a);
    list_add(&head, &b);
    assert_ptr_equal(list_first(&head), &a);
    list_remove(&a);
    list_remove(&a);
    assert_ptr_equal(list_first(&head), &b);
    list_remove(&b);
    assert_true(list_empty(&head));
    assert_null(list_first(&head));
}

static void random_names_differ_and_are_plain(void **state)
{
    (void)state;
    char a[25], b[25];
    clock_random_name(a, 24);
    clock_random_name(b, 24);
    assert_int_equal(strlen(a), 24);
    assert_string_not_equal(a, b);
    for (size_t i = 0; a[i]; i++)
        assert_true(text_is_alnum(a[i]) && !(a[i] >= 'A' && a[i] <= 'Z'));
}

static void every_status_has_its_words(void **state)
{
    (void)state;
    for (int s = 0; s < STATUS_COUNT; s++) {
        assert_non_null(status_name((enum status)s));
        assert_non_null(status_word((enum status)s));
        assert_true(s == STATUS_OK ||
                    (status_code((enum status)s) >= 400 && status_code((enum status)s) <= 503));
    }
    struct problem p;
    assert_int_equal(problem_set(&p, STATUS_INVALID_SDP, 7, "rule", "%0300d", 1),
                     STATUS_INVALID_SDP);
    assert_int_equal(strlen(p.text), PROBLEM_TEXT_MAX - 1); /* cut, and ended */
    assert_int_equal(problem_set(NULL, STATUS_IO, 0, NULL, "x"), STATUS_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_end_with_lf_crlf_or_nothing),
        cmocka_unit_test(numbers_are_bounded),
        cmocka_unit_test(a_cursor_that_fails_stays),
        cmocka_unit_test(a_buffer_never_exceeds_its_maximum),
        cmocka_unit_test(a_fixed_buffer_uses_no_heap),
        cmocka_unit_test(the_map_keeps_what_it_is_given),
        cmocka_unit_test(a_link_can_be_removed_twice),
        cmocka_unit_test(random_names_differ_and_are_plain),
        cmocka_unit_test(every_status_has_its_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
