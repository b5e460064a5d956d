/* Candidates and addresses: what passes and how it is read, what is refused and why. */
#include "proto/candidate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define X16  "aaaaaaaaaaaaaaaa"
#define X64  X16 X16 X16 X16
#define X256 X64 X64 X64 X64

/* Memory of exactly that length, so that a sanitizer sees a read past the end. */
static char *exact(const char *str, size_t *len)
{
    *len = strlen(str);
    char *out = malloc(*len ? *len : 1);
    memcpy(out, str, *len);
    return out;
}

struct bad {
    const char *name, *line, *rule;
};

static const struct bad bad[] = {
    {"empty", "", "candidate-foundation"},
    {"a space", " ", "candidate-foundation"},
    {"only the prefix", "candidate:", "candidate-foundation"},
    {"a= before another name", "a=mid:0", "candidate-prefix"},
    {"prefix twice", "candidate:candidate:1 1 udp 1 192.0.2.1 9 typ host", "candidate-foundation"},
    {"space before the prefix", " candidate:1 1 udp 1 192.0.2.1 9 typ host",
     "candidate-foundation"},
    {"empty foundation", "candidate: 1 udp 1 192.0.2.1 9 typ host", "candidate-foundation"},
    {"foundation of 33", "candidate:" X16 X16 "a 1 udp 1 192.0.2.1 9 typ host",
     "candidate-foundation"},
    {"foundation with a dash", "candidate:--- 1 udp 1 192.0.2.1 9 typ host",
     "candidate-foundation"},
    {"no component", "candidate:1 udp 1 192.0.2.1 9 typ host", "candidate-component"},
    {"component 0", "candidate:1 0 udp 1 192.0.2.1 9 typ host", "candidate-component"},
    {"component 257", "candidate:1 257 udp 1 192.0.2.1 9 typ host", "candidate-component"},
    {"negative component", "candidate:1 -1 udp 1 192.0.2.1 9 typ host", "candidate-component"},
    {"component with zeros", "candidate:1 0001 udp 1 192.0.2.1 9 typ host", "candidate-component"},
    {"two spaces", "candidate:1 1  udp 1 192.0.2.1 9 typ host", "candidate-transport"},
    {"tabs", "candidate:1\t1\tudp\t1\t192.0.2.1\t9\ttyp\thost", "candidate-foundation"},
    {"transport is no token", "candidate:1 1 u/p 1 192.0.2.1 9 typ host", "candidate-transport"},
    {"priority beyond 32 bits", "candidate:1 1 udp 4294967296 192.0.2.1 9 typ host",
     "candidate-priority"},
    {"priority in words", "candidate:1 1 udp high 192.0.2.1 9 typ host", "candidate-priority"},
    {"address and port", "candidate:1 1 udp 1 192.0.2.1:80 9 typ host", "candidate-address"},
    {"port 65536", "candidate:1 1 udp 1 192.0.2.1 65536 typ host", "candidate-port"},
    {"negative port", "candidate:1 1 udp 1 192.0.2.1 -1 typ host", "candidate-port"},
    {"port as float", "candidate:1 1 udp 1 192.0.2.1 5e4 typ host", "candidate-port"},
    {"no type", "candidate:1 1 udp 1 192.0.2.1 9", "candidate-type"},
    {"typ without a word", "candidate:1 1 udp 1 192.0.2.1 9 typ", "candidate-type"},
    {"type for typ", "candidate:1 1 udp 1 192.0.2.1 9 type host", "candidate-type"},
    {"type is no token", "candidate:1 1 udp 1 192.0.2.1 9 typ ho/st", "candidate-type"},
    {"raddr is a word of signs", "candidate:1 1 udp 1 192.0.2.1 9 typ srflx raddr <b> rport 9",
     "candidate-related"},
    {"raddr is missing", "candidate:1 1 udp 1 192.0.2.1 9 typ srflx raddr  rport 9",
     "candidate-extension"},
    {"rport 65536", "candidate:1 1 udp 1 192.0.2.1 9 typ srflx raddr 10.0.0.1 rport 65536",
     "candidate-related"},
    {"rport in words", "candidate:1 1 udp 1 192.0.2.1 9 typ srflx raddr 10.0.0.1 rport x",
     "candidate-related"},
    {"unknown tcptype", "candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype foo",
     "candidate-tcptype"},
    {"tcptype on UDP", "candidate:1 1 udp 1 192.0.2.1 9 typ host tcptype active",
     "candidate-tcptype"},
    {"extension without a value", "candidate:1 1 udp 1 192.0.2.1 9 typ host generation",
     "candidate-extension"},
    {"extension not ASCII", "candidate:1 1 udp 1 192.0.2.1 9 typ host a \xc3\xa9",
     "candidate-extension"},
    {"escape in an extension", "candidate:1 1 udp 1 192.0.2.1 9 typ host a \033[2J",
     "candidate-extension"},
    {"CR LF inside", "candidate:1 1 udp 1 192.0.2.1 9 typ host\r\na=x:1", "candidate-type"},
    {"LF in a value", "candidate:1 1 udp 1 192.0.2.1 9 typ host ufrag ab\ncd",
     "candidate-extension"},
    {"typ twice", "candidate:1 1 udp 1 192.0.2.1 9 typ host typ relay", "candidate-duplicate"},
    {"raddr twice", "candidate:1 1 udp 1 192.0.2.1 9 typ srflx raddr 10.0.0.1 raddr 10.0.0.2",
     "candidate-duplicate"},
    {"rport twice", "candidate:1 1 udp 1 192.0.2.1 9 typ srflx rport 1 rport 2",
     "candidate-duplicate"},
    {"tcptype twice", "candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype so tcptype active",
     "candidate-duplicate"},
    {"ufrag twice", "candidate:1 1 udp 1 192.0.2.1 9 typ host ufrag a ufrag b",
     "candidate-duplicate"},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct problem why = {.line = 99};
        struct candidate c;
        size_t len;
        char *line = exact(bad[i].line, &len);
        enum status got = candidate_parse(line, len, &c, &why);
        if (got != STATUS_INVALID_CANDIDATE || why.status != got || why.line != 0 ||
            strcmp(why.rule, bad[i].rule) != 0 || !why.text[0])
            fail_msg("%s: got %s, %s (%s)", bad[i].name, status_name(got),
                     got ? why.rule : "no rule", got ? why.text : "");
        assert_int_equal(candidate_parse(line, len, &c, NULL), got);
        free(line);
    }
}

