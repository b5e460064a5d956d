#include "config/config.h"

#include "config/args.h"
#include "config/file.h"
#include "config/nearest.h"
#include "config/option.h"
#include "config/place.h"
#include "config/scan.h"
#include "config/trust.h"
#include "config/value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENV_PREFIX "SIGBRIDGE_"

enum { PASSWORD_MAX = 4096 };

struct loading {
    struct config *c;
    struct complaints *wrong;
    char *dir; /* the working directory */
};

static void set(struct loading *l, const struct option *o, enum config_from from, const char *value,
                const char *where)
{
    struct config_origin *origin = &l->c->origin[o - options.options];
    bool many = option_is_many(o);
    if (many && origin->from != from)
        value_clear(o, l->c); /* whoever wins replaces them all */
    *origin = (struct config_origin){.from = from};
    if (many)
        value_add(o, l->c, value, l->dir, l->wrong, where);
    else
        value_set(o, l->c, value, l->dir, l->wrong, where);
}

static void set_defaults(struct loading *l)
{
    for (const struct option *o = options.options; o < options.options + options.count; o++)
        if (o->fallback)
            set(l, o, CONFIG_DEFAULT, o->fallback, o->name);
}

static size_t flags_of_options(struct args_flag out[CONFIG_OPTIONS_MAX])
{
    size_t count = 0;
    for (const struct option *o = options.options; o < options.options + options.count; o++)
        if (o->traits & OPTION_IN_FLAGS)
            out[count++] = (struct args_flag){
                .name = o->name, .letter = o->letter, .value = o->value, .help = o->help};
    return count;
}

/* A flag that does not exist, but whose name is an option's: say where that can be set. */
static bool complain_quiet_option(const struct args *a, struct complaints *wrong)
{
    char name[OPTION_NAME_MAX], env[OPTION_NAME_MAX];
    if (strncmp(a->text, "--", 2) != 0)
        return false;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(a->text + 2, "="), a->text + 2);
    const struct option *o = option_by_flag(name);
    if (!o)
        o = option_by_name(&options, name);
    if (!o || (o->traits & OPTION_IN_FLAGS))
        return false;
    if (o->traits & OPTION_IN_ENV)
        complain(wrong, NULL, "%s is no flag: set it as %s or in the file, as %s", o->name,
                 option_env(o, env), o->name);
    else
        complain(wrong, NULL, "%s is no flag: set it in the file", o->name);
    return true;
}

/* The flags are read twice: first those that say what to do and which file to read, whose values
 * the file and the environment must not override; then the others, on top of everything. */
static void read_flags(struct loading *l, const struct config_input *in, bool first)
{
    struct args_flag flags[CONFIG_OPTIONS_MAX];
    struct args a = {
        .argc = in->argc, .argv = in->argv, .flags = flags, .count = flags_of_options(flags)};
    enum args_what what;
    while ((what = args_next(&a)) != ARGS_END) {
        if (what != ARGS_FLAG) {
            if (first && (what != ARGS_UNKNOWN || !complain_quiet_option(&a, l->wrong)))
                args_complain(&a, what, l->wrong);
            continue;
        }
        char where[OPTION_NAME_MAX + 2] = "--", name[OPTION_NAME_MAX];
        const struct option *o = option_by_name(&options, a.flag->name);
        if (first && o->type == OPTION_ASK)
            *(bool *)((char *)l->c + o->offset) = true;
        if (o->type == OPTION_ASK || first != !(o->traits & OPTION_IN_FILE))
            continue;
        snprintf(where + 2, sizeof where - 2, "%s", option_flag(o, name));
        set(l, o, CONFIG_FLAG, a.value ? a.value : "true", where);
    }
}

static bool is_foreign(const char *variable)
{
    for (const char *const *f = option_env_foreign; *f; f++)
        if (strncmp(*f, variable, strlen(*f)) == 0)
            return true;
    return false;
}

static void complain_env(struct loading *l, const char *name, const struct option *o)
{
    char quoted[COMPLAINT_QUOTE_MAX], known[CONFIG_OPTIONS_MAX][OPTION_NAME_MAX];
    struct nearest n;
    complaint_quote(quoted, name);
    if (o) {
        complain(l->wrong, NULL, "%s is no variable: set it %s", quoted,
                 o->traits & OPTION_IN_FILE ? "in the file" : "with its flag");
        return;
    }
    size_t prefix = strlen(ENV_PREFIX); /* the same in all: it must not make them look alike */
    nearest_init(&n, name + prefix);
    for (size_t i = 0; i < options.count; i++)
        if (options.options[i].traits & OPTION_IN_ENV)
            nearest_offer(&n, option_env(&options.options[i], known[i]) + prefix);
    if (nearest_word(&n))
        complain(l->wrong, NULL, "unknown variable %s: did you mean " ENV_PREFIX "%s?", quoted,
                 nearest_word(&n));
    else
        complain(l->wrong, NULL, "unknown variable %s: unset it, or see `sigbridge help options`",
                 quoted);
}

