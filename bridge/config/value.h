/* One value: from text into its typed field, back into text, and away. What each type accepts is
 * the same whether the text came from a flag, a variable or the file.
 *
 * `base` is the struct that the option's offset is into: struct config, or a list item's. A field
 * that is set again frees what it held. Threads: plain data. */
#ifndef SIGBRIDGE_CONFIG_VALUE_H
#define SIGBRIDGE_CONFIG_VALUE_H

#include "config/option.h"

#include <stdbool.h>

/* Sets a scalar option. Relative paths become absolute from `dir`. False: refused, and `wrong` has
 * a line that begins with `where` and says what to write instead; the field is as before. */
bool value_set(const struct option *o, void *base, const char *str, const char *dir,
               struct complaints *wrong, const char *where);
/* Adds one to an OPTION_STRINGS or OPTION_ENTRIES field, under the same terms. */
bool value_add(const struct option *o, void *base, const char *str, const char *dir,
               struct complaints *wrong, const char *where);
void value_clear(const struct option *o, void *base); /* takes all of them away */
bool strings_add(struct strings *s, const char *str); /* false: out of memory */
void strings_release(struct strings *s);              /* leaves an empty one */

/* How many an OPTION_STRINGS or OPTION_ENTRIES field holds, and one of them as text. */
size_t value_count(const struct option *o, const void *base);
void value_item(const struct option *o, const void *base, size_t i, struct buf *out);

/* A scalar option's value as text, without quotes; NULL: unset. `out` is used where needed. */
enum { VALUE_TEXT_MAX = BROKER_TEXT_MAX };
const char *value_text(const struct option *o, const void *base, char out[VALUE_TEXT_MAX]);

/* Frees what the fields of one struct hold, lists and their items included; wipes secrets. */
void value_release_all(const struct option_table *t, void *base);
void value_wipe(char *secret); /* NULL is fine; does not free */

/* A directory and a name, joined; an absolute name stays as it is. The caller frees it. */
char *value_path(const char *dir, const char *name);

/* Checks for OPTION_TEXT: true, or a sentence fragment in *why. */
bool value_is_plain(const char *str, const char **why);  /* UTF-8 without control characters */
bool value_is_name(const char *str, const char **why);   /* the protocol's names */
bool value_is_prefix(const char *str, const char **why); /* the beginning of a topic */

#endif
