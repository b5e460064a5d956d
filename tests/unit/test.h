/* What every unit test includes: cmocka, and assertions that name the row of a table. */
#ifndef SIGBRIDGE_TEST_H
#define SIGBRIDGE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ROWS(table) (sizeof(table) / sizeof *(table))
/* Like assert_true(), and says in which row. */
#define ROW(name, holds)                                                                           \
    do {                                                                                           \
        if (!(holds))                                                                              \
            fail_msg("row \"%s\": %s", (name), #holds);                                            \
    } while (0)

#endif
