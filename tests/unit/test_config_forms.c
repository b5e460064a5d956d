/* What a single text can hold: networks, origins, listeners, keys for tokens, the words of an ICE
 * policy; in which form it comes back, and why the rest does not pass. */
#include "config/forms.h"

#include "base/buf.h"
#include "config/web_origin.h"
#include "proto/network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
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

static void check_reason(const struct row *row, bool passed, const char *why)
{
    assert_int_equal(passed, row->back != NULL);
    if (!row->back) {
        assert_non_null(why);
        assert_non_null(strstr(why, row->why));
    }
}

/* ---- networks ---- */

static const struct row networks[] = {
    {"IPv4 alone", "192.0.2.7", "::ffff:192.0.2.7/128", NULL},
    {"IPv4 with all bits", "192.0.2.7/32", "::ffff:192.0.2.7/128", NULL},
    {"IPv4 network", "10.0.0.0/8", "::ffff:10.0.0.0/104", NULL},
    {"IPv4 in the middle of a byte", "172.16.0.0/12", "::ffff:172.16.0.0/108", NULL},
    {"IPv4, all of it", "0.0.0.0/0", "::ffff:0.0.0.0/96", NULL},
    {"IPv6 alone", "2001:db8::1", "2001:db8::1/128", NULL},
    {"IPv6 network", "fd00::/8", "fd00::/8", NULL},
    {"IPv6, all of it", "::/0", "::/0", NULL},
    {"mapped IPv4", "::ffff:10.0.0.0/104", "::ffff:10.0.0.0/104", NULL},
    {"empty", "", NULL, "numeric"},
    {"slash alone", "/8", NULL, "numeric"},
    {"name", "localhost", NULL, "numeric"},
    {"mDNS name", "a.local", NULL, "numeric"},
    {"star", "*", NULL, "numeric"},
    {"three octets", "10.0.0/8", NULL, "numeric"},
    {"octal octet", "010.0.0.0/8", NULL, "numeric"},
    {"brackets", "[::1]", NULL, "numeric"},
    {"zone", "fe80::1%eth0", NULL, "numeric"},
    {"port", "127.0.0.1:80", NULL, "numeric"},
    {"no bits", "10.0.0.0/", NULL, "write 0 to 32"},
    {"too many bits for IPv4", "10.0.0.0/33", NULL, "write 0 to 32"},
    {"too many bits for IPv6", "::/129", NULL, "write 0 to 128"},
    {"far too many bits", "::/99999999999999999999999", NULL, "write 0 to 128"},
    {"leading zero", "10.0.0.0/08", NULL, "write 0 to 32"},
    {"two zeros", "0.0.0.0/00", NULL, "write 0 to 32"},
    {"negative", "10.0.0.0/-1", NULL, "write 0 to 32"},
    {"mask", "10.0.0.0/255.0.0.0", NULL, "write 0 to 32"},
    {"space after", "10.0.0.0/8 ", NULL, "write 0 to 32"},
    {"two slashes", "10.0.0.0/8/8", NULL, "write 0 to 32"},
    {"bits past the network", "10.0.0.1/8", NULL, "bits set past"},
    {"one bit past it", "172.24.0.0/12", NULL, "bits set past"},
    {"the last bit past it", "192.0.2.1/31", NULL, "bits set past"},
    {"bits past an IPv6 network", "fd00::1/64", NULL, "bits set past"},
    {"everything, and something", "0.0.0.1/0", NULL, "bits set past"},
};

static void test_networks(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(networks); i++) {
        struct network n;
        const char *why = NULL;
        char ip[INET6_ADDRSTRLEN], text[64];
        print_message("%s\n", networks[i].name);
        bool passed = network_parse(networks[i].text, &n, &why);
        check_reason(&networks[i], passed, why);
        assert_int_equal(network_ok(networks[i].text, &why), passed);
        if (!passed)
            continue;
        assert_non_null(inet_ntop(AF_INET6, n.ip, ip, sizeof ip));
        snprintf(text, sizeof text, "%s/%u", ip, n.bits);
        assert_string_equal(text, networks[i].back);
    }
}

