#include "app/cmd_token.h"

#include "base/clock.h"
#include "config/args.h"
#include "config/config.h"
#include "config/file.h"
#include "config/forms.h"
#include "config/nearest.h"
#include "config/place.h"
#include "config/value.h"
#include "policy/token.h"
#include "policy/token_base64.h"
#include "proto/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    EXIT_USAGE = 2,
    TTL_DEFAULT_S = 3600,
    TTL_MAX_S = 366 * 86400,
    NEW_KEY_BYTES = 32,
    META_MEMBERS_MAX = 256
};

static const char usage[] =
    "sigbridge token: make a token that lets a browser or a script in\n\n"
    "usage: sigbridge token --key ALG[@KID]:FILE --room ROOM... [options]\n"
    "       sigbridge token -c FILE --room ROOM... [options]\n"
    "       sigbridge token --new-key FILE\n\n"
    "Prints the token and nothing else. To begin with a secret of your own:\n\n"
    "  sigbridge token --new-key jwt-secret\n"
    "  sigbridge --jwt-key HS256:jwt-secret\n"
    "  sigbridge token --key HS256:jwt-secret --room lobby --peer ann\n\n";

static const struct args_flag flags[] = {
    {"key", 'k', "ALG[@KID]:FILE",
     "What signs: HS256 with the file of a secret, or RS256, ES256 or EdDSA with a private key in "
     "PEM; or a private JWK. [the first jwt_key of the configuration that can sign]"},
    {"room", 'r', "ROOM",
     "A room that the token opens; again for more. A * at its end (in quotes): every room that "
     "begins so."},
    {"peer", 'p', "PEER", "The only name under which one may join. [any]"},
    {"can", 0, "WORD",
     "What may be done: offer, message or admin; again for more. [offer and message]"},
    {"ttl", 't', "SECONDS", "For how long it is valid, up to 31622400 (366 days). [3600]"},
    {"meta", 0, "JSON", "An object that the others see as the peer's description."},
    {"issuer", 0, "TEXT", "The claim iss. [jwt.issuer of the configuration]"},
    {"audience", 0, "TEXT", "The claim aud. [jwt.audience of the configuration]"},
    {"config", 'c', "FILE", "The bridge's configuration file, for key, issuer and audience."},
    {"new_key", 0, "FILE",
     "Write a fresh HS256 secret to FILE, which must not be there yet, readable for its owner "
     "only."},
    {"help", 'h', NULL, "Print this text and end."},
};
enum { FLAGS = sizeof flags / sizeof *flags };

/* In the order of flags[]. */
enum {
    FLAG_KEY,
    FLAG_ROOM,
    FLAG_PEER,
    FLAG_CAN,
    FLAG_TTL,
    FLAG_META,
    FLAG_ISSUER,
    FLAG_AUDIENCE,
    FLAG_CONFIG,
    FLAG_NEW_KEY,
    FLAG_HELP
};

static const char *const words[] = {"offer", "message", "admin"};
enum { WORDS = sizeof words / sizeof *words };

struct order {
    const char *key, *peer, *meta, *issuer, *audience, *config, *new_key;
    const char *rooms[ACCESS_ROOMS_MAX];
    size_t rooms_count;
    bool can[WORDS], can_given, any, help;
    uint64_t ttl_s;
};

/* ---- arguments ---- */

static void read_can(struct order *o, const char *word, struct complaints *wrong)
{
    char quoted[COMPLAINT_QUOTE_MAX];
    for (size_t i = 0; i < WORDS; i++)
        if (strcmp(words[i], word) == 0) {
            o->can[i] = o->can_given = true;
            return;
        }
    complain(wrong, "--can", "%s is not known here: write offer, message or admin",
             complaint_quote(quoted, word));
}

static void read_ttl(struct order *o, const char *value, struct complaints *wrong)
{
    char quoted[COMPLAINT_QUOTE_MAX];
    struct text t = text_of_str(value);
    if (!text_uint(&t, TTL_MAX_S, &o->ttl_s) || !text_end(&t) || o->ttl_s == 0)
        complain(wrong, "--ttl", "%s is no number of seconds from 1 to %d",
                 complaint_quote(quoted, value), TTL_MAX_S);
}

static void read_room(struct order *o, const char *value, struct complaints *wrong)
{
    char quoted[COMPLAINT_QUOTE_MAX];
    const char *why;
    if (!room_pattern_ok(value, &why))
        complain(wrong, "--room", "%s %s", complaint_quote(quoted, value), why);
    else if (o->rooms_count == ACCESS_ROOMS_MAX)
        complain(wrong, "--room", "there are more than %d: a token holds no more",
                 ACCESS_ROOMS_MAX);
    else
        o->rooms[o->rooms_count++] = value;
}

