/* A command line, one flag at a time: `--name value`, `--name=value`, `-n value`, switches without
 * a value, and words that are no flags. `--` ends the flags; a lone `-` is a word.
 *
 *     struct args a = {.argc = n, .argv = v, .flags = flags, .count = 3};
 *     enum args_what what;
 *     while ((what = args_next(&a)) != ARGS_END) ... a.flag, a.value, or a.text for the rest
 *
 * Threads: plain data, no allocation; everything points into argv. */
#ifndef SIGBRIDGE_CONFIG_ARGS_H
#define SIGBRIDGE_CONFIG_ARGS_H

#include "config/complaint.h"

#include <stdbool.h>
#include <stddef.h>

struct args_flag {
    const char *name;  /* without dashes; an underscore stands for a hyphen */
    char letter;       /* or 0 */
    const char *value; /* what stands for it in the help; NULL: a switch */
    const char *help;
};

enum args_what { ARGS_END, ARGS_FLAG, ARGS_WORD, ARGS_UNKNOWN, ARGS_NO_VALUE, ARGS_EXTRA_VALUE };

struct args {
    int argc;
    const char *const *argv;
    const struct args_flag *flags;
    size_t count;

    int at;
    bool only_words;
    const char *text;             /* the argument as written */
    const struct args_flag *flag; /* FLAG, NO_VALUE, EXTRA_VALUE */
    const char *value;            /* FLAG: NULL for a switch. WORD: the word */
};

enum args_what args_next(struct args *a);

/* Says what is wrong about UNKNOWN, NO_VALUE, EXTRA_VALUE, or about a WORD that nobody asked for.
 */
void args_complain(const struct args *a, enum args_what what, struct complaints *wrong);

/* Prints the flags with their help, wrapped at 80 columns, to out. */
struct buf;
void args_help(const struct args_flag *flags, size_t count, struct buf *out);
/* A command's whole help on standard output: what it says first, then its flags. */
void args_print_help(const char *usage, const struct args_flag *flags, size_t count);
/* The text, wrapped at 80 columns, each line after the first indented. `column`: where we are. */
void args_wrap(const char *text, size_t column, size_t indent, const char *lead, struct buf *out);

#endif