static void test_network_holds(void **state)
{
    static const struct {
        const char *name, *network, *address;
        bool holds;
    } rows[] = {
        {"itself", "192.0.2.7", "::ffff:192.0.2.7", true},
        {"its neighbour", "192.0.2.7", "::ffff:192.0.2.6", false},
        {"first of a network", "172.16.0.0/12", "::ffff:172.16.0.0", true},
        {"last of a network", "172.16.0.0/12", "::ffff:172.31.255.255", true},
        {"before a network", "172.16.0.0/12", "::ffff:172.15.255.255", false},
        {"after a network", "172.16.0.0/12", "::ffff:172.32.0.0", false},
        {"all of IPv4", "0.0.0.0/0", "::ffff:203.0.113.9", true},
        {"all of IPv4 is not IPv6", "0.0.0.0/0", "2001:db8::1", false},
        {"all of IPv6 is IPv4, too", "::/0", "::ffff:203.0.113.9", true},
        {"IPv6 network", "fd00::/8", "fdff::1", true},
        {"outside of it", "fd00::/8", "fe00::1", false},
        {"one bit", "8000::/1", "ffff::", true},
        {"not that bit", "8000::/1", "7fff::", false},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct network n;
        const char *why = NULL;
        uint8_t ip[16];
        print_message("%s\n", rows[i].name);
        assert_true(network_parse(rows[i].network, &n, &why));
        assert_int_equal(inet_pton(AF_INET6, rows[i].address, ip), 1);
        assert_int_equal(network_holds(&n, ip), rows[i].holds);
    }
}

/* ---- origins ---- */

static const struct row origins[] = {
    {"any", "*", "", NULL},
    {"https", "https://app.example.org", "", NULL},
    {"http with a port", "http://localhost:8080", "", NULL},
    {"IPv4", "http://192.0.2.7:81", "", NULL},
    {"IPv6", "https://[2001:db8::1]:8443", "", NULL},
    {"an extension's", "moz-extension://0a1b", "", NULL},
    {"the other scheme's port", "http://a.example.org:443", "", NULL},
    {"empty", "", NULL, "no origin"},
    {"name alone", "app.example.org", NULL, "no origin"},
    {"opaque", "null", NULL, "no origin"},
    {"no host", "https://", NULL, "no origin"},
    {"no scheme", "://app.example.org", NULL, "no origin"},
    {"star in the host", "https://*.example.org", NULL, "no origin"},
    {"user name", "https://a@b", NULL, "after its host"},
    {"scheme that begins with a digit", "1https://a", NULL, "no origin"},
    {"IPv6 without brackets", "https://::1", NULL, "no origin"},
    {"IPv6 in a longer form", "https://[0:0:0:0:0:0:0:1]", NULL, "no origin"},
    {"IPv4 in brackets", "https://[192.0.2.7]", NULL, "no origin"},
    {"bracket left open", "https://[::1", NULL, "no origin"},
    {"name too long", "https://" FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY, NULL, "no origin"},
    {"capital in the scheme", "HTTPS://a", NULL, "lower case"},
    {"capital in the host", "https://A", NULL, "lower case"},
    {"slash", "https://a/", NULL, "not even a slash"},
    {"path", "https://a/b", NULL, "not even a slash"},
    {"query", "https://a?b", NULL, "not even a slash"},
    {"space after", "https://a ", NULL, "not even a slash"},
    {"empty port", "https://a:", NULL, "bad port"},
    {"port 0", "https://a:0", NULL, "bad port"},
    {"leading zero", "https://a:0443", NULL, "bad port"},
    {"port above range", "https://a:65536", NULL, "bad port"},
    {"star for a port", "https://a:*", NULL, "bad port"},
    {"own port of https", "https://a:443", NULL, "leave it out"},
    {"own port of http", "http://a:80", NULL, "leave it out"},
};

static void test_origins(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(origins); i++) {
        const char *why = NULL;
        print_message("%s\n", origins[i].name);
        bool passed = web_origin_ok(origins[i].text, &why);
        check_reason(&origins[i], passed, why);
    }
}

/* ---- listeners and keys ---- */

static const struct row listeners[] = {
    {"plain", "127.0.0.1:8080", "127.0.0.1:8080", NULL},
    {"http", "http://127.0.0.1:8080", "http://127.0.0.1:8080", NULL},
    {"https", "https://[::]:443", "https://[::]:443", NULL},
    {"IPv6 is shortened", "https://[0:0:0:0:0:0:0:1]:443", "https://[::1]:443", NULL},
    {"another scheme", "wss://127.0.0.1:8080", NULL, "without brackets"},
    {"capitals", "HTTPS://127.0.0.1:8080", NULL, "without brackets"},
    {"two schemes", "http://https://127.0.0.1:8080", NULL, "without brackets"},
    {"scheme alone", "https://", NULL, "does not begin"},
    {"a slash after", "https://127.0.0.1:8080/", NULL, "after its port"},
};

