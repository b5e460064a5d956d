#include "config/file.h"

#include "config/nearest.h"
#include "config/option.h"
#include "config/scan.h"
#include "config/value.h"

#include <errno.h>
#include <fcntl.h>
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WHERE_MAX = 512, READ_BYTES = 65536 };

struct reading {
    const char *name;
    char *dir;
    struct config *c;
    struct complaints *wrong;
};

char *file_read_fd(int fd, size_t max, size_t *len)
{
    struct buf b;
    char *text = NULL;
    buf_init(&b, max + 1); /* one byte too many shows that there is more */
    for (;;) {
        size_t want = max + 1 - b.len < READ_BYTES ? max + 1 - b.len : READ_BYTES;
        char *room = buf_room(&b, want);
        ssize_t n = room ? read(fd, room, want) : -1;
        if (n < 0 && room && errno == EINTR)
            continue;
        if (n < 0)
            goto out;
        if (n == 0)
            break;
        buf_added(&b, (size_t)n);
        if (b.len > max) {
            errno = EFBIG;
            goto out;
        }
    }
    *len = b.len;
    text = malloc(b.len + 1);
    if (text) {
        memcpy(text, b.len ? b.data : "", b.len);
        text[b.len] = '\0';
    }
out:;
    int kept = errno;
    if (b.data)
        explicit_bzero(b.data, b.len); /* it may have been a password */
    buf_release(&b);
    errno = kept;
    return text;
}

char *file_read(const char *path, size_t max, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    char *text = file_read_fd(fd, max, len);
    int kept = errno;
    close(fd);
    errno = kept;
    return text;
}

/* "/etc/x.conf:12" or "/etc/x.conf:12: listen". libconfig's macro for the line cuts it to 16 bits,
 * the member does not. */
static const char *where(const struct reading *r, const config_setting_t *s, const char *option,
                         char out[WHERE_MAX])
{
    snprintf(out, WHERE_MAX, option ? "%s:%u: %s" : "%s:%u", r->name, s->line, option);
    return out;
}

static const char *kind(const config_setting_t *s)
{
    switch (config_setting_type(s)) {
    case CONFIG_TYPE_GROUP:
        return "a group";
    case CONFIG_TYPE_ARRAY:
        return "an array";
    case CONFIG_TYPE_LIST:
        return "a list";
    case CONFIG_TYPE_STRING:
        return "a text in quotes";
    case CONFIG_TYPE_BOOL:
        return "true or false";
    default:
        return "a number";
    }
}

static const char *wanted(const struct option *o)
{
    switch (o->type) {
    case OPTION_NUMBER:
        return "a number without quotes";
    case OPTION_SWITCH:
        return "true or false, without quotes";
    case OPTION_STRINGS:
    case OPTION_ENTRIES:
        return "a text in double quotes, or several: [\"...\", \"...\"]";
    case OPTION_LIST:
        return "a list of groups: ( { ... }, { ... } )";
    default:
        return "a text in double quotes";
    }
}

static void refuse_kind(struct reading *r, const config_setting_t *s, const char *name,
                        const struct option *o)
{
    char at[WHERE_MAX];
    complain(r->wrong, where(r, s, name, at), "is %s: write %s", kind(s), wanted(o));
}

static void read_scalar(struct reading *r, const struct option *o, void *base, const char *name,
                        const config_setting_t *s)
{
    char at[WHERE_MAX], number[24];
    int type = config_setting_type(s);
    const char *text = number;
    if (o->type == OPTION_NUMBER && (type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64))
        snprintf(number, sizeof number, "%lld",
                 type == CONFIG_TYPE_INT ? (long long)config_setting_get_int(s)
                                         : config_setting_get_int64(s));
    else if (o->type == OPTION_SWITCH && type == CONFIG_TYPE_BOOL)
        text = config_setting_get_bool(s) ? "true" : "false";
    else if (o->type != OPTION_NUMBER && o->type != OPTION_SWITCH && type == CONFIG_TYPE_STRING)
        text = config_setting_get_string(s);
    else {
        refuse_kind(r, s, name, o);
        return;
    }
    value_set(o, base, text, r->dir, r->wrong, where(r, s, name, at));
}

