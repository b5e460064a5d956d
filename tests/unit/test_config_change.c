/* What a running configuration takes over from a fresh one: every option of the table has a row
 * here, so that none changes sides unseen. */
#include "config/change.h"

#include "config/show.h"
#include "config/value.h"
#include "test.h"
#include "test_config_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 2048, NAMES_MAX = 1900 };

/* Two files that differ in one option; $ stands for the test's directory. */
static const struct change_row {
    const char *option, *before, *after;
    enum config_change change;
    bool tokens; /* without development mode */
} rows[] = {
    {"dev", "", "dev = true;", CONFIG_SAME, false}, /* a flag says so already */
    {"dev_exposed", "", "dev_exposed = true;", CONFIG_RESTART, false},
    {"listen", "", "listen = \"127.0.0.1:1\";", CONFIG_RESTART, false},
    {"listen", "listen = [\"127.0.0.1:1\", \"127.0.0.1:2\"];",
     "listen = [\"127.0.0.1:2\", \"127.0.0.1:1\"];", CONFIG_RESTART, false},
    {"listen_shared", "broker = \"mqtt://b\";", "broker = \"mqtt://b\"; listen_shared = true;",
     CONFIG_RESTART, false},
    {"tls_cert", "tls_cert = \"$/a\"; tls_key = \"$/a\";", "tls_cert = \"$/b\"; tls_key = \"$/a\";",
     CONFIG_CHANGED, false},
    {"tls_cert", "listen = \"http://127.0.0.1:1\";",
     "listen = \"http://127.0.0.1:1\"; tls_cert = \"$/b\"; tls_key = \"$/a\";", CONFIG_RESTART,
     false},
    {"tls_key", "tls_cert = \"$/a\"; tls_key = \"$/a\";", "tls_cert = \"$/a\"; tls_key = \"$/b\";",
     CONFIG_CHANGED, false},
    {"jwt_key", "jwt_key = \"HS256:$/a\";", "jwt_key = [\"HS256:$/a\", \"ES256@x:$/b\"];",
     CONFIG_CHANGED, true},
    {"jwt_key", "", "jwt_key = \"HS256:$/a\";", CONFIG_RESTART, false},
    {"jwt_key", "jwt_key = \"HS256:$/a\";", "", CONFIG_RESTART, false},
    {"origin", "", "origin = \"https://a.example\";", CONFIG_CHANGED, false},
    {"trusted_proxy", "trusted_proxy = \"10.0.0.1\";", "", CONFIG_CHANGED, false},
    {"broker", "", "broker = \"mqtt://127.0.0.1:1\";", CONFIG_RESTART, false},
    {"mqtt_listen", "", "mqtt_listen = \"127.0.0.1:1\";", CONFIG_RESTART, false},
    {"data", "", "data = \"$/other\";", CONFIG_RESTART, false},
    {"bridge_id", "", "bridge_id = \"other\";", CONFIG_RESTART, false},
    {"prefix", "", "prefix = \"other\";", CONFIG_RESTART, false},
    {"web", "web = \"none\";", "web = \"$\";", CONFIG_RESTART, false},
    {"log_level", "", "log_level = \"warn\";", CONFIG_CHANGED, false},
    {"log_format", "", "log_format = \"json\";", CONFIG_CHANGED, false},
    {"presence.scope", "", "presence: { scope = \"rooms\"; };", CONFIG_RESTART, false},
    {"presence.expiry", "", "presence: { expiry = 60; };", CONFIG_RESTART, false},
    {"presence.resume_window", "", "presence: { resume_window = 1; };", CONFIG_CHANGED, false},
    {"presence.resume_window", "", "presence: { resume_window = 0; };", CONFIG_RESTART, false},
    {"presence.resume_window", "presence: { resume_window = 0; };", "", CONFIG_RESTART, false},
    {"history.keep_days", "", "history: { keep_days = 1; };", CONFIG_CHANGED, false},
    {"limits.message", "", "limits: { message = 16384; };", CONFIG_RESTART, false},
    {"limits.send_queue_messages", "", "limits: { send_queue_messages = 8; };", CONFIG_CHANGED,
     false},
    {"limits.send_queue_bytes", "", "limits: { send_queue_bytes = 2000000; };", CONFIG_CHANGED,
     false},
    {"limits.replay_messages", "", "limits: { replay_messages = 16; };", CONFIG_CHANGED, false},
    {"limits.replay_bytes", "", "limits: { replay_bytes = 65536; };", CONFIG_CHANGED, false},
    {"limits.join_timeout", "", "limits: { join_timeout = 1; };", CONFIG_CHANGED, false},
    {"limits.sessions", "", "limits: { sessions = 1; };", CONFIG_RESTART, false},
    {"limits.room_peers", "", "limits: { room_peers = 2; };", CONFIG_CHANGED, false},
    {"limits.outage_bytes", "", "limits: { outage_bytes = 0; };", CONFIG_CHANGED, false},
    {"limits.outage_age", "", "limits: { outage_age = 1; };", CONFIG_CHANGED, false},
    {"limits.store_queue", "", "limits: { store_queue = 64; };", CONFIG_RESTART, false},
    {"limits.drain", "", "limits: { drain = 1; };", CONFIG_CHANGED, false},
    {"limits.address_sessions", "", "limits: { address_sessions = 1; };", CONFIG_CHANGED, false},
    {"limits.rooms", "", "limits: { rooms = 1; };", CONFIG_CHANGED, false},
    {"limits.messages_per_second", "", "limits: { messages_per_second = 1; };", CONFIG_CHANGED,
     false},
    {"limits.messages_burst", "", "limits: { messages_burst = 1000; };", CONFIG_CHANGED, false},
    {"limits.bytes_per_second", "", "limits: { bytes_per_second = 1024; };", CONFIG_CHANGED, false},
    {"limits.bytes_burst", "", "limits: { bytes_burst = 1000000; };", CONFIG_CHANGED, false},
    {"limits.auth_failures", "", "limits: { auth_failures = 1; };", CONFIG_CHANGED, false},
    {"ping.interval", "", "ping: { interval = 1; };", CONFIG_CHANGED, false},
    {"ping.timeout", "", "ping: { timeout = 1; };", CONFIG_CHANGED, false},
    {"jwt.issuer", "jwt_key = \"HS256:$/a\";", "jwt_key = \"HS256:$/a\"; jwt: { issuer = \"i\"; };",
     CONFIG_CHANGED, true},
    {"jwt.audience", "jwt_key = \"HS256:$/a\"; jwt: { audience = \"a\"; };",
     "jwt_key = \"HS256:$/a\"; jwt: { audience = \"b\"; };", CONFIG_CHANGED, true},
    {"mqtt.username", "broker = \"mqtt://h\"; mqtt: { username = \"a\"; };",
     "broker = \"mqtt://h\"; mqtt: { username = \"b\"; };", CONFIG_CHANGED, false},
    {"mqtt.password_file",
     "broker = \"mqtt://h\"; mqtt: { username = \"a\"; password_file = \"$/a\"; };",
     "broker = \"mqtt://h\"; mqtt: { username = \"a\"; password_file = \"$/b\"; };", CONFIG_CHANGED,
     false},
    {"mqtt.ca", "broker = \"mqtts://h\";", "broker = \"mqtts://h\"; mqtt: { ca = \"$/a\"; };",
     CONFIG_RESTART, false},
    {"mqtt.cert", "broker = \"mqtts://h\"; mqtt: { cert = \"$/a\"; key = \"$/a\"; };",
     "broker = \"mqtts://h\"; mqtt: { cert = \"$/b\"; key = \"$/a\"; };", CONFIG_RESTART, false},
    {"mqtt.key", "broker = \"mqtts://h\"; mqtt: { cert = \"$/a\"; key = \"$/a\"; };",
     "broker = \"mqtts://h\"; mqtt: { cert = \"$/a\"; key = \"$/b\"; };", CONFIG_RESTART, false},
    {"mqtt.keepalive", "", "mqtt: { keepalive = 5; };", CONFIG_RESTART, false},
    {"ice_servers", "", "ice_servers = ( { urls = \"stun:a\"; } );", CONFIG_CHANGED, false},
    {"ice_servers",
     "ice_servers = ( { urls = \"turn:a\"; username = \"u\"; credential = \"secret-1\"; } );",
     "ice_servers = ( { urls = \"turn:a\"; username = \"u\"; credential = \"secret-2\"; } );",
     CONFIG_CHANGED, false},
    {"ice_servers", "ice_servers = ( { urls = \"turn:a\"; secret_file = \"$/a\"; } );",
     "ice_servers = ( { urls = \"turn:a\"; secret_file = \"$/b\"; } );", CONFIG_CHANGED, false},
    {"ice_policies", "ice_policies = ( { rooms = \"a\"; types = [\"host\"]; } );",
     "ice_policies = ( { rooms = \"a\"; types = [\"relay\"]; } );", CONFIG_CHANGED, false},
    {"ice_policies", "ice_policies = ( { rooms = \"a\"; }, { rooms = \"b\"; } );",
     "ice_policies = ( { rooms = \"b\"; }, { rooms = \"a\"; } );", CONFIG_CHANGED, false},
};

