#include "app/cmd_check.h"

#include "app/check_payload.h"
#include "base/buf.h"
#include "config/args.h"
#include "config/file.h"
#include "config/nearest.h"
#include "config/value.h"
#include "proto/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    EXIT_ACCEPTED = 0,
    EXIT_REFUSED = 1,
    EXIT_USAGE = 2,
    FILE_MAX_BYTES = 256 << 20, /* each payload in it is bounded on its own */
    LINE_OUT_MAX = 8192
};

/* In the order of enum payload_kind and enum msg_side. */
static const char *const kinds[] = {"offer", "answer", "candidate", "message", "presence", NULL};
static const char *const sides[] = {"client", "peer", "bridge", "ask", NULL};

static const struct args_flag flags[] = {
    {"kind", 'k', "KIND", "What the payload is: offer, answer, candidate, message or presence."},
    {"side", 's', "SIDE",
     "Who wrote a message: a client on WebSocket, a peer on MQTT, the bridge as _bridge, or a peer "
     "that asks _bridge. One of client, peer, bridge, ask. [client]"},
    {"lines", 'l', NULL, "Each line of the input is a payload of its own."},
    {"json", 0, NULL, "Print each verdict as one line of JSON."},
    {"help", 'h', NULL, "Print this text and end."},
};
enum { FLAGS = sizeof flags / sizeof *flags };

struct checking {
    int kind; /* index into kinds, -1: not given */
    int side; /* index into sides */
    bool lines;
    bool json;
    bool many; /* name the file in each verdict */
    bool refused;
    bool failed; /* a file could not be read, or nobody takes our output */
    char *scratch;
};

static int print_help(void)
{
    args_print_help(
        "sigbridge check: would the bridge take this payload?\n\n"
        "usage: sigbridge check --kind KIND [options] FILE...\n\n"
        "  offer, answer  an RTCSessionDescription as JSON, or bare SDP\n"
        "  candidate      an RTCIceCandidateInit as JSON, null, or a bare candidate line\n"
        "  message        one whole message, as on WebSocket or in an MQTT payload\n"
        "  presence       a device's presence object\n\n"
        "FILE - is standard input. Exit code: 0 all accepted, 1 one was refused, 2 wrong "
        "usage.\n\n",
        flags, FLAGS);
    return EXIT_ACCEPTED;
}

/* A file's name as it may be shown: quoted and escaped when it holds more than plain text. */
static const char *shown(const char *file, char quoted[COMPLAINT_QUOTE_MAX])
{
    const char *why;
    return value_is_plain(file, &why) ? file : complaint_quote(quoted, file);
}

static void put_text_verdict(struct buf *b, const struct checking *c, const char *file,
                             const struct problem *why)
{
    char quoted[COMPLAINT_QUOTE_MAX];
    if (c->many) {
        buf_str(b, shown(file, quoted));
        buf_str(b, ": ");
    }
    if (why->status == STATUS_OK) {
        buf_str(b, "accepted");
        return;
    }
    buf_str(b, "refused: ");
    buf_str(b, status_name(why->status));
    if (why->line > 0) {
        buf_str(b, " line ");
        buf_uint(b, why->line);
    }
    if (why->rule) {
        buf_char(b, ' ');
        buf_str(b, why->rule);
    }
    buf_str(b, ": ");
    buf_str(b, why->text);
}

static void put_json_verdict(struct buf *b, const struct checking *c, const char *file,
                             const struct problem *why)
{
    char quoted[COMPLAINT_QUOTE_MAX];
    bool accepted = why->status == STATUS_OK;
    buf_str(b, accepted ? "{\"verdict\":\"accepted\"" : "{\"verdict\":\"refused\"");
    if (c->many) {
        buf_str(b, ",\"file\":");
        json_put_str(b, shown(file, quoted));
    }
    if (!accepted) {
        buf_str(b, ",\"code\":");
        buf_int(b, status_code(why->status));
        buf_str(b, ",\"error\":");
        json_put_str(b, status_word(why->status));
        if (why->line > 0) {
            buf_str(b, ",\"line\":");
            buf_uint(b, why->line);
        }
        if (why->rule) {
            buf_str(b, ",\"rule\":");
            json_put_str(b, why->rule);
        }
        buf_str(b, ",\"message\":");
        json_put_str(b, why->text);
    }
    buf_char(b, '}');
}