static void read_strings(struct reading *r, const struct option *o, void *base, const char *name,
                         const config_setting_t *s)
{
    char at[WHERE_MAX];
    if (config_setting_type(s) == CONFIG_TYPE_STRING) {
        value_add(o, base, config_setting_get_string(s), r->dir, r->wrong, where(r, s, name, at));
        return;
    }
    int count = config_setting_length(s);
    if (config_setting_type(s) == CONFIG_TYPE_GROUP || !config_setting_is_aggregate(s)) {
        refuse_kind(r, s, name, o);
        return;
    }
    if (count == 0)
        complain(r->wrong, where(r, s, name, at), "is empty: write at least one");
    for (int i = 0; i < count; i++) {
        const config_setting_t *item = config_setting_get_elem(s, (unsigned)i);
        if (config_setting_type(item) != CONFIG_TYPE_STRING)
            refuse_kind(r, item, name, o);
        else if (!value_add(o, base, config_setting_get_string(item), r->dir, r->wrong,
                            where(r, item, name, at)))
            return;
    }
}

static void read_list(struct reading *r, const struct option *o, void *base, const char *name,
                      const config_setting_t *s);

static void read_option(struct reading *r, const struct option *o, void *base, const char *name,
                        const config_setting_t *s)
{
    if (o->type == OPTION_LIST)
        read_list(r, o, base, name, s);
    else if (option_is_many(o))
        read_strings(r, o, base, name, s);
    else
        read_scalar(r, o, base, name, s);
}

/* One item of a list. Goes on into read_list() where a member is a list itself: as deep as the
 * tables are nested, whatever the file holds. */
static void read_item(struct reading *r, const struct option *list, const char *name,
                      const config_setting_t *s, void *item)
{
    char at[WHERE_MAX], full[WHERE_MAX / 2];
    unsigned before = r->wrong->count;
    const struct option_table *t = list->members;
    for (const struct option *o = t->options; o < t->options + t->count; o++)
        if (o->fallback)
            value_set(o, item, o->fallback, r->dir, r->wrong, o->name);
    for (int i = 0; i < config_setting_length(s); i++) {
        const config_setting_t *member = config_setting_get_elem(s, (unsigned)i);
        const struct option *o = option_by_name(t, config_setting_name(member));
        snprintf(full, sizeof full, "%s.%s", name, config_setting_name(member));
        if (o) {
            read_option(r, o, item, full, member);
            continue;
        }
        struct nearest n;
        char quoted[COMPLAINT_QUOTE_MAX];
        nearest_init(&n, config_setting_name(member));
        for (size_t k = 0; k < t->count; k++)
            nearest_offer(&n, t->options[k].name);
        complaint_quote(quoted, full);
        if (nearest_word(&n))
            complain(r->wrong, where(r, member, NULL, at),
                     "unknown key %s: did you mean \"%s.%s\"?", quoted, name, nearest_word(&n));
        else
            complain(r->wrong, where(r, member, NULL, at),
                     "unknown key %s: remove it, or see `sigbridge help file`", quoted);
    }
    for (const struct option *o = t->options; o < t->options + t->count; o++)
        if ((o->traits & OPTION_REQUIRED) && !config_setting_get_member(s, o->name))
            complain(r->wrong, where(r, s, name, at), "has no %s: add it", o->name);
    const char *why = NULL;
    if (r->wrong->count == before && list->check_item && !list->check_item(item, &why))
        complain(r->wrong, where(r, s, name, at), "%s", why);
}

static void read_list(struct reading *r, const struct option *o, void *base, const char *name,
                      const config_setting_t *s)
{
    char at[WHERE_MAX];
    struct option_items list = {0};
    int count = config_setting_length(s);
    if (config_setting_type(s) != CONFIG_TYPE_LIST) {
        refuse_kind(r, s, name, o);
        return;
    }
    if ((unsigned)count > o->max) {
        complain(r->wrong, where(r, s, name, at), "has %d entries: %u at most", count, o->max);
        return;
    }
    if (count == 0)
        return;
    list.items = calloc((size_t)count, o->members->struct_size);
    if (!list.items) {
        complain(r->wrong, where(r, s, name, at), "out of memory");
        return;
    }
    for (int i = 0; i < count; i++) {
        const config_setting_t *item = config_setting_get_elem(s, (unsigned)i);
        char *place = (char *)list.items + list.count * o->members->struct_size;
        if (config_setting_type(item) != CONFIG_TYPE_GROUP) {
            refuse_kind(r, item, name, o);
            continue;
        }
        list.count++;
        read_item(r, o, name, item, place);
    }
    memcpy((char *)base + o->offset, &list, sizeof list);
}

/* A key that is not in the table: the nearest one, or the one of that name in another group. */
static void refuse_unknown(struct reading *r, const config_setting_t *s, const char *name)
{
    char at[WHERE_MAX], quoted[COMPLAINT_QUOTE_MAX];
    struct nearest n;
    const char *other = NULL;
    nearest_init(&n, name);
    for (const struct option *o = options.options; o < options.options + options.count; o++) {
        if (!(o->traits & OPTION_IN_FILE))
            continue;
        nearest_offer(&n, o->name);
        if (strcmp(option_key(o), config_setting_name(s)) == 0)
            other = o->name;
    }
    const char *meant = other ? other : nearest_word(&n);
    where(r, s, NULL, at);
    complaint_quote(quoted, name);
    if (meant)
        complain(r->wrong, at, "unknown key %s: did you mean \"%s\"?", quoted, meant);
    else
        complain(r->wrong, at, "unknown key %s: remove it, or see `sigbridge help file`", quoted);
}

