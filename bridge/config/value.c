#include "config/value.h"

#include "base/text.h"
#include "proto/names.h"
#include "proto/topic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *field(const struct option *o, void *base)
{
    return (char *)base + o->offset;
}

static const void *const_field(const struct option *o, const void *base)
{
    return (const char *)base + o->offset;
}

/* One code point of UTF-8 (RFC 3629) that a person can read: no control characters, no surrogates,
 * no noncharacters. Returns its length, 0 for anything else. */
static size_t printable_len(const unsigned char *p)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (len <= 1)
        return len == 1 && p[0] >= 0x20 && p[0] != 0x7f ? 1 : 0;
    uint32_t point = p[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) /* also stops at the end of the string */
            return 0;
        point = point << 6 | (p[i] & 0x3fu);
    }
    if (p[0] > 0xf4 || point < least[len] || point > 0x10ffff || point < 0xa0)
        return 0;
    if ((point >= 0xd800 && point <= 0xdfff) || (point & 0xfffe) == 0xfffe || point == 0xfeff)
        return 0;
    return len;
}

bool value_is_plain(const char *str, const char **why)
{
    if (!*str) {
        *why = "is empty";
        return false;
    }
    for (const unsigned char *p = (const unsigned char *)str; *p;) {
        size_t len = printable_len(p);
        if (len == 0) {
            *why = "is not plain text: it must be UTF-8 without control characters";
            return false;
        }
        p += len;
    }
    return true;
}

bool value_is_name(const char *str, const char **why)
{
    *why = "is no name: write 1 to 64 characters of A-Z a-z 0-9 . _ ~ -, the first one a letter or "
           "a digit";
    return name_ok(str, strlen(str));
}

bool value_is_prefix(const char *str, const char **why)
{
    size_t len = strlen(str);
    if (!value_is_plain(str, why))
        return false;
    if (len > TOPIC_PREFIX_MAX) {
        *why = "is longer than 100 bytes";
        return false;
    }
    if (strpbrk(str, "+#") || *str == '$') {
        *why = "holds a wildcard (+ or #) or begins with $, which only the broker may use";
        return false;
    }
    if (*str == '/' || str[len - 1] == '/' || strstr(str, "//")) {
        *why = "has an empty level: leave out the / at its beginning or end, and write // as /";
        return false;
    }
    return true;
}

void value_wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
}

char *value_path(const char *dir, const char *name)
{
    char *path = NULL;
    while (name[0] == '.' && name[1] == '/')
        name += 2;
    if (*name == '/' || !dir)
        return strdup(name);
    const char *slash = dir[0] && dir[strlen(dir) - 1] == '/' ? "" : "/";
    return asprintf(&path, "%s%s%s", dir, slash, name) < 0 ? NULL : path;
}

/* A complaint about a value, the value quoted unless it is a secret. */
static bool refuse(const struct option *o, const char *str, struct complaints *wrong,
                   const char *where, const char *why, const char *remedy)
{
    char quoted[COMPLAINT_QUOTE_MAX];
    bool secret =
        (o->traits & OPTION_SECRET) || (o->type == OPTION_BROKER && broker_text_is_secret(str));
    complain(wrong, where, "%s %s%s%s", secret ? "the value" : complaint_quote(quoted, str), why,
             remedy ? ": " : "", remedy ? remedy : "");
    return false;
}

static bool no_memory(struct complaints *wrong, const char *where)
{
    complain(wrong, where, "out of memory");
    return false;
}

static bool set_pointer(const struct option *o, void *base, char *str, struct complaints *wrong,
                        const char *where)
{
    char **p = field(o, base);
    if (!str)
        return no_memory(wrong, where);
    if (o->traits & OPTION_SECRET)
        value_wipe(*p);
    free(*p);
    *p = str;
    return true;
}

