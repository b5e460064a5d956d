/* What each mistake in the file is told, and what is too much. */
#include "test_config_util.h"

#include "config/scan.h"

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

static const struct config_mistake mistakes[] = {
    /* keys */
    {"unknown key",
     "\n\nlisen = \"x\";",
     NULL,
     {NULL},
     "@:3: unknown key \"lisen\": did you mean \"listen\"?"},
    {"flag's spelling in the file",
     "mqtt-listen = \"127.0.0.1:1\";",
     NULL,
     {NULL},
     "@:1: unknown key \"mqtt-listen\": did you mean \"mqtt_listen\"?"},
    {"key like no other",
     "volume = 11;",
     NULL,
     {NULL},
     "@:1: unknown key \"volume\": remove it, or see `sigbridge help file`"},
    {"unknown key in a group",
     "limits: {\n mesage = 1;\n};",
     NULL,
     {NULL},
     "@:2: unknown key \"limits.mesage\": did you mean \"limits.message\"?"},
    {"key outside its group",
     "keepalive = 10;",
     NULL,
     {NULL},
     "@:1: unknown key \"keepalive\": did you mean \"mqtt.keepalive\"?"},
    {"key in the wrong group",
     "ping: { expiry = 60 };",
     NULL,
     {NULL},
     "@:1: unknown key \"ping.expiry\": did you mean \"presence.expiry\"?"},
    {"unknown group",
     "limit: { message = 1; };",
     NULL,
     {NULL},
     "@:1: unknown group \"limit\": did you mean \"limits\"?"},
    {"group like no other",
     "orchestra: { };",
     NULL,
     {NULL},
     "@:1: unknown group \"orchestra\": remove it, or see `sigbridge help file`"},
    {"group written as a value",
     "limits = 5;",
     NULL,
     {NULL},
     "@:1: limits is a group: write limits: { ... };"},
    {"group inside a group",
     "limits: { limits: { message = 1; }; };",
     NULL,
     {NULL},
     "@:1: unknown key \"limits.limits\": remove it, or see `sigbridge help file`"},
    {"value written as a group",
     "prefix: { a = 1; };",
     NULL,
     {NULL},
     "@:1: prefix: is a group: write a text in double quotes"},
    {"several written as a group",
     "listen: { a = 1; };",
     NULL,
     {NULL},
     "@:1: listen: is a group: write a text in double quotes, or several: [\"...\", \"...\"]"},
    {"no way around the broker's certificate",
     "mqtt: { insecure = true; };",
     NULL,
     {NULL},
     "@:1: unknown key \"mqtt.insecure\": remove it, or see `sigbridge help file`"},
    {"nor under another name",
     "mqtt: {\n verify = false; };",
     NULL,
     {NULL},
     "@:2: unknown key \"mqtt.verify\": remove it, or see `sigbridge help file`"},
    {"flag that is no key",
     "check_config = true;",
     NULL,
     {NULL},
     "@:1: unknown key \"check_config\": remove it, or see `sigbridge help file`"},
    /* types */
    {"number for a text",
     "prefix = 8080;",
     NULL,
     {NULL},
     "@:1: prefix: is a number: write a text in double quotes"},
    {"number for one of several",
     "listen = 8080;",
     NULL,
     {NULL},
     "@:1: listen: is a number: write a text in double quotes, or several: [\"...\", \"...\"]"},
    {"number among several",
     "listen = [8080, 8081];",
     NULL,
     {NULL},
     "@:1: listen: is a number: write a text in double quotes, or several: [\"...\", \"...\"]\n"
     "@:1: listen: is a number: write a text in double quotes, or several: [\"...\", \"...\"]"},
    {"several of none", "origin = [];", NULL, {NULL}, "@:1: origin: is empty: write at least one"},
    {"text for a truth",
     "dev = \"true\";",
     NULL,
     {NULL},
     "@:1: dev: is a text in quotes: write true or false, without quotes"},
    {"number for a truth",
     "dev = 1;",
     NULL,
     {NULL},
     "@:1: dev: is a number: write true or false, without quotes"},
    {"text for a number",
     "ping: { interval = \"25\"; };",
     NULL,
     {NULL},
     "@:1: ping.interval: is a text in quotes: write a number without quotes"},
    {"fraction for a number",
     "ping: { interval = 2.5; };",
     NULL,
     {NULL},
     "@:1: ping.interval: is a number: write a number without quotes"},
    {"truth for a number",
     "ping: { interval = true; };",
     NULL,
     {NULL},
     "@:1: ping.interval: is true or false: write a number without quotes"},
    {"array for a text",
     "prefix = [\"a\", \"b\"];",
     NULL,
     {NULL},
     "@:1: prefix: is an array: write a text in double quotes"},
    /* ranges */
    {"too small",
     "limits: {\n\n  message = 1;\n};",
     NULL,
     {NULL},
     "@:3: limits.message: \"1\" is too small: write a whole number from 16384 to 1048576, in "
     "bytes"},
    {"too large",
     "presence: { expiry = 86401; };",
     NULL,
     {NULL},
     "@:1: presence.expiry: \"86401\" is too large: write a whole number from 30 to 86400, in "
     "seconds"},
    {"negative",
     "limits: { sessions = -1; };",
     NULL,
     {NULL},
     "@:1: limits.sessions: \"-1\" is no number: write a whole number from 1 to 1000000"},
    {"past 31 bits",
     "\nlimits: { sessions = 4294967297; };",
     NULL,
     {NULL},
     "@:2: a number is too large: none here may be above 2147483647"},
    {"past 31 bits in hexadecimal",
     "limits: { sessions = 0x100000001; };",
     NULL,
     {NULL},
     "@:1: a number is too large: none here may be above 2147483647"},
    /* values */
    {"bad address",
     "listen = \"127.0.0.1:99999\";",
     NULL,
     {NULL},
     "@:1: listen: \"127.0.0.1:99999\" has a port above 65535: write ADDR:PORT, as in "
     "127.0.0.1:8080 or [::1]:8080, with http:// or https:// before it or without"},
    {"bad broker",
     "broker = \"amqp://x\";",
     NULL,
     {NULL},
     "@:1: broker: \"amqp://x\" is none of embedded, mqtt://, mqtts:// and unix:: write embedded, "
     "mqtt://HOST:PORT, mqtts://HOST:PORT or unix:PATH"},
    {"password in the broker's URL is not shown",
     "broker = \"mqtt://me:hunter2@b\";",
     NULL,
     {NULL},
     "@:1: broker: the value holds a user name: write that into mqtt.username and "
     "mqtt.password_file: write embedded, mqtt://HOST:PORT, mqtts://HOST:PORT or unix:PATH"},
    {"wildcard in the prefix",
     "prefix = \"a/+/b\";",
     NULL,
     {NULL},
     "@:1: prefix: \"a/+/b\" holds a wildcard (+ or #) or begins with $, which only the broker "
     "may use"},
    {"prefix of the broker",
     "prefix = \"$SYS\";",
     NULL,
     {NULL},
     "@:1: prefix: \"$SYS\" holds a wildcard (+ or #) or begins with $, which only the broker may "
     "use"},
    {"slash before the prefix",
     "prefix = \"/a\";",
     NULL,
     {NULL},
     "@:1: prefix: \"/a\" has an empty level: leave out the / at its beginning or end, and write "
     "// as /"},
    {"slash after the prefix",
     "prefix = \"a/\";",
     NULL,
     {NULL},
     "@:1: prefix: \"a/\" has an empty level: leave out the / at its beginning or end, and write "
     "// as /"},
    {"empty prefix", "prefix = \"\";", NULL, {NULL}, "@:1: prefix: \"\" is empty"},
    {"control character in the prefix",
     "prefix = \"a\\x07\";",
     NULL,
     {NULL},
     "@:1: prefix: \"a\\x07\" is not plain text: it must be UTF-8 without control characters"},
    {"broken UTF-8 in the prefix",
     "prefix = \"a\xc3(\";",
     NULL,
     {NULL},
     "@:1: prefix: \"a\\xc3(\" is not plain text: it must be UTF-8 without control characters"},
    {"overlong UTF-8",
     "prefix = \"\xc0\xaf\";",
     NULL,
     {NULL},
     "@:1: prefix: \"\\xc0\\xaf\" is not plain text: it must be UTF-8 without control characters"},
    {"C1 control character",
     "prefix = \"\xc2\x9b\";",
     NULL,
     {NULL},
     "@:1: prefix: \"\\xc2\\x9b\" is not plain text: it must be UTF-8 without control characters"},
    {"surrogate",
     "prefix = \"\xed\xa0\x80\";",
     NULL,
     {NULL},
     "@:1: prefix: \"\\xed\\xa0\\x80\" is not plain text: it must be UTF-8 without control "
     "characters"},
    {"no name",
     "bridge_id = \"a/b\";",
     NULL,
     {NULL},
     "@:1: bridge_id: \"a/b\" is no name: write 1 to 64 characters of A-Z a-z 0-9 . _ ~ -, the "
     "first one a letter or a digit"},
    {"name of the bridges' own",
     "bridge_id = \"_bridge\";",
     NULL,
     {NULL},
     "@:1: bridge_id: \"_bridge\" is no name: write 1 to 64 characters of A-Z a-z 0-9 . _ ~ -, "
     "the first one a letter or a digit"},
    {"unknown word",
     "log_level = \"verbose\";",
     NULL,
     {NULL},
     "@:1: log_level: \"verbose\" is not known here: write one of debug, info, warn, error"},
    {"empty path", "data = \"\";", NULL, {NULL}, "@:1: data: \"\" is empty: write a path"},
    {"line end in a path",
     "data = \"a\\nb\";",
     NULL,
     {NULL},
     "@:1: data: \"a\\x0ab\" has a control character in it: write a path"},
    /* lists */
    {"list that is none",
     "ice_servers = { urls = \"stun:a\"; };",
     NULL,
     {NULL},
     "@:1: ice_servers: is a group: write a list of groups: ( { ... }, { ... } )"},
    {"item that is no group",
     "ice_servers = ( \"stun:a\" );",
     NULL,
     {NULL},
     "@:1: ice_servers: is a text in quotes: write a list of groups: ( { ... }, { ... } )"},
    {"item without urls",
     "ice_servers = (\n { username = \"u\" } );",
     NULL,
     {NULL},
     "@:2: ice_servers: has no urls: add it"},
    {"unknown member",
     "ice_servers = ( {\n urls = \"stun:a\"; pasword = \"hunter2\" } );",
     NULL,
     {NULL},
     "@:2: unknown key \"ice_servers.pasword\": remove it, or see `sigbridge help file`"},
    {"misspelt member",
     "ice_servers = ( { url = \"stun:a\" } );",
     NULL,
     {NULL},
     "@:1: unknown key \"ice_servers.url\": did you mean \"ice_servers.urls\"?\n"
     "@:1: ice_servers: has no urls: add it"},
    {"bad URL",
     "ice_servers = ( { urls = [\"stun:a\",\n \"stun://b\"] } );",
     NULL,
     {NULL},
     "@:2: ice_servers.urls: \"stun://b\" has no valid host: neither a name nor an IPv4 address"},
    {"no URL",
     "ice_servers = ( { urls = [] } );",
     NULL,
     {NULL},
     "@:1: ice_servers.urls: is empty: write at least one"},
    {"nine URLs",
     "ice_servers = ( { urls = [\"stun:a\", \"stun:a\", \"stun:a\", \"stun:a\", \"stun:a\", "
     "\"stun:a\", \"stun:a\", \"stun:a\", \"stun:a\"] } );",
     NULL,
     {NULL},
     "@:1: ice_servers.urls: has more than 8 entries"},
    {"seventeen servers",
     "ice_servers = ({},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{});",
     NULL,
     {NULL},
     "@:1: ice_servers: has 17 entries: 16 at most"},
    {"turn without a credential",
     "ice_servers = ( { urls = \"turn:a\"; username = \"u\" } );",
     NULL,
     {NULL},
     "@:1: ice_servers: has a turn URL, so it needs a username and a credential (or "
     "credential_file), or a secret_file"},
    {"a credential that is not plain is not shown",
     "ice_servers = ( { urls = \"turn:a\"; username = \"u\"; credential = \"hunter2\\x01\" } );",
     NULL,
     {NULL},
     "@:1: ice_servers.credential: the value is not plain text: it must be UTF-8 without control "
     "characters"},
    /* syntax */
    {"no value",
     "listen = ;",
     NULL,
     {NULL},
     "@:1: syntax error: write `key = value;` and close what was opened"},
    {"group left open",
     "limits: {\n message = 262144;\n",
     NULL,
     {NULL},
     "@:3: syntax error: write `key = value;` and close what was opened"},
    {"key twice",
     "prefix = \"a\";\nprefix = \"b\";",
     NULL,
     {NULL},
     "@:2: duplicate setting name: write `key = value;` and close what was opened"},
    {"text left open",
     "\nprefix = \"a;\nlisten = \"b\";",
     NULL,
     {NULL},
     "@:2: a text does not end on its line: close it with a double quote"},
    {"comment left open",
     "\n/* a\nb\n",
     NULL,
     {NULL},
     "@:2: a comment begins here and never ends: close it with */"},
    {"include",
     "\n@include \"/etc/passwd\"\n",
     NULL,
     {NULL},
     "@:2: @include is not supported: write everything into one file"},
    {"include after spaces",
     "  @include \"x\"\n",
     NULL,
     {NULL},
     "@:1: @include is not supported: write everything into one file"},
    {"too deep",
     "a = (((((((((1)))))))));",
     NULL,
     {NULL},
     "@:1: groups and lists are nested too deeply: 8 levels at most"},
    {"NUL in a text",
     "prefix = \"a\\x00b\";",
     NULL,
     {NULL},
     "@:1: \\x00 cannot be part of a text: leave it out"},
};

