/* What must be right before anyone connects: keys or development mode, loopback where all are let
 * in, certificates for TLS, shared secrets that stay secret. */
#include "test_config_util.h"

#include "config/option.h"
#include "config/show.h"

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

#define OPEN                                                                                       \
    " can be reached from other machines, and in development mode everyone may do everything: "    \
    "listen on 127.0.0.1 or [::1], or add --dev-exposed"
#define KEY_FORM ": write ALG:FILE or ALG@KID:FILE, with ALG one of HS256, RS256, ES256, EdDSA"

/* With --dev, as is usual in the tests. */
static const struct config_mistake mistakes[] = {
    {"exposed listener",
     "\nlisten = \"0.0.0.0:80\";",
     NULL,
     {NULL},
     "@:2: listen: 0.0.0.0:80" OPEN},
    {"exposed listener by flag", NULL, NULL, {"--listen=[::]:0"}, "--listen: [::]:0" OPEN},
    {"exposed listener by variable",
     NULL,
     "SIGBRIDGE_LISTEN=127.0.0.1:1 192.168.0.1:2",
     {NULL},
     "SIGBRIDGE_LISTEN: 192.168.0.1:2" OPEN},
    {"every exposed one is named",
     NULL,
     NULL,
     {"--listen=0.0.0.0:1", "--mqtt-listen=0.0.0.0:2"},
     "--listen: 0.0.0.0:1" OPEN "\n--mqtt-listen: 0.0.0.0:2" OPEN},
    {"exposed with TLS and keys",
     "jwt_key = \"HS256:/x\"; tls_cert = \"/dev/null\"; tls_key = \"/dev/null\";",
     NULL,
     {"--listen=https://0.0.0.0:1"},
     "--listen: 0.0.0.0:1" OPEN},
    /* TLS */
    {"https without a certificate",
     NULL,
     NULL,
     {"--listen=https://127.0.0.1:0"},
     "--listen: https://127.0.0.1:0 needs a certificate: set tls_cert and tls_key, or write "
     "http://"},
    {"certificate without its key",
     "tls_cert = \"/dev/null\";",
     NULL,
     {NULL},
     "@:1: tls_cert: needs its private key: set tls_key, too"},
    {"key without its certificate",
     "listen = \"https://127.0.0.1:0\";\n\ntls_key = \"/dev/null\";",
     NULL,
     {NULL},
     "@:3: tls_key: needs its certificate: set tls_cert, too"},
    {"files that are not there",
     NULL,
     NULL,
     {"--tls-cert=/nowhere/c", "--tls-key=/nowhere/k"},
     "--tls-cert: /nowhere/c cannot be read: No such file or directory\n"
     "--tls-key: /nowhere/k cannot be read: No such file or directory"},
    /* tokens */
    {"unknown algorithm",
     "jwt_key = [\"HS256:/a\",\n\"none:/b\"];",
     NULL,
     {NULL},
     "@:2: jwt_key: \"none:/b\" does not begin with an algorithm that is known here" KEY_FORM},
    {"bad name of a key",
     NULL,
     NULL,
     {"--jwt-key", "RS256@a b:/c"},
     "--jwt-key: \"RS256@a b:/c\" has a bad key name after the @: 1 to 64 printable ASCII "
     "characters, no space, no colon" KEY_FORM},
    {"seventeen keys",
     "jwt_key = [\"HS256:a\", \"HS256:a\", \"HS256:a\", \"HS256:a\", \"HS256:a\", \"HS256:a\", "
     "\"HS256:a\", \"HS256:a\", \"HS256:a\", \"HS256:a\", \"HS256:a\", \"HS256:a\", \"HS256:a\", "
     "\"HS256:a\", \"HS256:a\", \"HS256:a\", \"HS256:a\"];",
     NULL,
     {NULL},
     "@:1: jwt_key: has more than 16 entries"},
    {"nine listeners",
     "listen = [\"[::1]:0\", \"[::1]:0\", \"[::1]:0\", \"[::1]:0\", \"[::1]:0\", \"[::1]:0\", "
     "\"[::1]:0\", \"[::1]:0\", \"[::1]:0\"];",
     NULL,
     {NULL},
     "@:1: listen: has more than 8 entries"},
    {"issuer without a key",
     "jwt: { issuer = \"me\"; };",
     NULL,
     {NULL},
     "@:1: jwt.issuer: is about tokens, and no jwt_key is set: set one, or remove it"},
    {"audience without a key",
     NULL,
     "SIGBRIDGE_JWT_AUDIENCE=me",
     {NULL},
     "SIGBRIDGE_JWT_AUDIENCE: is about tokens, and no jwt_key is set: set one, or remove it"},
    /* origins and proxies */
    {"origin with a path",
     NULL,
     NULL,
     {"--origin=https://a/b"},
     "--origin: \"https://a/b\" has something after its host and port: an origin has no path, not "
     "even a slash"},
    {"proxy by name",
     "trusted_proxy = \"localhost\";",
     NULL,
     {NULL},
     "@:1: trusted_proxy: \"localhost\" does not begin with a numeric IPv4 or IPv6 address: write "
     "ADDR or ADDR/BITS"},
    {"proxy's bits",
     NULL,
     NULL,
     {"--trusted-proxy", "10.0.0.1/8"},
     "--trusted-proxy: \"10.0.0.1/8\" has bits set past those that its /BITS keeps: write zeros "
     "there, or more bits"},
    /* limits */
    {"limit below its range",
     "limits: { address_sessions = 0; };",
     NULL,
     {NULL},
     "@:1: limits.address_sessions: \"0\" is too small: write a whole number from 1 to 1000000"},
    {"rooms below their range",
     NULL,
     "SIGBRIDGE_LIMITS_ROOMS=0",
     {NULL},
     "SIGBRIDGE_LIMITS_ROOMS: \"0\" is too small: write a whole number from 1 to 1000000"},
    {"rate above its range",
     "limits: { messages_per_second = 100001; };",
     NULL,
     {NULL},
     "@:1: limits.messages_per_second: \"100001\" is too large: write a whole number from 1 to "
     "100000"},
    {"no failure is free",
     "limits: { auth_failures = 0; };",
     NULL,
     {NULL},
     "@:1: limits.auth_failures: \"0\" is too small: write a whole number from 1 to 1000000"},
    {"bytes below their range",
     "limits: { bytes_per_second = 1023; };",
     NULL,
     {NULL},
     "@:1: limits.bytes_per_second: \"1023\" is too small: write a whole number from 1024 to "
     "1073741824, in bytes"},
    {"burst of messages below the rate",
     "limits: { messages_burst = 99; };",
     NULL,
     {NULL},
     "limits.messages_burst (99) is less than limits.messages_per_second (100): raise it"},
    {"burst of bytes below the rate",
     "limits: { bytes_burst = 262143; message = 16384; };",
     NULL,
     {NULL},
     "limits.bytes_burst (262143) is less than limits.bytes_per_second (262144): raise it"},
    {"burst of bytes below a message",
     "limits: { bytes_burst = 262143; bytes_per_second = 1024; };",
     NULL,
     {NULL},
     "limits.bytes_burst (262143) is less than limits.message (262144), so such a message could "
     "never pass: raise it"},
    /* ICE servers */
    {"secret and user name",
     "ice_servers = ( { urls = \"turn:t\"; secret_file = \"/s\"; username = \"u\"; } );",
     NULL,
     {NULL},
     "@:1: ice_servers: has a secret_file, from which username and credential are made: remove "
     "those\n/s: cannot be read for ice_servers.secret_file: No such file or directory"},
    {"secret that is not there",
     "ice_servers = ( { urls = \"turn:t\"; secret_file = \"/nowhere/s\"; } );",
     NULL,
     {NULL},
     "/nowhere/s: cannot be read for ice_servers.secret_file: No such file or directory"},
    {"the secret itself",
     "ice_servers = ( { urls = \"turn:t\"; secret = \"hunter2\"; } );",
     NULL,
     {NULL},
     "@:1: unknown key \"ice_servers.secret\": remove it, or see `sigbridge help file`"},
    {"short life",
     "ice_servers = ( { urls = \"stun:t\"; ttl = 59; } );",
     NULL,
     {NULL},
     "@:1: ice_servers.ttl: \"59\" is too small: write a whole number from 60 to 86400, in "
     "seconds"},
    {"long life",
     "ice_servers = ( { urls = \"stun:t\"; ttl = 86401; } );",
     NULL,
     {NULL},
     "@:1: ice_servers.ttl: \"86401\" is too large: write a whole number from 60 to 86400, in "
     "seconds"},
    /* ICE policies */
    {"policy without rooms",
     "ice_policies = ( { relay_only = true; } );",
     NULL,
     {NULL},
     "@:1: ice_policies: has no rooms: add it"},
    {"policy that says it twice",
     "ice_policies = ( { rooms = \"*\"; relay_only = true; types = [\"relay\"]; } );",
     NULL,
     {NULL},
     "@:1: ice_policies: has both relay_only and types: keep one"},
    {"unknown type",
     "ice_policies = ( { rooms = \"*\"; types = [\"host\",\n\"local\"]; } );",
     NULL,
     {NULL},
     "@:2: ice_policies.types: \"local\" is no candidate type: write host, srflx, prflx or relay"},
    {"unknown transport",
     "ice_policies = ( { rooms = \"*\"; transports = \"UDP\"; } );",
     NULL,
     {NULL},
     "@:1: ice_policies.transports: \"UDP\" is no transport: write udp or tcp"},
    {"unknown class",
     "ice_policies = ( { rooms = \"*\"; addresses = \"lan\"; } );",
     NULL,
     {NULL},
     "@:1: ice_policies.addresses: \"lan\" is no class of addresses: write public, private, "
     "loopback, link-local, mdns or name"},
    {"bad network",
     "ice_policies = ( { rooms = \"*\"; networks = \"10.0.0.0/99\"; } );",
     NULL,
     {NULL},
     "@:1: ice_policies.networks: \"10.0.0.0/99\" has a bad number after the slash: write 0 to 32"},
    {"bad rooms",
     "ice_policies = ( { rooms = \"a*b\"; } );",
     NULL,
     {NULL},
     "@:1: ice_policies.rooms: \"a*b\" is no room's name (1 to 64 characters of A-Z a-z 0-9 . _ ~ "
     "-, the first one a letter or a digit), nor the beginning of one and a star"},
    {"a misspelt member",
     "ice_policies = ( { rooms = \"*\"; relay_olny = true; } );",
     NULL,
     {NULL},
     "@:1: unknown key \"ice_policies.relay_olny\": did you mean \"ice_policies.relay_only\"?"},
    {"truth in quotes",
     "ice_policies = ( { rooms = \"*\"; sealed = \"true\"; } );",
     NULL,
     {NULL},
     "@:1: ice_policies.sealed: is a text in quotes: write true or false, without quotes"},
};

