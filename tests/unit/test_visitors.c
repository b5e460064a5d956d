#include "policy/visitors.h"
#include "test.h"

#include <string.h>

#define S INT64_C(1000000)

static struct address_key address(uint8_t last)
{
    return (struct address_key){{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, last}};
}

static struct visitors *three_each_four_addresses(void)
{
    static const struct visitors_options o = {
        .sessions_max = 3, .free_failures = 2, .addresses_max = 4};
    struct visitors *v = visitors_create(&o);
    assert_non_null(v);
    return v;
}

static void one_address_has_so_many_connections(void **state)
{
    (void)state;
    struct visitors *v = three_each_four_addresses();
    struct address_key a = address(1), b = address(2);
    struct visitor *first = visitors_enter(v, &a, 0);
    assert_non_null(first);
    assert_ptr_equal(visitors_enter(v, &a, 0), first);
    assert_ptr_equal(visitors_enter(v, &a, 0), first);
    assert_null(visitors_enter(v, &a, 0));
    struct visitor *other = visitors_enter(v, &b, 0);
    assert_non_null(other);
    visitor_leave(first, 0);
    assert_ptr_equal(visitors_enter(v, &a, 0), first);
    for (int i = 0; i < 3; i++)
        visitor_leave(first, 0);
    visitor_leave(other, 0);
    assert_int_equal(visitors_count(v), 0);
    visitors_destroy(v);
}

static void failures_cost_a_wait_that_grows(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t wait_s;
    } rows[] = {{"first, free", 0}, {"second, free", 0}, {"third", 1},    {"fourth", 2},
                {"fifth", 4},       {"sixth", 8},        {"seventh", 16}, {"eighth", 32},
                {"ninth", 60},      {"tenth", 60},       {"eleventh", 60}};
    struct visitors *v = three_each_four_addresses();
    struct address_key a = address(1);
    struct visitor *visitor = visitors_enter(v, &a, 0);
    int64_t now = 100 * S, retry_ms = 0;
    for (size_t i = 0; i < ROWS(rows); i++) {
        ROW(rows[i].name, visitor_may_try(visitor, now, &retry_ms));
        visitor_failed(visitor, now);
        if (rows[i].wait_s) {
            ROW(rows[i].name, !visitor_may_try(visitor, now, &retry_ms));
            ROW(rows[i].name, retry_ms == rows[i].wait_s * 1000);
            now += rows[i].wait_s * S;
            ROW(rows[i].name, !visitor_may_try(visitor, now - 1, &retry_ms));
            ROW(rows[i].name, retry_ms == 1);
        }
    }
    visitor_passed(visitor);
    visitor_failed(visitor, now);
    assert_true(visitor_may_try(visitor, now, &retry_ms));
    visitor_leave(visitor, now);
    visitors_destroy(v);
}

static void failures_are_remembered_without_connections_for_a_while(void **state)
{
    (void)state;
    struct visitors *v = three_each_four_addresses();
    struct address_key a = address(1);
    struct visitor *visitor = visitors_enter(v, &a, 0);
    int64_t retry_ms = 0;
    for (int i = 0; i < 9; i++)
        visitor_failed(visitor, 0);
    visitor_leave(visitor, 0);
    assert_int_equal(visitors_count(v), 1);
    visitor = visitors_enter(v, &a, 30 * S);
    assert_false(visitor_may_try(visitor, 30 * S, &retry_ms));
    assert_int_equal(retry_ms, 30000);
    visitor_leave(visitor, 30 * S);
    visitor = visitors_enter(v, &a, 600 * S);
    assert_true(visitor_may_try(visitor, 600 * S, &retry_ms));
    visitor_failed(visitor, 600 * S); /* the first again */
    assert_true(visitor_may_try(visitor, 600 * S, &retry_ms));
    visitor_leave(visitor, 2000 * S);
    assert_int_equal(visitors_count(v), 0);
    visitors_destroy(v);
}

static void a_full_table_forgets_who_left_first(void **state)
{
    (void)state;
    struct visitors *v = three_each_four_addresses();
    struct address_key key;
    struct visitor *visitor[6];
    int64_t retry_ms = 0;
    for (uint8_t i = 0; i < 4; i++) {
        key = address(i);
        visitor[i] = visitors_enter(v, &key, 0);
        for (int k = 0; k < 3; k++)
            visitor_failed(visitor[i], 0);
    }
    key = address(4);
    assert_null(visitors_enter(v, &key, 0)); /* nobody has left */
    visitor_leave(visitor[2], 0);
    visitor_leave(visitor[1], 0);
    visitor[4] = visitors_enter(v, &key, 0); /* in the place of address 2 */
    assert_non_null(visitor[4]);
    key = address(1);
    visitor[1] = visitors_enter(v, &key, 0);
    assert_false(visitor_may_try(visitor[1], 0, &retry_ms));
    assert_int_equal(visitors_count(v), 4);
    visitor_leave(visitor[0], 0);
    visitor_leave(visitor[1], 0);
    visitor_leave(visitor[3], 0);
    visitor_leave(visitor[4], 0);
    visitors_destroy(v);
}

static void logs_name_the_address(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct address_key key;
        const char *text;
    } rows[] = {
        {"IPv4", {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7}}, "192.0.2.7"},
        {"IPv6", {{0x20, 1, 0xd, 0xb8, 0, 0, 0, 1}}, "2001:db8:0:1::/64"},
    };
    struct visitors *v = three_each_four_addresses();
    char out[VISITOR_TEXT_MAX];
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct visitor *visitor = visitors_enter(v, &rows[i].key, 0);
        ROW(rows[i].name, strcmp(visitor_format(visitor, out), rows[i].text) == 0);
        visitor_leave(visitor, 0);
    }
    assert_string_equal(visitor_format(NULL, out), "-");
    visitors_destroy(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_address_has_so_many_connections),
        cmocka_unit_test(failures_cost_a_wait_that_grows),
        cmocka_unit_test(failures_are_remembered_without_connections_for_a_while),
        cmocka_unit_test(a_full_table_forgets_who_left_first),
        cmocka_unit_test(logs_name_the_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