static char file_a[96], file_b[96];

static struct config *load(const char *text, bool tokens)
{
    char out[TEXT_MAX];
    size_t at = 0;
    for (; *text; text++)
        at += (size_t)snprintf(out + at, sizeof out - at, "%.*s", *text == '$' ? 64 : 1,
                               *text == '$' ? config_dir : text);
    out[at] = '\0';
    config_without_dev = tokens;
    struct config *c = config_load_well(out, NULL, NULL);
    config_without_dev = false;
    return c;
}

static char *shown(const struct config *c)
{
    struct buf b;
    buf_init(&b, SHOW_MAX_BYTES);
    config_show_effective(c, &b);
    char *text = strdup(buf_cstr(&b));
    assert_true(buf_ok(&b) && text);
    buf_release(&b);
    return text;
}

/* The differences of the two, other than in `but`. */
static const char *other_change(const struct config *a, const struct config *b, const char *but)
{
    for (size_t i = 0; i < options.count; i++)
        if (strcmp(options.options[i].name, but) != 0 &&
            config_compare(&options.options[i], a, b) != CONFIG_SAME)
            return options.options[i].name;
    return NULL;
}

static void one_option_changes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        const struct change_row *r = &rows[i];
        struct config would;
        struct config *before = load(r->before, r->tokens), *after = load(r->after, r->tokens);
        const struct option *o = option_by_name(&options, r->option);
        assert_non_null(o);
        print_message("%s: %s\n", r->option, r->after);
        ROW(r->option, config_compare(o, before, after) == r->change);
        ROW(r->option, config_compare(o, before, before) == CONFIG_SAME);
        if (strcmp(r->option, "tls_cert") != 0) /* comes and goes with tls_key */
            ROW(r->option, other_change(before, after, r->option) == NULL);

        char *old = shown(before), *fresh = shown(after);
        config_preview(before, after, &would);
        char *expected = shown(&would);
        config_take(before, after);
        char *taken = shown(before), *left = shown(after);
        assert_string_equal(taken, expected);
        if (r->change == CONFIG_CHANGED) {
            assert_string_equal(taken, fresh);
            assert_string_equal(left, old);
            ROW(r->option, strcmp(old, fresh) != 0 || strstr(r->before, "secret-1"));
        }
        ROW(r->option, config_compare(o, before, after) == r->change);
        free(old);
        free(fresh);
        free(expected);
        free(taken);
        free(left);
        config_free(before);
        config_free(after);
    }
}

