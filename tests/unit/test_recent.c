#include "core/recent.h"
#include "test.h"

#include <stdio.h>

static struct text T(const char *s) {
    return text_of_str(s);
}

static void
an_id_is_known_until_64_others_came(void **state)
{
    (void)state;
    struct recent r;
    char id[16];
    recent_init(&r);
    assert_int_equal(recent_find(&r, T("x")), RECENT_NEW);
    recent_add(&r, T("x"));
    assert_int_equal(recent_find(&r, T("x")), RECENT_PENDING);
    recent_done(&r, T("x"));
    for (int i = 1; i < RECENT_MAX; i++) {
        snprintf(id, sizeof id, "%d", i);
        recent_add(&r, T(id));
    }
    assert_int_equal(recent_find(&r, T("x")), RECENT_DONE);
    recent_add(&r, T("one more"));
    assert_int_equal(recent_find(&r, T("x")), RECENT_NEW);
    assert_int_equal(recent_find(&r, T("1")), RECENT_PENDING);
    recent_release(&r);
}

static void a_failed_id_may_be_tried_again(void **state)
{
    (void)state;
    struct recent r;
    recent_init(&r);
    recent_forget(&r, T("never seen"));
    recent_add(&r, T("x"));
    recent_forget(&r, T("x"));
    assert_int_equal(recent_find(&r, T("x")), RECENT_NEW);
    recent_release(&r);
    recent_done(&r, T("x")); /* after its end it takes no harm */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_known_until_64_others_came),
        cmocka_unit_test(a_failed_id_may_be_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
