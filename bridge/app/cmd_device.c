#include "app/cmd_device.h"

#include "base/text.h"
#include "config/args.h"
#include "config/config.h"
#include "config/value.h"
#include "io/broker_dir.h"
#include "io/device_reload.h"
#include "io/device_secret.h"
#include "io/device_store.h"
#include "proto/names.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, PATH_SIZE = 4096 };

static const char usage[] =
    "sigbridge device: who may log in at the broker, and to which rooms\n\n"
    "usage: sigbridge device add NAME --room ROOM... [--watch] [--certificate]\n"
    "       sigbridge device add NAME --bridge [--certificate]\n"
    "       sigbridge device remove NAME [--bridge]\n"
    "       sigbridge device rotate NAME [--bridge]\n"
    "       sigbridge device list [--bridge] [--json]\n\n"
    "add and rotate print the password once, as `password: ...`, and nothing else on standard\n"
    "output. The running broker reads the change at once; who is removed or has a new password is\n"
    "cut off. Without --mosquitto it is about the embedded broker of the bridge.\n\n";

static const struct args_flag flags[] = {
    {"room", 'r', "ROOM",
     "A room that the device may be in; again for more. * (in quotes): every room."},
    {"watch", 'w', NULL, "The device may also read who is present in its rooms."},
    {"certificate", 0, NULL,
     "It logs in with a client certificate of that name (CN): no password is made."},
    {"bridge", 'b', NULL,
     "It is a bridge on another machine, which may do all below the prefix. Needs --mosquitto."},
    {"json", 0, NULL, "list: one JSON object per line."},
    {"mosquitto", 'm', "DIR",
     "The files of a mosquitto of your own, as broker-config/ has them: sigbridge-devices.acl and "
     ".passwd, sigbridge-bridges.acl and .passwd in DIR, for example /etc/mosquitto."},
    {"pid_file", 0, "FILE", "With --mosquitto: its pid file. [/run/mosquitto/mosquitto.pid]"},
    {"prefix", 0, "PREFIX", "The beginning of all topics. [as for run]"},
    {"data", 'd', "DIR", "The bridge's data directory. [as for run]"},
    {"config", 'c', "FILE", "The bridge's configuration file, for directory and prefix."},
    {"help", 'h', NULL, "Print this text and end."},
};
enum { FLAGS = sizeof flags / sizeof *flags };

enum action { ADD, REMOVE, ROTATE, LIST, ACTIONS };
static const char *const actions[ACTIONS] = {"add", "remove", "rotate", "list"};

struct order {
    enum action action;
    const char *name;
    const char *rooms[DEVICE_ROOMS_MAX];
    size_t room_count;
    bool watch, certificate, bridge, json, help;
    const char *mosquitto, *pid_file;
    const char *config, *data, *prefix;
};

/* ---- arguments ---- */

static void add_room(struct order *o, const char *value, struct complaints *wrong)
{
    char quoted[COMPLAINT_QUOTE_MAX];
    const char *why = "";
    if (strcmp(value, "*") != 0 && !value_is_name(value, &why))
        complain(wrong, "--room", "%s %s", complaint_quote(quoted, value), why);
    else if (o->room_count == DEVICE_ROOMS_MAX)
        complain(wrong, "--room", "a device may have %d rooms, or '*'", DEVICE_ROOMS_MAX);
    else
        o->rooms[o->room_count++] = value;
}

static void read_flag(struct order *o, const struct args *a, struct complaints *wrong)
{
    const struct {
        const char *name;
        const char **text;
        bool *set;
    } targets[] = {
        {"watch", NULL, &o->watch},       {"certificate", NULL, &o->certificate},
        {"bridge", NULL, &o->bridge},     {"json", NULL, &o->json},
        {"help", NULL, &o->help},         {"mosquitto", &o->mosquitto, NULL},
        {"pid_file", &o->pid_file, NULL}, {"prefix", &o->prefix, NULL},
        {"data", &o->data, NULL},         {"config", &o->config, NULL},
    };
    if (strcmp(a->flag->name, "room") == 0)
        add_room(o, a->value, wrong);
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        if (strcmp(a->flag->name, targets[i].name) != 0)
            continue;
        if (targets[i].text)
            *targets[i].text = a->value;
        else
            *targets[i].set = true;
    }
}

static void read_action(struct order *o, const char *word, struct complaints *wrong)
{
    char quoted[COMPLAINT_QUOTE_MAX];
    for (o->action = ADD; o->action < ACTIONS; o->action++)
        if (strcmp(word, actions[o->action]) == 0)
            return;
    complain(wrong, NULL, "device: unknown action %s: one of add, remove, rotate, list",
             complaint_quote(quoted, word));
}

