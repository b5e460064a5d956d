/* What came lately, so that what comes again is recognized. */
#include "core/seen.h"
#include "test.h"

#include <stdlib.h>

static void how_many_are_remembered(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned count;      /* of messages */
        int64_t apart_us;    /* from one to the next */
        unsigned remembered; /* at least so many of the last ones */
        unsigned forgotten;  /* and not this one, counted from the last; 0: none was asked for */
    } rows[] = {
        {"a few", 10, 1000000, 10, 0},
        {"slow ones: the last 64", 1000, 1000000, 64, 200},
        {"a burst", 1000, 1000, 1000, 0},
        {"40 a second: a minute of them", 10000, 25000, 2400, 0},
        {"more than there is room for", 10000, 10, SEEN_MAX, SEEN_MAX + 1},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct seen s;
        seen_init(&s);
        int64_t now = 1;
        for (uint64_t n = 1; n <= rows[i].count; n++, now += rows[i].apart_us)
            ROW(rows[i].name, !seen_before(&s, n, now));
        for (uint64_t n = rows[i].count; n > rows[i].count - rows[i].remembered; n--)
            ROW(rows[i].name, seen_before(&s, n, now));
        uint64_t last[4];
        ROW(rows[i].name, seen_list(&s, last, 4) == 4 && last[0] == rows[i].count &&
                              last[3] == rows[i].count - 3);
        ROW(rows[i].name,
            !rows[i].forgotten || !seen_before(&s, rows[i].count + 1 - rows[i].forgotten, now));
        seen_release(&s);
    }
}

/* The index by digest goes wrong, if at all, where places are taken again. */
static void what_shares_a_bucket_is_told_apart(void **state)
{
    (void)state;
    static const uint64_t strides[] = {1, 2, 4 * SEEN_MAX, 2 * SEEN_MIN, 6364136223846793005u};
    for (size_t i = 0; i < ROWS(strides); i++) {
        struct seen s;
        seen_init(&s);
        for (uint64_t n = 1; n <= 3 * SEEN_MAX; n++)
            assert_false(seen_before(&s, n * strides[i], 1));
        for (uint64_t n = 2 * SEEN_MAX + 1; n <= 3 * SEEN_MAX; n++)
            assert_true(seen_before(&s, n * strides[i], 1));
        assert_false(seen_before(&s, SEEN_MAX * strides[i], 1));
        seen_release(&s);
    }
}

static void who_sent_it_counts(void **state)
{
    (void)state;
    struct text a = text_of_str("a"), b = text_of_str("b"), none = text_of_str("");
    assert_true(seen_digest(a, b) == seen_digest(a, b));
    assert_true(seen_digest(a, b) != seen_digest(b, a));
    assert_true(seen_digest(text_of_str("ab"), none) != seen_digest(a, b));
    assert_true(seen_digest(none, none) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(how_many_are_remembered),
        cmocka_unit_test(what_shares_a_bucket_is_told_apart),
        cmocka_unit_test(who_sent_it_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
