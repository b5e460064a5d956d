#include "core/call.h"
#include "test.h"

#include <stdio.h>

static struct text T(const char *s) {
    return text_of_str(s);
}

/* One step: o = we offer, O = they offer, a = our answer comes, A = theirs comes, w = our offer did
 * not get through; letters that must be refused are marked with ! behind. */
static void
order(void **state)
{
    (void)state;
    static const struct {
        const char *name, *steps;
    } rows[] = {
        {"they answer our offer", "oA"},
        {"we answer their offer", "Oa"},
        {"answer without offer", "A!a!"},
        {"answer twice", "oAA!"},
        {"our own offer is not ours to answer", "oa!A"},
        {"their offer is not theirs to answer", "OA!a"},
        {"renewed offer", "ooAA!"},
        {"glare: either may answer, once", "oOaA!"},
        {"glare, the other way", "oOAa!"},
        {"renegotiation", "oAOaoA"},
        {"our offer got lost", "owA!"},
        {"our offer got lost in glare", "oOwA!a"},
        {"nothing to lose", "wOwa"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct calls c;
        calls_init(&c);
        for (const char *s = rows[i].steps; *s; s++) {
            if (*s == '!')
                continue;
            if (*s == 'o' || *s == 'O') {
                calls_offer(&c, T("cam"), T(""), *s == 'o' ? CALL_OUT : CALL_IN);
                continue;
            }
            if (*s == 'w') {
                calls_withdraw(&c, T("cam"), T(""), CALL_OUT);
                continue;
            }
            bool ok = calls_waiting(&c, T("cam"), T(""), *s == 'a' ? CALL_IN : CALL_OUT);
            ROW(rows[i].name, ok == (s[1] != '!'));
            if (ok)
                calls_clear(&c, T("cam"), T(""));
        }
        calls_release(&c);
    }
}

static void calls_are_told_apart(void **state)
{
    (void)state;
    struct calls c;
    calls_init(&c);
    calls_offer(&c, T("ab"), T("c"), CALL_OUT);
    assert_false(calls_waiting(&c, T("a"), T("bc"), CALL_OUT));
    assert_false(calls_waiting(&c, T("ab"), T(""), CALL_OUT));
    assert_false(calls_waiting(&c, T("ab"), T("c"), CALL_IN));
    assert_true(calls_waiting(&c, T("ab"), T("c"), CALL_OUT));
    calls_clear(&c, T("ab"), T("d"));
    assert_true(calls_waiting(&c, T("ab"), T("c"), CALL_OUT));
    calls_release(&c);
    assert_false(calls_waiting(&c, T("ab"), T("c"), CALL_OUT));
}

static void the_oldest_is_forgotten(void **state)
{
    (void)state;
    struct calls c;
    char name[16];
    calls_init(&c);
    for (int i = 0; i <= CALL_MAX; i++) {
        snprintf(name, sizeof name, "%d", i);
        assert_int_equal(calls_offer(&c, T("cam"), T(name), CALL_IN), STATUS_OK);
    }
    assert_int_equal(c.count, CALL_MAX);
    assert_false(calls_waiting(&c, T("cam"), T("0"), CALL_IN));
    assert_true(calls_waiting(&c, T("cam"), T("1"), CALL_IN));
    assert_true(calls_waiting(&c, T("cam"), T(name), CALL_IN));
    calls_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order),
        cmocka_unit_test(calls_are_told_apart),
        cmocka_unit_test(the_oldest_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