/* Without. */
static const struct config_mistake bare_mistakes[] = {
    {"neither keys nor development mode",
     NULL,
     NULL,
     {NULL},
     "no key is set that tokens may be signed with, so nobody could join: add --jwt-key ALG:FILE, "
     "or --dev for development on this machine"},
    {"development mode that is switched off",
     "dev = true;",
     "SIGBRIDGE_DEV=false",
     {NULL},
     "no key is set that tokens may be signed with, so nobody could join: add --jwt-key ALG:FILE, "
     "or --dev for development on this machine"},
    {"what else is wrong comes first",
     "jwt_keys = \"HS256:/x\";",
     NULL,
     {NULL},
     "@:1: unknown key \"jwt_keys\": did you mean \"jwt_key\"?"},
    {"exposed without development mode",
     "jwt_key = \"HS256:/x\";",
     NULL,
     {"--dev-exposed"},
     "--dev-exposed: goes with development mode: add --dev, or remove it"},
};

static void test_mistakes(void **state)
{
    (void)state;
    config_check_mistakes(mistakes, ROWS(mistakes));
    config_without_dev = true;
    config_check_mistakes(bare_mistakes, ROWS(bare_mistakes));
    config_without_dev = false;
}

static void test_what_is_let_through(void **state)
{
    static const struct {
        const char *name, *file, *flag[3];
        bool dev;
    } rows[] = {
        {"keys, and open to all", "jwt_key = \"HS256:/x\";", {"--listen=0.0.0.0:1"}, false},
        {"development mode on loopback", NULL, {"--listen=127.0.0.9:1", "--listen=[::1]:1"}, true},
        {"development mode with keys", "jwt_key = \"HS256:/x\";", {NULL}, true},
        {"exposed on purpose", NULL, {"--dev-exposed", "--listen=0.0.0.0:1"}, true},
        {"a listener for devices that is not used",
         "mqtt_listen = \"0.0.0.0:1\";",
         {"--broker=mqtt://b"},
         true},
        {"a secret for TURN, and STUN beside it",
         "ice_servers = ( { urls = [\"turn:t\", \"stun:t\"]; secret_file = \"x.conf\"; } );",
         {NULL},
         true},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        print_message("%s\n", rows[i].name);
        config_without_dev = !rows[i].dev;
        config_free(config_load_well(rows[i].file, NULL, rows[i].flag));
    }
    config_without_dev = false;
}