/* A variable's value; several have spaces between. One of nothing counts as unset. */
static void set_env(struct loading *l, const struct option *o, const char *value, const char *name)
{
    char word[OPTION_STRING_MAX + 2]; /* one too long stays too long */
    if (!option_is_many(o)) {
        if (*value)
            set(l, o, CONFIG_ENV, value, name);
        return;
    }
    for (const char *at = value + strspn(value, " "); *at; at += strspn(at, " ")) {
        size_t len = strcspn(at, " ");
        snprintf(word, sizeof word, "%.*s", (int)(len < sizeof word ? len : sizeof word), at);
        set(l, o, CONFIG_ENV, word, name);
        at += len;
    }
}

static void read_env(struct loading *l, char *const *envp)
{
    for (; envp && *envp; envp++) {
        char name[NEAREST_MAX + 1];
        const char *equals = strchr(*envp, '=');
        if (strncmp(*envp, ENV_PREFIX, strlen(ENV_PREFIX)) != 0 || !equals)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(equals - *envp), *envp);
        if (is_foreign(*envp))
            continue;
        const struct option *o = option_by_env(name);
        if (!o || !(o->traits & OPTION_IN_ENV))
            complain_env(l, name, o);
        else if (o->traits & OPTION_IN_FILE)
            set_env(l, o, equals + 1, name);
    }
}

static void read_file(struct loading *l, const struct config_input *in)
{
    size_t len = 0;
    const char *env = place_env(in->envp, "SIGBRIDGE_CONFIG");
    if (!l->c->ask.config && env && *env)
        set(l, option_by_name(&options, "config"), CONFIG_ENV, env, "SIGBRIDGE_CONFIG");
    const char *path = l->c->ask.config;
    if (!path)
        return;
    char *text = file_read(path, SCAN_MAX_BYTES, &len);
    if (text)
        file_apply(l->c, path, text, len, l->wrong);
    else if (errno == EFBIG)
        complain(l->wrong, path, "the file is larger than 1 MiB");
    else
        complain(l->wrong, path, "cannot be read: %s", strerror(errno));
    free(text);
}

/* A secret from a file of its own: its text up to the first line end, which must be the last. */
static char *read_secret(struct loading *l, const char *name, const char *path)
{
    size_t len = 0;
    const char *why = NULL;
    char *text = file_read(path, PASSWORD_MAX, &len);
    if (!text) {
        complain(l->wrong, path, "cannot be read for %s: %s", name,
                 errno == EFBIG ? "larger than 4096 bytes" : strerror(errno));
        return NULL;
    }
    if (len > 0 && text[len - 1] == '\n')
        text[--len] = '\0';
    if (len > 0 && text[len - 1] == '\r')
        text[--len] = '\0';
    if (strlen(text) == len && value_is_plain(text, &why))
        return text;
    complain(l->wrong, path, "holds no usable secret for %s: write one line of plain text", name);
    explicit_bzero(text, len);
    free(text);
    return NULL;
}

static void read_secrets(struct loading *l)
{
    if (l->c->mqtt.password_file)
        l->c->mqtt.password = read_secret(l, "mqtt.password_file", l->c->mqtt.password_file);
    for (size_t i = 0; i < l->c->ice_servers.count; i++) {
        struct ice_server *s = &l->c->ice_servers.items[i];
        if (s->credential_file && !s->credential)
            s->credential = read_secret(l, "ice_servers.credential_file", s->credential_file);
        if (s->secret_file)
            s->secret = read_secret(l, "ice_servers.secret_file", s->secret_file);
    }
}

static void check_readable(const char *name, const char *path, struct complaints *wrong)
{
    if (path && access(path, R_OK) != 0)
        complain(wrong, path, "cannot be read for %s: %s", name, strerror(errno));
}

