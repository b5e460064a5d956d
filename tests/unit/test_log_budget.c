#include "policy/log_budget.h"
#include "test.h"

static void a_flood_is_told_in_few_lines(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        int64_t now_us;
        int times, lines;
        uint64_t unsaid; /* by all of these lines */
    } rows[] = {
        {"each of the first is said", 0, 20, 20, 0},
        {"then none", 0, 500, 0, 0},
        {"after a second one, with how many it stands for", 1000000, 100, 1, 500},
        {"and again", 2000000, 1, 1, 99},
        {"a clock that goes back says nothing", 0, 7, 0, 0},
        {"after long each is said again", 100000000, 20, 20, 7},
    };
    struct log_budget b;
    log_budget_init(&b, 0);
    for (size_t i = 0; i < ROWS(rows); i++) {
        uint64_t unsaid = 0, total = 0;
        int lines = 0;
        for (int n = 0; n < rows[i].times; n++) {
            if (log_budget_take(&b, rows[i].now_us, &unsaid)) {
                lines++;
                total += unsaid;
            }
        }
        ROW(rows[i].why, lines == rows[i].lines);
        ROW(rows[i].why, total == rows[i].unsaid);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_flood_is_told_in_few_lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