/* A command beside the bridge reads its configuration, and needs neither keys nor secrets. */
static void test_aside(void **state)
{
    static const char *const flags[] = {"--tls-key=/nowhere", "--data=/d"};
    struct config_input in = {.argc = 2, .argv = flags, .aside = true, .lookup = config_dir};
    struct complaints wrong;
    (void)state;
    complaints_init(&wrong);
    struct config *c = config_load(&in, &wrong);
    assert_non_null(c);
    assert_string_equal(c->data, "/d");
    config_free(c);
    complaints_release(&wrong);
}

/* What each secret is read from, who may read that, and that it is never shown. */
static void test_secrets(void **state)
{
    static const char text[] =
        "broker = \"mqtts://b\"; mqtt: { username = \"u\"; password_file = \"secret\";\n"
        "  cert = \"/dev/null\"; key = \"secret\"; };\n"
        "tls_cert = \"/dev/null\"; tls_key = \"secret\";\n"
        "jwt_key = [\"HS256:secret\", \"RS256:secret\", \"HS256:missing\"];\n"
        "ice_servers = ( { urls = \"turn:a\"; username = \"u\"; credential_file = \"secret\"; },\n"
        "  { urls = \"turn:b\"; secret_file = \"secret\"; ttl = 60; },\n"
        "  { urls = \"turn:c\"; username = \"u\"; credential = \"hunter3\"; } );\n";
    static const char *const names[] = {
        "tls_key", "mqtt.password_file",          "mqtt.key",
        "jwt_key", "ice_servers.credential_file", "ice_servers.secret_file"};
    static const struct {
        mode_t mode;
        bool open;
    } modes[] = {{0600, false}, {0640, false}, {0660, false},
                 {0604, true},  {0644, true},  {0602, true}};
    char secret[96], expected[256];
    (void)state;
    snprintf(secret, sizeof secret, "%s/secret", config_dir);
    config_write_file(secret, "hunter2\n", 8);
    config_write_file(config_path, "", 0);
    assert_int_equal(chmod(config_path, 0600), 0);
    for (size_t i = 0; i < ROWS(modes); i++) {
        struct buf shown;
        print_message("%o\n", (unsigned)modes[i].mode);
        assert_int_equal(chmod(secret, modes[i].mode), 0);
        struct config *c = config_load_well(text, NULL, NULL);
        assert_string_equal(c->mqtt.password, "hunter2");
        assert_string_equal(c->ice_servers.items[0].credential, "hunter2");
        assert_null(c->ice_servers.items[0].secret);
        assert_string_equal(c->ice_servers.items[1].secret, "hunter2");
        assert_int_equal(c->ice_servers.items[1].ttl_s, 60);
        assert_int_equal(c->warnings.count, modes[i].open ? ROWS(names) : 0);
        buf_init(&shown, SHOW_MAX_BYTES);
        config_show_effective(c, &shown);
        assert_null(strstr(buf_cstr(&shown), "hunter"));
        for (size_t k = 0; k < c->warnings.count; k++) {
            snprintf(expected, sizeof expected,
                     "%s (%s) is open to every user of this machine: chmod o-rwx it", secret,
                     names[k]);
            assert_string_equal(c->warnings.items[k], expected);
            assert_non_null(strstr(shown.data, expected));
        }
        buf_release(&shown);
        config_free(c);
    }
    /* One that is written into the file makes a secret of the file. */
    assert_int_equal(chmod(secret, 0600), 0);
    assert_int_equal(chmod(config_path, 0644), 0);
    struct config *c = config_load_well(text, NULL, NULL);
    assert_int_equal(c->warnings.count, 1);
    assert_non_null(strstr(c->warnings.items[0], "x.conf (ice_servers.credential) is open"));
    config_free(c);
    assert_int_equal(unlink(secret), 0);
}

/* Nothing may be built one day that lets a broker in without a look at its certificate. */
static void test_no_option_switches_checks_off(void **state)
{
    static const char *const words[] = {"insecure", "verify", "no_", "skip", "trust_all"};
    (void)state;
    for (size_t i = 0; i < options.count; i++)
        for (size_t k = 0; k < ROWS(words); k++)
            assert_null(strstr(options.options[i].name, words[k]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_what_is_let_through),
        cmocka_unit_test(test_aside),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_no_option_switches_checks_off),
    };
    return cmocka_run_group_tests(tests, config_make_directory, config_remove_directory);
}