static void read_meta(struct order *o, const char *value, struct complaints *wrong)
{
    static struct json_member members[META_MEMBERS_MAX];
    struct problem why = {0};
    size_t count, len = strlen(value);
    if (len > ACCESS_META_MAX)
        complain(wrong, "--meta", "is longer than %d bytes", ACCESS_META_MAX);
    else if (json_object(value, len, members, META_MEMBERS_MAX, &count, &why) != STATUS_OK)
        complain(wrong, "--meta", "is no JSON object: %s", why.text);
    else
        o->meta = value;
}

static void read_checked(const char **out, const char *flag, const char *value,
                         bool (*ok)(const char *, const char **), struct complaints *wrong)
{
    char quoted[COMPLAINT_QUOTE_MAX];
    const char *why;
    if (ok(value, &why))
        *out = value;
    else
        complain(wrong, flag, "%s %s", complaint_quote(quoted, value), why);
}

static void read_flag(struct order *o, const struct args *a, struct complaints *wrong)
{
    switch (a->flag - flags) {
    case FLAG_KEY:
        o->key = a->value;
        break;
    case FLAG_ROOM:
        read_room(o, a->value, wrong);
        break;
    case FLAG_PEER:
        read_checked(&o->peer, "--peer", a->value, value_is_name, wrong);
        break;
    case FLAG_CAN:
        read_can(o, a->value, wrong);
        break;
    case FLAG_TTL:
        read_ttl(o, a->value, wrong);
        break;
    case FLAG_META:
        read_meta(o, a->value, wrong);
        break;
    case FLAG_ISSUER:
        read_checked(&o->issuer, "--issuer", a->value, value_is_plain, wrong);
        break;
    case FLAG_AUDIENCE:
        read_checked(&o->audience, "--audience", a->value, value_is_plain, wrong);
        break;
    case FLAG_CONFIG:
        o->config = a->value;
        break;
    case FLAG_NEW_KEY:
        o->new_key = a->value;
        return;
    default:
        o->help = true;
        return;
    }
    o->any = true;
}

static void read_args(struct order *o, int argc, char **argv, struct complaints *wrong)
{
    struct args a = {
        .argc = argc, .argv = (const char *const *)argv, .flags = flags, .count = FLAGS};
    enum args_what what;
    while ((what = args_next(&a)) != ARGS_END)
        if (what == ARGS_FLAG)
            read_flag(o, &a, wrong);
        else
            args_complain(&a, what, wrong);
    if (wrong->count > 0 || o->help)
        return;
    if (o->new_key && o->any)
        complain(wrong, "--new-key", "stands alone: make the secret first, then the token");
    else if (!o->new_key && o->rooms_count == 0 && !o->can[WORDS - 1])
        complain(wrong, NULL,
                 "a token without a room opens nothing: add --room ROOM, or --can admin");
    else if (!o->new_key && !o->key && !o->config && !place_env(environ, "SIGBRIDGE_CONFIG") &&
             !place_env(environ, "SIGBRIDGE_JWT_KEY"))
        complain(wrong, NULL,
                 "what signs the token? Add --key ALG:FILE, or -c FILE for the bridge's "
                 "configuration");
}

/* ---- a new secret ---- */

/* Text, so that it can be pasted into the place that issues the tokens. */
static int write_new_key(const char *path)
{
    char memory[64], quoted[COMPLAINT_QUOTE_MAX];
    unsigned char secret[NEW_KEY_BYTES];
    struct buf b;
    int code = EXIT_FAILURE;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    complaint_quote(quoted, path);
    if (fd < 0) {
        fprintf(stderr, "sigbridge: %s cannot be written: %s\n", quoted,
                errno == EEXIST ? "it is there already, and a key in use must not be lost; name "
                                  "another file"
                                : strerror(errno));
        return EXIT_FAILURE;
    }
    buf_init_fixed(&b, memory, sizeof memory);
    if (getrandom(secret, sizeof secret, 0) == (ssize_t)sizeof secret) {
        token_base64_put(&b, secret, sizeof secret);
        buf_char(&b, '\n');
        if (buf_ok(&b) && write(fd, b.data, b.len) == (ssize_t)b.len && fsync(fd) == 0)
            code = EXIT_SUCCESS;
    }
    if (code != EXIT_SUCCESS) {
        fprintf(stderr, "sigbridge: %s cannot be written: %s\n", quoted, strerror(errno));
        unlink(path); /* made by us a moment ago */
    }
    close(fd);
    explicit_bzero(secret, sizeof secret);
    explicit_bzero(memory, sizeof memory);
    return code;
}

/* ---- the token ---- */

static void put_claims(const struct order *o, int64_t now_s, struct buf *b)
{
    buf_str(b, "{\"iat\":");
    buf_int(b, now_s);
    buf_str(b, ",\"exp\":");
    buf_int(b, now_s + (int64_t)o->ttl_s);
    const struct {
        const char *name, *value;
    } texts[] = {{",\"iss\":", o->issuer}, {",\"aud\":", o->audience}, {",\"sub\":", o->peer}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].value) {
            buf_str(b, texts[i].name);
            json_put_str(b, texts[i].value);
        }
    buf_str(b, ",\"rooms\":[");
    for (size_t i = 0; i < o->rooms_count; i++) {
        buf_str(b, i ? "," : "");
        json_put_str(b, o->rooms[i]);
    }
    buf_char(b, ']');
    for (size_t i = 0, put = 0; o->can_given && i < WORDS; i++)
        if (o->can[i]) {
            buf_str(b, put++ ? "," : ",\"can\":[");
            json_put_str(b, words[i]);
        }
    buf_str(b, o->can_given ? "]" : "");
    if (o->meta) {
        buf_str(b, ",\"meta\":");
        buf_str(b, o->meta);
    }
    buf_char(b, '}');
}

