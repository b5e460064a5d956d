/* Addresses, broker URLs and ICE URLs: what passes, in which form it comes back, and why the rest
 * does not. */
#include "config/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ROWS(a) (sizeof(a) / sizeof *(a))
#define TEN     "0123456789"
#define FIFTY   TEN TEN TEN TEN TEN

struct row {
    const char *name;
    const char *text;
    const char *back; /* as it comes back; NULL: refused */
    const char *why;  /* a part of the reason */
};

static const struct row endpoints[] = {
    {"plain", "127.0.0.1:8080", "127.0.0.1:8080", NULL},
    {"any address", "0.0.0.0:1", "0.0.0.0:1", NULL},
    {"any port", "192.0.2.7:0", "192.0.2.7:0", NULL},
    {"last port", "192.0.2.7:65535", "192.0.2.7:65535", NULL},
    {"IPv6 loopback", "[::1]:8080", "[::1]:8080", NULL},
    {"IPv6 any", "[::]:0", "[::]:0", NULL},
    {"IPv6 is shortened", "[2001:0DB8:0:0:0:0:0:1]:80", "[2001:db8::1]:80", NULL},
    {"IPv6 with IPv4 inside", "[::ffff:192.0.2.7]:80", "[::ffff:192.0.2.7]:80", NULL},
    {"empty", "", NULL, "does not begin with"},
    {"port alone", "8080", NULL, "does not begin with"},
    {"colon and port", ":8080", NULL, "does not begin with"},
    {"star", "*:8080", NULL, "does not begin with"},
    {"host name", "localhost:8080", NULL, "does not begin with"},
    {"octet too large", "127.0.0.256:80", NULL, "does not begin with"},
    {"three octets", "127.0.1:80", NULL, "does not begin with"},
    {"octal octet", "127.0.0.010:80", NULL, "does not begin with"},
    {"space before", " 127.0.0.1:80", NULL, "does not begin with"},
    {"no port", "127.0.0.1", NULL, "has no port"},
    {"no port after IPv6", "[::1]", NULL, "has no port"},
    {"empty port", "127.0.0.1:", NULL, "needs a port number"},
    {"port in words", "127.0.0.1:http", NULL, "needs a port number"},
    {"negative port", "127.0.0.1:-1", NULL, "needs a port number"},
    {"port above range", "127.0.0.1:65536", NULL, "above 65535"},
    {"port far above range", "127.0.0.1:99999999999999999999999", NULL, "above 65535"},
    {"leading zero", "127.0.0.1:0080", NULL, "leading zero"},
    {"space after", "127.0.0.1:80 ", NULL, "something after its port"},
    {"path after", "127.0.0.1:80/ws", NULL, "something after its port"},
    {"two ports", "127.0.0.1:80:80", NULL, "without brackets"},
    {"IPv6 without brackets", "::1:8080", NULL, "without brackets"},
    {"IPv6 with one bracket", "[::1:8080", NULL, "no valid IPv6"},
    {"IPv4 in brackets", "[127.0.0.1]:80", NULL, "no valid IPv6"},
    {"empty brackets", "[]:80", NULL, "no valid IPv6"},
    {"zone", "[fe80::1%eth0]:80", NULL, "no valid IPv6"},
    {"too many groups", "[1:2:3:4:5:6:7:8:9]:80", NULL, "no valid IPv6"},
    {"URL", "http://127.0.0.1:80", NULL, "without brackets"},
};

static void test_endpoints(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(endpoints); i++) {
        const struct row *r = &endpoints[i];
        struct endpoint e;
        char back[ENDPOINT_TEXT_MAX];
        const char *why = NULL;
        bool taken = endpoint_parse(r->text, &e, &why);
        print_message("%s\n", r->name);
        assert_int_equal(taken, r->back != NULL);
        if (taken) {
            endpoint_format(&e, back);
            assert_string_equal(back, r->back);
        } else {
            assert_non_null(strstr(why, r->why));
        }
    }
}

