#include "config/change.h"

#include "base/buf.h"
#include "config/value.h"

#include <string.h>

enum { ITEM_TEXT_MAX = OPTION_STRING_MAX + 256 };

static size_t field_size(const struct option *o)
{
    switch (o->type) {
    case OPTION_ASK:
    case OPTION_SWITCH:
        return sizeof(bool);
    case OPTION_TEXT:
    case OPTION_PATH:
        return sizeof(char *);
    case OPTION_NUMBER:
    case OPTION_WORD:
        return sizeof(uint32_t);
    case OPTION_ENDPOINT:
        return sizeof(struct endpoint);
    case OPTION_BROKER:
        return sizeof(struct broker);
    case OPTION_STRINGS:
        return sizeof(struct strings);
    case OPTION_ENTRIES:
    case OPTION_LIST:
        break;
    }
    return sizeof(struct option_items);
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_many(const struct option *o, const void *a, const void *b)
{
    char bytes_a[ITEM_TEXT_MAX], bytes_b[ITEM_TEXT_MAX];
    size_t count = value_count(o, a);
    if (value_count(o, b) != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct buf text_a, text_b;
        buf_init_fixed(&text_a, bytes_a, sizeof bytes_a);
        buf_init_fixed(&text_b, bytes_b, sizeof bytes_b);
        value_item(o, a, i, &text_a);
        value_item(o, b, i, &text_b);
        if (strcmp(buf_cstr(&text_a), buf_cstr(&text_b)) != 0)
            return false;
    }
    return true;
}

static bool same_value(const struct option *o, const void *a, const void *b);

static bool same_list(const struct option *o, const void *a, const void *b)
{
    const struct option_table *t = o->members;
    struct option_items in_a, in_b;
    memcpy(&in_a, (const char *)a + o->offset, sizeof in_a);
    memcpy(&in_b, (const char *)b + o->offset, sizeof in_b);
    if (in_a.count != in_b.count)
        return false;
    for (size_t i = 0; i < in_a.count; i++)
        for (size_t k = 0; k < t->count; k++)
            if (!same_value(&t->options[k], (const char *)in_a.items + i * t->struct_size,
                            (const char *)in_b.items + i * t->struct_size))
                return false;
    return true;
}

/* Goes on into same_list(), as deep as the tables are nested. */
static bool same_value(const struct option *o, const void *a, const void *b)
{
    char text_a[VALUE_TEXT_MAX], text_b[VALUE_TEXT_MAX];
    if (o->type == OPTION_LIST)
        return same_list(o, a, b);
    if (option_is_many(o))
        return same_many(o, a, b);
    return same_text(value_text(o, a, text_a), value_text(o, b, text_b));
}

/* What was read from the files that options name. */
static bool same_secrets(const struct option *o, const struct config *a, const struct config *b)
{
    if (o->offset == offsetof(struct config, mqtt.password_file))
        return same_text(a->mqtt.password, b->mqtt.password);
    if (o->offset != offsetof(struct config, ice_servers))
        return true;
    for (size_t i = 0; i < a->ice_servers.count; i++) /* as many as in b */
        if (!same_text(a->ice_servers.items[i].secret, b->ice_servers.items[i].secret))
            return false;
    return true;
}

static bool is_set(const struct option *o, const struct config *c)
{
    char text[VALUE_TEXT_MAX];
    if (o->type == OPTION_NUMBER)
        return strcmp(value_text(o, c, text), "0") != 0;
    return option_is_many(o) ? value_count(o, c) > 0 : value_text(o, c, text) != NULL;
}

/* Nobody has said anything, and one of the two was computed later, such as the bridge's name. */
static bool both_computed(const struct option *o, const struct config *a, const struct config *b)
{
    size_t i = (size_t)(o - options.options);
    return o->computed && a->origin[i].from == CONFIG_DEFAULT &&
           b->origin[i].from == CONFIG_DEFAULT && !(is_set(o, a) && is_set(o, b));
}

enum config_change config_compare(const struct option *o, const struct config *running,
                                  const struct config *fresh)
{
    if (!(o->traits & OPTION_IN_FILE) || both_computed(o, running, fresh))
        return CONFIG_SAME;
    if (same_value(o, running, fresh) && same_secrets(o, running, fresh))
        return CONFIG_SAME;
    bool turned = is_set(o, running) != is_set(o, fresh);
    if (!(o->traits & OPTION_RELOAD) || (turned && (o->traits & OPTION_WHILE_SET)))
        return CONFIG_RESTART;
    return CONFIG_CHANGED;
}

static bool can_take(const struct option *o, const struct config *running,
                     const struct config *fresh)
{
    return (o->traits & OPTION_RELOAD) && config_compare(o, running, fresh) != CONFIG_RESTART;
}

void config_preview(const struct config *running, const struct config *fresh, struct config *out)
{
    *out = *running;
    for (size_t i = 0; i < options.count; i++) {
        const struct option *o = &options.options[i];
        if (!can_take(o, running, fresh))
            continue;
        memcpy((char *)out + o->offset, (const char *)fresh + o->offset, field_size(o));
        out->origin[i] = fresh->origin[i];
    }
    out->mqtt.password = fresh->mqtt.password;
    out->warnings = fresh->warnings;
}

static void swap(void *a, void *b, size_t size)
{
    char kept[sizeof(struct broker)];
    memcpy(kept, a, size);
    memcpy(a, b, size);
    memcpy(b, kept, size);
}

void config_take(struct config *running, struct config *fresh)
{
    for (size_t i = 0; i < options.count; i++) {
        const struct option *o = &options.options[i];
        if (!can_take(o, running, fresh))
            continue;
        swap((char *)running + o->offset, (char *)fresh + o->offset, field_size(o));
        swap(&running->origin[i], &fresh->origin[i], sizeof running->origin[i]);
    }
    swap(&running->mqtt.password, &fresh->mqtt.password, sizeof running->mqtt.password);
    swap(&running->warnings, &fresh->warnings, sizeof running->warnings);
}
