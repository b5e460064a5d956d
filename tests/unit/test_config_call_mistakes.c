/* What each mistake in variables and flags is told, and what is wrong only together. */
#include "test_config_util.h"

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
    /* variables */
    {"unknown variable",
     NULL,
     "SIGBRIDGE_LISEN=x",
     {NULL},
     "unknown variable \"SIGBRIDGE_LISEN\": did you mean SIGBRIDGE_LISTEN?"},
    {"variable like no other",
     NULL,
     "SIGBRIDGE_X=1",
     {NULL},
     "unknown variable \"SIGBRIDGE_X\": unset it, or see `sigbridge help options`"},
    {"a port alone",
     NULL,
     "SIGBRIDGE_PORT=8080",
     {NULL},
     "unknown variable \"SIGBRIDGE_PORT\": unset it, or see `sigbridge help options`"},
    {"variable for a list",
     NULL,
     "SIGBRIDGE_ICE_SERVERS=stun:a",
     {NULL},
     "\"SIGBRIDGE_ICE_SERVERS\" is no variable: set it in the file"},
    {"variable for a switch",
     NULL,
     "SIGBRIDGE_VERSION=1",
     {NULL},
     "\"SIGBRIDGE_VERSION\" is no variable: set it with its flag"},
    {"variable around the broker's certificate",
     NULL,
     "SIGBRIDGE_MQTT_INSECURE=1",
     {NULL},
     "unknown variable \"SIGBRIDGE_MQTT_INSECURE\": unset it, or see `sigbridge help options`"},
    {"neither true nor false",
     NULL,
     "SIGBRIDGE_DEV_EXPOSED=yes",
     {NULL},
     "SIGBRIDGE_DEV_EXPOSED: \"yes\" is neither true nor false"},
    {"one bad word of several",
     NULL,
     "SIGBRIDGE_ORIGIN=https://a https://B  https://c",
     {NULL},
     "SIGBRIDGE_ORIGIN: \"https://B\" has capital letters, which browsers never send: write it in "
     "lower case"},
    {"bad value in a variable",
     NULL,
     "SIGBRIDGE_PING_INTERVAL=often",
     {NULL},
     "SIGBRIDGE_PING_INTERVAL: \"often\" is no number: write a whole number from 1 to 3600, in "
     "seconds"},
    {"file named by a variable",
     NULL,
     "SIGBRIDGE_CONFIG=/nowhere/x.conf",
     {NULL},
     "/nowhere/x.conf: cannot be read: No such file or directory"},
    /* flags */
    {"unknown flag",
     NULL,
     NULL,
     {"--lisen", NULL},
     "unknown option \"lisen\": did you mean --listen?"},
    {"unknown flag with hyphens",
     NULL,
     NULL,
     {"--mqtt-lisen=x", NULL},
     "unknown option \"mqtt-lisen\": did you mean --mqtt-listen?"},
    {"underscore in a flag",
     NULL,
     NULL,
     {"--mqtt_listen=x", NULL},
     "unknown option \"mqtt_listen\": did you mean --mqtt-listen?"},
    {"flag like no other", NULL, NULL, {"--turbo", NULL}, "unknown option \"turbo\": see --help"},
    {"option that is no flag",
     NULL,
     NULL,
     {"--limits-message=5", NULL},
     "limits.message is no flag: set it as SIGBRIDGE_LIMITS_MESSAGE or in the file, as "
     "limits.message"},
    {"list that is no flag",
     NULL,
     NULL,
     {"--ice-servers", NULL},
     "ice_servers is no flag: set it in the file"},
    {"no value",
     NULL,
     NULL,
     {"--listen", NULL},
     "\"--listen\" needs a value: write --listen ADDR:PORT"},
    {"value for a switch",
     NULL,
     NULL,
     {"--version=1", NULL},
     "\"--version=1\" takes no value: leave out what follows the ="},
    {"word", NULL, NULL, {"now", NULL}, "unexpected argument \"now\": see --help"},
    {"short flag", NULL, NULL, {"-x", NULL}, "unknown option \"x\": see --help"},
    {"bad value",
     NULL,
     NULL,
     {"--listen", "8080", NULL},
     "--listen: \"8080\" does not begin with an IPv4 address or an IPv6 address in brackets: write "
     "ADDR:PORT, as in 127.0.0.1:8080 or [::1]:8080, with http:// or https:// before it or "
     "without"},
    {"no way around the broker's certificate",
     NULL,
     NULL,
     {"--mqtt-insecure", NULL},
     "unknown option \"mqtt-insecure\": see --help"},
    {"a value for a flag that takes none",
     NULL,
     NULL,
     {"--dev-exposed=yes", NULL},
     "\"--dev-exposed=yes\" takes no value: leave out what follows the ="},
    {"escape codes are not passed on",
     NULL,
     NULL,
     {"--log-level", "\033[31m", NULL},
     "--log-level: \"\\x1b[31m\" is not known here: write one of debug, info, warn, error"},
    {"missing web directory",
     NULL,
     NULL,
     {"--web", "/nowhere/web", NULL},
     "/nowhere/web: cannot be read for web: No such file or directory; name another directory, or "
     "none"},
    /* together */
    {"user at the embedded broker",
     "mqtt: { username = \"u\" };",
     NULL,
     {NULL},
     "mqtt.username and mqtt.password_file go with an external broker: remove them, or set "
     "broker"},
    {"a shared port, and a broker of its own",
     "listen_shared = true;",
     NULL,
     {NULL},
     "listen_shared goes with a broker that all who share use: set broker, or remove it"},
    {"certificate without TLS",
     "broker = \"mqtt://b\"; mqtt: { ca = \"/dev/null\" };",
     NULL,
     {NULL},
     "mqtt.ca, mqtt.cert and mqtt.key go with an mqtts:// broker: remove them, or set broker"},
    {"certificate without key",
     "broker = \"mqtts://b\"; mqtt: { cert = \"/dev/null\" };",
     NULL,
     {NULL},
     "mqtt.cert and mqtt.key go together: set both or none"},
    {"missing certificates",
     "broker = \"mqtts://b\"; mqtt: { ca = \"/nowhere/ca\" };",
     NULL,
     {NULL},
     "/nowhere/ca: cannot be read for mqtt.ca: No such file or directory"},
    {"certificate at the embedded broker",
     "mqtt: { cert = \"/dev/null\"; key = \"/dev/null\" };",
     NULL,
     {NULL},
     "mqtt.ca, mqtt.cert and mqtt.key go with an mqtts:// broker: remove them, or set broker"},
    {"queue smaller than a message",
     "limits: { send_queue_bytes = 65536 };",
     NULL,
     {NULL},
     "limits.send_queue_bytes (65536) is less than limits.message (262144): raise it"},
    {"password without a user",
     "broker = \"mqtt://b\"; mqtt: { password_file = \"/nowhere/p\" };",
     NULL,
     {NULL},
     "/nowhere/p: cannot be read for mqtt.password_file: No such file or directory\n"
     "mqtt.password_file needs mqtt.username: set it"},
    /* all at once */
    {"several mistakes",
     "lisen = \"x\";\nping: { interval = 0; };",
     "SIGBRIDGE_WEBB=x",
     {"--log-format", "xml", NULL},
     "@:1: unknown key \"lisen\": did you mean \"listen\"?\n"
     "@:2: ping.interval: \"0\" is too small: write a whole number from 1 to 3600, in seconds\n"
     "unknown variable \"SIGBRIDGE_WEBB\": did you mean SIGBRIDGE_WEB?\n"
     "--log-format: \"xml\" is not known here: write one of text, json"},
};

static void test_mistakes(void **state)
{
    (void)state;
    config_check_mistakes(mistakes, ROWS(mistakes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mistakes)};
    return cmocka_run_group_tests(tests, config_make_directory, config_remove_directory);
}