/* Everything that can stand in a file has a row, and the names fit into one line of the log. */
static void every_option_is_here(void **state)
{
    (void)state;
    size_t names = 0;
    for (const struct option *o = options.options; o < options.options + options.count; o++) {
        bool found = false;
        for (size_t i = 0; i < ROWS(rows); i++)
            found = found || strcmp(rows[i].option, o->name) == 0;
        ROW(o->name, found == ((o->traits & OPTION_IN_FILE) != 0));
        ROW(o->name, (o->traits & OPTION_RELOAD) || !(o->traits & OPTION_WHILE_SET));
        names += strlen(o->name) + 1;
    }
    assert_in_range(names, 1, NAMES_MAX);
}

/* What needs a restart stays where it is: others hold pointers to it. */
static void pointers_stay(void **state)
{
    (void)state;
    struct config *c = load("prefix = \"p\"; web = \"$\"; listen = [\"127.0.0.1:1\"];"
                            "origin = \"https://a.example\";",
                            false);
    const char *prefix = c->prefix, *web = c->web;
    const struct listen *listen = c->listen.items;
    for (int i = 0; i < 3; i++) {
        struct config *fresh = load(i == 1 ? "prefix = \"q\"; origin = \"https://b.example\";"
                                           : "prefix = \"p\"; web = \"$\"; listen = "
                                             "[\"127.0.0.1:1\"]; origin = \"https://a.example\";",
                                    false);
        const char *origin = fresh->origins.items[0];
        config_take(c, fresh);
        config_free(fresh);
        assert_ptr_equal(c->prefix, prefix);
        assert_ptr_equal(c->web, web);
        assert_ptr_equal(c->listen.items, listen);
        assert_ptr_equal(c->origins.items[0], origin);
        assert_string_equal(c->prefix, "p");
    }
    config_free(c);
}

/* The bridge's name is made up and kept after loading; that is no change. */
static void what_was_computed_is_no_change(void **state)
{
    (void)state;
    const struct option *o = option_by_name(&options, "bridge_id");
    struct config *c = load("", false), *fresh = load("", false);
    c->bridge_id = strdup("made-up");
    assert_int_equal(config_compare(o, c, fresh), CONFIG_SAME);
    config_take(c, fresh);
    assert_string_equal(c->bridge_id, "made-up");
    config_free(fresh);
    fresh = load("bridge_id = \"made-up\";", false);
    assert_int_equal(config_compare(o, c, fresh), CONFIG_SAME);
    config_free(fresh);
    config_free(c);
}