static void test_mistakes(void **state)
{
    (void)state;
    config_check_mistakes(mistakes, ROWS(mistakes));
}

static void test_file_too_large(void **state)
{
    struct complaints wrong;
    char *text = malloc(SCAN_MAX_BYTES + 2);
    (void)state;
    memset(text, '\n', SCAN_MAX_BYTES + 1);
    text[SCAN_MAX_BYTES] = '\0';
    config_free(config_load_well(text, NULL, NULL)); /* just fits */
    text[SCAN_MAX_BYTES] = '\n';
    text[SCAN_MAX_BYTES + 1] = '\0';
    assert_null(config_load_with(text, NULL, NULL, &wrong));
    assert_non_null(strstr(complaints_text(&wrong), "the file is larger than 1 MiB"));
    complaints_release(&wrong);
    free(text);
}

static void test_lines_past_16_bits(void **state)
{
    enum { LINES = 70000 };
    struct complaints wrong;
    char *text = malloc(LINES + 32), expected[64];
    (void)state;
    memset(text, '\n', LINES);
    strcpy(text + LINES, "lisen = 1;\n");
    assert_null(config_load_with(text, NULL, NULL, &wrong));
    snprintf(expected, sizeof expected, ".conf:%d: unknown key", LINES + 1);
    assert_non_null(strstr(complaints_text(&wrong), expected));
    complaints_release(&wrong);
    free(text);
}