static void read_args(struct order *o, int argc, char **argv, struct complaints *wrong)
{
    struct args a = {
        .argc = argc, .argv = (const char *const *)argv, .flags = flags, .count = FLAGS};
    enum args_what what;
    int words = 0;
    o->action = ACTIONS;
    while ((what = args_next(&a)) != ARGS_END) {
        if (what == ARGS_FLAG)
            read_flag(o, &a, wrong);
        else if (what == ARGS_WORD && words == 0)
            read_action(o, a.value, wrong);
        else if (what == ARGS_WORD && words == 1 && o->action != LIST)
            o->name = a.value;
        else if (what == ARGS_WORD && o->action == ADD && o->room_count > 0)
            add_room(o, a.value, wrong); /* --room one two */
        else
            args_complain(&a, what, wrong);
        words += what == ARGS_WORD;
    }
    if (words == 0 && !o->help)
        complain(wrong, NULL, "device: what is to be done? add, remove, rotate or list");
}

static void check_name(const struct order *o, struct complaints *wrong)
{
    char quoted[COMPLAINT_QUOTE_MAX];
    const char *why;
    if (!o->name)
        complain(wrong, NULL, "device %s: the name is missing", actions[o->action]);
    else if (o->name[0] == '_' && !(o->bridge && strcmp(o->name, NAME_BRIDGE) == 0))
        complain(wrong, NULL, "device: %s: names that begin with _ belong to the bridge",
                 complaint_quote(quoted, o->name));
    else if (o->name[0] != '_' && !value_is_name(o->name, &why))
        complain(wrong, NULL, "device: %s %s", complaint_quote(quoted, o->name), why);
}

/* What does not go together. */
static void check_order(const struct order *o, struct complaints *wrong)
{
    if (o->action == ACTIONS)
        return;
    if (o->action != LIST)
        check_name(o, wrong);
    if (o->action == ADD && !o->bridge && o->room_count == 0)
        complain(wrong, NULL, "device add: in which room? Give --room ROOM, or --room '*'");
    if (o->room_count > 0 && (o->action != ADD || o->bridge))
        complain(wrong, "--room", "only a device that is added has rooms");
    if (o->watch && (o->action != ADD || o->bridge))
        complain(wrong, "--watch", "only for a device that is added");
    if (o->certificate && o->action != ADD)
        complain(wrong, "--certificate", "only for who is added");
    if (o->json && o->action != LIST)
        complain(wrong, "--json", "only for list");
    if (o->pid_file && !o->mosquitto)
        complain(wrong, "--pid-file", "needs --mosquitto");
    if ((o->bridge || o->certificate) && !o->mosquitto)
        complain(wrong, o->bridge ? "--bridge" : "--certificate",
                 "needs --mosquitto: at the embedded broker there are only devices with passwords");
}

/* ---- where the files are ---- */

static struct config *load_config(const struct order *o, struct complaints *wrong)
{
    const struct {
        const char *flag, *value;
    } pairs[] = {{"--config", o->config}, {"--data", o->data}, {"--prefix", o->prefix}};
    const char *given[6];
    int count = 0;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        if (pairs[i].value) {
            given[count++] = pairs[i].flag;
            given[count++] = pairs[i].value;
        }
    }
    struct config_input in = {.argc = count, .argv = given, .envp = environ, .aside = true};
    struct config *c = config_load(&in, wrong);
    if (c && !o->mosquitto && c->broker.kind != BROKER_EMBEDDED) {
        complain(wrong, NULL,
                 "the bridge has a broker of its own choice: give --mosquitto DIR with the"
                 " directory of its files");
        config_free(c);
        c = NULL;
    }
    return c;
}

static struct device_place place_of(const struct order *o, const char *dir)
{
    struct device_place p = {dir, DEVICE_ACL, DEVICE_PASSWD, DEVICE_LOCK, DEVICE_KIND_DEVICE};
    if (o->mosquitto)
        p = (struct device_place){dir, "sigbridge-devices.acl", "sigbridge-devices.passwd",
                                  "sigbridge-devices.lock", DEVICE_KIND_DEVICE};
    if (o->bridge)
        p = (struct device_place){dir, "sigbridge-bridges.acl", "sigbridge-bridges.passwd",
                                  "sigbridge-bridges.lock", DEVICE_KIND_BRIDGE};
    return p;
}