static void test_nul(void **state)
{
    (void)state;
    static const char line[] = "candidate:1 1 udp 1 19\0002.0.2.1 9 typ host";
    struct candidate c;
    assert_int_equal(candidate_parse(line, sizeof line - 1, &c, NULL), STATUS_INVALID_CANDIDATE);
    assert_int_equal(candidate_parse("candidate:1 1 udp 1 192.0.2.1 9 typ host\0", 41, &c, NULL),
                     STATUS_INVALID_CANDIDATE);
}

static void test_length(void **state)
{
    (void)state;
    char line[CANDIDATE_MAX_BYTES + 1];
    struct problem why;
    struct candidate c;
    int head = snprintf(line, sizeof line, "candidate:1 1 udp 1 192.0.2.1 9 typ host a ");
    memset(line + head, 'b', sizeof line - (size_t)head);
    assert_int_equal(candidate_parse(line, CANDIDATE_MAX_BYTES, &c, &why), STATUS_OK);
    assert_int_equal(candidate_parse(line, CANDIDATE_MAX_BYTES + 1, &c, &why), STATUS_TOO_LARGE);
    assert_string_equal(why.rule, "candidate-length");
}

struct good {
    const char *name, *line;
    unsigned component;
    enum candidate_transport transport;
    uint32_t priority;
    enum address_kind kind;
    const char *address;
    uint16_t port;
    enum candidate_type type;
    const char *raddr; /* NULL: none */
    int rport;         /* -1: none */
    enum candidate_tcptype tcptype;
    const char *ufrag;
};