static const struct row brokers[] = {
    {"embedded", "embedded", "embedded", NULL},
    {"name and port", "mqtt://broker.example.org:1884", "mqtt://broker.example.org:1884", NULL},
    {"default port", "mqtt://broker", "mqtt://broker:1883", NULL},
    {"default port with TLS", "mqtts://broker", "mqtts://broker:8883", NULL},
    {"IPv4", "mqtt://192.0.2.7:1883", "mqtt://192.0.2.7:1883", NULL},
    {"IPv6", "mqtts://[2001:DB8::1]:8883", "mqtts://[2001:db8::1]:8883", NULL},
    {"name with underscore", "mqtt://my_broker:1883", "mqtt://my_broker:1883", NULL},
    {"unix", "unix:/run/mosquitto.sock", "unix:/run/mosquitto.sock", NULL},
    {"unix, relative", "unix:broker.sock", "unix:broker.sock", NULL},
    {"unix with an @", "unix:/run/a@b", "unix:/run/a@b", NULL},
    {"unix, 107 bytes", "unix:/" FIFTY FIFTY "123456", "unix:/" FIFTY FIFTY "123456", NULL},
    {"unix, 108 bytes", "unix:/" FIFTY FIFTY "1234567", NULL, "more than 107"},
    {"unix without a path", "unix:", NULL, "no path"},
    {"unix with a line end", "unix:/run/a\nb", NULL, "control character"},
    {"empty", "", NULL, "is none of"},
    {"unknown scheme", "http://broker:80", NULL, "is none of"},
    {"scheme in capitals", "MQTT://broker", NULL, "is none of"},
    {"host alone", "broker:1883", NULL, "is none of"},
    {"one slash", "mqtt:/broker", NULL, "is none of"},
    {"embedded and more", "embedded:1883", NULL, "is none of"},
    {"no host", "mqtt://", NULL, "no valid host"},
    {"port without a host", "mqtt://:1883", NULL, "no valid host"},
    {"bad IPv4", "mqtt://1.2.3:1883", NULL, "no valid host"},
    {"hexadecimal IPv4", "mqtt://0x7f.1", NULL, "no valid host"},
    {"bad IPv6", "mqtt://[::g]:1883", NULL, "no valid IPv6"},
    {"name begins with a hyphen", "mqtt://-broker", NULL, "no valid host"},
    {"empty label", "mqtt://a..b", NULL, "no valid host"},
    {"port 0", "mqtt://broker:0", NULL, "port 0"},
    {"port above range", "mqtt://broker:70000", NULL, "above 65535"},
    {"empty port", "mqtt://broker:", NULL, "needs a port"},
    {"path", "mqtt://broker:1883/topic", NULL, "something after"},
    {"query", "mqtt://broker?x", NULL, "something after"},
    {"user", "mqtt://me@broker", NULL, "mqtt.username"},
    {"user and password", "mqtts://me:secret@broker:8883", NULL, "mqtt.username"},
};

static void test_brokers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(brokers); i++) {
        const struct row *r = &brokers[i];
        struct broker b;
        char back[BROKER_TEXT_MAX];
        const char *why = NULL;
        bool taken = broker_parse(r->text, &b, &why);
        print_message("%s\n", r->name);
        assert_int_equal(taken, r->back != NULL);
        if (taken) {
            broker_format(&b, back);
            assert_string_equal(back, r->back);
        } else {
            assert_non_null(strstr(why, r->why));
        }
    }
}

static void test_broker_parts(void **state)
{
    struct broker b;
    const char *why;
    (void)state;
    assert_true(broker_parse("mqtts://[::1]:1234", &b, &why));
    assert_int_equal(b.kind, BROKER_MQTTS);
    assert_string_equal(b.host, "::1");
    assert_true(b.ipv6);
    assert_int_equal(b.port, 1234);
    assert_true(broker_parse("unix:/run/x", &b, &why));
    assert_int_equal(b.kind, BROKER_UNIX);
    assert_string_equal(b.path, "/run/x");
    assert_string_equal(b.host, "");
    assert_true(broker_text_is_secret("mqtt://me:secret@broker"));
    assert_true(broker_text_is_secret("nonsense:secret@broker"));
    assert_false(broker_text_is_secret("unix:/run/a@b"));
}

static const struct row ice_urls[] = {
    {"stun", "stun:stun.example.org", "", NULL},
    {"stun with a port", "stun:192.0.2.7:3478", "", NULL},
    {"stuns, IPv6", "stuns:[2001:db8::1]:5349", "", NULL},
    {"turn over udp", "turn:turn.example.org:3478?transport=udp", "", NULL},
    {"turns over tcp", "turns:turn.example.org?transport=tcp", "", NULL},
    {"slashes", "stun://stun.example.org", NULL, "no valid host"},
    {"no host", "turn:", NULL, "no valid host"},
    {"http", "http://example.org", NULL, "begins with none"},
    {"transport on stun", "stun:example.org?transport=udp", NULL, "something after"},
    {"unknown transport", "turn:example.org?transport=sctp", NULL, "other than udp and tcp"},
    {"more after the transport", "turn:example.org?transport=udp&x", NULL, "something after"},
    {"port 0", "stun:example.org:0", NULL, "port 0"},
};

static void test_ice_urls(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(ice_urls); i++) {
        const struct row *r = &ice_urls[i];
        const char *why = NULL;
        bool taken = ice_url_ok(r->text, &why);
        print_message("%s\n", r->name);
        assert_int_equal(taken, r->back != NULL);
        if (!taken)
            assert_non_null(strstr(why, r->why));
    }
    assert_true(ice_url_is_turn("turn:x"));
    assert_true(ice_url_is_turn("turns:x"));
    assert_false(ice_url_is_turn("stun:x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_endpoints),
        cmocka_unit_test(test_brokers),
        cmocka_unit_test(test_broker_parts),
        cmocka_unit_test(test_ice_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