static void check_together(const struct config *c, struct complaints *wrong)
{
    bool external = c->broker.kind != BROKER_EMBEDDED;
    bool tls = c->broker.kind == BROKER_MQTTS;
    if (!external && (c->mqtt.username || c->mqtt.password_file))
        complain(wrong, NULL,
                 "mqtt.username and mqtt.password_file go with an external broker: remove them, or "
                 "set broker");
    if (!external && c->listen_shared)
        complain(wrong, NULL,
                 "listen_shared goes with a broker that all who share use: set broker, or remove "
                 "it");
    if (!tls && (c->mqtt.ca || c->mqtt.cert || c->mqtt.key))
        complain(wrong, NULL,
                 "mqtt.ca, mqtt.cert and mqtt.key go with an mqtts:// broker: remove them, or set "
                 "broker");
    if (!c->mqtt.cert != !c->mqtt.key)
        complain(wrong, NULL, "mqtt.cert and mqtt.key go together: set both or none");
    if (c->mqtt.password_file && !c->mqtt.username)
        complain(wrong, NULL, "mqtt.password_file needs mqtt.username: set it");
    if (c->limits.send_queue_bytes < c->limits.message_bytes)
        complain(wrong, NULL,
                 "limits.send_queue_bytes (%u) is less than limits.message (%u): raise it",
                 c->limits.send_queue_bytes, c->limits.message_bytes);
    check_readable("mqtt.ca", c->mqtt.ca, wrong);
    check_readable("mqtt.cert", c->mqtt.cert, wrong);
    check_readable("mqtt.key", c->mqtt.key, wrong);
    if (c->web && access(c->web, R_OK | X_OK) != 0)
        complain(wrong, c->web, "cannot be read for web: %s; name another directory, or none",
                 strerror(errno));
}

void config_check(const struct config *c, struct complaints *wrong)
{
    check_together(c, wrong);
    trust_check(c, wrong);
}

/* Where nobody says. NULL: there is no such place, which is told when `lack` is not NULL. */
static char *computed(struct loading *l, char *place, const char *lack)
{
    if (!place && errno == ENOMEM)
        complain(l->wrong, NULL, "out of memory");
    else if (!place && lack && l->wrong->count == 0)
        complain(l->wrong, NULL, "%s", lack);
    return place;
}

static void compute_defaults(struct loading *l, const struct config_input *in)
{
    const struct option *web = option_by_name(&options, "web");
    errno = 0;
    if (!l->c->web && l->c->origin[web - options.options].from == CONFIG_DEFAULT)
        l->c->web = computed(l, place_web(in->lookup), NULL);
    errno = 0;
    if (!l->c->data)
        l->c->data = computed(l, place_data(in->envp),
                              "no place for the data: set --data DIR, HOME or XDG_STATE_HOME");
}

/* What tls_cert says about listeners that were written without a scheme. */
static void decide_tls(struct config *c)
{
    for (size_t i = 0; i < c->listen.count; i++)
        if (!c->listen.items[i].scheme)
            c->listen.items[i].tls = c->tls.cert != NULL;
}

struct config *config_load(const struct config_input *in, struct complaints *wrong)
{
    struct loading l = {.c = calloc(1, sizeof(struct config)), .wrong = wrong};
    l.dir = getcwd(NULL, 0);
    if (!l.c || !l.dir) {
        complain(wrong, NULL, "%s", l.c ? strerror(errno) : "out of memory");
        goto out;
    }
    l.c->input = *in;
    set_defaults(&l);
    read_flags(&l, in, true);
    if (!l.c->ask.help && !l.c->ask.version) {
        read_file(&l, in);
        read_env(&l, in->envp);
        read_flags(&l, in, false);
        compute_defaults(&l, in);
        decide_tls(l.c);
        if (in->aside) {
            check_together(l.c, wrong);
        } else {
            read_secrets(&l);
            config_check(l.c, wrong);
            if (!trust_warn(l.c))
                complain(wrong, NULL, "out of memory");
        }
    }
out:
    free(l.dir);
    if (wrong->count == 0)
        return l.c;
    config_free(l.c);
    return NULL;
}

struct config *config_load_again(const struct config *c, struct complaints *wrong)
{
    return config_load(&c->input, wrong);
}

void config_free(struct config *c)
{
    if (!c)
        return;
    value_wipe(c->mqtt.password);
    free(c->mqtt.password);
    for (size_t i = 0; i < c->ice_servers.count; i++) {
        value_wipe(c->ice_servers.items[i].secret);
        free(c->ice_servers.items[i].secret);
    }
    strings_release(&c->warnings);
    value_release_all(&options, c);
    free(c);
}
