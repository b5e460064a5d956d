/* Memory runs out in policy: whoever asked is told, nothing is half made, nobody gets in for want
 * of memory, and no address gets out. What libcrypto allocates by itself fails in
 * test_token_memory.c. */
#include "failing_memory.h"

#include "policy/access.h"
#include "policy/budget.h"
#include "policy/forwarded.h"
#include "policy/ice_filter.h"
#include "policy/token.h"
#include "policy/visitors.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

#define NOW_MS  INT64_C(1900000000000)
#define SECRET  "0123456789abcdef0123456789abcdef"
#define PRIVATE "192.168.1.5"
#define HOST    "candidate:1 1 udp 2 " PRIVATE " 5000 typ host"
#define RELAY   "candidate:2 1 udp 1 198.51.100.7 6000 typ relay raddr " PRIVATE " rport 7000"
#define HEX4    "AB:CD:EF:01:"
#define HEX     HEX4 HEX4 HEX4 HEX4 HEX4 HEX4 HEX4 "AB:CD:EF:01"

static const char description[] =
    "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n"
    "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n"
    "a=fingerprint:sha-256 " HEX "\r\na=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\n"
    "a=" HOST "\r\na=" HOST "\r\na=" RELAY "\r\n";

static bool told(enum status s)
{
    HOLDS(s == STATUS_OK || s == STATUS_NO_MEMORY);
    return s == STATUS_OK;
}

static struct ice_policies *make_policies(void)
{
    static const char *const networks[] = {"10.0.0.0/8", "2001:db8::/32"}, *const types[] = {
                                                                               "relay"};
    static const struct ice_policy_source rows[] = {
        {.rooms = "r", .relay_only = true},
        {.rooms = "yard-*",
         .types = types,
         .type_count = 1,
         .networks = networks,
         .network_count = 2},
        {.rooms = "*", .networks = networks, .network_count = 1, .sealed = true},
    };
    struct ice_policies *p = NULL;
    bool well = told(ice_policies_create(&p, rows, ROWS(rows), NULL));
    HOLDS(well == (p != NULL));
    return p;
}

static bool ice_policies_are_made(void)
{
    struct ice_policies *p = make_policies();
    if (p) {
        HOLDS(ice_policy_for(p, text_of_str("r")));
        HOLDS(!ice_policy_sealed(ice_policy_for(p, text_of_str("yard-1"))));
        HOLDS(ice_policy_sealed(ice_policy_for(p, text_of_str("other"))));
    }
    bool well = p != NULL;
    ice_policies_destroy(p);
    return well;
}

/* Whoever looks at buf_ok() never passes on what should have been kept back. */
static bool candidates_are_filtered(void)
{
    struct ice_policies *p = make_policies();
    struct ice_count count = {{0}, 0};
    struct buf out;
    if (!p)
        return false;
    const struct ice_policy *policy = ice_policy_for(p, text_of_str("r"));
    buf_init(&out, 4096);
    HOLDS(!ice_filter_candidate(policy, text_of_str(HOST), &out, &count) && out.len == 0);
    bool passes = ice_filter_candidate(policy, text_of_str(RELAY), &out, &count);
    bool well = passes && buf_ok(&out);
    HOLDS(!strstr(buf_cstr(&out), PRIVATE));
    HOLDS(!well || strstr(buf_cstr(&out), "198.51.100.7") || !buf_ok(&out));
    well = well && buf_ok(&out);
    buf_release(&out);
    ice_policies_destroy(p);
    return well;
}

static bool descriptions_are_filtered(void)
{
    struct ice_policies *p = make_policies();
    struct ice_count count = {{0}, 0};
    struct buf out;
    if (!p)
        return false;
    buf_init(&out, 65536);
    bool changed =
        ice_filter_sdp(ice_policy_for(p, text_of_str("r")), text_of_str(description), &out, &count);
    HOLDS(changed); /* else the original would pass */
    HOLDS(!strstr(buf_cstr(&out), PRIVATE));
    bool well = buf_ok(&out);
    HOLDS(!well || strstr(out.data, "typ relay"));
    buf_release(&out);
    ice_policies_destroy(p);
    return well;
}

static bool descriptions_are_made_smaller(void)
{
    static const struct budget small = {.sdp = sizeof description - 10, .candidates = 2};
    struct problem why = {0};
    struct buf out;
    bool changed = false;
    buf_init(&out, 65536);
    bool well = told(budget_fit_sdp(&small, text_of_str(description), &out, &changed, &why));
    HOLDS(!well || (changed && buf_ok(&out) && out.len < small.sdp));
    buf_release(&out);
    return well;
}