/* The same path, and something else in the file. */
static void secrets_are_compared(void **state)
{
    (void)state;
    static const char text[] = "broker = \"mqtt://h\"; mqtt: { username = \"u\"; password_file = "
                               "\"$/a\"; };"
                               "ice_servers = ( { urls = \"turn:a\"; secret_file = \"$/b\"; } );";
    static const struct {
        const char *option, *file;
    } files[] = {{"mqtt.password_file", file_a}, {"ice_servers", file_b}};
    for (size_t i = 0; i < ROWS(files); i++) {
        struct config *c = load(text, false), *same = load(text, false);
        const struct option *o = option_by_name(&options, files[i].option);
        ROW(files[i].option, config_compare(o, c, same) == CONFIG_SAME);
        config_write_file(files[i].file, "renewed\n", 8);
        struct config *fresh = load(text, false);
        ROW(files[i].option, config_compare(o, c, fresh) == CONFIG_CHANGED);
        ROW(files[i].option, other_change(c, fresh, files[i].option) == NULL);
        config_take(c, fresh);
        ROW(files[i].option, config_compare(o, c, same) == CONFIG_CHANGED);
        assert_string_equal(i ? c->ice_servers.items[0].secret : c->mqtt.password, "renewed");
        config_free(fresh);
        config_free(same);
        config_free(c);
    }
    config_write_file(file_a, "one\n", 4);
    config_write_file(file_b, "two\n", 4);
}

/* A file that was changed, loaded again with the flags of the start, which still win. */
static void it_is_loaded_again(void **state)
{
    (void)state;
    static const char *const args[] = {"--dev", "-c", config_path, "--prefix", "flag"};
    static char home[96], *envp[] = {home, NULL};
    struct config_input in = {.argc = 5, .argv = args, .envp = envp, .lookup = config_dir};
    struct complaints wrong;
    snprintf(home, sizeof home, "HOME=%s", config_dir);
    static const char first[] = "prefix = \"one\"; limits: { rooms = 1; };",
                      second[] = "prefix = \"two\"; limits: { rooms = 2; };",
                      bad[] = "limits: { rooms = 0; };";
    config_write_file(config_path, first, strlen(first));
    complaints_init(&wrong);
    struct config *c = config_load(&in, &wrong);
    assert_non_null(c);
    config_write_file(config_path, second, strlen(second));
    struct config *fresh = config_load_again(c, &wrong);
    assert_non_null(fresh);
    assert_string_equal(fresh->prefix, "flag");
    assert_int_equal(fresh->limits.rooms, 2);
    assert_string_equal(other_change(c, fresh, ""), "limits.rooms");
    assert_null(other_change(c, fresh, "limits.rooms"));
    config_take(c, fresh);
    config_free(fresh);
    config_write_file(config_path, bad, strlen(bad));
    assert_null(config_load_again(c, &wrong));
    assert_non_null(strstr(complaints_text(&wrong), "x.conf:1: limits.rooms: "));
    assert_int_equal(c->limits.rooms, 2);
    complaints_release(&wrong);
    config_free(c);
}

/* Each of the two is right, what would run is not: the largest message stays, the queue does not.
 */
static void together_they_are_wrong(void **state)
{
    (void)state;
    struct config would;
    struct complaints wrong;
    struct config *c = load("limits: { message = 200000; };", false);
    struct config *fresh = load("limits: { message = 65536; send_queue_bytes = 65536; };", false);
    complaints_init(&wrong);
    config_check(c, &wrong);
    config_check(fresh, &wrong);
    assert_int_equal(wrong.count, 0);
    config_preview(c, fresh, &would);
    config_check(&would, &wrong);
    assert_int_equal(wrong.count, 1);
    assert_non_null(strstr(complaints_text(&wrong), "limits.send_queue_bytes (65536) is less"));
    complaints_release(&wrong);
    config_free(fresh);
    config_free(c);
}

static int set_up(void **state)
{
    if (config_make_directory(state) != 0)
        return -1;
    snprintf(file_a, sizeof file_a, "%s/a", config_dir);
    snprintf(file_b, sizeof file_b, "%s/b", config_dir);
    config_write_file(file_a, "one\n", 4);
    config_write_file(file_b, "two\n", 4);
    return 0;
}

static int tear_down(void **state)
{
    unlink(file_a);
    unlink(file_b);
    return config_remove_directory(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_option_changes),      cmocka_unit_test(every_option_is_here),
        cmocka_unit_test(pointers_stay),           cmocka_unit_test(what_was_computed_is_no_change),
        cmocka_unit_test(secrets_are_compared),    cmocka_unit_test(it_is_loaded_again),
        cmocka_unit_test(together_they_are_wrong),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
