/* Loads configurations for the tests of bridge/config: a file in a directory of the test's own,
 * variables and flags. */
#ifndef SIGBRIDGE_TEST_CONFIG_UTIL_H
#define SIGBRIDGE_TEST_CONFIG_UTIL_H

#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>

enum { CONFIG_TEXT_MAX = 8192 };

extern char config_dir[64], config_path[96]; /* the directory, and the file in it */
extern bool config_without_dev; /* while this is set, what is loaded has no --dev added to it */

/* Group set-up and tear-down. */
int config_make_directory(void **state);
int config_remove_directory(void **state);

void config_write_file(const char *name, const char *text, size_t len);
/* With a file's text (NULL: no file), variables and flags; both lists end with NULL. */
struct config *config_load_with(const char *text, char *const *env, const char *const *flags,
                                struct complaints *wrong);
/* The same, and it must succeed. */
struct config *config_load_well(const char *text, char *const *env, const char *const *flags);

struct config_mistake {
    const char *name;
    const char *file;
    const char *env;
    const char *flag[3];
    const char *says; /* all of it, without the "sigbridge: " of each line and the last line end;
                         @ at the beginning of a line
                         stands for the file's path */
};

/* Loads each row, which must fail with just these words. */
void config_check_mistakes(const struct config_mistake *rows, size_t count);

#endif