/* DATA/broker before the bridge's first start: it must belong to whom the broker will run as. */
static bool make_dir(const char *dir)
{
    struct stat parent;
    char above[PATH_SIZE];
    snprintf(above, sizeof above, "%s/..", dir);
    if (mkdir(dir, 0700) != 0)
        return errno == EEXIST;
    if (geteuid() != 0 || stat(above, &parent) != 0)
        return geteuid() != 0;
    const struct passwd *user = parent.st_uid == 0 ? getpwnam("mosquitto") : NULL;
    if (parent.st_uid == 0 && !user)
        user = getpwnam("nobody");
    uid_t uid = user ? user->pw_uid : parent.st_uid;
    gid_t gid = user ? user->pw_gid : parent.st_gid;
    return chown(dir, uid, gid) == 0;
}

/* ---- what is done ---- */

static int fail(const struct problem *why)
{
    fprintf(stderr, "sigbridge: %s\n", why->text);
    return EXIT_FAILURE;
}

static int say_told(const struct order *o, const struct device_store *s)
{
    static const char *const done[] = {"is added", "is removed", "has a new password"};
    pid_t pid;
    const char *file = !o->mosquitto ? BROKER_PID
                       : o->pid_file ? o->pid_file
                                     : "/run/mosquitto/mosquitto.pid";
    enum device_told told = device_reload(s->dir_fd, file, !o->mosquitto, &pid);
    fprintf(stderr, "sigbridge: %s %s", o->name, done[o->action]);
    if (told == DEVICE_TOLD)
        fprintf(stderr, ", and the broker (process %d) reads it now\n", (int)pid);
    else if (told == DEVICE_NOBODY)
        fprintf(stderr, "; no broker runs by %s%s, so it counts from the next start on\n",
                o->mosquitto ? "" : "the data directory's ", file);
    else
        fprintf(stderr,
                ", but the broker (process %d) could not be told (%s): run this command as its"
                " user or as root, or restart it\n",
                (int)pid, strerrordesc_np(errno));
    return told == DEVICE_DEAF ? EXIT_FAILURE : EXIT_SUCCESS;
}

static enum status no_memory(struct problem *why)
{
    return problem_set(why, STATUS_NO_MEMORY, 0, "device", "out of memory, or too many of them");
}

static enum status add(const struct order *o, struct device_store *s, const char *hash,
                       struct problem *why)
{
    if (device_list_find(&s->list, o->name) || device_store_has_password(s, o->name))
        return problem_set(why, STATUS_PEER_TAKEN, 0, "device",
                           "%s is there already: rotate gives it a new password; remove it first to"
                           " change its rooms",
                           o->name);
    struct device *d = device_list_add(&s->list, o->name);
    if (!d)
        return no_memory(why);
    d->watch = o->watch;
    for (size_t i = 0; i < o->room_count; i++)
        if (!device_add_room(d, o->rooms[i]))
            return no_memory(why);
    if (hash && !device_store_set_password(s, o->name, hash))
        return no_memory(why);
    return device_store_save(s, false, why);
}

static enum status remove_one(const struct order *o, struct device_store *s, struct problem *why)
{
    struct device *d = device_list_find(&s->list, o->name);
    if (!d)
        return problem_set(why, STATUS_PEER_NOT_FOUND, 0, "device",
                           "there is no %s %s: sigbridge device list shows all",
                           o->bridge ? "bridge" : "device", o->name);
    device_list_remove(&s->list, d);
    if (!device_store_set_password(s, o->name, NULL))
        return no_memory(why);
    return device_store_save(s, true, why);
}

static enum status rotate(const struct order *o, struct device_store *s, const char *hash,
                          struct problem *why)
{
    if (!device_list_find(&s->list, o->name))
        return problem_set(why, STATUS_PEER_NOT_FOUND, 0, "device",
                           "there is no %s %s: sigbridge device list shows all",
                           o->bridge ? "bridge" : "device", o->name);
    if (!device_store_has_password(s, o->name))
        return problem_set(why, STATUS_FORBIDDEN, 0, "device",
                           "%s has no password: it logs in with a certificate", o->name);
    if (!device_store_set_password(s, o->name, hash))
        return no_memory(why);
    return device_store_save(s, true, why);
}

