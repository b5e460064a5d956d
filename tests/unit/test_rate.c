#include "policy/rate.h"
#include "test.h"

static void tokens_come_back_with_time(void **state)
{
    (void)state;
    /* 10 per second, burst of 3, from time 1,000,000 us on. */
    static const struct {
        const char *why;
        int64_t now_us;
        bool ok;
        int64_t retry_ms;
    } rows[] = {
        {"first of the burst", 1000000, true, 0},
        {"second", 1000000, true, 0},
        {"third", 1000000, true, 0},
        {"empty", 1000000, false, 100},
        {"half a token", 1050000, false, 50},
        {"a clock that goes back gives nothing", 900000, false, 50},
        {"one token", 1100000, true, 0},
        {"empty again", 1100000, false, 100},
        {"long after: the burst, no more", 99000000, true, 0},
        {"second of it", 99000000, true, 0},
        {"third of it", 99000000, true, 0},
        {"and empty", 99000000, false, 100},
    };
    static const struct rate_limit limit = {10, 3};
    struct rate r;
    rate_init(&r, &limit, 1000000);
    for (size_t i = 0; i < ROWS(rows); i++) {
        int64_t retry_ms = 0;
        ROW(rows[i].why, rate_take(&r, &limit, 1, rows[i].now_us, &retry_ms) == rows[i].ok);
        ROW(rows[i].why, retry_ms == rows[i].retry_ms);
    }
}

static void amounts_are_taken_whole_or_not_at_all(void **state)
{
    (void)state;
    /* 1000 per second, burst of 4000: bytes. */
    static const struct {
        const char *why;
        int64_t amount, now_us;
        bool ok;
        int64_t retry_ms;
    } rows[] = {
        {"most of the burst", 3000, 0, true, 0},
        {"more than is left", 1500, 0, false, 500},
        {"what was refused was not taken", 1000, 0, true, 0},
        {"after a second", 1000, 1000000, true, 0},
        {"more than the burst counts as the burst", 9000, 4999999, false, 1},
        {"and passes when that is there", 9000, 5000000, true, 0},
        {"nothing costs nothing", 0, 5000000, true, 0},
        {"after very long", 4000, INT64_MAX, true, 0},
    };
    static const struct rate_limit limit = {1000, 4000};
    struct rate r;
    rate_init(&r, &limit, 0);
    for (size_t i = 0; i < ROWS(rows); i++) {
        int64_t retry_ms = 0;
        ROW(rows[i].why,
            rate_take(&r, &limit, rows[i].amount, rows[i].now_us, &retry_ms) == rows[i].ok);
        ROW(rows[i].why, retry_ms == rows[i].retry_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tokens_come_back_with_time),
                                       cmocka_unit_test(amounts_are_taken_whole_or_not_at_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
