#include "config/show.h"

#include "base/text.h"
#include "config/args.h"
#include "config/option.h"
#include "config/value.h"

#include <stdio.h>
#include <string.h>

enum { HELP_COLUMNS = 80 };

/* A text in the file's syntax. */
static void put_quoted(struct buf *out, const char *str)
{
    buf_char(out, '"');
    for (; *str; str++) {
        unsigned char c = (unsigned char)*str;
        if (c == '"' || c == '\\') {
            buf_char(out, '\\');
            buf_char(out, (char)c);
        } else if (c >= 0x20 && c != 0x7f) {
            buf_char(out, (char)c);
        } else {
            char escape[5];
            snprintf(escape, sizeof escape, "\\x%02x", c);
            buf_str(out, escape);
        }
    }
    buf_char(out, '"');
}

static void put_value(struct buf *out, const struct option *o, const char *text)
{
    if (o->type == OPTION_NUMBER || o->type == OPTION_SWITCH)
        buf_str(out, text);
    else
        put_quoted(out, text);
}

static size_t group_len(const struct option *o)
{
    const char *dot = strrchr(o->name, '.');
    return dot ? (size_t)(dot - o->name) : 0;
}

/* Closes the group of the option before and opens this one's, when they differ; o may be NULL. */
static void put_group(struct buf *out, const struct option *before, const struct option *o)
{
    size_t was = before ? group_len(before) : 0, is = o ? group_len(o) : 0;
    if (was == is && (is == 0 || strncmp(before->name, o->name, is) == 0))
        return;
    if (was > 0)
        buf_str(out, o && is == 0 ? "};\n\n" : "};\n");
    if (is > 0) {
        buf_char(out, '\n');
        buf_add(out, o->name, is);
        buf_str(out, ": {\n");
    }
}

static const char *indent_of(const struct option *o)
{
    return group_len(o) > 0 ? "    " : "";
}

/* --help */

static void fill_flag(const struct option *o, struct args_flag *flag, char *help, size_t size)
{
    const char *fallback = o->fallback ? o->fallback : o->computed;
    int n = snprintf(help, size, "%s", o->help);
    if (o->words) {
        for (size_t i = 0; o->words[i]; i++)
            n += snprintf(help + n, size - (size_t)n, "%s%s", i ? ", " : " One of ", o->words[i]);
        n += snprintf(help + n, size - (size_t)n, ".");
    }
    if (option_is_many(o))
        n += snprintf(help + n, size - (size_t)n, " May be repeated.");
    if (fallback && o->type != OPTION_SWITCH)
        snprintf(help + n, size - (size_t)n, " [%s]", fallback);
    *flag = (struct args_flag){o->name, o->letter, o->value, help};
}

void config_show_flags(struct buf *out)
{
    char help[1024];
    struct args_flag flag;
    for (const struct option *o = options.options; o < options.options + options.count; o++) {
        if (!(o->traits & OPTION_IN_FLAGS))
            continue;
        fill_flag(o, &flag, help, sizeof help);
        args_help(&flag, 1, out);
    }
}

/* --check-config */

/* One text, or an array of them. */
static void put_many(struct buf *out, const struct option *o, const void *base)
{
    char text[OPTION_STRING_MAX + 256];
    size_t count = value_count(o, base);
    buf_str(out, count == 1 ? "" : "[");
    for (size_t i = 0; i < count; i++) {
        struct buf b;
        buf_init_fixed(&b, text, sizeof text);
        value_item(o, base, i, &b);
        if (i > 0)
            buf_str(out, ", ");
        put_quoted(out, buf_cstr(&b));
    }
    buf_str(out, count == 1 ? "" : "]");
}

static void put_member(struct buf *out, const struct option *o, const void *item)
{
    char text[VALUE_TEXT_MAX];
    const char *value = NULL;
    if (option_is_many(o)) {
        if (value_count(o, item) == 0)
            return;
        buf_str(out, "        ");
        buf_str(out, o->name);
        buf_str(out, " = ");
        put_many(out, o, item);
        buf_str(out, ";\n");
        return;
    }
    value = value_text(o, item, text);
    if (!value)
        return;
    buf_str(out, "        ");
    if (o->traits & OPTION_SECRET) {
        buf_str(out, "# ");
        buf_str(out, o->name);
        buf_str(out, " is set, and not shown here\n");
        return;
    }
    buf_str(out, o->name);
    buf_str(out, " = ");
    put_value(out, o, value);
    buf_str(out, ";\n");
}

static void put_list(struct buf *out, const struct option *o, const void *base)
{
    struct option_items list;
    memcpy(&list, (const char *)base + o->offset, sizeof list);
    buf_str(out, o->name);
    buf_str(out, " = (");
    for (size_t i = 0; i < list.count; i++) {
        const char *item = (const char *)list.items + i * o->members->struct_size;
        buf_str(out, i ? ",\n    {\n" : "\n    {\n");
        for (size_t k = 0; k < o->members->count; k++)
            put_member(out, &o->members->options[k], item);
        buf_str(out, "    }");
    }
    buf_str(out, list.count ? "\n);" : ");");
}

