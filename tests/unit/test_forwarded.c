#include "policy/forwarded.h"
#include "test.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static const char *const networks[] = {"10.0.0.0/8", "2001:db8:1::/48", "127.0.0.1"};

static void read_ip(const char *str, uint8_t ip[16])
{
    memset(ip, 0, 16);
    ip[10] = ip[11] = 0xff;
    if (inet_pton(AF_INET, str, ip + 12) != 1)
        assert_int_equal(inet_pton(AF_INET6, str, ip), 1);
}

static struct proxies *make(void)
{
    struct proxies *p = NULL;
    struct problem why;
    assert_int_equal(proxies_create(&p, networks, ROWS(networks), &why), STATUS_OK);
    return p;
}

static void the_last_stranger_counts(void **state)
{
    (void)state;
    static const struct {
        const char *name, *peer, *header, *counts;
    } rows[] = {
        {"no proxy", "192.0.2.1", "", "192.0.2.1"},
        {"no proxy, and a claim", "192.0.2.1", "198.51.100.9", "192.0.2.1"},
        {"no proxy, and a claim to be ours", "192.0.2.1", "127.0.0.1", "192.0.2.1"},
        {"one proxy", "10.0.0.1", "198.51.100.9", "198.51.100.9"},
        {"IPv6 client", "10.0.0.1", "2001:db8:2::9", "2001:db8:2::9"},
        {"IPv6 proxy", "2001:db8:1::5", "198.51.100.9", "198.51.100.9"},
        {"a claim before it", "10.0.0.1", "203.0.113.1, 198.51.100.9", "198.51.100.9"},
        {"a claim to be a proxy", "10.0.0.1", "10.0.0.2, 198.51.100.9", "198.51.100.9"},
        {"two proxies", "10.0.0.1", "198.51.100.9, 10.0.0.2", "198.51.100.9"},
        {"two proxies and a claim", "10.0.0.1", "1.1.1.1,198.51.100.9,10.0.0.2", "198.51.100.9"},
        {"a stranger's proxy", "10.0.0.1", "198.51.100.9, 203.0.113.1", "203.0.113.1"},
        {"proxies only", "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"},
        {"the proxy itself", "127.0.0.1", "", "127.0.0.1"},
        {"blanks", "10.0.0.1", " \t198.51.100.9\t ", "198.51.100.9"},
        {"no blanks", "10.0.0.1", "1.1.1.1,198.51.100.9", "198.51.100.9"},
        {"a port", "10.0.0.1", "198.51.100.9:5060", "198.51.100.9"},
        {"an IPv6 port", "10.0.0.1", "[2001:db8:2::9]:5060", "2001:db8:2::9"},
        {"IPv6 in brackets", "10.0.0.1", "[2001:db8:2::9]", "2001:db8:2::9"},
        {"mapped", "10.0.0.1", "::ffff:198.51.100.9", "198.51.100.9"},
        {"mapped proxy", "10.0.0.1", "198.51.100.9, ::ffff:10.0.0.2", "198.51.100.9"},

        {"garbage", "10.0.0.1", "hello", "10.0.0.1"},
        {"unknown", "10.0.0.1", "unknown", "10.0.0.1"},
        {"a name", "10.0.0.1", "client.example.org", "10.0.0.1"},
        {"an mDNS name", "10.0.0.1", "x.local", "10.0.0.1"},
        {"garbage last", "10.0.0.1", "198.51.100.9, hello", "10.0.0.1"},
        {"garbage before a proxy", "10.0.0.1", "hello, 10.0.0.2", "10.0.0.2"},
        {"nothing last", "10.0.0.1", "198.51.100.9,", "10.0.0.1"},
        {"commas", "10.0.0.1", ",,,", "10.0.0.1"},
        {"a zone", "10.0.0.1", "fe80::1%eth0", "10.0.0.1"},
        {"a number", "10.0.0.1", "3325256713", "10.0.0.1"},
        {"too large", "10.0.0.1", "198.51.100.256", "10.0.0.1"},
        {"leading zeros", "10.0.0.1", "198.051.100.9", "10.0.0.1"},
        {"brackets and more", "10.0.0.1", "[2001:db8:2::9]x", "10.0.0.1"},
        {"a bracket that stays open", "10.0.0.1", "[2001:db8:2::9", "10.0.0.1"},
        {"quotes", "10.0.0.1", "\"198.51.100.9\"", "10.0.0.1"},
        {"controls", "10.0.0.1", "198.51.100.9\x01", "10.0.0.1"},
        {"8-bit", "10.0.0.1", "\xff\xfe", "10.0.0.1"},
    };
    struct proxies *p = make();
    for (size_t i = 0; i < ROWS(rows); i++) {
        uint8_t peer[16], out[16], wanted[16];
        read_ip(rows[i].peer, peer);
        read_ip(rows[i].counts, wanted);
        forwarded_address(p, peer, text_of_str(rows[i].header), out);
        ROW(rows[i].name, memcmp(out, wanted, sizeof out) == 0);
    }
    proxies_destroy(p);
}