static void read_top(struct reading *r, const config_setting_t *s, const char *name)
{
    const struct option *o = option_by_name(&options, name);
    if (!o || !(o->traits & OPTION_IN_FILE)) {
        refuse_unknown(r, s, name);
        return;
    }
    struct config_origin *origin = &r->c->origin[o - options.options];
    if (option_is_many(o))
        value_clear(o, r->c); /* the default */
    origin->from = CONFIG_FILE;
    origin->line = s->line;
    read_option(r, o, r->c, name, s);
}

/* Is there an option "name.something"? */
static bool is_group(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < options.count; i++)
        if (strncmp(options.options[i].name, name, len) == 0 && options.options[i].name[len] == '.')
            return true;
    return false;
}

static void refuse_group(struct reading *r, const config_setting_t *s, const char *name)
{
    char at[WHERE_MAX], quoted[COMPLAINT_QUOTE_MAX], groups[NEAREST_MAX];
    struct nearest n;
    nearest_init(&n, name);
    for (size_t i = 0; i < options.count; i++) {
        const char *dot = strchr(options.options[i].name, '.');
        if (!dot)
            continue;
        snprintf(groups, sizeof groups, "%.*s", (int)(dot - options.options[i].name),
                 options.options[i].name);
        const char *best = n.best;
        nearest_offer(&n, groups);
        if (n.best != best) /* keep a pointer that lives on: the option whose group it is */
            n.best = options.options[i].name;
    }
    where(r, s, NULL, at);
    complaint_quote(quoted, name);
    if (nearest_word(&n))
        complain(r->wrong, at, "unknown group %s: did you mean \"%.*s\"?", quoted,
                 (int)strcspn(nearest_word(&n), "."), nearest_word(&n));
    else
        complain(r->wrong, at, "unknown group %s: remove it, or see `sigbridge help file`", quoted);
}

static void read_group(struct reading *r, const config_setting_t *group, const char *name)
{
    char full[WHERE_MAX / 2];
    for (int i = 0; i < config_setting_length(group); i++) {
        const config_setting_t *s = config_setting_get_elem(group, (unsigned)i);
        snprintf(full, sizeof full, "%s.%s", name, config_setting_name(s));
        read_top(r, s, full);
    }
}

static void read_root(struct reading *r, const config_setting_t *root)
{
    char at[WHERE_MAX];
    for (int i = 0; i < config_setting_length(root); i++) {
        const config_setting_t *s = config_setting_get_elem(root, (unsigned)i);
        const char *name = config_setting_name(s);
        bool braces = config_setting_type(s) == CONFIG_TYPE_GROUP;
        if (is_group(name) && braces)
            read_group(r, s, name);
        else if (is_group(name))
            complain(r->wrong, where(r, s, NULL, at), "%s is a group: write %s: { ... };", name,
                     name);
        else if (braces && !option_by_name(&options, name))
            refuse_group(r, s, name);
        else
            read_top(r, s, name);
    }
}

/* NULL: out of memory. */
static char *directory_of(const char *name)
{
    const char *slash = strrchr(name, '/');
    if (!slash)
        return strdup(".");
    return strndup(name, slash == name ? 1 : (size_t)(slash - name));
}

void file_apply(struct config *c, const char *name, const char *text, size_t len,
                struct complaints *wrong)
{
    struct reading r = {.name = name, .dir = directory_of(name), .c = c, .wrong = wrong};
    char at[WHERE_MAX];
    struct problem why;
    if (!r.dir) {
        complain(wrong, name, "out of memory");
        return;
    }
    if (scan_check(text, len, &why) != STATUS_OK) {
        snprintf(at, sizeof at, why.line ? "%s:%u" : "%s", name, why.line);
        complain(wrong, at, "%s", why.text);
        free(r.dir);
        return;
    }
    config_t parsed;
    config_init(&parsed);
    if (config_read_string(&parsed, text)) {
        read_root(&r, config_root_setting(&parsed));
    } else {
        snprintf(at, sizeof at, "%s:%d", name, config_error_line(&parsed));
        complain(wrong, at, "%s: write `key = value;` and close what was opened",
                 config_error_text(&parsed));
    }
    config_destroy(&parsed);
    free(r.dir);
}