static void put_origin(struct buf *out, const struct config *c, const struct option *o)
{
    struct config_origin origin = c->origin[o - options.options];
    char name[OPTION_NAME_MAX];
    buf_str(out, " # ");
    switch (origin.from) {
    case CONFIG_DEFAULT:
        buf_str(out, "default");
        break;
    case CONFIG_FILE:
        buf_str(out, c->ask.config);
        buf_char(out, ':');
        buf_uint(out, origin.line);
        break;
    case CONFIG_ENV:
        buf_str(out, option_env(o, name));
        break;
    case CONFIG_FLAG:
        buf_str(out, "--");
        buf_str(out, option_flag(o, name));
        break;
    }
    buf_char(out, '\n');
}

void config_show_effective(const struct config *c, struct buf *out)
{
    char text[VALUE_TEXT_MAX];
    const struct option *before = NULL;
    for (size_t i = 0; i < c->warnings.count; i++) {
        buf_str(out, "# warning: ");
        buf_str(out, c->warnings.items[i]);
        buf_char(out, '\n');
    }
    for (const struct option *o = options.options; o < options.options + options.count; o++) {
        if (!(o->traits & OPTION_IN_FILE))
            continue;
        put_group(out, before, o);
        before = o;
        const char *value = o->type == OPTION_LIST ? NULL : value_text(o, c, text);
        buf_str(out, indent_of(o));
        if (o->type == OPTION_LIST) {
            put_list(out, o, c);
            put_origin(out, c, o);
        } else if (option_is_many(o) && value_count(o, c) > 0) {
            buf_str(out, option_key(o));
            buf_str(out, " = ");
            put_many(out, o, c);
            buf_char(out, ';');
            put_origin(out, c, o);
        } else if (value && !(o->traits & OPTION_SECRET)) {
            buf_str(out, option_key(o));
            buf_str(out, " = ");
            put_value(out, o, value);
            buf_char(out, ';');
            put_origin(out, c, o);
        } else {
            buf_str(out, "# ");
            buf_str(out, option_key(o));
            buf_str(out, value ? " is set, and not shown here" : " is not set");
            if (!value && o->computed) {
                buf_str(out, ": ");
                buf_str(out, o->computed);
            }
            buf_char(out, '\n');
        }
    }
    put_group(out, before, NULL);
}

/* The example file */

static void put_range(struct buf *out, const struct option *o)
{
    if (o->type == OPTION_NUMBER) {
        buf_uint(out, o->min);
        buf_str(out, " to ");
        buf_uint(out, o->max);
        if (*o->unit) {
            buf_char(out, ' ');
            buf_str(out, o->unit);
        }
    } else if (o->type == OPTION_WORD) {
        for (size_t i = 0; o->words[i]; i++) {
            if (i > 0)
                buf_str(out, ", ");
            buf_str(out, o->words[i]);
        }
    } else if (o->type == OPTION_LIST || option_is_many(o)) {
        buf_str(out, "up to ");
        buf_uint(out, o->max);
    }
}

static void put_comment(struct buf *out, const struct option *o, const char *indent)
{
    char memory[1024], lead[16];
    struct buf text;
    buf_init_fixed(&text, memory, sizeof memory);
    buf_str(&text, o->help);
    if (o->type == OPTION_NUMBER || o->type == OPTION_WORD) {
        buf_str(&text, o->type == OPTION_WORD ? " One of " : " ");
        put_range(&text, o);
        buf_char(&text, '.');
    }
    if (option_is_many(o) && (o->traits & OPTION_IN_ENV)) {
        buf_str(&text, " One, or ");
        put_range(&text, o);
        buf_str(&text, ": [\"...\", \"...\"].");
    }
    if (o->computed) {
        buf_str(&text, " Default: ");
        buf_str(&text, o->computed);
        buf_char(&text, '.');
    }
    snprintf(lead, sizeof lead, "%s# ", indent);
    buf_str(out, lead);
    args_wrap(buf_cstr(&text), strlen(lead), strlen(lead), lead, out);
}

static void put_example_list(struct buf *out, const struct option *o)
{
    buf_str(out, "# ");
    buf_str(out, o->name);
    buf_str(out, " = (\n#     {\n");
    for (size_t i = 0; i < o->members->count; i++) {
        const struct option *m = &o->members->options[i];
        put_comment(out, m, "#         ");
        /* One way to say it is enough; of a secret, the file is the better one. */
        bool spare = m->traits & (OPTION_SECRET | OPTION_OTHERWISE);
        buf_str(out, spare ? "#         # " : "#         ");
        buf_str(out, m->name);
        buf_str(out, " = ");
        buf_str(out, m->example);
        buf_str(out, ";\n");
    }
    buf_str(out, "#     }\n# );\n");
}