static int change(const struct order *o, struct device_store *s)
{
    char secret[DEVICE_SECRET_CHARS + 1], hash[DEVICE_HASH_MAX];
    struct problem why = {0};
    enum status status = STATUS_OK;
    bool new_secret = o->action == ROTATE || (o->action == ADD && !o->certificate);
    device_secret_make(secret);
    if (new_secret && !device_secret_hash(secret, hash))
        status = no_memory(&why);
    else if (o->action == ADD)
        status = add(o, s, new_secret ? hash : NULL, &why);
    else if (o->action == REMOVE)
        status = remove_one(o, s, &why);
    else
        status = rotate(o, s, hash, &why);
    int code = status == STATUS_OK ? say_told(o, s) : fail(&why);
    if (status == STATUS_OK && new_secret &&
        (printf("password: %s\n", secret) < 0 || fflush(stdout) != 0)) {
        fprintf(stderr, "sigbridge: the password could not be printed: make another with rotate\n");
        code = EXIT_FAILURE;
    }
    explicit_bzero(secret, sizeof secret);
    return code;
}

static void list_json(const struct order *o, const struct device_store *s, const struct device *d)
{
    printf("{\"%s\":\"%s\"", o->bridge ? "bridge" : "device", d->name);
    if (!o->bridge) {
        fputs(",\"rooms\":[", stdout);
        for (size_t i = 0; i < d->room_count; i++)
            printf("%s\"%s\"", i ? "," : "", d->rooms[i]);
        printf("],\"watch\":%s", d->watch ? "true" : "false");
    }
    printf(",\"password\":%s}\n", device_store_has_password(s, d->name) ? "true" : "false");
}

static void list_text(const struct order *o, const struct device_store *s, const struct device *d)
{
    printf("%-24s %-12s", d->name,
           device_store_has_password(s, d->name) ? "password" : "certificate");
    for (size_t i = 0; i < d->room_count; i++)
        printf("%s%s", i ? "," : " ", d->rooms[i]);
    if (o->bridge)
        fputs(" (bridge)", stdout);
    puts(d->watch ? " (watches)" : "");
}

static int list(const struct order *o, const struct device_store *s)
{
    if (!o->json && s->list.count > 0)
        printf("%-24s %-12s %s\n", o->bridge ? "BRIDGE" : "DEVICE", "LOGIN",
               o->bridge ? "" : "ROOMS");
    for (size_t i = 0; i < s->list.count; i++) {
        if (o->json)
            list_json(o, s, &s->list.items[i]);
        else
            list_text(o, s, &s->list.items[i]);
    }
    if (!o->json && s->list.count == 0)
        printf("There is no %s yet: sigbridge device add NAME ...\n",
               o->bridge ? "bridge" : "device");
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int act(const struct order *o, const struct config *c)
{
    struct problem why = {0};
    struct device_store s;
    int code = EXIT_FAILURE;
    char *dir = o->mosquitto ? strdup(o->mosquitto) : value_path(c->data, "broker");
    if (!dir)
        return EXIT_FAILURE;
    struct device_place place = place_of(o, dir);
    bool changes = o->action != LIST;
    if (!changes && !o->mosquitto && access(dir, F_OK) != 0) {
        if (!o->json)
            puts("There is no device yet: sigbridge device add NAME --room ROOM");
        free(dir);
        return EXIT_SUCCESS;
    }
    if (changes && !o->mosquitto)
        mkdir(c->data, 0750); /* the first start would make it, too */
    if (changes && !o->mosquitto && !make_dir(dir)) {
        fprintf(stderr,
                "sigbridge: cannot make %s: %s; make its directory, or name another with --data\n",
                dir, strerrordesc_np(errno));
        free(dir);
        return EXIT_FAILURE;
    }
    if (device_store_open(&s, &place, c->prefix, changes, &why) != STATUS_OK)
        fail(&why);
    else
        code = changes ? change(o, &s) : list(o, &s);
    device_store_close(&s);
    free(dir);
    return code;
}

static int print_help(void)
{
    args_print_help(usage, flags, FLAGS);
    return EXIT_SUCCESS;
}

int cmd_device(int argc, char **argv)
{
    struct order o = {.action = ACTIONS};
    struct complaints wrong;
    int code = EXIT_USAGE;
    complaints_init(&wrong);
    read_args(&o, argc, argv, &wrong);
    if (!o.help)
        check_order(&o, &wrong);
    struct config *c = wrong.count == 0 && !o.help ? load_config(&o, &wrong) : NULL;
    if (wrong.count > 0)
        fputs(complaints_text(&wrong), stderr);
    else if (o.help)
        code = print_help();
    else if (c)
        code = act(&o, c);
    config_free(c);
    complaints_release(&wrong);
    return code;
}
