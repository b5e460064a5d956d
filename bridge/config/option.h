/* The one table of everything that can be configured, and what is derived from it.
 *
 * An option's name is its key in the file; a dot stands for a group (`limits.message` is `message`
 * in the group `limits`). Its variable is SIGBRIDGE_ and the name in capitals, dots as underscores;
 * its flag, where it has one, is the name with hyphens for underscores. A list option has a table
 * of its own for the members of each item, and is read from the file only.
 *
 * Options that hold several texts (STRINGS, ENTRIES) are a flag that may be repeated, a variable
 * with spaces between, and in the file a text or an array of texts. Whoever wins replaces them all.
 *
 * To add an option: a member in struct config, a row in options.c. Nothing else, but for one that
 * can be reloaded: app/reload.c hands it to the part that uses it.
 *
 * Threads: constant data. */
#ifndef SIGBRIDGE_CONFIG_OPTION_H
#define SIGBRIDGE_CONFIG_OPTION_H

#include "config/complaint.h"
#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
    OPTION_ASK,      /* bool: a flag without a value, about this call and not about the bridge */
    OPTION_SWITCH,   /* bool: a flag without a value; elsewhere true or false */
    OPTION_TEXT,     /* char *: checked by `check` where there is one */
    OPTION_PATH,     /* char *: made absolute */
    OPTION_NUMBER,   /* uint32_t: min to max */
    OPTION_WORD,     /* uint32_t: index into `words` */
    OPTION_ENDPOINT, /* struct endpoint */
    OPTION_BROKER,   /* struct broker */
    OPTION_STRINGS,  /* struct strings: 1 to max of them, each checked by `check` */
    OPTION_ENTRIES,  /* struct option_items: the same, each read by `form` */
    OPTION_LIST      /* struct option_items: up to max of them */
};

enum {
    OPTION_IN_FILE = 1,
    OPTION_IN_ENV = 2,
    OPTION_IN_FLAGS = 4,
    OPTION_SECRET = 8,     /* never shown */
    OPTION_REQUIRED = 16,  /* members of list items only: must be there */
    OPTION_OR_NONE = 32,   /* PATH: the word `none` means NULL */
    OPTION_OTHERWISE = 64, /* members of list items only: another way to say what one before does */
    OPTION_RELOAD = 128,   /* a running bridge takes over a change (SIGHUP); else: by a restart */
    OPTION_WHILE_SET = 256 /* with RELOAD: but not from unset or 0 to set, nor back */
};

enum { OPTION_NAME_MAX = 64, OPTION_STRING_MAX = 4096 };

/* What an OPTION_LIST or OPTION_ENTRIES points at: `items` holds `count` structs of item_size
 * bytes. */
struct option_items {
    void *items;
    size_t count;
};

/* How the items of OPTION_ENTRIES are written. Relative paths in them begin at dir. */
struct buf;
struct option_form {
    size_t item_size;
    const char *wanted; /* what to write instead */
    /* Fills an item of zeros, or: false, the reason in *why, and nothing to be released. */
    bool (*parse)(const char *str, const char *dir, void *item, const char **why);
    void (*format)(const void *item, struct buf *out);
    void (*release)(void *item); /* NULL: holds nothing */
};

struct option;

struct option_table {
    const struct option *options;
    size_t count;
    size_t struct_size; /* of the struct that the offsets are into */
};

struct option {
    const char *name;
    enum option_type type;
    unsigned traits;
    char letter;              /* short flag, or 0 */
    const char *value;        /* what stands for the value in --help; NULL: none */
    size_t offset;            /* into struct config, or into the item's struct */
    const char *fallback;     /* the default as one would write it; NULL: unset, or computed */
    const char *computed;     /* how a computed default comes about, for people; or NULL */
    const char *example;      /* for the example file, where there is no fallback */
    uint32_t min, max;        /* NUMBER: the range; STRINGS, ENTRIES, LIST: max items */
    const char *unit;         /* NUMBER: "bytes", "seconds"...; "" for a plain count */
    const char *const *words; /* WORD: NULL-terminated */
    /* TEXT, STRINGS: true, or the reason in *why. */
    bool (*check)(const char *str, const char **why);
    const struct option_form *form;     /* ENTRIES */
    const struct option_table *members; /* LIST */
    /* LIST: called for each item that is complete; false with the reason in *why. */
    bool (*check_item)(const void *item, const char **why);
    const char *help;
};

extern const struct option_table options; /* of struct config */
/* How NAME=VALUE begins where it is none of ours; NULL-terminated. */
extern const char *const option_env_foreign[];

/* "SIGBRIDGE_LIMITS_MESSAGE", "mqtt-listen": written into out, returns out. */
const char *option_env(const struct option *o, char out[OPTION_NAME_MAX]);
const char *option_flag(const struct option *o, char out[OPTION_NAME_MAX]);
/* The name without its group. */
const char *option_key(const struct option *o);
bool option_is_many(const struct option *o); /* STRINGS or ENTRIES */

const struct option *option_by_name(const struct option_table *t, const char *name);
const struct option *option_by_env(const char *env);
const struct option *option_by_flag(const char *flag); /* without dashes */

#endif
