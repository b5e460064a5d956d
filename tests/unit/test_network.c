#include "proto/network.h"
#include "test.h"

#include <arpa/inet.h>
#include <string.h>

/* Any numeric address as 16 bytes, IPv4 mapped. */
static void read_ip(const char *str, uint8_t ip[16])
{
    memset(ip, 0, 16);
    ip[10] = ip[11] = 0xff;
    if (inet_pton(AF_INET, str, ip + 12) != 1)
        assert_int_equal(inet_pton(AF_INET6, str, ip), 1);
}

static void holds_the_addresses_of_its_prefix(void **state)
{
    (void)state;
    static const struct {
        const char *network, *ip;
        bool holds;
    } rows[] = {
        {"10.0.0.0/8", "10.0.0.0", true},
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "9.255.255.255", false},
        {"172.16.0.0/12", "172.31.255.255", true},
        {"172.16.0.0/12", "172.32.0.0", false},
        {"192.0.2.7", "192.0.2.7", true},
        {"192.0.2.7", "192.0.2.6", false},
        {"192.0.2.6/31", "192.0.2.7", true},
        {"192.0.2.6/31", "192.0.2.8", false},
        {"192.0.2.0/25", "192.0.2.127", true},
        {"192.0.2.0/25", "192.0.2.128", false},
        {"0.0.0.0/0", "255.255.255.255", true},
        {"0.0.0.0/0", "::1", false},
        {"0.0.0.0/0", "::127.0.0.1", false},
        {"127.0.0.0/8", "::ffff:127.0.0.1", true},
        {"::ffff:10.0.0.0/104", "10.1.2.3", true},
        {"::ffff:10.0.0.0/104", "11.1.2.3", false},
        {"::/0", "1.2.3.4", true},
        {"::/0", "2001:db8::1", true},
        {"::1", "::1", true},
        {"::1", "127.0.0.1", false},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::1", false},
        {"2001:db8:0:8000::/49", "2001:db8:0:ffff::1", true},
        {"2001:db8:0:8000::/49", "2001:db8:0:7fff::1", false},
        {"fe80::/10", "febf::1", true},
        {"fe80::/10", "fec0::1", false},
        {"2001:db8::1/128", "2001:db8::1", true},
        {"2001:db8::1/128", "2001:db8::", false},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct network n;
        const char *why = NULL;
        uint8_t ip[16];
        ROW(rows[i].network, network_parse(rows[i].network, &n, &why));
        read_ip(rows[i].ip, ip);
        if (network_holds(&n, ip) != rows[i].holds)
            fail_msg("%s and %s", rows[i].network, rows[i].ip);
    }
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *network, *why;
    } rows[] = {
        {"", "begin"},
        {"/8", "begin"},
        {"10.0.0/8", "begin"},
        {"10.0.0.256", "begin"},
        {"010.0.0.0/8", "begin"},
        {"localhost", "begin"},
        {"fe80::1%eth0", "begin"},
        {"[::1]", "begin"},
        {" 10.0.0.0/8", "begin"},
        {"10.0.0.0/", "0 to 32"},
        {"10.0.0.0/33", "0 to 32"},
        {"10.0.0.0/-1", "0 to 32"},
        {"10.0.0.0/08", "0 to 32"},
        {"10.0.0.0/8 ", "0 to 32"},
        {"10.0.0.0/8/8", "0 to 32"},
        {"10.0.0.0/4294967304", "0 to 32"},
        {"::/129", "0 to 128"},
        {"::/x", "0 to 128"},
        {"10.0.0.1/8", "bits set past"},
        {"10.128.0.0/8", "bits set past"},
        {"0.0.0.1/0", "bits set past"},
        {"2001:db8::1/64", "bits set past"},
        {"::1/0", "bits set past"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct network n = {.bits = 77};
        const char *why = NULL;
        ROW(rows[i].network, !network_parse(rows[i].network, &n, &why));
        ROW(rows[i].network, why && strstr(why, rows[i].why));
        ROW(rows[i].network, n.bits == 77);
        ROW(rows[i].network, !network_ok(rows[i].network, &why));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_the_addresses_of_its_prefix),
        cmocka_unit_test(says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
