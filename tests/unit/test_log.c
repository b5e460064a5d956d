/* Log lines cannot be forged: the bytes that reach standard error, in text and in JSON. */
#include "base/log.h"
#include "test.h"

#include <string.h>
#include <unistd.h>

/* What log_line() wrote, without the time in front. */
static void capture(char *out, size_t size, void (*log)(void))
{
    int ends[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    log();
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[1]);
    ssize_t n = read(ends[0], out, size - 1);
    close(ends[0]);
    assert_true(n >= 0);
    out[n] = '\0';
}

static const char *value;
static size_t value_len;

static void log_value(void)
{
    log_line(LOG_INFO, "event", LOG_T("v", value, value_len), LOG_I("n", -5), LOG_END);
}

static void values_are_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
        size_t len;
        const char *text, *json;
    } rows[] = {
        {"plain", "abc-1.2:3", 9, " info event v=abc-1.2:3 n=-5\n",
         "\"level\":\"info\",\"event\":\"event\",\"v\":\"abc-1.2:3\",\"n\":-5}\n"},
        {"space", "a b", 3, "v=\"a b\" n=-5\n", "\"v\":\"a b\",\"n\":-5}\n"},
        {"line end", "a\nb", 3, "v=\"a\\u000ab\" n=-5\n", "\"v\":\"a\\u000ab\",\"n\":-5}\n"},
        {"forged field", "a n=1", 5, "v=\"a n=1\" n=-5\n", "\"v\":\"a n=1\",\"n\":-5}\n"},
        {"quote", "a\"b", 3, "v=\"a\\\"b\" n=-5\n", "\"v\":\"a\\\"b\",\"n\":-5}\n"},
        {"terminal code", "\x1b[2J", 4, "v=\"\\u001b[2J\" n=-5\n",
         "\"v\":\"\\u001b[2J\",\"n\":-5}\n"},
        {"NUL", "a\0b", 3, "v=\"a\\u0000b\" n=-5\n", "\"v\":\"a\\u0000b\",\"n\":-5}\n"},
        {"not UTF-8", "\xff", 1, "v=\"\\u00ff\" n=-5\n", "\"v\":\"\\u00ff\",\"n\":-5}\n"},
        {"empty", "", 0, "v=\"\" n=-5\n", "\"v\":\"\",\"n\":-5}\n"},
    };
    char line[LOG_LINE_MAX + 100];
    for (size_t i = 0; i < ROWS(rows); i++) {
        value = rows[i].value;
        value_len = rows[i].len;
        log_setup(LOG_INFO, false);
        capture(line, sizeof line, log_value);
        ROW(rows[i].name, strstr(line, rows[i].text));
        log_setup(LOG_INFO, true);
        capture(line, sizeof line, log_value);
        ROW(rows[i].name, strstr(line, rows[i].json));
    }
}

static void log_long_value(void)
{
    static char huge[LOG_LINE_MAX * 2];
    memset(huge, 'x', sizeof huge);
    log_line(LOG_INFO, "event", LOG_T("v", huge, sizeof huge), LOG_S("after", "y"), LOG_END);
}

static void a_line_is_bounded_and_stays_json(void **state)
{
    (void)state;
    char line[LOG_LINE_MAX + 100];
    log_setup(LOG_INFO, true);
    capture(line, sizeof line, log_long_value);
    assert_true(strlen(line) <= LOG_LINE_MAX);
    assert_non_null(
        strstr(line, "\"event\":\"event\",\"after\":\"y\"}\n")); /* the field is left out */
}

static void log_debug(void)
{
    log_line(LOG_DEBUG, "event", LOG_END);
}

static void levels_are_kept(void **state)
{
    (void)state;
    char line[LOG_LINE_MAX];
    enum log_level level;
    log_setup(LOG_INFO, false);
    capture(line, sizeof line, log_debug);
    assert_string_equal(line, "");
    assert_true(log_level_parse("debug", &level) && level == LOG_DEBUG);
    assert_false(log_level_parse("loud", &level));
    log_setup(level, false);
    capture(line, sizeof line, log_debug);
    assert_non_null(strstr(line, " debug event\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_escaped),
        cmocka_unit_test(a_line_is_bounded_and_stays_json),
        cmocka_unit_test(levels_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
