#include "policy/ice_filter.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

enum { WORDS_MAX = 4 };

/* Allocations of the code under test: this many succeed, then they fail; -1: all succeed. */
static int allowed = -1;

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);

static bool granted(void)
{
    return allowed < 0 || allowed-- > 0;
}

void *__wrap_malloc(size_t size)
{
    return granted() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t n, size_t size)
{
    return granted() ? __real_calloc(n, size) : NULL;
}

/* A row's policy: lists as words with one space between; NULL: empty. */
struct rules {
    const char *types, *transports, *addresses, *networks;
    bool relay_only, sealed;
};

struct words {
    char bytes[256];
    const char *items[WORDS_MAX];
    size_t count;
};

static void split(struct words *w, const char *list)
{
    w->count = 0;
    if (!list)
        return;
    assert_true(strlen(list) < sizeof w->bytes);
    strcpy(w->bytes, list);
    for (char *p = strtok(w->bytes, " "); p; p = strtok(NULL, " ")) {
        assert_true(w->count < WORDS_MAX);
        w->items[w->count++] = p;
    }
}

static enum status create(struct ice_policies **out, const char *rooms, const struct rules *r,
                          struct problem *why)
{
    struct words types, transports, addresses, networks;
    split(&types, r->types);
    split(&transports, r->transports);
    split(&addresses, r->addresses);
    split(&networks, r->networks);
    const struct ice_policy_source row = {
        rooms,           types.items,     types.count,    transports.items, transports.count,
        addresses.items, addresses.count, networks.items, networks.count,   r->relay_only,
        r->sealed};
    return ice_policies_create(out, &row, 1, why);
}

static const struct ice_policy *policy_of(struct ice_policies **all, const char *name,
                                          const struct rules *r)
{
    struct problem why;
    if (create(all, "*", r, &why) != STATUS_OK)
        fail_msg("row \"%s\": %s", name, why.text);
    return ice_policy_for(*all, text_of_str("any"));
}

#define RELAY_ONLY .rules = {.relay_only = true}
#define TYPES(x)   .rules = {.types = (x)}
#define ADDR(x)    .rules = {.addresses = (x)}
#define NETS(x)    .rules = {.networks = (x)}
#define C          "candidate:1 1 udp 2122260223 "
#define HOST(a)    C a " 50000 typ host"
#define V6HOST(a)  C a " 50000 typ host generation 0"

enum { PASSES, TYPE, TRANSPORT, ADDRESS, HIDDEN };

