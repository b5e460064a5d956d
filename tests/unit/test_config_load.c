/* What comes out of file, variables and flags together, and who wins. */
#include "test_config_util.h"

#include "config/option.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ROWS(a) (sizeof(a) / sizeof *(a))

static void test_defaults(void **state)
{
    char text[ENDPOINT_TEXT_MAX], data[128];
    struct config *c = config_load_well(NULL, NULL, NULL);
    (void)state;
    endpoint_format(&c->listen.items[0].at, text);
    assert_string_equal(text, "127.0.0.1:8080");
    endpoint_format(&c->mqtt_listen, text);
    assert_string_equal(text, "127.0.0.1:1883");
    assert_int_equal(c->broker.kind, BROKER_EMBEDDED);
    assert_null(c->bridge_id);
    assert_null(c->web);
    assert_string_equal(c->prefix, "sigbridge/v1");
    snprintf(data, sizeof data, "%s/.local/state/sigbridge", config_dir);
    assert_string_equal(c->data, geteuid() == 0 ? "/var/lib/sigbridge" : data);
    assert_int_equal(c->log_level, LOG_INFO);
    assert_int_equal(c->log_json, 0);
    assert_int_equal(c->presence.rooms_only, 0);
    assert_int_equal(c->presence.expiry_s, 600);
    assert_int_equal(c->limits.message_bytes, 262144);
    assert_int_equal(c->limits.send_queue_messages, 4096);
    assert_int_equal(c->limits.send_queue_bytes, 1048576);
    assert_int_equal(c->limits.join_timeout_s, 10);
    assert_int_equal(c->limits.outage_bytes, 8388608);
    assert_int_equal(c->limits.outage_age_s, 30);
    assert_int_equal(c->ping.interval_s, 25);
    assert_int_equal(c->ping.timeout_s, 10);
    assert_int_equal(c->mqtt.keepalive_s, 10);
    assert_int_equal(c->ice_servers.count, 0);
    assert_int_equal(c->listen.count, 1);
    assert_false(c->listen.items[0].tls);
    assert_true(c->dev); /* as the tests start it */
    assert_false(c->dev_exposed);
    assert_false(c->listen_shared);
    assert_int_equal(c->jwt_keys.count, 0);
    assert_int_equal(c->origins.count, 0);
    assert_int_equal(c->trusted_proxies.count, 0);
    assert_int_equal(c->ice_policies.count, 0);
    assert_int_equal(c->warnings.count, 0);
    assert_null(c->jwt.issuer);
    assert_null(c->jwt.audience);
    assert_null(c->tls.cert);
    assert_null(c->tls.key);
    assert_int_equal(c->limits.address_sessions, 256);
    assert_int_equal(c->limits.rooms, 10000);
    assert_int_equal(c->limits.messages_per_second, 100);
    assert_int_equal(c->limits.messages_burst, 400);
    assert_int_equal(c->limits.bytes_per_second, 262144);
    assert_int_equal(c->limits.bytes_burst, 524288);
    assert_int_equal(c->limits.auth_failures, 10);
    config_free(c);
}

/* Who wins, with the same option in every combination of places. */
static void test_precedence(void **state)
{
    static const struct {
        const char *name, *file, *env, *flag;
        const char *prefix;
        enum config_from from;
    } rows[] = {
        {"nothing", NULL, NULL, NULL, "sigbridge/v1", CONFIG_DEFAULT},
        {"file", "f", NULL, NULL, "f", CONFIG_FILE},
        {"variable", NULL, "e", NULL, "e", CONFIG_ENV},
        {"flag", NULL, NULL, "a", "a", CONFIG_FLAG},
        {"file and variable", "f", "e", NULL, "e", CONFIG_ENV},
        {"file and flag", "f", NULL, "a", "a", CONFIG_FLAG},
        {"variable and flag", NULL, "e", "a", "a", CONFIG_FLAG},
        {"all three", "f", "e", "a", "a", CONFIG_FLAG},
        {"an empty variable counts as unset", "f", "", NULL, "f", CONFIG_FILE},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char file[64] = "", env[64];
        const char *flags[] = {rows[i].flag ? "--prefix" : NULL, rows[i].flag, NULL};
        char *envp[] = {rows[i].env ? env : NULL, NULL};
        print_message("%s\n", rows[i].name);
        if (rows[i].file)
            snprintf(file, sizeof file, "\nprefix = \"%s\";\n", rows[i].file);
        snprintf(env, sizeof env, "SIGBRIDGE_PREFIX=%s", rows[i].env ? rows[i].env : "");
        struct config *c = config_load_well(file, envp, flags);
        const struct option *o = option_by_name(&options, "prefix");
        struct config_origin origin = c->origin[o - options.options];
        assert_string_equal(c->prefix, rows[i].prefix);
        assert_int_equal(origin.from, rows[i].from);
        assert_int_equal(origin.line, rows[i].from == CONFIG_FILE ? 2 : 0);
        config_free(c);
    }
}