static const struct good good[] = {
    {"host", "candidate:1 1 udp 2122260223 192.0.2.10 50000 typ host", 1, CANDIDATE_UDP, 2122260223,
     ADDRESS_IP4, "192.0.2.10", 50000, CANDIDATE_HOST, NULL, -1, CANDIDATE_TCPTYPE_NONE, ""},
    {"with a=", "a=candidate:1 1 UDP 1 192.0.2.10 1 typ host", 1, CANDIDATE_UDP, 1, ADDRESS_IP4,
     "192.0.2.10", 1, CANDIDATE_HOST, NULL, -1, CANDIDATE_TCPTYPE_NONE, ""},
    {"without a prefix", "1 2 udp 0 192.0.2.10 0 typ host", 2, CANDIDATE_UDP, 0, ADDRESS_IP4,
     "192.0.2.10", 0, CANDIDATE_HOST, NULL, -1, CANDIDATE_TCPTYPE_NONE, ""},
    {"line end behind it", "candidate:1 1 udp 1 192.0.2.10 9 typ host \r\n", 1, CANDIDATE_UDP, 1,
     ADDRESS_IP4, "192.0.2.10", 9, CANDIDATE_HOST, NULL, -1, CANDIDATE_TCPTYPE_NONE, ""},
    {"longest foundation, component 256, highest priority and port",
     "candidate:" X16 "ABCDEFGH012345+/ 256 udp 4294967295 192.0.2.10 65535 typ prflx", 256,
     CANDIDATE_UDP, 4294967295, ADDRESS_IP4, "192.0.2.10", 65535, CANDIDATE_PRFLX, NULL, -1,
     CANDIDATE_TCPTYPE_NONE, ""},
    {"server reflexive, extensions",
     "candidate:842163049 1 udp 1677729535 203.0.113.5 46154 typ srflx raddr 0.0.0.0 rport 0 "
     "generation 0 ufrag EsAw network-id 1 network-cost 10",
     1, CANDIDATE_UDP, 1677729535, ADDRESS_IP4, "203.0.113.5", 46154, CANDIDATE_SRFLX, "0.0.0.0", 0,
     CANDIDATE_TCPTYPE_NONE, "EsAw"},
    {"relay over IPv6", "candidate:3 1 udp 1 2001:db8::7 3478 typ relay raddr :: rport 9", 1,
     CANDIDATE_UDP, 1, ADDRESS_IP6, "2001:db8::7", 3478, CANDIDATE_RELAY, "::", 9,
     CANDIDATE_TCPTYPE_NONE, ""},
    {"mDNS",
     "candidate:0 1 UDP 2122252543 0f3fa7c4-57e5-4c1b-9f5e-0d2b7c6f8a11.local 51000 typ host", 1,
     CANDIDATE_UDP, 2122252543, ADDRESS_MDNS, "0f3fa7c4-57e5-4c1b-9f5e-0d2b7c6f8a11.local", 51000,
     CANDIDATE_HOST, NULL, -1, CANDIDATE_TCPTYPE_NONE, ""},
    {"active TCP", "candidate:5 1 tcp 1518280447 192.0.2.10 9 typ host tcptype active", 1,
     CANDIDATE_TCP, 1518280447, ADDRESS_IP4, "192.0.2.10", 9, CANDIDATE_HOST, NULL, -1,
     CANDIDATE_TCPTYPE_ACTIVE, ""},
    {"tcptype behind rport",
     "candidate:5 1 TCP 1 203.0.113.5 9 typ srflx raddr 10.0.0.1 rport 0 tcptype passive", 1,
     CANDIDATE_TCP, 1, ADDRESS_IP4, "203.0.113.5", 9, CANDIDATE_SRFLX, "10.0.0.1", 0,
     CANDIDATE_TCPTYPE_PASSIVE, ""},
    {"simultaneous open", "candidate:5 1 tcp 1 192.0.2.10 5000 typ host tcptype so", 1,
     CANDIDATE_TCP, 1, ADDRESS_IP4, "192.0.2.10", 5000, CANDIDATE_HOST, NULL, -1,
     CANDIDATE_TCPTYPE_SO, ""},
    {"TCP without a tcptype", "candidate:5 1 tcp 1 192.0.2.10 0 typ host", 1, CANDIDATE_TCP, 1,
     ADDRESS_IP4, "192.0.2.10", 0, CANDIDATE_HOST, NULL, -1, CANDIDATE_TCPTYPE_NONE, ""},
    {"host with a related address",
     "candidate:1 1 udp 1 192.0.2.10 9 typ host raddr 10.0.0.1 rport 7", 1, CANDIDATE_UDP, 1,
     ADDRESS_IP4, "192.0.2.10", 9, CANDIDATE_HOST, "10.0.0.1", 7, CANDIDATE_TCPTYPE_NONE, ""},
    {"related address is a name",
     "candidate:1 1 udp 1 192.0.2.10 9 typ srflx raddr a.local rport 7", 1, CANDIDATE_UDP, 1,
     ADDRESS_IP4, "192.0.2.10", 9, CANDIDATE_SRFLX, "a.local", 7, CANDIDATE_TCPTYPE_NONE, ""},
    {"related address is none",
     "candidate:1 1 udp 1 192.0.2.10 9 typ srflx raddr 999.9.9.9 rport 7", 1, CANDIDATE_UDP, 1,
     ADDRESS_IP4, "192.0.2.10", 9, CANDIDATE_SRFLX, "999.9.9.9", 7, CANDIDATE_TCPTYPE_NONE, ""},
    {"unknown transport and type", "candidate:1 1 ssltcp 1 192.0.2.10 443 typ local", 1,
     CANDIDATE_TRANSPORT_OTHER, 1, ADDRESS_IP4, "192.0.2.10", 443, CANDIDATE_TYPE_OTHER, NULL, -1,
     CANDIDATE_TCPTYPE_NONE, ""},
    {"words in upper case", "candidate:1 1 UDP 1 192.0.2.10 9 TYP RELAY RADDR 10.0.0.1 RPORT 7", 1,
     CANDIDATE_UDP, 1, ADDRESS_IP4, "192.0.2.10", 9, CANDIDATE_RELAY, "10.0.0.1", 7,
     CANDIDATE_TCPTYPE_NONE, ""},
};