static const struct candidate_row {
    const char *name;
    struct rules rules;
    const char *value;
    int want;
    const char *out; /* when HIDDEN */
} candidate_rows[] = {
    /* types */
    {"relay-only: host", RELAY_ONLY, HOST("192.0.2.1"), TYPE, NULL},
    {"relay-only: mDNS host", RELAY_ONLY, HOST("abc.local"), TYPE, NULL},
    {"relay-only: srflx", RELAY_ONLY, C "192.0.2.1 50000 typ srflx raddr 10.0.0.1 rport 5", TYPE,
     NULL},
    {"relay-only: prflx", RELAY_ONLY, C "192.0.2.1 50000 typ prflx raddr 10.0.0.1 rport 5", TYPE,
     NULL},
    {"relay-only: unknown type", RELAY_ONLY, C "192.0.2.1 50000 typ relayed", TYPE, NULL},
    {"relay-only: relay without related address", RELAY_ONLY, C "192.0.2.1 50000 typ relay", PASSES,
     NULL},
    {"relay-only: the type in capitals", RELAY_ONLY, C "192.0.2.1 50000 typ RELAY", PASSES, NULL},
    {"relay-only: the client's reflexive address is hidden", RELAY_ONLY,
     C "192.0.2.1 50000 typ relay raddr 198.51.100.77 rport 40000 generation 0", HIDDEN,
     C "192.0.2.1 50000 typ relay raddr 0.0.0.0 rport 9 generation 0"},
    {"relay-only: over IPv6", RELAY_ONLY,
     C "2001:db8::1 50000 typ relay raddr 2001:db8:1::23 rport 40000", HIDDEN,
     C "2001:db8::1 50000 typ relay raddr :: rport 9"},
    {"relay-only: families may differ", RELAY_ONLY,
     C "192.0.2.1 50000 typ relay raddr fd00::1 rport 40000", HIDDEN,
     C "192.0.2.1 50000 typ relay raddr :: rport 9"},
    {"relay-only: a name", RELAY_ONLY, C "192.0.2.1 50000 typ relay raddr abc.local rport 40000",
     HIDDEN, C "192.0.2.1 50000 typ relay raddr 0.0.0.0 rport 9"},
    {"relay-only: what only looks like an address", RELAY_ONLY,
     C "192.0.2.1 50000 typ relay raddr 010.0.0.1 rport 40000", HIDDEN,
     C "192.0.2.1 50000 typ relay raddr 0.0.0.0 rport 9"},
    {"relay-only: the port first", RELAY_ONLY,
     C "192.0.2.1 50000 typ relay rport 40000 x y raddr 10.0.0.1 tcptype-no 1", HIDDEN,
     C "192.0.2.1 50000 typ relay rport 9 x y raddr 0.0.0.0 tcptype-no 1"},
    {"relay-only: no related port", RELAY_ONLY, C "192.0.2.1 50000 typ relay raddr 10.0.0.1",
     HIDDEN, C "192.0.2.1 50000 typ relay raddr 0.0.0.0"},
    {"relay-only: hidden already", RELAY_ONLY, C "192.0.2.1 50000 typ relay raddr 0.0.0.0 rport 0",
     PASSES, NULL},
    {"relay-only: hidden already, IPv6", RELAY_ONLY,
     C "2001:db8::1 50000 typ relay raddr :: rport 0 generation 0", PASSES, NULL},
    {"relay-only: with a= and spaces behind", RELAY_ONLY,
     "a=candidate:1 1 UDP 1 192.0.2.1 50000 typ relay raddr 10.0.0.1 rport 1  ", HIDDEN,
     "a=candidate:1 1 UDP 1 192.0.2.1 50000 typ relay raddr 0.0.0.0 rport 9  "},
    {"relay-only: without prefix", RELAY_ONLY, "1 1 udp 1 192.0.2.1 50000 typ relay", PASSES, NULL},
    {"relay-only: a private relay passes", RELAY_ONLY, C "10.0.0.7 50000 typ relay", PASSES, NULL},
    {"relay-only: over TCP", RELAY_ONLY,
     "candidate:1 1 tcp 1 192.0.2.1 9 typ relay tcptype passive", PASSES, NULL},
    {"srflx and relay: host", TYPES("srflx relay"), HOST("192.0.2.1"), TYPE, NULL},
    {"srflx and relay: the host's address is hidden", TYPES("srflx relay"),
     C "192.0.2.1 50000 typ srflx raddr 192.168.1.23 rport 50000", HIDDEN,
     C "192.0.2.1 50000 typ srflx raddr 0.0.0.0 rport 9"},
    {"srflx and relay: behind a relay may be a host", TYPES("srflx relay"),
     C "192.0.2.1 50000 typ relay raddr 198.51.100.77 rport 50000", HIDDEN,
     C "192.0.2.1 50000 typ relay raddr 0.0.0.0 rport 9"},
    {"host and relay: a reflexive address is hidden", TYPES("host relay"),
     C "192.0.2.1 50000 typ relay raddr 198.51.100.77 rport 50000", HIDDEN,
     C "192.0.2.1 50000 typ relay raddr 0.0.0.0 rport 9"},
    {"host and prflx: the base shows", TYPES("host prflx"),
     C "192.0.2.1 50000 typ prflx raddr 10.0.0.1 rport 50000", PASSES, NULL},
    {"prflx alone", TYPES("prflx"), C "192.0.2.1 50000 typ prflx raddr 10.0.0.1 rport 50000",
     HIDDEN, C "192.0.2.1 50000 typ prflx raddr 0.0.0.0 rport 9"},
    {"srflx alone: relay", TYPES("srflx"), C "192.0.2.1 50000 typ relay", TYPE, NULL},
    {"host with a related address, as some cameras send it", ADDR("public"),
     C "192.0.2.1 50000 typ host raddr 10.0.0.1 rport 5", HIDDEN,
     C "192.0.2.1 50000 typ host raddr 0.0.0.0 rport 9"},

    /* transports */
    {"udp: TCP",
     {.transports = "udp"},
     "candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active",
     TRANSPORT,
     NULL},
    {"udp: UDP in capitals",
     {.transports = "udp"},
     "candidate:1 1 UDP 1 192.0.2.1 9 typ host",
     PASSES,
     NULL},
    {"udp: related addresses show",
     {.transports = "udp"},
     C "192.0.2.1 9 typ srflx raddr 10.0.0.1 rport 3",
     PASSES,
     NULL},
    {"tcp: UDP", {.transports = "tcp"}, HOST("192.0.2.1"), TRANSPORT, NULL},
    {"tcp: passive",
     {.transports = "tcp"},
     "candidate:1 1 TCP 1 192.0.2.1 443 typ host tcptype passive",
     PASSES,
     NULL},
    {"both: ssltcp is neither",
     {.transports = "udp tcp"},
     "candidate:1 1 ssltcp 1 192.0.2.1 443 typ host",
     TRANSPORT,
     NULL},
    {"an empty policy knows ssltcp no better",
     {0},
     "candidate:1 1 ssltcp 1 192.0.2.1 443 typ host",
     TRANSPORT,
     NULL},
    {"an empty policy: unknown type", {0}, C "192.0.2.1 9 typ magic", TYPE, NULL},
    {"an empty policy: host", {0}, HOST("192.168.1.23"), PASSES, NULL},
    {"an empty policy: a name", {0}, HOST("media.example.org"), PASSES, NULL},

    /* classes */
    {"public", ADDR("public"), HOST("1.1.1.1"), PASSES, NULL},
    {"public: documentation", ADDR("public"), HOST("203.0.113.45"), PASSES, NULL},
    {"public: 10/8", ADDR("public"), HOST("10.255.255.255"), ADDRESS, NULL},
    {"public: 11/8", ADDR("public"), HOST("11.0.0.0"), PASSES, NULL},
    {"public: 172.16/12, first", ADDR("public"), HOST("172.16.0.0"), ADDRESS, NULL},
    {"public: 172.16/12, last", ADDR("public"), HOST("172.31.255.255"), ADDRESS, NULL},
    {"public: before 172.16/12", ADDR("public"), HOST("172.15.255.255"), PASSES, NULL},
    {"public: behind 172.16/12", ADDR("public"), HOST("172.32.0.0"), PASSES, NULL},
    {"public: 192.168/16", ADDR("public"), HOST("192.168.1.23"), ADDRESS, NULL},
    {"public: carrier-grade NAT, first", ADDR("public"), HOST("100.64.0.0"), ADDRESS, NULL},
    {"public: carrier-grade NAT, last", ADDR("public"), HOST("100.127.255.255"), ADDRESS, NULL},
    {"public: behind carrier-grade NAT", ADDR("public"), HOST("100.128.0.0"), PASSES, NULL},
    {"public: 464XLAT", ADDR("public"), HOST("192.0.0.4"), ADDRESS, NULL},
    {"public: benchmarks", ADDR("public"), HOST("198.19.0.1"), ADDRESS, NULL},
    {"public: loopback", ADDR("public"), HOST("127.0.0.1"), ADDRESS, NULL},
    {"public: link-local", ADDR("public"), HOST("169.254.169.254"), ADDRESS, NULL},
    {"public: global IPv6", ADDR("public"), V6HOST("2001:4860:4860::8888"), PASSES, NULL},
    {"public: unique local", ADDR("public"), V6HOST("fd12:3456:789a::23"), ADDRESS, NULL},
    {"public: unique local, fc00", ADDR("public"), V6HOST("fc00::1"), ADDRESS, NULL},
    {"public: link-local IPv6", ADDR("public"), V6HOST("fe80::1"), ADDRESS, NULL},
    {"public: last of link-local IPv6", ADDR("public"), V6HOST("febf::1%eth0"), ADDRESS, NULL},
    {"public: site-local", ADDR("public"), V6HOST("fec0::1"), ADDRESS, NULL},
    {"public: loopback IPv6", ADDR("public"), V6HOST("::1"), ADDRESS, NULL},
    {"public: mapped private", ADDR("public"), V6HOST("::ffff:192.168.1.23"), ADDRESS, NULL},
    {"public: mapped private in hexadecimal", ADDR("public"), V6HOST("::ffff:c0a8:117"), ADDRESS,
     NULL},
    {"public: mapped public", ADDR("public"), V6HOST("::ffff:1.1.1.1"), PASSES, NULL},
    {"public: NAT64 of private", ADDR("public"), V6HOST("64:ff9b::10.0.0.1"), ADDRESS, NULL},
    {"public: NAT64 of public", ADDR("public"), V6HOST("64:ff9b::1.1.1.1"), PASSES, NULL},
    {"public: local NAT64", ADDR("public"), V6HOST("64:ff9b:1::1.1.1.1"), ADDRESS, NULL},
    {"public: 6to4 of private", ADDR("public"), V6HOST("2002:c0a8:117::1"), ADDRESS, NULL},
    {"public: 6to4 of public", ADDR("public"), V6HOST("2002:101:101::1"), PASSES, NULL},
    {"public: Teredo of private", ADDR("public"), V6HOST("2001::4136:e378:8000:63bf:3f57:fee8"),
     ADDRESS, NULL},
    {"public: Teredo of public", ADDR("public"), V6HOST("2001::4136:e378:8000:63bf:fefe:fefe"),
     PASSES, NULL},
    {"public: a name", ADDR("public"), HOST("media.example.org"), ADDRESS, NULL},
    {"public: mDNS", ADDR("public"), HOST("a5942657-4570.local"), ADDRESS, NULL},
    {"private", ADDR("private"), HOST("192.168.1.23"), PASSES, NULL},
    {"private: carrier-grade NAT", ADDR("private"), HOST("100.64.1.1"), PASSES, NULL},
    {"private: unique local", ADDR("private"), V6HOST("fd12::23"), PASSES, NULL},
    {"private: mapped", ADDR("private"), V6HOST("::ffff:10.1.2.3"), PASSES, NULL},
    {"private: public", ADDR("private"), HOST("1.1.1.1"), ADDRESS, NULL},
    {"private: loopback", ADDR("private"), HOST("127.0.0.1"), ADDRESS, NULL},
    {"loopback", ADDR("loopback"), HOST("127.255.0.1"), PASSES, NULL},
    {"loopback: IPv6", ADDR("loopback"), V6HOST("::1"), PASSES, NULL},
    {"loopback: mapped", ADDR("loopback"), V6HOST("::ffff:127.0.0.1"), PASSES, NULL},
    {"loopback: private", ADDR("loopback"), HOST("10.0.0.1"), ADDRESS, NULL},
    {"link-local", ADDR("link-local"), HOST("169.254.1.1"), PASSES, NULL},
    {"link-local: IPv6 with a zone", ADDR("link-local"), V6HOST("fe80::1%wlan0"), PASSES, NULL},
    {"mdns", ADDR("mdns"), HOST("a5942657-4570.LOCAL"), PASSES, NULL},
    {"mdns: a name", ADDR("mdns"), HOST("local.example.org"), ADDRESS, NULL},
    {"mdns: public", ADDR("mdns"), HOST("1.1.1.1"), ADDRESS, NULL},
    {"name", ADDR("name"), HOST("media.example.org"), PASSES, NULL},
    {"name: mDNS", ADDR("name"), HOST("abc.local"), ADDRESS, NULL},
    {"several classes", ADDR("public mdns"), HOST("abc.local"), PASSES, NULL},
    {"reserved: 240/4", {0}, HOST("240.0.0.1"), ADDRESS, NULL},
    {"reserved: broadcast", {0}, HOST("255.255.255.255"), ADDRESS, NULL},
    {"reserved: multicast", {0}, HOST("224.0.0.251"), ADDRESS, NULL},
    {"reserved: this network", {0}, HOST("0.1.2.3"), ADDRESS, NULL},
    {"reserved: unspecified", {0}, HOST("0.0.0.0"), ADDRESS, NULL},
    {"reserved: 6to4 relays", {0}, HOST("192.88.99.1"), ADDRESS, NULL},
    {"reserved: unspecified IPv6", {0}, V6HOST("::"), ADDRESS, NULL},
    {"reserved: mapped unspecified", {0}, V6HOST("::ffff:0.0.0.0"), ADDRESS, NULL},
    {"reserved: multicast IPv6", {0}, V6HOST("ff02::fb"), ADDRESS, NULL},
    {"reserved: compatible", {0}, V6HOST("::10.0.0.1"), ADDRESS, NULL},
    {"reserved: discard", {0}, V6HOST("100::1"), ADDRESS, NULL},
    {"reserved: not given out", {0}, V6HOST("4000::1"), ADDRESS, NULL},

    /* networks */
    {"network", NETS("10.20.0.0/16"), HOST("10.20.0.7"), PASSES, NULL},
    {"network: its neighbour", NETS("10.20.0.0/16"), HOST("10.21.0.7"), ADDRESS, NULL},
    {"network: public is not listed", NETS("10.20.0.0/16"), HOST("1.1.1.1"), ADDRESS, NULL},
    {"network: nor are names", NETS("0.0.0.0/0"), HOST("abc.local"), ADDRESS, NULL},
    {"network: one address", NETS("192.168.1.23"), HOST("192.168.1.23"), PASSES, NULL},
    {"network: odd bits, inside", NETS("192.168.8.0/21"), HOST("192.168.15.255"), PASSES, NULL},
    {"network: odd bits, outside", NETS("192.168.8.0/21"), HOST("192.168.16.0"), ADDRESS, NULL},
    {"network: mapped is the same", NETS("10.20.0.0/16"), V6HOST("::ffff:10.20.0.7"), PASSES, NULL},
    {"network: IPv6", NETS("fd12:3456::/32"), V6HOST("fd12:3456:789a::23"), PASSES, NULL},
    {"network: IPv6, outside", NETS("fd12:3456::/32"), V6HOST("fd12:3457::1"), ADDRESS, NULL},
    {"network: reserved, listed", NETS("240.0.0.0/4"), HOST("240.1.1.1"), PASSES, NULL},
    {"network: multicast never", NETS("0.0.0.0/0"), HOST("224.0.0.1"), ADDRESS, NULL},
    {"network: unspecified never", NETS("0.0.0.0/0"), HOST("0.0.0.0"), ADDRESS, NULL},
    {"network and class: class",
     {.addresses = "public", .networks = "10.20.0.0/16"},
     HOST("1.1.1.1"),
     PASSES,
     NULL},
    {"network and class: network",
     {.addresses = "public", .networks = "10.20.0.0/16"},
     HOST("10.20.9.9"),
     PASSES,
     NULL},
    {"network and class: neither",
     {.addresses = "public", .networks = "10.20.0.0/16"},
     HOST("10.0.0.1"),
     ADDRESS,
     NULL},
    {"a related address in a listed network shows",
     {.addresses = "public", .networks = "10.20.0.0/16"},
     C "1.1.1.1 5 typ srflx raddr 10.20.0.7 rport 4",
     PASSES,
     NULL},
    {"another does not",
     {.addresses = "public", .networks = "10.20.0.0/16"},
     C "1.1.1.1 5 typ srflx raddr 10.0.0.7 rport 4",
     HIDDEN,
     C "1.1.1.1 5 typ srflx raddr 0.0.0.0 rport 9"},

    /* together */
    {"the first reason counts",
     {.types = "relay", .transports = "udp", .addresses = "public"},
     "candidate:1 1 tcp 1 10.0.0.1 9 typ host tcptype active",
     TYPE,
     NULL},
    {"then the transport",
     {.types = "host", .transports = "udp", .addresses = "public"},
     "candidate:1 1 tcp 1 10.0.0.1 9 typ host tcptype active",
     TRANSPORT,
     NULL},
    {"then the address",
     {.types = "host", .transports = "udp", .addresses = "public"},
     HOST("10.0.0.1"),
     ADDRESS,
     NULL},
    {"all of them",
     {.types = "host", .transports = "udp", .addresses = "public"},
     HOST("1.1.1.1"),
     PASSES,
     NULL},
    {"extensions stay", ADDR("public"),
     C "1.1.1.1 5 typ srflx raddr 10.0.0.7 rport 4 generation 0 ufrag abcd network-id 1 "
       "network-cost 10",
     HIDDEN,
     C "1.1.1.1 5 typ srflx raddr 0.0.0.0 rport 9 generation 0 ufrag abcd network-id 1 "
       "network-cost 10"},
};

