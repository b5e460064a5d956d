/* Options that hold several values: who wins, and that the winner replaces all of the others'. */
#include "test_config_util.h"

#include "config/option.h"
#include "config/show.h"
#include "config/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ROWS(a) (sizeof(a) / sizeof *(a))

/* All values of an option, with "|" between. */
static void assert_values(const struct config *c, const char *option, const char *expected)
{
    char memory[1024];
    struct buf b;
    const struct option *o = option_by_name(&options, option);
    buf_init_fixed(&b, memory, sizeof memory);
    for (size_t i = 0; i < value_count(o, c); i++) {
        buf_str(&b, i ? "|" : "");
        value_item(o, c, i, &b);
    }
    assert_string_equal(buf_cstr(&b), expected);
}

static void test_who_wins(void **state)
{
    static const struct {
        const char *name, *option, *file, *env, *flag[3], *values;
        enum config_from from;
    } rows[] = {
        {"default", "listen", NULL, NULL, {NULL}, "127.0.0.1:8080", CONFIG_DEFAULT},
        {"one in the file",
         "listen",
         "listen = \"[::1]:1\";",
         NULL,
         {NULL},
         "[::1]:1",
         CONFIG_FILE},
        {"several in the file",
         "listen",
         "listen = [\"[::1]:1\", \"http://127.0.0.1:2\"];",
         NULL,
         {NULL},
         "[::1]:1|http://127.0.0.1:2",
         CONFIG_FILE},
        {"a list in the file",
         "origin",
         "origin = (\"https://a\", \"https://b\");",
         NULL,
         {NULL},
         "https://a|https://b",
         CONFIG_FILE},
        {"variable over file",
         "origin",
         "origin = [\"https://a\", \"https://b\"];",
         "SIGBRIDGE_ORIGIN=  https://c   https://d ",
         {NULL},
         "https://c|https://d",
         CONFIG_ENV},
        {"an empty variable counts as unset",
         "origin",
         "origin = \"https://a\";",
         "SIGBRIDGE_ORIGIN=",
         {NULL},
         "https://a",
         CONFIG_FILE},
        {"so does one of spaces",
         "origin",
         "origin = \"https://a\";",
         "SIGBRIDGE_ORIGIN=   ",
         {NULL},
         "https://a",
         CONFIG_FILE},
        {"flags over all",
         "listen",
         "listen = [\"[::1]:1\", \"[::1]:2\"];",
         "SIGBRIDGE_LISTEN=[::1]:3 [::1]:4",
         {"--listen=[::1]:5", "--listen=[::1]:6", NULL},
         "[::1]:5|[::1]:6",
         CONFIG_FLAG},
        {"flag over the default",
         "listen",
         NULL,
         NULL,
         {"--listen=[::1]:5", NULL},
         "[::1]:5",
         CONFIG_FLAG},
        {"keys",
         "jwt_key",
         NULL,
         "SIGBRIDGE_JWT_KEY=HS256@a:/x EdDSA:/y",
         {NULL},
         "HS256@a:/x|EdDSA:/y",
         CONFIG_ENV},
        {"proxies",
         "trusted_proxy",
         NULL,
         NULL,
         {"--trusted-proxy=10.0.0.0/8", "--trusted-proxy=::1", NULL},
         "10.0.0.0/8|::1",
         CONFIG_FLAG},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char env[128] = "", *envp[] = {rows[i].env ? env : NULL, NULL};
        print_message("%s\n", rows[i].name);
        snprintf(env, sizeof env, "%s", rows[i].env ? rows[i].env : "");
        struct config *c = config_load_well(rows[i].file, envp, rows[i].flag);
        const struct option *o = option_by_name(&options, rows[i].option);
        assert_values(c, rows[i].option, rows[i].values);
        assert_int_equal(c->origin[o - options.options].from, rows[i].from);
        config_free(c);
    }
}

static void test_switch(void **state)
{
    static const struct {
        const char *name, *file, *env, *flag[2];
        bool dev;
    } rows[] = {
        {"file", "dev = true;", NULL, {NULL}, true},
        {"file with a capital", "dev = TRUE;", NULL, {NULL}, true},
        {"variable over file", "dev = true;", "SIGBRIDGE_DEV=false", {NULL}, false},
        {"variable", "", "SIGBRIDGE_DEV=true", {NULL}, true},
        {"empty variable", "dev = true;", "SIGBRIDGE_DEV=", {NULL}, true},
        {"flag over both", "dev = false;", "SIGBRIDGE_DEV=false", {"--dev"}, true},
        {"nothing", "", NULL, {NULL}, false},
    };
    (void)state;
    config_without_dev = true;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char env[64] = "", text[96], *envp[] = {rows[i].env ? env : NULL, NULL};
        print_message("%s\n", rows[i].name);
        snprintf(env, sizeof env, "%s", rows[i].env ? rows[i].env : "");
        snprintf(text, sizeof text, "jwt_key = \"HS256:/x\"; %s", rows[i].file);
        struct config *c = config_load_well(text, envp, rows[i].flag);
        assert_int_equal(c->dev, rows[i].dev);
        config_free(c);
    }
    config_without_dev = false;
}