static bool is_as_said(const struct good *g, const struct candidate *c)
{
    return c->component == g->component && c->transport == g->transport &&
           c->priority == g->priority && c->address.kind == g->kind &&
           text_equals(c->address.text, g->address) && c->port == g->port && c->type == g->type &&
           c->has_raddr == (g->raddr != NULL) &&
           (!g->raddr || text_equals(c->raddr.text, g->raddr)) && c->has_rport == (g->rport >= 0) &&
           (g->rport < 0 || c->rport == g->rport) && c->tcptype == g->tcptype &&
           (g->ufrag[0] ? text_equals(c->ufrag, g->ufrag) : text_end(&c->ufrag));
}

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct problem why = {0};
        struct candidate c;
        size_t len;
        char *line = exact(good[i].line, &len);
        if (candidate_parse(line, len, &c, &why) != STATUS_OK)
            fail_msg("%s: refused, %s (%s)", good[i].name, why.rule, why.text);
        if (!is_as_said(&good[i], &c))
            fail_msg("%s: read wrongly", good[i].name);
        free(line);
    }
}

/* The value is what may be written anew; the SDP reader takes no prefix. */
static void test_value(void **state)
{
    (void)state;
    const char value[] = "1 1 udp 1 192.0.2.10 9 typ host";
    const char line[] = "a=candidate:1 1 udp 1 192.0.2.10 9 typ host\r\n";
    struct candidate c;
    assert_int_equal(candidate_parse(line, sizeof line - 1, &c, NULL), STATUS_OK);
    assert_true(text_equals(c.value, value) && text_equals(c.foundation, "1"));
    assert_int_equal(candidate_parse_value(text_of_str(value), &c, NULL), STATUS_OK);
    assert_true(text_equals(c.value, value));
    assert_int_equal(
        candidate_parse_value(text_of_str("candidate:1 1 udp 1 192.0.2.10 9 typ host"), &c, NULL),
        STATUS_INVALID_CANDIDATE);
    assert_int_equal(candidate_parse_value(text_of(X256 X256 "b", 513), &c, NULL),
                     STATUS_TOO_LARGE);
}