static void candidates_by_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(candidate_rows); i++) {
        const struct candidate_row *row = &candidate_rows[i];
        struct ice_policies *all;
        const struct ice_policy *policy = policy_of(&all, row->name, &row->rules);
        struct ice_count count = {0};
        char bytes[600] = "kept ";
        struct buf out;
        buf_init_fixed(&out, bytes, sizeof bytes);
        out.len = 5;
        bool passes = ice_filter_candidate(policy, text_of_str(row->value), &out, &count);
        ROW(row->name, passes == (row->want == PASSES || row->want == HIDDEN));
        ROW(row->name, memcmp(bytes, "kept ", 5) == 0);
        struct text added = text_of(bytes + 5, out.len - 5);
        const char *want = row->want == HIDDEN ? row->out : passes ? row->value : "";
        ROW(row->name, text_equals(added, want));
        ROW(row->name, count.dropped[ICE_TYPE] == (row->want == TYPE));
        ROW(row->name, count.dropped[ICE_TRANSPORT] == (row->want == TRANSPORT));
        ROW(row->name, count.dropped[ICE_ADDRESS] == (row->want == ADDRESS));
        ROW(row->name, count.hidden == (row->want == HIDDEN));
        ice_policies_destroy(all);
    }
}

/* The placeholder is longer than this related address: nobody would take the candidate then. */
static void too_long_to_hide(void **state)
{
    (void)state;
    struct ice_policies *all;
    const struct ice_policy *policy = policy_of(&all, "long", &(struct rules){.relay_only = true});
    for (int extra = -8; extra <= 0; extra++) {
        char value[600], bytes[600];
        struct ice_count count = {0};
        struct buf out;
        int len = snprintf(value, sizeof value, C "192.0.2.1 5 typ relay raddr a rport 1 x ");
        while (len < 512 + extra)
            value[len++] = 'y';
        buf_init_fixed(&out, bytes, sizeof bytes);
        assert_int_equal(ice_filter_candidate(policy, text_of(value, (size_t)len), &out, &count),
                         extra <= -6);
        assert_true(out.len <= 512);
        assert_int_equal(count.dropped[ICE_ADDRESS], extra > -6);
    }
    ice_policies_destroy(all);
}

