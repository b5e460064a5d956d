#include "config/args.h"

#include "base/buf.h"
#include "config/nearest.h"

#include <stdio.h>
#include <string.h>

enum { FLAG_COLUMN = 26, LINE_COLUMNS = 80 };

/* Compares `len` bytes of a flag as typed with a name in which _ stands for a hyphen. */
static bool same(const char *typed, size_t len, const char *name)
{
    if (strlen(name) != len)
        return false;
    for (size_t i = 0; i < len; i++)
        if (typed[i] != (name[i] == '_' ? '-' : name[i]))
            return false;
    return true;
}

static const struct args_flag *find(const struct args *a, const char *typed, size_t len,
                                    char letter)
{
    for (const struct args_flag *f = a->flags; f < a->flags + a->count; f++)
        if (letter ? f->letter == letter : same(typed, len, f->name))
            return f;
    return NULL;
}

enum args_what args_next(struct args *a)
{
    const char *equals = NULL;
    a->flag = NULL;
    a->value = NULL;
    if (a->at >= a->argc)
        return ARGS_END;
    a->text = a->argv[a->at++];
    if (!a->only_words && strcmp(a->text, "--") == 0) {
        a->only_words = true;
        if (a->at >= a->argc)
            return ARGS_END;
        a->text = a->argv[a->at++];
    }
    if (a->only_words || a->text[0] != '-' || !a->text[1]) {
        a->value = a->text;
        return ARGS_WORD;
    }
    if (a->text[1] == '-') {
        equals = strchr(a->text, '=');
        size_t len = equals ? (size_t)(equals - a->text) : strlen(a->text);
        a->flag = find(a, a->text + 2, len - 2, 0);
    } else if (!a->text[2]) {
        a->flag = find(a, NULL, 0, a->text[1]);
    }
    if (!a->flag)
        return ARGS_UNKNOWN;
    if (!a->flag->value)
        return equals ? ARGS_EXTRA_VALUE : ARGS_FLAG;
    if (equals)
        a->value = equals + 1;
    else if (a->at < a->argc)
        a->value = a->argv[a->at++];
    return a->value ? ARGS_FLAG : ARGS_NO_VALUE;
}

static void complain_unknown(const struct args *a, struct complaints *wrong)
{
    char typed[NEAREST_MAX + 1], quoted[COMPLAINT_QUOTE_MAX];
    struct nearest n;
    const char *name = a->text + strspn(a->text, "-");
    size_t len = strcspn(name, "=");
    snprintf(typed, sizeof typed, "%.*s", (int)(len < NEAREST_MAX ? len : NEAREST_MAX), name);
    complaint_quote(quoted, typed);
    for (char *p = typed; *p; p++)
        if (*p == '-')
            *p = '_';
    nearest_init(&n, typed);
    for (size_t i = 0; i < a->count; i++)
        nearest_offer(&n, a->flags[i].name);
    if (!nearest_word(&n)) {
        complain(wrong, NULL, "unknown option %s: see --help", quoted);
        return;
    }
    snprintf(typed, sizeof typed, "%s", nearest_word(&n));
    for (char *p = typed; *p; p++)
        if (*p == '_')
            *p = '-';
    complain(wrong, NULL, "unknown option %s: did you mean --%s?", quoted, typed);
}

void args_complain(const struct args *a, enum args_what what, struct complaints *wrong)
{
    char quoted[COMPLAINT_QUOTE_MAX];
    complaint_quote(quoted, a->text);
    if (what == ARGS_UNKNOWN)
        complain_unknown(a, wrong);
    else if (what == ARGS_NO_VALUE)
        complain(wrong, NULL, "%s needs a value: write %s %s", quoted, a->text, a->flag->value);
    else if (what == ARGS_EXTRA_VALUE)
        complain(wrong, NULL, "%s takes no value: leave out what follows the =", quoted);
    else
        complain(wrong, NULL, "unexpected argument %s: see --help", quoted);
}

void args_wrap(const char *text, size_t column, size_t indent, const char *lead, struct buf *out)
{
    bool first = true;
    while (*text) {
        size_t len = strcspn(text, " ");
        if (!first && column + 1 + len > LINE_COLUMNS) {
            buf_char(out, '\n');
            buf_str(out, lead);
            column = strlen(lead);
            for (; column < indent; column++)
                buf_char(out, ' ');
        } else if (!first) {
            buf_char(out, ' ');
            column++;
        }
        buf_add(out, text, len);
        column += len;
        text += len;
        text += *text == ' ';
        first = false;
    }
    buf_char(out, '\n');
}

void args_help(const struct args_flag *flags, size_t count, struct buf *out)
{
    for (const struct args_flag *f = flags; f < flags + count; f++) {
        char letter[5] = "", line[80], name[NEAREST_MAX + 1];
        if (f->letter)
            snprintf(letter, sizeof letter, "-%c, ", f->letter);
        snprintf(name, sizeof name, "%s", f->name);
        for (char *p = name; *p; p++)
            if (*p == '_')
                *p = '-';
        int n = snprintf(line, sizeof line, "  %s--%s%s%s", letter, name, f->value ? " " : "",
                         f->value ? f->value : "");
        size_t column = n < 0 ? 0 : (size_t)n;
        buf_str(out, line);
        if (column > FLAG_COLUMN - 2) {
            buf_char(out, '\n');
            column = 0;
        }
        for (; column < FLAG_COLUMN; column++)
            buf_char(out, ' ');
        args_wrap(f->help, column, FLAG_COLUMN, "", out);
    }
}

void args_print_help(const char *usage, const struct args_flag *flags, size_t count)
{
    char memory[8192];
    struct buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    buf_str(&b, usage);
    args_help(flags, count, &b);
    fputs(buf_cstr(&b), stdout);
}