void config_show_example(struct buf *out)
{
    const struct option *before = NULL;
    buf_str(out,
            "# Configuration of sigbridge: `sigbridge -c FILE`. What is commented out shows the\n"
            "# default, or an example where there is none.\n"
            "#\n"
            "# Flags win over SIGBRIDGE_* variables, those over this file. Relative paths begin\n"
            "# at this file's directory. `sigbridge -c FILE --check-config` tells what is in\n"
            "# force. A running bridge reads this file again at SIGHUP; what then needs a\n"
            "# restart, its log says, and `sigbridge help options`.\n");
    for (const struct option *o = options.options; o < options.options + options.count; o++) {
        if (!(o->traits & OPTION_IN_FILE))
            continue;
        put_group(out, before, o);
        size_t group = group_len(o);
        if (!before || (group_len(before) == group && strncmp(before->name, o->name, group) == 0))
            buf_char(out, '\n');
        before = o;
        put_comment(out, o, indent_of(o));
        if (o->type == OPTION_LIST) {
            put_example_list(out, o);
            continue;
        }
        buf_str(out, indent_of(o));
        buf_str(out, "# ");
        buf_str(out, option_key(o));
        buf_str(out, " = ");
        if (o->fallback)
            put_value(out, o, o->fallback);
        else
            buf_str(out, o->example);
        buf_str(out, ";\n");
    }
    put_group(out, before, NULL);
}

/* The reference */

static void put_cell(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|' || *text == '*' || *text == '<')
            buf_char(out, '\\');
        buf_char(out, *text);
    }
}

static void put_reload(struct buf *out, const struct option *o)
{
    if (o->traits & OPTION_WHILE_SET)
        buf_str(out, "while set");
    else if (o->traits & OPTION_RELOAD)
        buf_str(out, "yes");
    else if (o->traits & OPTION_IN_FILE)
        buf_str(out, "no");
}

/* list: whose member it is, or NULL. */
static void put_row(struct buf *out, const struct option *o, const struct option *list)
{
    char name[OPTION_NAME_MAX];
    buf_str(out, "| `");
    if (o->traits & OPTION_IN_FILE) {
        if (list) {
            buf_str(out, list->name);
            buf_char(out, '.');
        }
        buf_str(out, o->name);
    } else {
        buf_str(out, "--");
        buf_str(out, option_flag(o, name));
    }
    buf_str(out, "` | ");
    if ((o->traits & OPTION_IN_FLAGS) && (o->traits & OPTION_IN_FILE)) {
        buf_str(out, "`--");
        buf_str(out, option_flag(o, name));
        buf_char(out, '`');
    }
    buf_str(out, " | ");
    if (o->traits & OPTION_IN_ENV) {
        buf_char(out, '`');
        buf_str(out, option_env(o, name));
        buf_char(out, '`');
    }
    buf_str(out, " | ");
    if (o->fallback) {
        buf_char(out, '`');
        buf_str(out, o->fallback);
        buf_char(out, '`');
    } else if (o->computed) {
        put_cell(out, o->computed);
    }
    buf_str(out, " | ");
    put_range(out, o);
    buf_str(out, " | ");
    put_reload(out, list ? list : o);
    buf_str(out, " | ");
    put_cell(out, o->help);
    buf_str(out, " |\n");
}

void config_show_reference(struct buf *out)
{
    buf_str(out,
            "# Options\n\nWritten by `sigbridge help options`. Flags win over variables, "
            "variables over the file, the file over the defaults. An empty variable counts as "
            "unset. In the file, a dot in a key stands for a group: `limits.message` is "
            "`limits: { message = 262144; };`.\n\n"
            "Where several values are possible (up to a number, says the range), a flag is "
            "given once for each, a variable holds them with spaces between, and the file one "
            "or an array: `[\"a\", \"b\"]`. Whoever wins replaces all of them. A flag that "
            "is `false` by default takes no value; its variable and its key are `true` or "
            "`false`.\n\n"
            "At SIGHUP a running bridge reads its file again, and the files that are named in "
            "it. Where the column says `yes` it takes over what has changed, without "
            "disturbing anybody; with `while set` only from one value to another, neither "
            "from none or 0 nor to it; the others need a restart, and the log says which of them "
            "have changed. With a mistake anywhere, all stays as it was.\n\n"
            "| key in the file | flag | variable | default | range | SIGHUP | meaning |\n"
            "| --- | --- | --- | --- | --- | --- | --- |\n");
    for (const struct option *o = options.options; o < options.options + options.count; o++) {
        put_row(out, o, NULL);
        if (o->type == OPTION_LIST)
            for (size_t i = 0; i < o->members->count; i++)
                put_row(out, &o->members->options[i], o);
    }
}