#define HEAD        "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
#define CONN(a)     "c=IN IP4 " a "\r\n"
#define AUDIO(port) "m=audio " port " UDP/TLS/RTP/SAVPF 111 0\r\n"
#define VIDEO(port) "m=video " port " UDP/TLS/RTP/SAVPF 96\r\n"
#define A(x)        "a=" x "\r\n"
#define LAN         "candidate:1 1 udp 2122260223 192.168.1.23 50000 typ host"
#define LAN2        "candidate:1 2 udp 2122260222 192.168.1.23 50001 typ host"
#define WAN                                                                                        \
    "candidate:2 1 udp 1686052607 203.0.113.45 50000 typ srflx raddr 192.168.1.23 rport 50000"
#define WAN_HIDDEN "candidate:2 1 udp 1686052607 203.0.113.45 50000 typ srflx raddr 0.0.0.0 rport 9"
#define TURN                                                                                       \
    "candidate:3 1 udp 41885439 198.51.100.10 60000 typ relay raddr 203.0.113.45 rport 50000"
#define TURN_HIDDEN "candidate:3 1 udp 41885439 198.51.100.10 60000 typ relay raddr 0.0.0.0 rport 9"
#define PUBLIC      .rules = {.addresses = "public"}

static const struct sdp_row {
    const char *name;
    struct rules rules;
    const char *sdp, *want; /* NULL: the same */
} sdp_rows[] = {
    {"trickled: nothing to do", RELAY_ONLY, HEAD AUDIO("9") CONN("0.0.0.0") A("mid:0"), NULL},
    {"an empty policy changes nothing",
     {0},
     HEAD AUDIO("50000") CONN("192.168.1.23") A(LAN) A(WAN) A(TURN),
     NULL},
    {"relay-only", RELAY_ONLY,
     HEAD AUDIO("50000") CONN("192.168.1.23") A(LAN) A(WAN) A(TURN) A("mid:0"),
     HEAD AUDIO("9") CONN("0.0.0.0") A(TURN_HIDDEN) A("mid:0")},
    {"relay-only: the relay is the default already", RELAY_ONLY,
     HEAD AUDIO("60000") CONN("198.51.100.10") A(LAN) A(TURN),
     HEAD AUDIO("60000") CONN("198.51.100.10") A(TURN_HIDDEN)},
    {"the end of candidates stays", RELAY_ONLY,
     HEAD AUDIO("50000") CONN("192.168.1.23") A(LAN) A("end-of-candidates") A("mid:0"),
     HEAD AUDIO("9") CONN("0.0.0.0") A("end-of-candidates") A("mid:0")},
    {"c= behind a=", RELAY_ONLY, HEAD AUDIO("50000") A(LAN) A(TURN) CONN("192.168.1.23"),
     HEAD AUDIO("9") A(TURN_HIDDEN) CONN("0.0.0.0")},
    {"c= without candidates is a host's", RELAY_ONLY, HEAD AUDIO("50000") CONN("203.0.113.45"),
     HEAD AUDIO("9") CONN("0.0.0.0")},
    {"c= without candidates, by class", PUBLIC,
     HEAD AUDIO("50000") CONN("203.0.113.45") VIDEO("50002") CONN("10.0.0.1"),
     HEAD AUDIO("50000") CONN("203.0.113.45") VIDEO("9") CONN("0.0.0.0")},
    {"c= of a reflexive candidate stays", PUBLIC,
     HEAD AUDIO("50000") CONN("203.0.113.45") A(LAN) A(WAN),
     HEAD AUDIO("50000") CONN("203.0.113.45") A(WAN_HIDDEN)},
    {"c= in IPv6", RELAY_ONLY, HEAD AUDIO("50000") "c=IN IP6 fd00::1\r\n",
     HEAD AUDIO("9") "c=IN IP6 ::\r\n"},
    {"c= unspecified in IPv6 stays", RELAY_ONLY, HEAD AUDIO("9") "c=IN IP6 ::\r\n", NULL},
    {"c= with a name", PUBLIC, HEAD AUDIO("50000") CONN("abc.local"),
     HEAD AUDIO("9") CONN("0.0.0.0")},
    {"c= with what readers disagree about", PUBLIC, HEAD AUDIO("50000") CONN("0300.0250.1.1"),
     HEAD AUDIO("9") CONN("0.0.0.0")},
    {"c= with something behind", PUBLIC, HEAD AUDIO("50000") CONN("203.0.113.45 10.0.0.1"),
     HEAD AUDIO("9") CONN("0.0.0.0")},
    {"c= for all sections, gone for one", PUBLIC,
     HEAD CONN("192.168.1.23") AUDIO("50000") A(LAN) VIDEO("50002") A("mid:v"),
     HEAD CONN("0.0.0.0") AUDIO("9") VIDEO("9") A("mid:v")},
    {"c= for all sections, each may show", PUBLIC,
     HEAD CONN("203.0.113.45") AUDIO("50000") A(WAN) VIDEO("50002") A("mid:v"),
     HEAD CONN("203.0.113.45") AUDIO("50000") A(WAN_HIDDEN) VIDEO("50002") A("mid:v")},
    {"c= for all sections, but this one has its own", RELAY_ONLY,
     HEAD CONN("192.168.1.23") AUDIO("60000") CONN("198.51.100.10") A(TURN) VIDEO("50002") A(LAN),
     HEAD CONN("0.0.0.0") AUDIO("60000") CONN("198.51.100.10") A(TURN_HIDDEN) VIDEO("9")},
    {"c= for all sections, without sections", PUBLIC, HEAD CONN("10.0.0.1"), HEAD CONN("0.0.0.0")},
    {"c= for all sections, all refused", PUBLIC, HEAD CONN("10.0.0.1") AUDIO("0"),
     HEAD CONN("0.0.0.0") AUDIO("0")},
    {"a refused section's port stays 0", RELAY_ONLY, HEAD AUDIO("0") CONN("192.168.1.23"),
     HEAD AUDIO("0") CONN("0.0.0.0")},
    {"a second c= cannot be judged",
     {.transports = "udp"},
     HEAD AUDIO("50000") CONN("192.168.1.23") CONN("192.168.1.24") A(LAN),
     HEAD AUDIO("50000") CONN("192.168.1.23") CONN("0.0.0.0") A(LAN)},
    {"no c= at all", RELAY_ONLY, HEAD AUDIO("50000") A(LAN) A("mid:0"),
     HEAD AUDIO("50000") A("mid:0")},
    {"the default is a dropped TCP candidate at a kept address",
     {.transports = "udp"},
     HEAD AUDIO("443") CONN("192.168.1.23")
         A("candidate:9 1 tcp 1 192.168.1.23 443 typ host tcptype passive") A(LAN),
     HEAD AUDIO("9") CONN("0.0.0.0") A(LAN)},
    {"rtcp of a dropped candidate", RELAY_ONLY,
     HEAD AUDIO("50000") CONN("192.168.1.23") A("rtcp:50001 IN IP4 192.168.1.23") A(LAN) A(LAN2),
     HEAD AUDIO("9") CONN("0.0.0.0") A("rtcp:9 IN IP4 0.0.0.0")},
    {"rtcp of a kept candidate", PUBLIC,
     HEAD AUDIO("50000") CONN("203.0.113.45") A("rtcp:50000 IN IP4 203.0.113.45") A(WAN_HIDDEN),
     NULL},
    {"rtcp in IPv6", RELAY_ONLY, HEAD AUDIO("9") CONN("0.0.0.0") A("rtcp:5 IN IP6 fd00::1"),
     HEAD AUDIO("9") CONN("0.0.0.0") A("rtcp:9 IN IP6 ::")},
    {"rtcp without address goes with the default", RELAY_ONLY,
     HEAD AUDIO("50000") CONN("192.168.1.23") A("rtcp:50001") A(LAN),
     HEAD AUDIO("9") CONN("0.0.0.0") A("rtcp:9")},
    {"rtcp without address stays with the default", PUBLIC,
     HEAD AUDIO("50000") CONN("203.0.113.45") A("rtcp:50001") A(WAN_HIDDEN), NULL},
    {"rtcp that cannot be read", PUBLIC,
     HEAD AUDIO("9") CONN("0.0.0.0") A("rtcp:x IN IP4 10.0.0.1"),
     HEAD AUDIO("9") CONN("0.0.0.0") A("rtcp:9 IN IP4 0.0.0.0")},
    {"rtcp-mux and rtcp-fb are something else", RELAY_ONLY,
     HEAD AUDIO("9") CONN("0.0.0.0") A("rtcp-mux") A("rtcp-rsize") A("rtcp-fb:111 nack"), NULL},
    {"origin: a host's address", RELAY_ONLY,
     "v=0\r\no=- 1 2 IN IP4 203.0.113.45\r\ns=-\r\nt=0 0\r\n",
     "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"},
    {"origin: may show", PUBLIC, "v=0\r\no=- 1 2 IN IP4 203.0.113.45\r\ns=-\r\nt=0 0\r\n", NULL},
    {"origin: by class", PUBLIC, "v=0\r\no=jdoe 1 2 IN IP4 127.0.0.1 \r\ns=-\r\nt=0 0\r\n",
     "v=0\r\no=jdoe 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"},
    {"origin: IPv6", PUBLIC, "v=0\r\no=- 1 2 IN IP6 ::1\r\ns=-\r\nt=0 0\r\n",
     "v=0\r\no=- 1 2 IN IP6 ::\r\ns=-\r\nt=0 0\r\n"},
    {"origin: no address", PUBLIC, "v=0\r\no=- 1 2 IN IP4 -\r\ns=-\r\nt=0 0\r\n",
     "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"},
    {"origin: the user is an address", PUBLIC,
     "v=0\r\no=10.0.0.1 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n",
     "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"},
    {"remote candidates that may show", PUBLIC,
     HEAD AUDIO("9") CONN("0.0.0.0") A("remote-candidates:1 203.0.113.45 50000"), NULL},
    {"remote candidates that may not", PUBLIC,
     HEAD AUDIO("9") CONN("0.0.0.0") A("remote-candidates:1 203.0.113.45 50000 2 10.0.0.1 50001")
         A("mid:0"),
     HEAD AUDIO("9") CONN("0.0.0.0") A("mid:0")},
    {"remote candidates of unknown type", RELAY_ONLY,
     HEAD AUDIO("9") CONN("0.0.0.0") A("remote-candidates:1 203.0.113.45 50000"),
     HEAD AUDIO("9") CONN("0.0.0.0")},
    {"other lists of addresses", PUBLIC,
     HEAD AUDIO("9") CONN("0.0.0.0") A("altc:1 IP4 10.0.0.1 5") A("ccap:1 IN IP4 10.0.0.1")
         A("mid:0") A("source-filter: incl IN IP4 * 10.0.0.1") A("alt:1 1 : abcd efgh 10.0.0.1 5"),
     HEAD AUDIO("9") CONN("0.0.0.0") A("mid:0")},
    {"a candidate in capitals is for lenient readers",
     {0},
     HEAD AUDIO("9") CONN("0.0.0.0") A("Candidate:1 1 udp 1 10.0.0.1 5 typ host")
         A("CANDIDATE :1 1 udp 1 10.0.0.1 5 typ host"),
     HEAD AUDIO("9") CONN("0.0.0.0")},
    {"LF alone stays", RELAY_ONLY,
     "v=0\no=- 1 2 IN IP4 127.0.0.1\ns=-\nt=0 0\nm=audio 50000 UDP/TLS/RTP/SAVPF 0\nc=IN IP4 "
     "10.0.0.1\na=" LAN "\na=mid:0\n",
     "v=0\no=- 1 2 IN IP4 0.0.0.0\ns=-\nt=0 0\nm=audio 9 UDP/TLS/RTP/SAVPF 0\nc=IN IP4 "
     "0.0.0.0\na=mid:0\n"},
    {"an open last line, dropped", RELAY_ONLY, HEAD AUDIO("9") CONN("0.0.0.0") "a=" LAN,
     HEAD AUDIO("9") CONN("0.0.0.0")},
    {"an open last line, rewritten", RELAY_ONLY, HEAD AUDIO("50000") "c=IN IP4 10.0.0.1",
     HEAD AUDIO("9") "c=IN IP4 0.0.0.0"},
    {"empty lines stay", RELAY_ONLY, HEAD "\r\n" AUDIO("9") "\r\n" CONN("0.0.0.0") A(LAN) "\r\n",
     HEAD "\r\n" AUDIO("9") "\r\n" CONN("0.0.0.0") "\r\n"},
    {"data channels", RELAY_ONLY,
     HEAD "m=application 50000 UDP/DTLS/SCTP webrtc-datachannel\r\n" CONN("192.168.1.23") A(LAN)
         A("sctp-port:5000"),
     HEAD "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n" CONN("0.0.0.0")
         A("sctp-port:5000")},
};