struct address_row {
    const char *text;
    bool good;
    enum address_kind kind;
    const char *hex; /* of ip[]: 4 or 16 octets; NULL for names */
};

static const struct address_row addresses[] = {
    {"0.0.0.0", true, ADDRESS_IP4, "00000000"},
    {"255.255.255.255", true, ADDRESS_IP4, "ffffffff"},
    {"192.0.2.10", true, ADDRESS_IP4, "c000020a"},
    {"192.0.2", false, 0, NULL},
    {"192.0.2.1.1", false, 0, NULL},
    {"256.1.1.1", false, 0, NULL},
    {"1.2.3.04", false, 0, NULL},
    {"1.2.3.", false, 0, NULL},
    {".1.2.3", false, 0, NULL},
    {"1..2.3", false, 0, NULL},
    {"1.2.3.4 ", false, 0, NULL},
    {"0300.0.02.012", false, 0, NULL},
    {"0xc0.0.2.10", false, 0, NULL},
    {"0x7f000001", false, 0, NULL},
    {"0x", false, 0, NULL},
    {"a.0X7F", false, 0, NULL},
    {"2130706433", false, 0, NULL},
    {"camera.1", false, 0, NULL},
    {"192.0.2.0/24", false, 0, NULL},
    {"http://192.0.2.10/", false, 0, NULL},
    {"*", false, 0, NULL},
    {"", false, 0, NULL},
    {"::", true, ADDRESS_IP6, "00000000000000000000000000000000"},
    {"::1", true, ADDRESS_IP6, "00000000000000000000000000000001"},
    {"1::", true, ADDRESS_IP6, "00010000000000000000000000000000"},
    {"2001:db8::1", true, ADDRESS_IP6, "20010db8000000000000000000000001"},
    {"1:2:3:4:5:6:7:8", true, ADDRESS_IP6, "00010002000300040005000600070008"},
    {"1:2:3:4:5:6:7::", true, ADDRESS_IP6, "00010002000300040005000600070000"},
    {"::2:3:4:5:6:7:8", true, ADDRESS_IP6, "00000002000300040005000600070008"},
    {"FE80::ABCD", true, ADDRESS_IP6, "fe80000000000000000000000000abcd"},
    {"::ffff:192.0.2.1", true, ADDRESS_IP6, "00000000000000000000ffffc0000201"},
    {"1:2:3:4:5:6:1.2.3.4", true, ADDRESS_IP6, "00010002000300040005000601020304"},
    {"fe80::1%eth0", true, ADDRESS_IP6, "fe800000000000000000000000000001"},
    {"fe80::1%25", true, ADDRESS_IP6, "fe800000000000000000000000000001"},
    {"fe80::1%", false, 0, NULL},
    {"fe80::1%a%b", false, 0, NULL},
    {"fe80::1%0123456789abcdef", false, 0, NULL},
    {"2001:db8::1%eth0", false, 0, NULL},
    {":", false, 0, NULL},
    {":::", false, 0, NULL},
    {":::1", false, 0, NULL},
    {":1", false, 0, NULL},
    {"1:", false, 0, NULL},
    {"1:2:3:4:5:6:7:", false, 0, NULL},
    {"1::2::3", false, 0, NULL},
    {"1:2:3:4:5:6:7", false, 0, NULL},
    {"1:2:3:4:5:6:7:8:9", false, 0, NULL},
    {"1:2:3:4::5:6:7:8", false, 0, NULL},
    {"1:2:3:4:5:6:7:1.2.3.4", false, 0, NULL},
    {"::1.2.3", false, 0, NULL},
    {"1.2.3.4::", false, 0, NULL},
    {"12345::", false, 0, NULL},
    {"g::", false, 0, NULL},
    {"1::2g", false, 0, NULL},
    {"[::1]", false, 0, NULL},
    {"192.0.2.1:80", false, 0, NULL},
    {"camera.local", true, ADDRESS_MDNS, NULL},
    {"A.LOCAL", true, ADDRESS_MDNS, NULL},
    {"local", true, ADDRESS_NAME, NULL},
    {"a.local.example", true, ADDRESS_NAME, NULL},
    {"localhost", true, ADDRESS_NAME, NULL},
    {"turn_1.example.org", true, ADDRESS_NAME, NULL},
    {"0xyz", true, ADDRESS_NAME, NULL},
    {"4.example", true, ADDRESS_NAME, NULL},
    {"a.local.", false, 0, NULL},
    {"a..b", false, 0, NULL},
    {"-a.example", false, 0, NULL},
    {"a-.example", false, 0, NULL},
    {"$(reboot).local", false, 0, NULL},
    {"\xd1\x81"
     "amera.local",
     false, 0, NULL},
    {"aaaaaaaaaaaaaaa" X16 X16 X16 ".local", true, ADDRESS_MDNS, NULL},
    {X64 ".local", false, 0, NULL},
};

