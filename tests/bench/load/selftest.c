#include "selftest.h"

#include <stdio.h>

bool selftest_row(const char *table, const char *row, bool holds)
{
    if (!holds)
        fprintf(stderr, "load: self-test %s: \"%s\" does not hold\n", table, row);
    return holds;
}
