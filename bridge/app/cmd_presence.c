#include "app/cmd_presence.h"

#include "app/presence_table.h"
#include "base/clock.h"
#include "base/text.h"
#include "config/args.h"
#include "config/config.h"
#include "config/data_dir.h"
#include "config/value.h"
#include "config/when.h"
#include "io/store_query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, HISTORY_LIMIT = 100 };

static const struct args_flag flags[] = {
    {"room", 'r', "ROOM", "Only this room."},
    {"peer", 'p', "PEER", "Only this peer."},
    {"history", 'H', NULL, "Not only who is present: all memberships, the newest first."},
    {"since", 's', "TIME",
     "History from this time on: 2026-11-21, 2026-11-21T09:30, milliseconds since the epoch, or so "
     "long ago: 30m, 2h, 7d."},
    {"limit", 'n', "N", "At most so many rows; 0 is no limit. [history: 100, else 0]"},
    {"json", 0, NULL, "One JSON object per line; times in milliseconds since the epoch."},
    {"data", 'd', "DIR", "The bridge's data directory. [as for run]"},
    {"config", 'c', "FILE", "The bridge's configuration file, for its data directory."},
    {"help", 'h', NULL, "Print this text and end."},
};
enum { FLAGS = sizeof flags / sizeof *flags };

struct query {
    struct store_filter filter;
    const char *data;
    const char *config;
    bool history, json, help, limited;
    int64_t now_ms;
};

static int print_help(void)
{
    args_print_help("sigbridge presence: who is present, and who was\n\n"
                    "usage: sigbridge presence [options]\n\n"
                    "Reads the database in the bridge's data directory, whether the bridge runs or "
                    "not.\nMemberships that have ended stay for history.keep_days days (see its "
                    "configuration).\n\n",
                    flags, FLAGS);
    return EXIT_SUCCESS;
}

static void read_since(struct query *q, const char *value, struct complaints *wrong)
{
    char quoted[COMPLAINT_QUOTE_MAX];
    if (when_parse(value, q->now_ms, &q->filter.since_ms))
        q->history = true;
    else
        complain(wrong, "--since",
                 "%s is no time: write 2026-11-21, 2026-11-21T09:30, milliseconds since the epoch, "
                 "or 30m, 2h, 7d for so long ago",
                 complaint_quote(quoted, value));
}

static void read_limit(struct query *q, const char *value, struct complaints *wrong)
{
    char quoted[COMPLAINT_QUOTE_MAX];
    struct text t = text_of_str(value);
    uint64_t n;
    if (!text_uint(&t, SIZE_MAX / 2, &n) || !text_end(&t)) {
        complain(wrong, "--limit", "%s is no number of rows", complaint_quote(quoted, value));
        return;
    }
    q->filter.limit = (size_t)n;
    q->limited = true;
}

static void read_name(const char **out, const char *flag, const char *value,
                      struct complaints *wrong)
{
    char quoted[COMPLAINT_QUOTE_MAX];
    const char *why;
    if (value_is_name(value, &why))
        *out = value;
    else
        complain(wrong, flag, "%s %s", complaint_quote(quoted, value), why);
}

static void read_args(struct query *q, int argc, char **argv, struct complaints *wrong)
{
    struct args a = {
        .argc = argc, .argv = (const char *const *)argv, .flags = flags, .count = FLAGS};
    enum args_what what;
    while ((what = args_next(&a)) != ARGS_END) {
        if (what != ARGS_FLAG) {
            args_complain(&a, what, wrong);
            continue;
        }
        switch (a.flag->letter) {
        case 'r':
            read_name(&q->filter.room, "--room", a.value, wrong);
            break;
        case 'p':
            read_name(&q->filter.peer, "--peer", a.value, wrong);
            break;
        case 'H':
            q->history = true;
            break;
        case 's':
            read_since(q, a.value, wrong);
            break;
        case 'n':
            read_limit(q, a.value, wrong);
            break;
        case 'd':
            q->data = a.value;
            break;
        case 'c':
            q->config = a.value;
            break;
        case 'h':
            q->help = true;
            break;
        default:
            q->json = true;
            break;
        }
    }
    q->filter.present_only = !q->history;
    if (q->history && !q->limited)
        q->filter.limit = HISTORY_LIMIT;
}

/* The database's path, by the same rules as for the bridge itself; NULL with a complaint. */
static char *find_database(const struct query *q, struct complaints *wrong)
{
    const char *given[4];
    int count = 0;
    if (q->config) {
        given[count++] = "--config";
        given[count++] = q->config;
    }
    if (q->data) {
        given[count++] = "--data";
        given[count++] = q->data;
    }
    struct config_input in = {.argc = count, .argv = given, .envp = environ, .aside = true};
    struct config *c = config_load(&in, wrong);
    char *path = c ? value_path(c->data, DATA_DIR_DATABASE) : NULL;
    if (c && !path)
        complain(wrong, NULL, "out of memory");
    config_free(c);
    return path;
}

static bool add_row(void *arg, const struct store_row *row)
{
    struct presence_table *t = arg;
    presence_table_add(t, row);
    return !t->failed;
}

static int print_rows(const struct query *q, const char *path)
{
    struct presence_table t;
    struct problem why = {0};
    if (access(path, F_OK) != 0) {
        fprintf(stderr,
                "sigbridge: nothing is recorded yet: there is no %s. Start the bridge, or name its "
                "data directory with --data\n",
                path);
        return EXIT_FAILURE;
    }
    presence_table_init(&t, stdout, q->now_ms, q->history, q->json);
    enum status status = store_query_presence(path, &q->filter, add_row, &t, &why);
    presence_table_finish(&t);
    if (status != STATUS_OK)
        fprintf(stderr, "sigbridge: %s\n", why.text);
    else if (t.rows == 0 && !q->json)
        fputs(q->history ? "No membership is recorded that fits.\n" : "Nobody is present.\n",
              stdout);
    return status == STATUS_OK && !t.failed ? EXIT_SUCCESS : EXIT_FAILURE;
}

int cmd_presence(int argc, char **argv)
{
    struct query q = {.now_ms = clock_wall_ms()};
    struct complaints wrong;
    int code = EXIT_USAGE;
    complaints_init(&wrong);
    read_args(&q, argc, argv, &wrong);
    char *path = wrong.count == 0 && !q.help ? find_database(&q, &wrong) : NULL;
    if (wrong.count > 0)
        fputs(complaints_text(&wrong), stderr);
    else if (q.help)
        code = print_help();
    else if (path)
        code = print_rows(&q, path);
    free(path);
    complaints_release(&wrong);
    return code;
}
