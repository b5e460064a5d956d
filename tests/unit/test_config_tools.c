/* The small parts: command lines, nearest words, quoting, times. */
#include "base/buf.h"
#include "config/args.h"
#include "config/nearest.h"
#include "config/when.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define ROWS(a) (sizeof(a) / sizeof *(a))

static const struct args_flag flags[] = {
    {"json", 0, NULL, "a switch"},
    {"max_rows", 'n', "N", "a value"},
};

static void test_args(void **state)
{
    static const struct {
        const char *name;
        const char *argv[6];
        const char *seen; /* one word per step */
    } rows[] = {
        {"nothing", {NULL}, ""},
        {"switch", {"--json", NULL}, "flag:json "},
        {"value after a space", {"--max-rows", "5", NULL}, "flag:max_rows=5 "},
        {"value after =", {"--max-rows=5", NULL}, "flag:max_rows=5 "},
        {"value may hold =", {"--max-rows=a=b", NULL}, "flag:max_rows=a=b "},
        {"value may be empty", {"--max-rows=", NULL}, "flag:max_rows= "},
        {"value may look like a flag", {"--max-rows", "--json", NULL}, "flag:max_rows=--json "},
        {"letter", {"-n", "5", "--json", NULL}, "flag:max_rows=5 flag:json "},
        {"words", {"a", "--json", "b", NULL}, "word:a flag:json word:b "},
        {"a lone hyphen is a word", {"-", NULL}, "word:- "},
        {"end of flags", {"--", "--json", "--", NULL}, "word:--json word:-- "},
        {"end of flags at the end", {"--json", "--", NULL}, "flag:json "},
        {"underscore", {"--max_rows=5", NULL}, "unknown "},
        {"unknown letter", {"-x", NULL}, "unknown "},
        {"letters are not joined", {"-n5", NULL}, "unknown "},
        {"no value", {"--max-rows", NULL}, "no-value "},
        {"value for a switch", {"--json=1", NULL}, "extra-value "},
        {"empty word", {"", NULL}, "word: "},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char seen[256] = "";
        struct args a = {.argv = rows[i].argv, .flags = flags, .count = ROWS(flags)};
        enum args_what what;
        while (rows[i].argv[a.argc])
            a.argc++;
        print_message("%s\n", rows[i].name);
        while ((what = args_next(&a)) != ARGS_END) {
            size_t at = strlen(seen);
            if (what == ARGS_FLAG)
                snprintf(seen + at, sizeof seen - at, "flag:%s%s%s ", a.flag->name,
                         a.value ? "=" : "", a.value ? a.value : "");
            else if (what == ARGS_WORD)
                snprintf(seen + at, sizeof seen - at, "word:%s ", a.value);
            else
                strcat(seen, what == ARGS_UNKNOWN    ? "unknown "
                             : what == ARGS_NO_VALUE ? "no-value "
                                                     : "extra-value ");
        }
        assert_string_equal(seen, rows[i].seen);
    }
}

static void test_help_lines(void **state)
{
    static const struct args_flag one = {
        "quite_a_long_name", 'q', "SOMETHING",
        "words that go on until the line is full and then some more of them, down here"};
    struct buf b;
    (void)state;
    buf_init(&b, 1024);
    args_help(&one, 1, &b);
    assert_string_equal(
        buf_cstr(&b),
        "  -q, --quite-a-long-name SOMETHING\n"
        "                          words that go on until the line is full and then some\n"
        "                          more of them, down here\n");
    buf_release(&b);
}

