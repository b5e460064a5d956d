/* The camera's command line: what is taken, and what each mistake is told. */
#include "options.h"
#include "test.h"

#include <string.h>

enum { ARGS_MAX = 12, WHY = 256 };

struct row {
    const char *name;
    const char *args[ARGS_MAX]; /* after the program's name; NULL ends */
};

static enum options_result read_row(const char *const *args, struct options *out, char *why)
{
    const char *argv[ARGS_MAX + 2] = {"sigbridge-camera"};
    int argc = 1;
    while (args[argc - 1]) {
        argv[argc] = args[argc - 1];
        argc++;
    }
    why[0] = '\0';
    return options_read(argc, argv, out, why, WHY);
}

static void test_defaults(void **state)
{
    static const char *const none[] = {NULL};
    struct options o;
    char why[WHY];
    (void)state;
    assert_int_equal(read_row(none, &o, why), OPTIONS_RUN);
    assert_string_equal(o.host, "127.0.0.1");
    assert_int_equal(o.port, 0);
    assert_string_equal(o.room, "lobby");
    assert_string_equal(o.name, "cam1");
    assert_null(o.prefix);
    assert_int_equal(o.source, SOURCE_TEST);
    assert_string_equal(o.pattern, "smpte");
    assert_int_equal(o.width, 640);
    assert_int_equal(o.height, 360);
    assert_int_equal(o.fps, 25);
    assert_int_equal(o.bitrate, 640 * 360 * 25 / 8000);
    assert_int_equal(o.prefer, CODEC_VP8);
    assert_false(o.audio);
    assert_int_equal(o.max_viewers, 16);
    assert_int_equal(o.connect_timeout, 30);
    assert_int_equal(o.keepalive, 30);
    assert_int_equal(o.ttl, 120);
}

static const struct {
    const char *name, *url, *host, *unix_path;
    uint16_t port;
    bool tls;
} brokers[] = {
    {"host and port", "mqtt://10.0.0.1:1884", "10.0.0.1", NULL, 1884, false},
    {"host alone", "mqtt://broker.example", "broker.example", NULL, 0, false},
    {"a slash at the end", "mqtt://broker.example:1/", "broker.example", NULL, 1, false},
    {"IPv6", "mqtt://[::1]:1884", "::1", NULL, 1884, false},
    {"TLS", "mqtts://broker.example", "broker.example", NULL, 0, true},
    {"Unix socket", "unix:/run/mosquitto.sock", "", "/run/mosquitto.sock", 0, false},
};

static void test_brokers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(brokers); i++) {
        const char *const args[] = {"--broker", brokers[i].url, NULL};
        struct options o;
        char why[WHY];
        ROW(brokers[i].name, read_row(args, &o, why) == OPTIONS_RUN);
        ROW(brokers[i].name, strcmp(o.host, brokers[i].host) == 0);
        ROW(brokers[i].name, o.port == brokers[i].port && o.tls == brokers[i].tls);
        ROW(brokers[i].name, !o.unix_path == !brokers[i].unix_path);
        ROW(brokers[i].name, !o.unix_path || strcmp(o.unix_path, brokers[i].unix_path) == 0);
    }
}

static const struct {
    const char *name, *value, *arg;
    enum source_kind kind;
    const char *shown; /* options_source_name() */
} sources[] = {
    {"test", "test", NULL, SOURCE_TEST, "test"},
    {"V4L2", "v4l2:/dev/video0", "/dev/video0", SOURCE_V4L2, "v4l2:/dev/video0"},
    {"file", "file:/a b.mp4", "/a b.mp4", SOURCE_FILE, "file:/a b.mp4"},
    {"RTSP", "rtsp:rtsp://10.0.0.7/stream", "rtsp://10.0.0.7/stream", SOURCE_RTSP,
     "rtsp:rtsp://10.0.0.7/stream"},
    {"RTSP by its address alone", "rtsp://10.0.0.7/stream", "rtsp://10.0.0.7/stream", SOURCE_RTSP,
     "rtsp:rtsp://10.0.0.7/stream"},
    {"RTSP with a login: not shown", "rtsp:rtsp://admin:pa/ss@10.0.0.7/stream",
     "rtsp://admin:pa/ss@10.0.0.7/stream", SOURCE_RTSP, "rtsp:rtsp://10.0.0.7/stream"},
};

static void test_sources(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(sources); i++) {
        const char *const args[] = {"--source", sources[i].value, NULL};
        struct options o;
        char why[WHY], shown[128];
        ROW(sources[i].name, read_row(args, &o, why) == OPTIONS_RUN);
        ROW(sources[i].name, o.source == sources[i].kind);
        ROW(sources[i].name, !o.source_arg == !sources[i].arg);
        ROW(sources[i].name, !o.source_arg || strcmp(o.source_arg, sources[i].arg) == 0);
        options_source_name(&o, shown, sizeof shown);
        ROW(sources[i].name, strcmp(shown, sources[i].shown) == 0);
    }
}

static void test_all(void **state)
{
    static const char *const args[] = {"--size=1280x720",
                                       "--fps",
                                       "30",
                                       "--codec",
                                       "h264",
                                       "--audio",
                                       "on",
                                       "--max-viewers=2",
                                       "--mqtt=3.1.1",
                                       "--turn=turn:u:p@h",
                                       "--address=127.0.0.1",
                                       NULL};
    struct options o;
    char why[WHY];
    (void)state;
    assert_int_equal(read_row(args, &o, why), OPTIONS_RUN);
    assert_int_equal(o.width, 1280);
    assert_int_equal(o.height, 720);
    assert_int_equal(o.bitrate, 1280 * 720 * 30 / 8000);
    assert_int_equal(o.prefer, CODEC_H264);
    assert_true(o.audio && o.mqtt311);
    assert_int_equal(o.max_viewers, 2);
    assert_int_equal(o.turn_count, 1);
    assert_string_equal(o.address[0], "127.0.0.1");
}