static void test_too_many_settings(void **state)
{
    struct complaints wrong;
    size_t max = (SCAN_MAX_SETTINGS + 2) * 16, at = 0;
    char *text = malloc(max);
    (void)state;
    for (int i = 0; i <= SCAN_MAX_SETTINGS; i++)
        at += (size_t)snprintf(text + at, max - at, "a%d=1;\n", i);
    assert_null(config_load_with(text, NULL, NULL, &wrong));
    assert_non_null(strstr(complaints_text(&wrong), ":10001: there are too many settings"));
    complaints_release(&wrong);
    free(text);
}

/* Past the bound mistakes are counted, not kept. */
static void test_many_mistakes(void **state)
{
    struct complaints wrong;
    char text[4096];
    size_t at = 0;
    unsigned lines = 0;
    (void)state;
    for (int i = 0; i < 60; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "unknown%d = 1;\n", i);
    assert_null(config_load_with(text, NULL, NULL, &wrong));
    assert_int_equal(wrong.count, 60);
    const char *says = complaints_text(&wrong);
    for (const char *p = says; (p = strchr(p, '\n')); p++)
        lines++;
    assert_int_equal(lines, COMPLAINTS_MAX + 1);
    assert_non_null(strstr(says, "sigbridge: and 10 more\n"));
    complaints_release(&wrong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mistakes),           cmocka_unit_test(test_file_too_large),
        cmocka_unit_test(test_lines_past_16_bits), cmocka_unit_test(test_too_many_settings),
        cmocka_unit_test(test_many_mistakes),
    };
    return cmocka_run_group_tests(tests, config_make_directory, config_remove_directory);
}