static void test_file_sets_everything(void **state)
{
    static const char text[] = "/* all */ listen = \"[::1]:0\"; # one\n"
                               "listen_shared = true;\n"
                               "dev_exposed = true; mqtt_listen = \"0.0.0.0:1884\"; // two\n"
                               "broker = \"mqtts://broker.example.org\"\n"
                               "data = \"state\"; bridge_id = \"b-1\"; web = \"none\";\n"
                               "log_level = \"debug\"; log_format = \"json\";\n"
                               "presence = { scope = \"rooms\"; expiry = 60; };\n"
                               "limits: { message = 0x8000; room_peers = 5; };\n"
                               "ping: { interval = 5 };\n"
                               "mqtt: { username = \"bri\" \"dge\"; keepalive = 20; };\n"
                               "ice_servers = ( { urls = \"stun:a.example.org\" },\n"
                               "  { urls = [\"turn:b:1\", \"turns:b:2\"]; username = \"u\";\n"
                               "    credential = \"c\\\\\\x41\" } );\n";
    char expected[128];
    struct config *c = config_load_well(text, NULL, NULL);
    (void)state;
    assert_string_equal(c->listen.items[0].at.host, "::1");
    assert_int_equal(c->listen.items[0].at.port, 0);
    assert_int_equal(c->mqtt_listen.port, 1884);
    assert_int_equal(c->broker.kind, BROKER_MQTTS);
    assert_int_equal(c->broker.port, 8883);
    snprintf(expected, sizeof expected, "%s/state", config_dir);
    assert_string_equal(c->data, expected);
    assert_string_equal(c->bridge_id, "b-1");
    assert_null(c->web);
    assert_int_equal(c->log_level, LOG_DEBUG);
    assert_int_equal(c->log_json, 1);
    assert_int_equal(c->presence.rooms_only, 1);
    assert_int_equal(c->presence.expiry_s, 60);
    assert_int_equal(c->limits.message_bytes, 32768);
    assert_int_equal(c->limits.room_peers, 5);
    assert_int_equal(c->ping.interval_s, 5);
    assert_string_equal(c->mqtt.username, "bridge");
    assert_int_equal(c->mqtt.keepalive_s, 20);
    assert_true(c->dev_exposed);
    assert_true(c->listen_shared);
    assert_int_equal(c->ice_servers.count, 2);
    assert_int_equal(c->ice_servers.items[0].ttl_s, 3600);
    assert_string_equal(c->ice_servers.items[0].urls.items[0], "stun:a.example.org");
    assert_null(c->ice_servers.items[0].username);
    assert_int_equal(c->ice_servers.items[1].urls.count, 2);
    assert_string_equal(c->ice_servers.items[1].urls.items[1], "turns:b:2");
    assert_string_equal(c->ice_servers.items[1].credential, "c\\A");
    config_free(c);
}

/* Relative paths: from the file's directory in the file, from the working directory elsewhere. */
static void test_paths(void **state)
{
    char expected[256], cwd[128];
    const char *flags[] = {"--data", "./d", "--broker=unix:x.sock", NULL};
    (void)state;
    assert_non_null(getcwd(cwd, sizeof cwd));
    struct config *c = config_load_well("broker = \"unix:sub/b.sock\";", NULL, NULL);
    snprintf(expected, sizeof expected, "%s/sub/b.sock", config_dir);
    assert_string_equal(c->broker.path, expected);
    config_free(c);
    c = config_load_well("data = \"/abs\";", NULL, flags);
    snprintf(expected, sizeof expected, "%s/d", cwd);
    assert_string_equal(c->data, expected);
    snprintf(expected, sizeof expected, "%s/x.sock", cwd);
    assert_string_equal(c->broker.path, expected);
    config_free(c);
}

static void test_web_is_found(void **state)
{
    char web[96], file[128];
    (void)state;
    snprintf(web, sizeof web, "%s/web", config_dir);
    assert_int_equal(mkdir(web, 0755), 0);
    struct config *c = config_load_well(NULL, NULL, NULL);
    assert_string_equal(c->web, web);
    config_free(c);
    const char *none[] = {"--web", "none", NULL};
    c = config_load_well(NULL, NULL, none);
    assert_null(c->web);
    config_free(c);
    snprintf(file, sizeof file, "web = \"web\";");
    c = config_load_well(file, NULL, NULL);
    assert_string_equal(c->web, web);
    config_free(c);
    assert_int_equal(rmdir(web), 0);
}