static const struct {
    struct row row;
    const char *says;
} mistakes[] = {
    {{"no such option", {"--colour", "red"}}, "--colour: no such option"},
    {{"not an option", {"red"}}, "red: no such option"},
    {{"a value is missing", {"--room"}}, "--room: a value must follow"},
    {{"an empty value", {"--prefix="}}, "--prefix: the value is empty"},
    {{"an empty room", {"--room="}}, "--room: give 1 to 64"},
    {{"a room with a slash", {"--room", "a/b"}}, "--room: give 1 to 64"},
    {{"a name that is the bridge's", {"--name", "_bridge"}}, "--name: give 1 to 64"},
    {{"broker without scheme", {"--broker", "localhost"}}, "--broker: give mqtt://"},
    {{"broker with a user", {"--broker", "mqtt://u@h"}}, "--user"},
    {{"broker with port 0", {"--broker", "mqtt://h:0"}}, "port from 1"},
    {{"broker with a port too high", {"--broker", "mqtt://h:65536"}}, "port from 1"},
    {{"broker without host", {"--broker", "mqtt://:1883"}}, "--broker: give a host"},
    {{"unix without a path", {"--broker", "unix:"}}, "--broker: give the path"},
    {{"unknown source", {"--source", "screen"}}, "--source: give test"},
    {{"source without device", {"--source", "v4l2:"}}, "--source: give the device"},
    {{"unknown pattern", {"--pattern", "snow"}}, "--pattern: give smpte or ball"},
    {{"size without x", {"--size", "640"}}, "--size: give WIDTHxHEIGHT"},
    {{"odd size", {"--size", "641x360"}}, "--size: give WIDTHxHEIGHT, both even"},
    {{"size too large", {"--size", "5000x360"}}, "--size"},
    {{"size with more behind", {"--size", "640x360p"}}, "--size"},
    {{"fps 0", {"--fps", "0"}}, "--fps: give a number from 1 to 120"},
    {{"fps in words", {"--fps", "many"}}, "--fps: give a number"},
    {{"negative bitrate", {"--bitrate", "-1"}}, "--bitrate: give a number from 50 to 50000"},
    {{"unknown codec", {"--codec", "AV1"}}, "--codec: give VP8 or H264"},
    {{"an audio codec", {"--codec", "opus"}}, "--codec: give VP8 or H264"},
    {{"audio maybe", {"--audio", "maybe"}}, "--audio: give on or off"},
    {{"audio of V4L2", {"--source", "v4l2:/dev/video0", "--audio", "on"}}, "--audio: a V4L2"},
    {{"no viewers", {"--max-viewers", "0"}}, "--max-viewers: give a number from 1 to 256"},
    {{"keepalive 4", {"--keepalive", "4"}}, "--keepalive: give a number from 5 to 3600"},
    {{"ttl 1", {"--presence-ttl", "1"}}, "--presence-ttl: give 0 or a number from 2 to 86400"},
    {{"ttl of two days", {"--presence-ttl", "172800"}}, "--presence-ttl: give a number"},
    {{"timeout 0", {"--connect-timeout", "0"}}, "--connect-timeout: give a number"},
    {{"STUN without scheme", {"--stun", "stun.example.org"}}, "--stun: give stun:HOST"},
    {{"TURN without login", {"--turn", "turn:h"}}, "--turn: give turn:USER:PASSWORD@HOST"},
    {{"TURN without host", {"--turn", "turn:u:p@"}}, "--turn: give turn:"},
    {{"address as a name", {"--address", "localhost"}}, "--address: give a local IPv4"},
    {{"MQTT 3", {"--mqtt", "3"}}, "--mqtt: give 5 or 3.1.1"},
    {{"log level", {"--log-level", "loud"}}, "--log-level: give debug"},
    {{"password without user", {"--password-file", "f"}}, "--password-file: a password goes"},
    {{"certificate without TLS", {"--ca-file", "f"}}, "--ca-file: certificates are for TLS"},
    {{"key without certificate", {"--broker", "mqtts://h", "--key-file", "f"}},
     "--key-file: --cert-file and --key-file"},
};

static void test_mistakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(mistakes); i++) {
        struct options o;
        char why[WHY];
        ROW(mistakes[i].row.name, read_row(mistakes[i].row.args, &o, why) == OPTIONS_WRONG);
        if (!strstr(why, mistakes[i].says))
            fail_msg("row \"%s\": says \"%s\"", mistakes[i].row.name, why);
    }
}

static void test_asking(void **state)
{
    static const char *const help[] = {"--room", "x", "--help", NULL};
    static const char *const version[] = {"--version", NULL};
    struct options o;
    char why[WHY];
    (void)state;
    assert_int_equal(read_row(help, &o, why), OPTIONS_HELP);
    assert_int_equal(read_row(version, &o, why), OPTIONS_VERSION);
}

/* --help names every option that a mistake can name. */
static void test_usage_is_complete(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(mistakes); i++) {
        const char *option = mistakes[i].row.args[0];
        char name[32];
        size_t len = strcspn(option, "=");
        if (strncmp(option, "--", 2) != 0 || strcmp(option, "--colour") == 0)
            continue;
        memcpy(name, option, len);
        name[len] = '\0';
        ROW(name, strstr(options_usage(), name) != NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),          cmocka_unit_test(test_brokers),
        cmocka_unit_test(test_sources),           cmocka_unit_test(test_all),
        cmocka_unit_test(test_mistakes),          cmocka_unit_test(test_asking),
        cmocka_unit_test(test_usage_is_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