static bool set_path(const struct option *o, void *base, const char *str, const char *dir,
                     struct complaints *wrong, const char *where)
{
    const char *why = NULL;
    if ((o->traits & OPTION_OR_NONE) && strcmp(str, "none") == 0) {
        char **p = field(o, base);
        free(*p);
        *p = NULL;
        return true;
    }
    /* Paths are bytes; only what would break a line or a terminal is refused. */
    for (const char *p = str; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            why = "has a control character in it";
    if (!*str)
        why = "is empty";
    if (why)
        return refuse(o, str, wrong, where, why, "write a path");
    return set_pointer(o, base, value_path(dir, str), wrong, where);
}

static bool set_number(const struct option *o, void *base, const char *str,
                       struct complaints *wrong, const char *where)
{
    char remedy[120];
    struct text t = text_of_str(str);
    uint64_t n = 0;
    snprintf(remedy, sizeof remedy, "write a whole number from %u to %u%s%s", o->min, o->max,
             *o->unit ? ", in " : "", o->unit);
    if (!text_uint(&t, UINT64_MAX, &n) || !text_end(&t))
        return refuse(o, str, wrong, where, "is no number", remedy);
    if (n < o->min || n > o->max)
        return refuse(o, str, wrong, where, n < o->min ? "is too small" : "is too large", remedy);
    *(uint32_t *)field(o, base) = (uint32_t)n;
    return true;
}

static bool set_word(const struct option *o, void *base, const char *str, struct complaints *wrong,
                     const char *where)
{
    char remedy[120] = "write one of";
    for (uint32_t i = 0; o->words[i]; i++) {
        if (strcmp(o->words[i], str) == 0) {
            *(uint32_t *)field(o, base) = i;
            return true;
        }
        size_t at = strlen(remedy);
        snprintf(remedy + at, sizeof remedy - at, "%s %s", i ? "," : "", o->words[i]);
    }
    return refuse(o, str, wrong, where, "is not known here", remedy);
}

static bool set_broker(const struct option *o, void *base, const char *str, const char *dir,
                       struct complaints *wrong, const char *where)
{
    struct broker b;
    const char *why = NULL;
    if (!broker_parse(str, &b, &why))
        return refuse(o, str, wrong, where, why,
                      "write embedded, mqtt://HOST:PORT, mqtts://HOST:PORT or unix:PATH");
    if (b.kind == BROKER_UNIX) {
        char *path = value_path(dir, b.path);
        if (!path)
            return no_memory(wrong, where);
        size_t len = strlen(path);
        if (len < sizeof b.path)
            memcpy(b.path, path, len + 1);
        free(path);
        if (len >= sizeof b.path)
            return refuse(o, str, wrong, where,
                          "is too long a path: a socket's may have 107 bytes, from the root on",
                          NULL);
    }
    *(struct broker *)field(o, base) = b;
    return true;
}

static bool set_switch(const struct option *o, void *base, const char *str,
                       struct complaints *wrong, const char *where)
{
    bool yes = strcmp(str, "true") == 0;
    if (!yes && strcmp(str, "false") != 0)
        return refuse(o, str, wrong, where, "is neither true nor false", NULL);
    *(bool *)field(o, base) = yes;
    return true;
}

bool value_set(const struct option *o, void *base, const char *str, const char *dir,
               struct complaints *wrong, const char *where)
{
    const char *why = NULL;
    if (strlen(str) > OPTION_STRING_MAX)
        return refuse(o, str, wrong, where, "is longer than 4096 bytes", NULL);
    switch (o->type) {
    case OPTION_SWITCH:
        return set_switch(o, base, str, wrong, where);
    case OPTION_TEXT:
        if (o->check && !o->check(str, &why))
            return refuse(o, str, wrong, where, why, NULL);
        return set_pointer(o, base, strdup(str), wrong, where);
    case OPTION_PATH:
        return set_path(o, base, str, dir, wrong, where);
    case OPTION_NUMBER:
        return set_number(o, base, str, wrong, where);
    case OPTION_WORD:
        return set_word(o, base, str, wrong, where);
    case OPTION_ENDPOINT:
        return endpoint_parse(str, field(o, base), &why) ||
               refuse(o, str, wrong, where, why,
                      "write ADDR:PORT, as in 127.0.0.1:8080 or [::1]:8080");
    case OPTION_BROKER:
        return set_broker(o, base, str, dir, wrong, where);
    case OPTION_ASK:
    case OPTION_STRINGS:
    case OPTION_ENTRIES:
    case OPTION_LIST:
        break; /* not scalars: nobody calls this with them */
    }
    return refuse(o, str, wrong, where, "cannot be written as text", NULL);
}

bool strings_add(struct strings *s, const char *str)
{
    char **items = realloc(s->items, (s->count + 1) * sizeof *items);
    if (!items)
        return false;
    s->items = items;
    s->items[s->count] = strdup(str);
    if (!s->items[s->count])
        return false;
    s->count++;
    return true;
}

void strings_release(struct strings *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->items[i]);
    free(s->items);
    *s = (struct strings){0};
}