static bool proxies_are_listed(void)
{
    static const char *const networks[] = {"127.0.0.1", "10.0.0.0/8"};
    static const uint8_t here[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
    struct proxies *p = NULL;
    bool well = told(proxies_create(&p, networks, ROWS(networks), NULL));
    HOLDS(well == (p != NULL));
    HOLDS(proxies_trust(p, here) == well); /* nobody is believed for want of memory */
    proxies_destroy(p);
    return well;
}

enum { VISITORS = 100 };

static struct address_key address(unsigned n)
{
    struct address_key key = {{[10] = 0xff, [11] = 0xff, [12] = 10}};
    key.bytes[14] = (uint8_t)(n >> 8);
    key.bytes[15] = (uint8_t)n;
    return key;
}

/* Who could not be counted is not let in; who has failed to show a token is not forgotten. */
static bool visitors_come_and_go(void)
{
    static const struct visitors_options o = {2, 1, 60};
    struct visitors *v = visitors_create(&o);
    struct visitor *in[VISITORS];
    size_t entered = 0;
    bool well = true;
    int64_t retry_ms = 0;
    if (!v)
        return false;
    for (unsigned i = 0; i < VISITORS; i++) {
        struct address_key key = address(i / 2);
        in[i] = visitors_enter(v, &key, 0);
        well = well && in[i];
        entered += in[i] != NULL && (i % 2 == 0 || !in[i - 1]);
        HOLDS(visitors_count(v) == entered);
        HOLDS(i % 2 == 0 || !in[i] || !in[i - 1] || in[i] == in[i - 1]);
    }
    for (unsigned i = 0; i < VISITORS; i++) {
        if (!in[i])
            continue;
        visitor_failed(in[i], 0);
        visitor_failed(in[i], 0);
        HOLDS(!visitor_may_try(in[i], 1, &retry_ms));
        visitor_leave(in[i], 1);
        HOLDS(visitors_count(v) == entered);
    }
    for (unsigned i = 0; i < VISITORS; i += 2) {
        struct address_key key = address(i / 2);
        struct visitor *again = visitors_enter(v, &key, 2);
        HOLDS(!(in[i] || in[i + 1]) || (again && !visitor_may_try(again, 2, &retry_ms)));
        well = well && again;
        if (again)
            visitor_leave(again, 2);
    }
    visitors_destroy(v);
    return well;
}

static struct access *access_of(const char *claims, bool *well)
{
    struct json_member m[8];
    struct access *a = NULL;
    size_t count;
    HOLDS(json_object(claims, strlen(claims), m, 8, &count, NULL) == STATUS_OK);
    *well = told(access_create(m, count, NOW_MS, &a, NULL));
    HOLDS(*well == (a != NULL));
    return a;
}

static bool rights_are_kept(void)
{
    bool well;
    struct access *a = access_of("{\"sub\":\"me\",\"rooms\":[\"a\",\"b*\"],\"can\":[\"offer\"],"
                                 "\"meta\":{\"x\":1}}",
                                 &well);
    if (a) {
        HOLDS(access_room(a, text_of_str("bc")) && !access_room(a, text_of_str("c")));
        HOLDS(text_equals(access_subject(a), "me") && !access_admin(a));
    }
    access_destroy(a);
    return well;
}

static const char one_more[] = "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"1\",\"k\":"
                               "\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}]}";

static bool keys_and_tokens(void)
{
    static const struct token_rules rules = {0};
    struct token_keys *keys = token_keys_create();
    struct access *a = NULL;
    struct buf token;
    bool well = keys != NULL;
    buf_init(&token, TOKEN_MAX_BYTES + 1);
    if (keys) {
        well = told(token_keys_add(keys, TOKEN_HS256, text_of_str(""), text_of_str(SECRET), NULL));
        well =
            told(token_keys_add(keys, TOKEN_HS256, text_of_str(""), text_of_str(one_more), NULL)) &&
            well;
    }
    well = told(token_sign(TOKEN_HS256, text_of_str(""), text_of_str(SECRET),
                           text_of_str("{\"exp\":1900000600,\"rooms\":[\"*\"]}"), &token, NULL)) &&
           buf_ok(&token) && well;
    if (well)
        well = told(token_verify(keys, &rules, text_of(token.data, token.len), NOW_MS, &a, NULL));
    HOLDS(well == (a != NULL));
    access_destroy(a);
    a = NULL;
    if (well) { /* memory or not, one that is not right does not pass */
        token.data[token.len - 3] ^= 1;
        enum status s =
            token_verify(keys, &rules, text_of(token.data, token.len), NOW_MS, &a, NULL);
        HOLDS(s == STATUS_UNAUTHORIZED && !a);
    }
    buf_release(&token);
    token_keys_destroy(keys);
    return well;
}

static void memory_runs_out(void **state)
{
    static const struct memory_story stories[] = {
        {"ICE policies are made", ice_policies_are_made, 0},
        {"candidates are filtered", candidates_are_filtered, 0},
        {"descriptions are filtered", descriptions_are_filtered, 0},
        {"descriptions are made smaller", descriptions_are_made_smaller, 0},
        {"proxies are listed", proxies_are_listed, 0},
        {"visitors come and go", visitors_come_and_go, MEMORY_QUIET},
        {"rights are kept", rights_are_kept, 0},
        {"keys and tokens", keys_and_tokens, 0},
    };
    (void)state;
    memory_tell(stories, ROWS(stories));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(memory_runs_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