static void test_nearest(void **state)
{
    static const char *const known[] = {"listen", "broker", "limits", "web", "data"};
    static const struct {
        const char *word, *best;
    } rows[] = {
        {"lisen", "listen"},
        {"lsiten", "listen"},
        {"Listen", "listen"},
        {"listener", "listen"},
        {"borker", "broker"},
        {"broke", "broker"},
        {"wed", "web"},
        {"w", NULL},
        {"dta", "data"},
        {"limit", "limits"},
        {"orchestra", NULL},
        {"", NULL},
        {"xxxxxx", NULL},
        {"listenxxxxx", NULL},
        {"0123456789012345678901234567890123456789012345678901234567890123456789", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct nearest n;
        print_message("%s\n", rows[i].word);
        nearest_init(&n, rows[i].word);
        for (size_t k = 0; k < ROWS(known); k++)
            nearest_offer(&n, known[k]);
        if (rows[i].best)
            assert_string_equal(nearest_word(&n), rows[i].best);
        else
            assert_null(nearest_word(&n));
    }
}

static void test_quote(void **state)
{
    char out[COMPLAINT_QUOTE_MAX], longer[300];
    (void)state;
    assert_string_equal(complaint_quote(out, "plain text"), "\"plain text\"");
    assert_string_equal(complaint_quote(out, "a\x1b[31m\n\xff"), "\"a\\x1b[31m\\x0a\\xff\"");
    memset(longer, '\x01', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_in_range(strlen(complaint_quote(out, longer)), 70, COMPLAINT_QUOTE_MAX - 1);
    assert_non_null(strstr(out, "...\""));
}

/* Local time is an hour east of Greenwich here, two in summer. */
static const int64_t now = 1795253400000; /* 2026-11-21T09:30:00Z */

static void test_when(void **state)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } rows[] = {
        {"2026-11-21T09:30:00Z", 1795253400000},
        {"2026-11-21T09:30Z", 1795253400000},
        {"2026-11-21 09:30Z", 1795253400000},
        {"2026-11-21T09:30:00.250Z", 1795253400250},
        {"2026-11-21T09:30:00.2509Z", 1795253400250},
        {"2026-11-21T09:30:00.2Z", 1795253400200},
        {"2026-11-21T10:30+01:00", 1795253400000},
        {"2026-11-21T04:30-0500", 1795253400000},
        {"2026-11-21T14:30+05", 1795253400000},
        {"2026-11-21T10:30", 1795253400000},  /* winter */
        {"2026-07-01T12:00", 1782900000000},  /* summer */
        {"2026-11-21", 1795215600000},        /* midnight, local */
        {"2024-02-29T00:00Z", 1709164800000}, /* leap day */
        {"1970-01-01T00:00Z", 0},
        {"1795253400000", 1795253400000},
        {"30m", 1795253400000 - 1800000},
        {"2h", 1795253400000 - 7200000},
        {"7d", 1795253400000 - 604800000},
        {"45s", 1795253400000 - 45000},
        {"2w", 1795253400000 - 1209600000},
        {"0s", 1795253400000},
        {"1000000w", 0}, /* before the epoch is the epoch */
        {"", -1},
        {"now", -1},
        {"2026", -1},
        {"123456789", -1},
        {"1234567890123456", -1},
        {"2h30m", -1},
        {"-2h", -1},
        {"2 h", -1},
        {"1000001s", -1},
        {"2026-11-21T", -1},
        {"2026-11-21T9:30", -1},
        {"2026-11-21T24:00", -1},
        {"2026-11-21T09:60", -1},
        {"2026-11-21T09:30:60", -1},
        {"2026-13-01", -1},
        {"2026-00-01", -1},
        {"2026-02-29", -1},
        {"2026-04-31", -1},
        {"26-11-21", -1},
        {"2026/11/21", -1},
        {"2026-11-21T09:30:00.Z", -1},
        {"2026-11-21T09:30Zx", -1},
        {"2026-11-21T09:30+24:00", -1},
        {"1969-12-31T23:59Z", -1},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        int64_t ms = -2;
        print_message("%s\n", rows[i].text);
        assert_int_equal(when_parse(rows[i].text, now, &ms), rows[i].ms >= 0);
        assert_int_equal(ms, rows[i].ms >= 0 ? rows[i].ms : -2);
    }
}

static void test_when_format(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {{0, "0s"},          {-5, "0s"},          {59999, "59s"},
                {60000, "1m00s"},   {3599000, "59m59s"}, {3600000, "1h00m"},
                {7500000, "2h05m"}, {86400000, "1d00h"}, {273600000, "3d04h"}};
    char out[WHEN_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        when_format_duration(rows[i].ms, out);
        assert_string_equal(out, rows[i].text);
    }
    when_format(now, out);
    assert_string_equal(out, "2026-11-21 10:30:00");
}

static int set_zone(void **state)
{
    (void)state;
    if (setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1) != 0)
        return -1;
    tzset();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_args),    cmocka_unit_test(test_help_lines),
        cmocka_unit_test(test_nearest), cmocka_unit_test(test_quote),
        cmocka_unit_test(test_when),    cmocka_unit_test(test_when_format),
    };
    return cmocka_run_group_tests(tests, set_zone, NULL);
}