static void descriptions_by_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(sdp_rows); i++) {
        const struct sdp_row *row = &sdp_rows[i];
        struct ice_policies *all;
        const struct ice_policy *policy = policy_of(&all, row->name, &row->rules);
        struct ice_count count = {0};
        struct buf out, again;
        buf_init(&out, 4096);
        buf_init(&again, 4096);
        bool changed = ice_filter_sdp(policy, text_of_str(row->sdp), &out, &count);
        ROW(row->name, changed == (row->want != NULL));
        const char *want = row->want ? row->want : row->sdp;
        if (strcmp(buf_cstr(&out), want) != 0)
            fail_msg("row \"%s\":\n%swanted:\n%s", row->name, buf_cstr(&out), want);
        ROW(row->name, !ice_filter_sdp(policy, text_of(out.data, out.len), &again, &count));
        buf_release(&out);
        buf_release(&again);
        ice_policies_destroy(all);
    }
}

static void what_happened_is_counted(void **state)
{
    (void)state;
    static const char sdp[] = HEAD AUDIO("50000") CONN("192.168.1.23")
        A("rtcp:50001 IN IP4 192.168.1.23") A(LAN) A(LAN2) A(WAN)
            A("candidate:4 1 tcp 1 203.0.113.45 9 typ srflx raddr 10.0.0.1 rport 9 tcptype active")
                A(TURN);
    const struct rules rules = {.types = "srflx relay", .transports = "udp", .addresses = "public"};
    struct ice_policies *all;
    const struct ice_policy *policy = policy_of(&all, "count", &rules);
    struct ice_count count = {{1, 1, 1}, 1}; /* added to */
    struct buf out;
    buf_init(&out, 4096);
    assert_true(ice_filter_sdp(policy, text_of_str(sdp), &out, &count));
    assert_int_equal(count.dropped[ICE_TYPE], 1 + 2);
    assert_int_equal(count.dropped[ICE_TRANSPORT], 1 + 1);
    assert_int_equal(count.dropped[ICE_ADDRESS], 1);
    assert_int_equal(count.hidden, 1 + 2 + 2); /* c=, a=rtcp, two related addresses */
    assert_string_equal(ice_reason_name(ICE_TYPE), "type");
    assert_string_equal(ice_reason_name(ICE_TRANSPORT), "transport");
    assert_string_equal(ice_reason_name(ICE_ADDRESS), "address");
    buf_release(&out);
    ice_policies_destroy(all);
}