static void test_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        const struct address_row *row = &addresses[i];
        struct address a;
        char hex[33] = "";
        size_t len;
        char *text = exact(row->text, &len);
        bool good_address = address_parse(text_of(text, len), &a);
        if (good_address != row->good || (good_address && a.kind != row->kind))
            fail_msg("%s: %s, kind %d", row->text, good_address ? "taken" : "refused", (int)a.kind);
        for (size_t n = 0; row->hex && n < strlen(row->hex) / 2; n++)
            snprintf(hex + 2 * n, 3, "%02x", a.ip[n]);
        if (row->hex)
            assert_string_equal(hex, row->hex);
        free(text);
    }
    char name[ADDRESS_MAX_NAME + 2];
    struct address a;
    for (size_t i = 0; i < sizeof name; i++)
        name[i] = i % 50 == 49 ? '.' : 'a';
    assert_true(address_parse(text_of(name, ADDRESS_MAX_NAME), &a));
    assert_false(address_parse(text_of(name, ADDRESS_MAX_NAME + 1), &a));
}

static void test_members(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool mid, ufrag;
    } rows[] = {{"", true, true},           {"0", true, false},
                {"abcd", true, true},       {"audio-main_1.x", true, false},
                {"a/b+", false, true},      {"a b c", false, false},
                {"ab\r\ncd", false, false}, {X64, true, true},
                {X64 "a", false, true},     {X256, false, true},
                {X256 "a", false, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (candidate_mid_ok(text_of_str(rows[i].text)) != rows[i].mid)
            fail_msg("mid %s", rows[i].text);
        if (candidate_ufrag_ok(text_of_str(rows[i].text)) != rows[i].ufrag)
            fail_msg("ufrag %s", rows[i].text);
    }
    assert_false(candidate_mid_ok(text_of("0\0", 2)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad),    cmocka_unit_test(test_nul),
        cmocka_unit_test(test_length), cmocka_unit_test(test_good),
        cmocka_unit_test(test_value),  cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_members)};
    return cmocka_run_group_tests_name("candidate", tests, NULL, NULL);
}