static const struct row keys[] = {
    {"secret", "HS256:/etc/s", "HS256:/etc/s", NULL},
    {"relative", "RS256:keys/a.pem", "RS256:/base/keys/a.pem", NULL},
    {"with a name", "ES256@2026-11:/k", "ES256@2026-11:/k", NULL},
    {"name of all kinds of characters", "EdDSA@!\"#$%&'()*+,-./;<=>?@[]^_`{|}~:/k",
     "EdDSA@!\"#$%&'()*+,-./;<=>?@[]^_`{|}~:/k", NULL},
    {"colon and @ in the path", "HS256:/a:b@c", "HS256:/a:b@c", NULL},
    {"longest name", "HS256@" FIFTY TEN "0123:/k", "HS256@" FIFTY TEN "0123:/k", NULL},
    {"name too long", "HS256@" FIFTY TEN "01234:/k", NULL, "bad key name"},
    {"empty name", "HS256@:/k", NULL, "bad key name"},
    {"space in the name", "HS256@a b:/k", NULL, "bad key name"},
    {"name beyond ASCII", "HS256@\xc3\xa4:/k", NULL, "bad key name"},
    {"control character in the name", "HS256@a\x1b:/k", NULL, "bad key name"},
    {"empty", "", NULL, "algorithm"},
    {"path alone", "/etc/s", NULL, "algorithm"},
    {"no algorithm", ":/etc/s", NULL, "algorithm"},
    {"none", "none:/etc/s", NULL, "algorithm"},
    {"a longer one", "HS512:/etc/s", NULL, "algorithm"},
    {"another one", "PS256:/etc/s", NULL, "algorithm"},
    {"lower case", "hs256:/etc/s", NULL, "algorithm"},
    {"beginning of one", "HS:/etc/s", NULL, "algorithm"},
    {"one and more", "HS256x:/etc/s", NULL, "algorithm"},
    {"no file", "HS256", NULL, "names no file"},
    {"no file after the name", "HS256@a", NULL, "names no file"},
    {"empty file", "HS256:", NULL, "names no file"},
    {"line end in the file", "HS256:/a\nb", NULL, "control character"},
};

static void check_form(const struct option_form *form, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *item = calloc(1, form->item_size), memory[256];
        struct buf b;
        const char *why = NULL;
        assert_non_null(item);
        print_message("%s\n", rows[i].name);
        bool passed = form->parse(rows[i].text, "/base", item, &why);
        check_reason(&rows[i], passed, why);
        if (passed) {
            buf_init_fixed(&b, memory, sizeof memory);
            form->format(item, &b);
            assert_string_equal(buf_cstr(&b), rows[i].back);
            if (form->release)
                form->release(item);
        }
        free(item);
    }
}

static void test_listeners(void **state)
{
    (void)state;
    check_form(&form_listen, listeners, ROWS(listeners));
}

static void test_keys(void **state)
{
    (void)state;
    check_form(&form_jwt_key, keys, ROWS(keys));
}

static void test_loopback(void **state)
{
    static const struct {
        const char *text;
        bool loopback;
    } rows[] = {
        {"127.0.0.1:1", true},      {"127.255.255.254:1", true}, {"[::1]:1", true},
        {"0.0.0.0:1", false},       {"[::]:1", false},           {"[::ffff:127.0.0.1]:1", true},
        {"128.0.0.1:1", false},     {"192.168.0.1:1", false},    {"[::ffff:10.0.0.1]:1", false},
        {"[::127.0.0.1]:1", false}, {"[fe80::1]:1", false},      {"1.127.0.0:1", false},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct endpoint e;
        const char *why = NULL;
        print_message("%s\n", rows[i].text);
        assert_true(endpoint_parse(rows[i].text, &e, &why));
        assert_int_equal(endpoint_is_loopback(&e), rows[i].loopback);
    }
}

/* ---- ICE policies ---- */

static void test_words(void **state)
{
    static const struct {
        const char *name, *text;
        bool (*check)(const char *, const char **);
        bool passes;
    } rows[] = {
        {"room", "yard", room_pattern_ok, true},
        {"rooms", "yard-*", room_pattern_ok, true},
        {"every room", "*", room_pattern_ok, true},
        {"longest", FIFTY TEN "0123*", room_pattern_ok, true},
        {"too long", FIFTY TEN "01234", room_pattern_ok, false},
        {"no room", "", room_pattern_ok, false},
        {"two stars", "**", room_pattern_ok, false},
        {"star in the middle", "a*b", room_pattern_ok, false},
        {"star first", "*a", room_pattern_ok, false},
        {"a topic", "a/b", room_pattern_ok, false},
        {"the bridges' own", "_bridge", room_pattern_ok, false},
        {"type", "srflx", ice_type_ok, true},
        {"no type", "Host", ice_type_ok, false},
        {"transport", "tcp", ice_transport_ok, true},
        {"no transport", "sctp", ice_transport_ok, false},
        {"class", "link-local", ice_address_class_ok, true},
        {"no class", "linklocal", ice_address_class_ok, false},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *why = NULL;
        print_message("%s\n", rows[i].name);
        assert_int_equal(rows[i].check(rows[i].text, &why), rows[i].passes);
        assert_true(rows[i].passes || why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_networks), cmocka_unit_test(test_network_holds),
        cmocka_unit_test(test_origins),  cmocka_unit_test(test_listeners),
        cmocka_unit_test(test_keys),     cmocka_unit_test(test_loopback),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