static void full_buffers_fail(void **state)
{
    (void)state;
    static const char sdp[] = HEAD AUDIO("50000") CONN("192.168.1.23") A(LAN) A(WAN) A(TURN);
    struct ice_policies *all;
    const struct ice_policy *policy = policy_of(&all, "full", &(struct rules){.relay_only = true});
    for (size_t size = 0; size < sizeof sdp; size++) {
        char bytes[sizeof sdp];
        struct ice_count count = {0};
        struct buf out;
        buf_init_fixed(&out, bytes, size);
        ice_filter_sdp(policy, text_of_str(sdp), &out, &count);
        assert_true(out.len <= size);
        assert_int_equal(buf_ok(&out),
                         size >= strlen(HEAD AUDIO("9") CONN("0.0.0.0") A(TURN_HIDDEN)));
    }
    ice_policies_destroy(all);
}

static void the_first_row_that_fits_is_the_rooms(void **state)
{
    (void)state;
    static const char *const host[] = {"host"};
    const struct ice_policy_source rows[] = {
        {.rooms = "yard-7", .relay_only = true},
        {.rooms = "yard-*", .types = host, .type_count = 1, .sealed = true},
        {.rooms = "yard-gate", .relay_only = true},
        {.rooms = "lab"},
    };
    static const struct {
        const char *room;
        int row; /* -1: none */
    } want[] = {{"yard-7", 0}, {"yard-70", 1}, {"yard-", 1},   {"yard-gate", 1}, {"yard", -1},
                {"lab", 3},    {"lab2", -1},   {"YARD-7", -1}, {"hall", -1}};
    struct ice_policies *all;
    assert_int_equal(ice_policies_create(&all, rows, ROWS(rows), NULL), STATUS_OK);
    for (size_t i = 0; i < ROWS(want); i++) {
        const struct ice_policy *p = ice_policy_for(all, text_of_str(want[i].room));
        struct ice_count count = {0};
        char bytes[100];
        struct buf out;
        buf_init_fixed(&out, bytes, sizeof bytes);
        ROW(want[i].room, (p == NULL) == (want[i].row < 0));
        if (!p)
            continue;
        ROW(want[i].room, ice_policy_sealed(p) == (want[i].row == 1));
        ROW(want[i].room, ice_filter_candidate(p, text_of_str(HOST("192.0.2.1")), &out, &count) ==
                              (want[i].row != 0));
    }
    ice_policies_destroy(all);

    const struct ice_policy_source every = {.rooms = "*"};
    assert_int_equal(ice_policies_create(&all, &every, 1, NULL), STATUS_OK);
    assert_non_null(ice_policy_for(all, text_of_str("any")));
    ice_policies_destroy(all);

    assert_int_equal(ice_policies_create(&all, NULL, 0, NULL), STATUS_OK);
    assert_null(all);
    assert_null(ice_policy_for(all, text_of_str("any")));
    ice_policies_destroy(all);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *name, *rooms;
        struct rules rules;
        const char *says;
    } rows[] = {
        {"no rooms", NULL, {0}, "`rooms`"},
        {"empty rooms", "", {0}, "`rooms`"},
        {"a star in the middle", "a*b", {0}, "`rooms`"},
        {"two stars", "a**", {0}, "`rooms`"},
        {"not a name", "a/b", {0}, "`rooms`"},
        {"both ways", "*", {.types = "host", .relay_only = true}, "`relay_only`"},
        {"type", "*", {.types = "host turn"}, "`types`"},
        {"type in capitals", "*", {.types = "Host"}, "`types`"},
        {"transport", "*", {.transports = "ssltcp"}, "`transports`"},
        {"class", "*", {.addresses = "global"}, "`addresses`"},
        {"network: a name", "*", {.networks = "10.0.0.0/8 example.org"}, "network 2"},
        {"network: too many bits", "*", {.networks = "10.0.0.0/33"}, "network 1"},
        {"network: no bits", "*", {.networks = "10.0.0.0/"}, "network 1"},
        {"network: bits that are no number", "*", {.networks = "10.0.0.0/8x"}, "network 1"},
        {"network: not zero behind", "*", {.networks = "10.0.0.1/8"}, "network 1"},
        {"network: not zero behind, odd", "*", {.networks = "10.8.0.0/12"}, "network 1"},
        {"network: not zero behind, IPv6", "*", {.networks = "2001:db8::1/32"}, "network 1"},
        {"network: a zone", "*", {.networks = "fe80::1%eth0/128"}, "network 1"},
        {"network: octal", "*", {.networks = "010.0.0.0/8"}, "network 1"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct ice_policies *all;
        struct problem why = {0};
        ROW(rows[i].name, create(&all, rows[i].rooms, &rows[i].rules, &why) == STATUS_BAD_CONFIG);
        ROW(rows[i].name, all == NULL && why.status == STATUS_BAD_CONFIG);
        ROW(rows[i].name, strstr(why.text, "entry 1") && strstr(why.text, rows[i].says));
    }
    static const char *const good[] = {"0.0.0.0/0",         "::/0",          "10.0.0.0/8",
                                       "192.168.1.128/25",  "2001:db8::/33", "::1",
                                       "255.255.255.255/32"};
    struct ice_policy_source many[ICE_POLICIES_MAX + 1] = {
        {.rooms = "a", .networks = good, .network_count = ROWS(good)}};
    struct ice_policies *all;
    struct problem why;
    assert_int_equal(ice_policies_create(&all, many, 1, &why), STATUS_OK);
    ice_policies_destroy(all);
    for (size_t i = 0; i < ROWS(many); i++)
        many[i].rooms = "a*";
    assert_int_equal(ice_policies_create(&all, many, ICE_POLICIES_MAX, &why), STATUS_OK);
    ice_policies_destroy(all);
    assert_int_equal(ice_policies_create(&all, many, ICE_POLICIES_MAX + 1, &why),
                     STATUS_BAD_CONFIG);
}