/* Without a scheme a listener has TLS when there is a certificate. */
static void test_tls_listeners(void **state)
{
    static char listen[] = "SIGBRIDGE_LISTEN=[::1]:1 http://[::1]:2 https://[::1]:3";
    char *envp[] = {listen, NULL};
    struct config *c =
        config_load_well("tls_cert = \"/dev/null\"; tls_key = \"/dev/null\"; jwt_key = [\n"
                         "\"RS256@1:keys/1.pem\", \"ES256:/k\"];",
                         envp, NULL);
    char file[128];
    (void)state;
    assert_int_equal(c->listen.count, 3);
    assert_true(c->listen.items[0].tls);
    assert_false(c->listen.items[1].tls);
    assert_true(c->listen.items[2].tls);
    assert_int_equal(c->listen.items[2].at.port, 3);
    assert_int_equal(c->jwt_keys.count, 2);
    assert_string_equal(c->jwt_keys.items[0].alg, "RS256");
    assert_string_equal(c->jwt_keys.items[0].kid, "1");
    snprintf(file, sizeof file, "%s/keys/1.pem", config_dir);
    assert_string_equal(c->jwt_keys.items[0].file, file);
    assert_string_equal(c->jwt_keys.items[1].alg, "ES256");
    assert_null(c->jwt_keys.items[1].kid);
    config_free(c);
}

static void test_ice_policies(void **state)
{
    struct config *c = config_load_well(
        "ice_policies = (\n"
        "{ rooms = \"yard-*\"; relay_only = true; sealed = true; },\n"
        "{ rooms = \"*\"; types = [\"host\", \"srflx\"]; transports = \"udp\";\n"
        "  addresses = [\"public\"]; networks = [\"10.0.0.0/8\", \"fd00::/8\"]; } );",
        NULL, NULL);
    (void)state;
    assert_int_equal(c->ice_policies.count, 2);
    const struct ice_rule *p = c->ice_policies.items;
    assert_string_equal(p->rooms, "yard-*");
    assert_true(p->relay_only);
    assert_true(p->sealed);
    assert_int_equal(p->types.count, 0);
    p++;
    assert_string_equal(p->rooms, "*");
    assert_false(p->relay_only);
    assert_false(p->sealed);
    assert_int_equal(p->types.count, 2);
    assert_string_equal(p->types.items[1], "srflx");
    assert_int_equal(p->transports.count, 1);
    assert_string_equal(p->transports.items[0], "udp");
    assert_int_equal(p->addresses.count, 1);
    assert_int_equal(p->networks.count, 2);
    assert_string_equal(p->networks.items[1], "fd00::/8");
    config_free(c);
}

/* What is shown can be used as a file and comes back as the same. */
static void test_shown_and_read_again(void **state)
{
    struct buf first, second;
    static char listen[] = "SIGBRIDGE_LISTEN=[::1]:1 http://[::1]:2";
    char *envp[] = {listen, NULL};
    (void)state;
    struct config *c = config_load_well(
        "origin = \"https://a\"; trusted_proxy = [\"::1\", \"10.0.0.0/8\"]; bridge_id = \"b\";\n"
        "jwt_key = [\"HS256@a:/x\", \"EdDSA:/y\"]; jwt: { issuer = \"i\"; };\n"
        "ice_policies = ( { rooms = \"a\"; relay_only = true; },\n"
        "{ rooms = \"*\"; types = \"host\"; networks = [\"::/0\"]; } );",
        envp, NULL);
    buf_init(&first, SHOW_MAX_BYTES);
    buf_init(&second, SHOW_MAX_BYTES);
    config_show_effective(c, &first);
    const char *text = buf_cstr(&first);
    print_message("%s", text);
    assert_non_null(
        strstr(text, "listen = [\"[::1]:1\", \"http://[::1]:2\"]; # SIGBRIDGE_LISTEN\n"));
    assert_non_null(strstr(text, "origin = \"https://a\"; # /tmp/"));
    assert_non_null(strstr(text, "dev = true; # --dev\n"));
    assert_non_null(strstr(text, "# tls_cert is not set\n"));
    assert_non_null(strstr(text, "        relay_only = true;\n        sealed = false;\n    },\n"));
    struct config *again = config_load_well(text, NULL, NULL);
    memcpy(again->origin, c->origin, sizeof c->origin);
    config_show_effective(again, &second);
    assert_string_equal(buf_cstr(&second), text);
    config_free(c);
    config_free(again);
    buf_release(&first);
    buf_release(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_wins),
        cmocka_unit_test(test_switch),
        cmocka_unit_test(test_tls_listeners),
        cmocka_unit_test(test_ice_policies),
        cmocka_unit_test(test_shown_and_read_again),
    };
    return cmocka_run_group_tests(tests, config_make_directory, config_remove_directory);
}