static void only_so_many_hops_are_looked_at(void **state)
{
    (void)state;
    char header[FORWARDED_HOPS_MAX * 16] = "198.51.100.9";
    uint8_t peer[16], out[16], wanted[16];
    struct proxies *p = make();
    read_ip("10.0.0.1", peer);
    for (int i = 1; i < FORWARDED_HOPS_MAX; i++)
        strcat(header, ",10.0.0.2");
    forwarded_address(p, peer, text_of_str(header), out);
    read_ip("198.51.100.9", wanted);
    assert_memory_equal(out, wanted, sizeof out);
    strcat(header, ",10.0.0.2"); /* one too many: the last listed one counts */
    forwarded_address(p, peer, text_of_str(header), out);
    read_ip("10.0.0.2", wanted);
    assert_memory_equal(out, wanted, sizeof out);
    proxies_destroy(p);
}

static void who_spoke_tls(void **state)
{
    (void)state;
    static const struct {
        const char *name, *peer, *proto;
        bool socket_tls, tls;
    } rows[] = {
        {"plain", "192.0.2.1", "", false, false},
        {"TLS", "192.0.2.1", "", true, true},
        {"a claim", "192.0.2.1", "https", false, false},
        {"a claim of less", "192.0.2.1", "http", true, true},
        {"a proxy says so", "10.0.0.1", "https", false, true},
        {"in capitals", "10.0.0.1", "HTTPS", false, true},
        {"wss", "10.0.0.1", "wss", false, true},
        {"a proxy says no", "10.0.0.1", "http", true, false},
        {"a proxy says nothing", "10.0.0.1", "", true, true},
        {"the last counts", "10.0.0.1", "https, http", false, false},
        {"garbage", "10.0.0.1", "\x01https", false, false},
    };
    struct proxies *p = make();
    for (size_t i = 0; i < ROWS(rows); i++) {
        uint8_t peer[16];
        read_ip(rows[i].peer, peer);
        ROW(rows[i].name,
            forwarded_tls(p, peer, text_of_str(rows[i].proto), rows[i].socket_tls) == rows[i].tls);
    }
    proxies_destroy(p);
}

static void nobody_is_trusted_unless_listed(void **state)
{
    (void)state;
    uint8_t ip[16];
    struct problem why = {0};
    struct proxies *p;
    static const char *const wrong[] = {"10.0.0.0/8", "10.0.0.1/8"};
    read_ip("127.0.0.1", ip);
    assert_false(proxies_trust(NULL, ip));
    assert_int_equal(proxies_create(&p, NULL, 0, &why), STATUS_OK);
    assert_false(proxies_trust(p, ip));
    proxies_destroy(p);
    assert_int_equal(proxies_create(&p, wrong, ROWS(wrong), &why), STATUS_BAD_CONFIG);
    assert_non_null(strstr(why.text, "10.0.0.1/8"));
}

static void an_address_is_its_key(void **state)
{
    (void)state;
    static const struct {
        const char *name, *a, *b;
        bool same, loopback;
    } rows[] = {
        {"IPv4", "192.0.2.1", "192.0.2.1", true, false},
        {"another IPv4", "192.0.2.1", "192.0.2.2", false, false},
        {"IPv6 of one /64", "2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true, false},
        {"IPv6 of two", "2001:db8:0:1::1", "2001:db8:0:2::1", false, false},
        {"loopback", "127.0.0.1", "127.0.0.1", true, true},
        {"loopback, another", "127.8.8.8", "127.8.8.9", false, true},
        {"loopback IPv6", "::1", "::1", true, true},
        {"not loopback", "::2", "::1", true, false},
        {"not mapped", "::127.0.0.1", "::1", true, false},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        uint8_t a[16], b[16];
        read_ip(rows[i].a, a);
        read_ip(rows[i].b, b);
        struct address_key x = forwarded_key(a), y = forwarded_key(b);
        ROW(rows[i].name, (memcmp(&x, &y, sizeof x) == 0) == rows[i].same);
        ROW(rows[i].name, forwarded_is_loopback(a) == rows[i].loopback);
    }
}

static void from_this_machine(void **state)
{
    (void)state;
    static const struct {
        const char *name, *peer, *header;
        bool want;
    } rows[] = {
        {"here", "127.0.0.1", "", true},
        {"here too", "127.9.9.9", "", true},
        {"here by IPv6", "::1", "", true},
        {"elsewhere", "192.0.2.1", "", false},
        {"elsewhere, claiming", "192.0.2.1", "127.0.0.1", false},
        {"unspecified", "::", "", false},
        {"by way of here", "127.0.0.1", "127.0.0.1", true},
        {"from elsewhere", "127.0.0.1", "192.0.2.1", false},
        {"from elsewhere, claiming", "127.0.0.1", "127.0.0.1, 192.0.2.1", false},
        {"from elsewhere, a proxy here between", "127.0.0.1", "192.0.2.1, 127.0.0.1", false},
        {"nobody knows", "127.0.0.1", "unknown", false},
        {"a comma", "127.0.0.1", ",", false},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        uint8_t peer[16];
        read_ip(rows[i].peer, peer);
        ROW(rows[i].name, forwarded_is_local(peer, text_of_str(rows[i].header)) == rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_stranger_counts),
        cmocka_unit_test(only_so_many_hops_are_looked_at),
        cmocka_unit_test(who_spoke_tls),
        cmocka_unit_test(nobody_is_trusted_unless_listed),
        cmocka_unit_test(an_address_is_its_key),
        cmocka_unit_test(from_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