static void test_data_places(void **state)
{
    char *envp[] = {NULL, NULL};
    static char xdg[] = "XDG_STATE_HOME=/xdg", relative[] = "XDG_STATE_HOME=xdg";
    char expected[128];
    (void)state;
    if (geteuid() == 0)
        assert_int_equal(seteuid(65534), 0);
    envp[0] = xdg;
    struct config *c = config_load_well(NULL, envp, NULL);
    assert_string_equal(c->data, "/xdg/sigbridge");
    config_free(c);
    envp[0] = relative; /* does not count */
    c = config_load_well(NULL, envp, NULL);
    snprintf(expected, sizeof expected, "%s/.local/state/sigbridge", config_dir);
    assert_string_equal(c->data, expected);
    config_free(c);
    static const char *const dev[] = {"--dev"};
    struct config_input in = {.argc = 1, .argv = dev};
    struct complaints wrong;
    complaints_init(&wrong);
    assert_null(config_load(&in, &wrong));
    assert_string_equal(
        complaints_text(&wrong),
        "sigbridge: no place for the data: set --data DIR, HOME or XDG_STATE_HOME\n");
    complaints_release(&wrong);
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
}

static void test_secrets_from_files(void **state)
{
    char password[96], text[512];
    (void)state;
    snprintf(password, sizeof password, "%s/password", config_dir);
    config_write_file(password, "hunter2\r\n", 9);
    snprintf(text, sizeof text,
             "broker = \"mqtt://b\"; mqtt: { username = \"u\"; password_file = \"password\"; };"
             "ice_servers = ( { urls = \"turn:t\"; username = \"u\"; credential_file = "
             "\"password\" } );");
    struct config *c = config_load_well(text, NULL, NULL);
    assert_string_equal(c->mqtt.password, "hunter2");
    assert_string_equal(c->ice_servers.items[0].credential, "hunter2");
    config_free(c);
    static const struct {
        const char *name, *holds;
        size_t len;
    } bad[] = {
        {"empty", "", 0}, {"two lines", "a\nb\n", 4}, {"NUL", "a\0b", 3}, {"bytes", "\xff", 1}};
    for (size_t i = 0; i < ROWS(bad); i++) {
        struct complaints wrong;
        print_message("%s\n", bad[i].name);
        config_write_file(password, bad[i].holds, bad[i].len);
        assert_null(
            config_load_with("broker = \"mqtt://b\"; mqtt: { username = \"u\"; password_file = "
                             "\"password\"; };",
                             NULL, NULL, &wrong));
        assert_non_null(strstr(complaints_text(&wrong), "password: holds no usable secret for "
                                                        "mqtt.password_file: write one line"));
        complaints_release(&wrong);
    }
    assert_int_equal(unlink(password), 0);
}

/* Other people's variables with our prefix. */
static void test_foreign_variables(void **state)
{
    static char bin[] = "SIGBRIDGE_BIN=/x", camera[] = "SIGBRIDGE_CAMERA_BIN=/y",
                test[] = "SIGBRIDGE_TEST_SECONDS=1", host[] = "SIGBRIDGE_SERVICE_HOST=10.0.0.1",
                port[] = "SIGBRIDGE_PORT=tcp://10.0.0.1:80";
    char *envp[] = {bin, camera, test, host, port, NULL};
    (void)state;
    config_free(config_load_well(NULL, envp, NULL));
}

static void test_help_looks_at_nothing_else(void **state)
{
    static const char *const help[] = {"--help", NULL}, *const version[] = {"--version", NULL};
    static char bad[] = "SIGBRIDGE_LISTEN=nonsense";
    char *envp[] = {bad, NULL};
    (void)state;
    struct config *c = config_load_well("nonsense", envp, help);
    assert_true(c->ask.help);
    config_free(c);
    c = config_load_well("nonsense", envp, version);
    assert_true(c->ask.version);
    config_free(c);
}

/* The table itself. */
static void test_table_is_sound(void **state)
{
    char a[OPTION_NAME_MAX], b[OPTION_NAME_MAX];
    (void)state;
    for (size_t i = 0; i < options.count; i++) {
        const struct option *o = &options.options[i];
        print_message("%s\n", o->name);
        assert_non_null(o->help);
        assert_in_range(strlen(o->name), 1, OPTION_NAME_MAX - 16);
        assert_true((o->traits & OPTION_IN_FLAGS) == 0 || o->type == OPTION_ASK ||
                    o->type == OPTION_SWITCH || o->value);
        assert_true(!option_is_many(o) || o->max > 0);
        assert_true((o->type == OPTION_ENTRIES) == (o->form != NULL));
        assert_true((o->traits & OPTION_IN_FILE) == 0 || o->type == OPTION_LIST || o->fallback ||
                    o->example);
        assert_true(o->type != OPTION_NUMBER ||
                    (o->min <= o->max && o->max <= INT32_MAX && o->unit));
        for (size_t k = i + 1; k < options.count; k++) {
            const struct option *other = &options.options[k];
            assert_string_not_equal(option_env(o, a), option_env(other, b));
            assert_true(!o->letter || o->letter != other->letter);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_file_sets_everything),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_web_is_found),
        cmocka_unit_test(test_data_places),
        cmocka_unit_test(test_secrets_from_files),
        cmocka_unit_test(test_foreign_variables),
        cmocka_unit_test(test_help_looks_at_nothing_else),
        cmocka_unit_test(test_table_is_sound),
    };
    return cmocka_run_group_tests(tests, config_make_directory, config_remove_directory);
}