/* Signs with one key file; what is wrong with it is in *why. */
static bool sign_with(const struct jwt_key *key, struct text claims, struct buf *token,
                      struct problem *why)
{
    enum token_alg alg;
    size_t len = 0;
    bool known = token_alg_parse(text_of_str(key->alg), &alg);
    char *bytes = known ? file_read(key->file, TOKEN_KEY_FILE_MAX, &len) : NULL;
    if (!bytes) {
        problem_set(why, STATUS_IO, 0, NULL, "cannot be read: %s",
                    errno == EFBIG ? "it is larger than 256 KiB" : strerror(errno));
        return false;
    }
    enum status s = token_sign(alg, text_of_str(key->kid ? key->kid : ""), text_of(bytes, len),
                               claims, token, why);
    explicit_bzero(bytes, len);
    free(bytes);
    return s == STATUS_OK;
}

/* The first key that can sign. Of the failures the first one is told. */
static int sign_and_print(const struct order *o, const struct jwt_key *keys, size_t count)
{
    struct buf claims, token;
    struct problem first = {0};
    char quoted[COMPLAINT_QUOTE_MAX];
    int code = EXIT_FAILURE;
    size_t i = 0;
    buf_init(&claims, TOKEN_MAX_BYTES);
    buf_init(&token, TOKEN_MAX_BYTES + 1);
    put_claims(o, clock_wall_ms() / 1000, &claims);
    if (!buf_ok(&claims)) {
        fprintf(stderr, "sigbridge: the token would be longer than %d bytes: say less in it\n",
                TOKEN_MAX_BYTES);
        goto out;
    }
    for (; i < count; i++) {
        struct problem why = {0};
        if (sign_with(&keys[i], text_of(claims.data, claims.len), &token, &why))
            break;
        if (i == 0)
            first = why;
    }
    if (i == count) {
        fprintf(stderr, "sigbridge: %s: %s\n", complaint_quote(quoted, keys[0].file), first.text);
        goto out;
    }
    buf_char(&token, '\n');
    if (buf_ok(&token) && fwrite(token.data, 1, token.len, stdout) == token.len &&
        fflush(stdout) == 0)
        code = EXIT_SUCCESS;
out:
    buf_release(&claims);
    buf_release(&token);
    return code;
}

/* The bridge's configuration, by the same rules as for the bridge itself. */
static struct config *load_config(const struct order *o, struct complaints *wrong)
{
    const char *given[] = {"--config", o->config};
    struct config_input in = {
        .argc = o->config ? 2 : 0, .argv = given, .envp = environ, .aside = true};
    return config_load(&in, wrong);
}

static int make_token(struct order *o, struct complaints *wrong)
{
    struct jwt_key own = {0};
    struct config *c = NULL;
    char quoted[COMPLAINT_QUOTE_MAX];
    const char *why = NULL;
    int code = EXIT_USAGE;
    if (o->key && !form_jwt_key.parse(o->key, NULL, &own, &why)) {
        complain(wrong, "--key", "%s %s: %s", complaint_quote(quoted, o->key), why,
                 form_jwt_key.wanted);
        goto out;
    }
    if ((o->config || !o->key) && !(c = load_config(o, wrong)))
        goto out;
    if (c && !o->issuer)
        o->issuer = c->jwt.issuer;
    if (c && !o->audience)
        o->audience = c->jwt.audience;
    if (!o->key && c->jwt_keys.count == 0)
        complain(wrong, NULL, "the configuration has no jwt_key: add --key ALG:FILE");
    else
        code = o->key ? sign_and_print(o, &own, 1)
                      : sign_and_print(o, c->jwt_keys.items, c->jwt_keys.count);
out:
    if (own.alg)
        form_jwt_key.release(&own);
    config_free(c);
    return code;
}

static int print_help(void)
{
    args_print_help(usage, flags, FLAGS);
    return EXIT_SUCCESS;
}

int cmd_token(int argc, char **argv)
{
    struct order o = {.ttl_s = TTL_DEFAULT_S};
    struct complaints wrong;
    int code = EXIT_USAGE;
    complaints_init(&wrong);
    read_args(&o, argc, argv, &wrong);
    if (wrong.count == 0)
        code = o.help      ? print_help()
               : o.new_key ? write_new_key(o.new_key)
                           : make_token(&o, &wrong);
    fputs(complaints_text(&wrong), stderr);
    complaints_release(&wrong);
    return code;
}
