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
    struct rate r;
    rate_init(&r, 10, 3, 1000000);
    for (size_t i = 0; i < ROWS(rows); i++) {
        int64_t retry_ms = 0;
        ROW(rows[i].why, rate_take(&r, rows[i].now_us, &retry_ms) == rows[i].ok);
        ROW(rows[i].why, retry_ms == rows[i].retry_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tokens_come_back_with_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