static void without_memory_nothing_is_left(void **state)
{
    (void)state;
    static const char *const nets[] = {"10.0.0.0/8", "fd00::/8"};
    const struct ice_policy_source rows[] = {
        {.rooms = "a", .networks = nets, .network_count = 2},
        {.rooms = "b*", .networks = nets, .network_count = 2},
    };
    struct ice_policies *all;
    struct problem why;
    int failures = 0;
    enum status status;
    do {
        allowed = failures;
        status = ice_policies_create(&all, rows, ROWS(rows), &why);
        bool out_of_memory = status == STATUS_NO_MEMORY && all == NULL && why.text[0];
        allowed = -1;
        assert_true(status == STATUS_OK || out_of_memory);
    } while (status != STATUS_OK && ++failures < 100);
    assert_int_equal(failures, 5); /* the policies; of each row its rooms and networks */
    ice_policies_destroy(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(candidates_by_table),
        cmocka_unit_test(too_long_to_hide),
        cmocka_unit_test(descriptions_by_table),
        cmocka_unit_test(what_happened_is_counted),
        cmocka_unit_test(full_buffers_fail),
        cmocka_unit_test(the_first_row_that_fits_is_the_rooms),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(without_memory_nothing_is_left),
    };
    return cmocka_run_group_tests_name("ICE filter", tests, NULL, NULL);
}
