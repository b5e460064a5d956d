/* The camera's ICE servers, the candidates it uses, and the check of certificates. */
#include "candidate_use.h"
#include "fingerprint.h"
#include "ice.h"
#include "test.h"

#include <string.h>

static const struct {
    const char *name, *url, *user, *password, *stun, *turn;
} servers[] = {
    {"STUN", "stun:stun.example.org", NULL, NULL, "stun://stun.example.org:3478", NULL},
    {"STUN with a port", "stun:192.0.2.1:19302", NULL, NULL, "stun://192.0.2.1:19302", NULL},
    {"STUN over IPv6", "stun:[2001:db8::1]", NULL, NULL, "stun://[2001:db8::1]:3478", NULL},
    {"STUN over IPv6 with a port", "stun:[2001:db8::1]:99", NULL, NULL, "stun://[2001:db8::1]:99",
     NULL},
    {"TURN", "turn:turn.example.org", "u", "p", NULL, "turn://u:p@turn.example.org:3478"},
    {"TURN over TCP", "turn:turn.example.org:99?transport=tcp", "u", "p", NULL,
     "turn://u:p@turn.example.org:99?transport=tcp"},
    {"TURN over TLS", "turns:turn.example.org", "u", "p", NULL,
     "turns://u:p@turn.example.org:5349"},
    {"a login that needs escaping", "turn:h", "1700000000:cam1", "a/b+c=@", NULL,
     "turn://1700000000%3Acam1:a%2Fb%2Bc%3D%40@h:3478"},
    {"TURN without a login", "turn:turn.example.org", NULL, NULL, NULL, NULL},
    {"another scheme", "http://example.org", NULL, NULL, NULL, NULL},
    {"no host", "stun:", NULL, NULL, NULL, NULL},
    {"a login in the address", "turn:u:p@h", "u", "p", NULL, NULL},
    {"a path", "stun:h/x", NULL, NULL, NULL, NULL},
};

static void test_servers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(servers); i++) {
        struct ice ice = {0};
        const char *name = servers[i].name;
        bool wanted = servers[i].stun || servers[i].turn;
        ROW(name, ice_add(&ice, servers[i].url, servers[i].user, servers[i].password) == wanted);
        ROW(name, !ice.stun == !servers[i].stun);
        ROW(name, !ice.stun || strcmp(ice.stun, servers[i].stun) == 0);
        ROW(name, ice.turn_count == (servers[i].turn ? 1u : 0u));
        ROW(name, !ice.turn[0] || strcmp(ice.turn[0], servers[i].turn) == 0);
        ice_clear(&ice);
    }
}

static void test_server_bounds(void **state)
{
    struct ice ice = {0};
    (void)state;
    assert_true(ice_add(&ice, "stun:a", NULL, NULL));
    assert_false(ice_add(&ice, "stun:b", NULL, NULL)); /* libnice asks one */
    for (int i = 0; i < ICE_TURN_MAX; i++)
        assert_true(ice_add_option(&ice, "turn:user:pass@word@host:99"));
    assert_string_equal(ice.turn[0], "turn://user:pass%40word@host:99");
    assert_null(ice.turn[ICE_TURN_MAX]);
    assert_false(ice_add(&ice, "turn:h", "u", "p"));
    ice_clear(&ice);
    assert_null(ice.stun);
    assert_false(ice_add_option(&ice, "turn:host"));
    ice_clear(&ice);
}

static const struct {
    const char *name, *line;
    enum candidate_use use;
} candidates[] = {
    {"IPv4", "candidate:1 1 udp 2122260223 192.0.2.1 40000 typ host generation 0", CANDIDATE_USE},
    {"IPv6", "candidate:1 1 UDP 2122260223 2001:db8::1 40000 typ host", CANDIDATE_USE},
    {"reflexive", "candidate:1 1 udp 1 198.51.100.1 40000 typ srflx raddr 192.0.2.1 rport 40000",
     CANDIDATE_USE},
    {"relayed", "candidate:1 1 udp 1 198.51.100.1 40000 typ relay raddr 0.0.0.0 rport 0",
     CANDIDATE_USE},
    {"an mDNS name",
     "candidate:1 1 udp 1 d2c1b7a0-6f1f-4b6e-9d2e-0c5d4b3a2f10.local 40000 typ host",
     CANDIDATE_HIDDEN},
    {"a DNS name", "candidate:1 1 udp 1 camera.example.org 40000 typ host", CANDIDATE_USELESS},
    {"TCP", "candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active", CANDIDATE_USELESS},
    {"RTCP's component", "candidate:1 2 udp 1 192.0.2.1 40001 typ host", CANDIDATE_USELESS},
    {"port 0", "candidate:1 1 udp 1 192.0.2.1 0 typ host", CANDIDATE_USELESS},
    {"cut off", "candidate:1 1 udp 1 192.0.2.1", CANDIDATE_USELESS},
    {"something else", "hello", CANDIDATE_USELESS},
    {"empty", "", CANDIDATE_USELESS},
};

static void test_candidates(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(candidates); i++)
        ROW(candidates[i].name,
            candidate_use(candidates[i].line, strlen(candidates[i].line)) == candidates[i].use);
}

/* The "certificate" is the three bytes "abc": the digests are those of FIPS 180-2's examples. */
#define PEM "-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n"
#define SHA256                                                                                     \
    "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:"   \
    "15:AD"

static const struct {
    const char *name, *pem, *hash, *fingerprint;
    bool same;
} fingerprints[] = {
    {"SHA-256", PEM, "sha-256", SHA256, true},
    {"upper-case hash", PEM, "SHA-256", SHA256, true},
    {"lower-case digits", PEM, "sha-256",
     "ba:78:16:bf:8f:01:cf:ea:41:41:40:de:5d:ae:22:23:b0:03:61:a3:96:17:7a:9c:b4:10:ff:61:f2:00:"
     "15:ad",
     true},
    {"SHA-384", PEM, "sha-384",
     "CB:00:75:3F:45:A3:5E:8B:B5:A0:3D:69:9A:C6:50:07:27:2C:32:AB:0E:DE:D1:63:1A:8B:60:5A:43:FF:"
     "5B:ED:80:86:07:2B:A1:E7:CC:23:58:BA:EC:A1:34:C8:25:A7",
     true},
    {"the last digit differs", PEM, "sha-256",
     "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:"
     "15:AC",
     false},
    {"cut off", PEM, "sha-256", "BA:78", false},
    {"more than there is", PEM, "sha-256", SHA256 ":00", false},
    {"empty", PEM, "sha-256", "", false},
    {"another hash", PEM, "sha-384", SHA256, false},
    {"an unknown hash", PEM, "sha-1", "A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D",
     false},
    {"no certificate", "", "sha-256", SHA256, false},
    {"a certificate without end", "-----BEGIN CERTIFICATE-----\nYWJj\n", "sha-256", SHA256, false},
    {"an empty certificate", "-----BEGIN CERTIFICATE----------END CERTIFICATE-----", "sha-256",
     "E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:"
     "B8:55",
     false},
};

static void test_fingerprints(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(fingerprints); i++)
        ROW(fingerprints[i].name,
            fingerprint_matches(fingerprints[i].pem, text_of_str(fingerprints[i].hash),
                                text_of_str(fingerprints[i].fingerprint)) == fingerprints[i].same);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_servers),
        cmocka_unit_test(test_server_bounds),
        cmocka_unit_test(test_candidates),
        cmocka_unit_test(test_fingerprints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
