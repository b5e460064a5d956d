/* Arguments in, exit code out: 0 done, 1 failed, 2 wrong usage or configuration. Which part runs is
 * the first word, `run` when there is none. Signals are the app's business. */
#include "app/app.h"
#include "app/cmd_check.h"
#include "app/cmd_device.h"
#include "app/cmd_presence.h"
#include "app/cmd_token.h"
#include "config/args.h"
#include "config/config.h"
#include "config/data_dir.h"
#include "config/nearest.h"
#include "config/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };

struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* what follows the name */
    const char *help;
};

static int command_run(int argc, char **argv);
static int command_help(int argc, char **argv);

static const struct command commands[] = {
    {"run", command_run, "run the bridge (also without any word)"},
    {"presence", cmd_presence, "what the database holds: who is present, and history"},
    {"check", cmd_check, "check payloads: offers, answers, candidates, messages"},
    {"device", cmd_device, "who may log in at the broker: add, remove, rotate, list"},
    {"token", cmd_token, "make a token for trying out, or the secret that signs it"},
    {"help", command_help,
     "this text; `help file`: a commented configuration file; `help options`: "
     "all options with their ranges"},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static int print(struct buf *b)
{
    bool done = buf_ok(b) && fwrite(b->data, 1, b->len, stdout) == b->len && fflush(stdout) == 0;
    buf_release(b);
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int print_usage(void)
{
    struct buf b;
    buf_init(&b, SHOW_MAX_BYTES);
    buf_str(&b, "sigbridge: WebRTC signaling between browsers on WebSocket and devices on MQTT\n\n"
                "usage: sigbridge [run] [options]\n"
                "       sigbridge presence|check|device|token [--help] ...\n"
                "       sigbridge help [file|options]\n\n"
                "commands:\n");
    for (size_t i = 0; i < COMMANDS; i++) {
        char name[16];
        snprintf(name, sizeof name, "  %-10s", commands[i].name);
        buf_str(&b, name);
        args_wrap(commands[i].help, strlen(name), strlen(name), "", &b);
    }
    buf_str(&b, "\noptions of run (each also as a SIGBRIDGE_* variable and in the file; flags win\n"
                "over variables, variables over the file):\n");
    config_show_flags(&b);
    return print(&b);
}

static int command_help(int argc, char **argv)
{
    char asked[] = "--help", *flag = asked;
    struct buf b;
    buf_init(&b, SHOW_MAX_BYTES);
    if (argc == 1 && strcmp(argv[0], "file") == 0)
        config_show_example(&b);
    else if (argc == 1 && strcmp(argv[0], "options") == 0)
        config_show_reference(&b);
    else if (argc == 1 && strcmp(argv[0], "presence") == 0)
        return cmd_presence(1, &flag);
    else if (argc == 1 && strcmp(argv[0], "check") == 0)
        return cmd_check(1, &flag);
    else if (argc == 1 && strcmp(argv[0], "device") == 0)
        return cmd_device(1, &flag);
    else if (argc == 1 && strcmp(argv[0], "token") == 0)
        return cmd_token(1, &flag);
    else if (argc == 0 || (argc == 1 && strcmp(argv[0], "run") == 0))
        return print_usage();
    if (b.len > 0)
        return print(&b);
    fputs("sigbridge: help knows only: file, options, run, presence, check, device, token\n",
          stderr);
    return EXIT_USAGE;
}

/* Everything up to the loop: the data directory is ours, the bridge has its name. */
static int run_bridge(struct config *c)
{
    char id[NAME_MAX_BYTES + 1];
    struct problem why;
    int lock = -1;
    enum status status = data_dir_open(c->data, &lock, &why);
    if (status == STATUS_OK && !c->bridge_id) {
        status = data_dir_bridge_id(c->data, id, &why);
        if (status == STATUS_OK && !(c->bridge_id = strdup(id)))
            status = problem_set(&why, STATUS_NO_MEMORY, 0, NULL, "out of memory");
    }
    int code = EXIT_FAILURE;
    if (status == STATUS_OK)
        code = app_run(c);
    else
        fprintf(stderr, "sigbridge: %s\n", why.text);
    if (lock >= 0)
        close(lock);
    return code;
}

static int command_run(int argc, char **argv)
{
    struct config_input in = {.argc = argc, .argv = (const char *const *)argv, .envp = environ};
    struct complaints wrong;
    struct buf b;
    int code = EXIT_USAGE;
    complaints_init(&wrong);
    struct config *c = config_load(&in, &wrong);
    if (!c) {
        fputs(complaints_text(&wrong), stderr);
    } else if (c->ask.help) {
        code = print_usage();
    } else if (c->ask.version) {
        code = puts("sigbridge " SIGBRIDGE_VERSION) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    } else if (c->ask.check_config) {
        buf_init(&b, SHOW_MAX_BYTES);
        config_show_effective(c, &b);
        code = print(&b);
    } else {
        code = run_bridge(c);
    }
    config_free(c);
    complaints_release(&wrong);
    return code;
}

static int unknown_command(const char *word)
{
    char quoted[COMPLAINT_QUOTE_MAX];
    struct nearest n;
    nearest_init(&n, word);
    for (size_t i = 0; i < COMMANDS; i++)
        nearest_offer(&n, commands[i].name);
    complaint_quote(quoted, word);
    if (nearest_word(&n))
        fprintf(stderr, "sigbridge: unknown command %s: did you mean %s?\n", quoted,
                nearest_word(&n));
    else
        fprintf(stderr, "sigbridge: unknown command %s: see sigbridge --help\n", quoted);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argv[1][0] == '-')
        return command_run(argc > 1 ? argc - 1 : 0, argv + (argc > 1));
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    return unknown_command(argv[1]);
}