static void check_one(struct checking *c, const char *file, const char *bytes, size_t len)
{
    char memory[LINE_OUT_MAX];
    struct buf b;
    struct problem why = {0};
    enum status status = payload_check((enum payload_kind)c->kind, (enum msg_side)c->side, bytes,
                                       len, c->scratch, &why);
    why.status = status;
    if (status != STATUS_OK)
        c->refused = true;
    buf_init_fixed(&b, memory, sizeof memory);
    if (c->json)
        put_json_verdict(&b, c, file, &why);
    else
        put_text_verdict(&b, c, file, &why);
    buf_char(&b, '\n');
    if (!buf_ok(&b) || fwrite(b.data, 1, b.len, stdout) != b.len)
        c->failed = true;
}

static void check_file(struct checking *c, const char *file)
{
    size_t len = 0;
    char quoted[COMPLAINT_QUOTE_MAX];
    char *bytes = strcmp(file, "-") == 0 ? file_read_fd(STDIN_FILENO, FILE_MAX_BYTES, &len)
                                         : file_read(file, FILE_MAX_BYTES, &len);
    if (!bytes) {
        fprintf(stderr, "sigbridge: %s: cannot be read: %s\n", complaint_quote(quoted, file),
                errno == EFBIG ? "it is larger than 256 MiB" : strerror(errno));
        c->failed = true;
        return;
    }
    if (!c->lines)
        check_one(c, file, bytes, len);
    for (size_t at = 0; c->lines && at < len && !c->failed;) {
        const char *lf = memchr(bytes + at, '\n', len - at);
        size_t end = lf ? (size_t)(lf - bytes) : len;
        check_one(c, file, bytes + at, end - at);
        at = end + 1;
    }
    free(bytes);
}

/* The place of a word among the known ones; -1 with a complaint. */
static int find_word(const char *flag, const char *word, const char *const *known,
                     struct complaints *wrong)
{
    char quoted[COMPLAINT_QUOTE_MAX], all[80] = "";
    struct nearest n;
    nearest_init(&n, word);
    for (int i = 0; known[i]; i++) {
        if (strcmp(known[i], word) == 0)
            return i;
        nearest_offer(&n, known[i]);
        size_t at = strlen(all);
        snprintf(all + at, sizeof all - at, "%s%s", i ? ", " : "", known[i]);
    }
    complaint_quote(quoted, word);
    if (nearest_word(&n))
        complain(wrong, flag, "%s is not known here: did you mean %s?", quoted, nearest_word(&n));
    else
        complain(wrong, flag, "%s is not known here: write one of %s", quoted, all);
    return -1;
}

/* Returns the number of files, whose names are moved to the front of argv; or -1: print the help.
 */
static int read_args(struct checking *c, int argc, char **argv, struct complaints *wrong)
{
    struct args a = {
        .argc = argc, .argv = (const char *const *)argv, .flags = flags, .count = FLAGS};
    enum args_what what;
    int files = 0;
    while ((what = args_next(&a)) != ARGS_END) {
        if (what == ARGS_WORD)
            argv[files++] = argv[a.at - 1];
        else if (what != ARGS_FLAG)
            args_complain(&a, what, wrong);
        else if (strcmp(a.flag->name, "help") == 0)
            return -1;
        else if (strcmp(a.flag->name, "kind") == 0)
            c->kind = find_word("--kind", a.value, kinds, wrong);
        else if (strcmp(a.flag->name, "side") == 0)
            c->side = find_word("--side", a.value, sides, wrong);
        else if (strcmp(a.flag->name, "lines") == 0)
            c->lines = true;
        else
            c->json = true;
    }
    if (wrong->count == 0 && c->kind < 0)
        complain(wrong, NULL, "check needs --kind offer, answer, candidate, message or presence");
    if (wrong->count == 0 && files == 0)
        complain(wrong, NULL, "check needs a FILE, or - for standard input");
    return files;
}

int cmd_check(int argc, char **argv)
{
    struct checking c = {.kind = -1};
    struct complaints wrong;
    int code = EXIT_USAGE;
    complaints_init(&wrong);
    int files = read_args(&c, argc, argv, &wrong);
    c.scratch = malloc(PAYLOAD_MAX_BYTES);
    if (files < 0) {
        code = print_help();
    } else if (wrong.count > 0) {
        fputs(complaints_text(&wrong), stderr);
    } else if (c.scratch) {
        c.many = files > 1;
        for (int i = 0; i < files && !ferror(stdout); i++)
            check_file(&c, argv[i]);
        if (fflush(stdout) != 0)
            c.failed = true;
        code = c.failed ? EXIT_USAGE : c.refused ? EXIT_REFUSED : EXIT_ACCEPTED;
    }
    free(c.scratch);
    complaints_release(&wrong);
    return code;
}