static bool add_entry(const struct option *o, void *base, const char *str, const char *dir,
                      struct complaints *wrong, const char *where)
{
    const struct option_form *form = o->form;
    struct option_items list;
    const char *why = NULL;
    memcpy(&list, field(o, base), sizeof list);
    char *items = realloc(list.items, (list.count + 1) * form->item_size);
    if (!items)
        return no_memory(wrong, where);
    list.items = items;
    char *item = items + list.count * form->item_size;
    memset(item, 0, form->item_size);
    bool done = form->parse(str, dir, item, &why);
    list.count += done;
    memcpy(field(o, base), &list, sizeof list);
    return done || refuse(o, str, wrong, where, why, form->wanted);
}

bool value_add(const struct option *o, void *base, const char *str, const char *dir,
               struct complaints *wrong, const char *where)
{
    const char *why = NULL;
    if (strlen(str) > OPTION_STRING_MAX)
        return refuse(o, str, wrong, where, "is longer than 4096 bytes", NULL);
    if (value_count(o, base) >= o->max) {
        complain(wrong, where, "has more than %u entries", o->max);
        return false;
    }
    if (o->type == OPTION_ENTRIES)
        return add_entry(o, base, str, dir, wrong, where);
    if (o->check && !o->check(str, &why))
        return refuse(o, str, wrong, where, why, NULL);
    return strings_add(field(o, base), str) || no_memory(wrong, where);
}

void value_clear(const struct option *o, void *base)
{
    struct option_items list;
    if (o->type == OPTION_STRINGS) {
        strings_release(field(o, base));
        return;
    }
    memcpy(&list, field(o, base), sizeof list);
    for (size_t i = 0; o->form->release && i < list.count; i++)
        o->form->release((char *)list.items + i * o->form->item_size);
    free(list.items);
    list = (struct option_items){0};
    memcpy(field(o, base), &list, sizeof list);
}

size_t value_count(const struct option *o, const void *base)
{
    struct option_items list;
    if (o->type == OPTION_STRINGS)
        return ((const struct strings *)const_field(o, base))->count;
    memcpy(&list, const_field(o, base), sizeof list);
    return list.count;
}

void value_item(const struct option *o, const void *base, size_t i, struct buf *out)
{
    struct option_items list;
    if (o->type == OPTION_STRINGS) {
        buf_str(out, ((const struct strings *)const_field(o, base))->items[i]);
        return;
    }
    memcpy(&list, const_field(o, base), sizeof list);
    o->form->format((const char *)list.items + i * o->form->item_size, out);
}

const char *value_text(const struct option *o, const void *base, char out[VALUE_TEXT_MAX])
{
    const void *f = const_field(o, base);
    switch (o->type) {
    case OPTION_SWITCH:
        return *(const bool *)f ? "true" : "false";
    case OPTION_TEXT:
    case OPTION_PATH: {
        const char *str = *(char *const *)f;
        return str || !(o->traits & OPTION_OR_NONE) ? str : "none";
    }
    case OPTION_NUMBER:
        snprintf(out, VALUE_TEXT_MAX, "%u", *(const uint32_t *)f);
        return out;
    case OPTION_WORD:
        return o->words[*(const uint32_t *)f];
    case OPTION_ENDPOINT:
        endpoint_format(f, out);
        return out;
    case OPTION_BROKER:
        broker_format(f, out);
        return out;
    case OPTION_ASK:
    case OPTION_STRINGS:
    case OPTION_ENTRIES:
    case OPTION_LIST:
        break;
    }
    return NULL;
}

/* Calls itself for the items of lists: as deep as the tables are nested, not the input. */
void value_release_all(const struct option_table *t, void *base)
{
    for (const struct option *o = t->options; o < t->options + t->count; o++) {
        if (o->type == OPTION_TEXT || o->type == OPTION_PATH) {
            char **p = field(o, base);
            if (o->traits & OPTION_SECRET)
                value_wipe(*p);
            free(*p);
        } else if (option_is_many(o)) {
            value_clear(o, base);
        } else if (o->type == OPTION_LIST) {
            struct option_items list;
            memcpy(&list, field(o, base), sizeof list);
            for (size_t i = 0; i < list.count; i++)
                value_release_all(o->members, (char *)list.items + i * o->members->struct_size);
            free(list.items);
        }
    }
}
