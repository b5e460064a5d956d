#include "policy/bearer.h"
#include "policy/origin.h"
#include "test.h"

#include <string.h>

static const char *const two[] = {"https://app.example.org", "http://dash.example.org:8088"};
static const char *const any[] = {"*"};

static const struct origin_rules nobody = {NULL, 0, false};
static const struct origin_rules listed = {two, 2, false};
static const struct origin_rules everybody = {any, 1, false};
static const struct origin_rules development = {NULL, 0, true};

static void a_page_may_connect_or_not(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const struct origin_rules *rules;
        const char *origin, *host;
        bool tls, allowed;
    } rows[] = {
        {"no browser", &nobody, "", "bridge.example.org", true, true},
        {"the same", &nobody, "https://bridge.example.org", "bridge.example.org", true, true},
        {"other case", &nobody, "https://Bridge.example.ORG", "bridge.EXAMPLE.org", true, true},
        {"a port", &nobody, "http://bridge:8080", "bridge:8080", false, true},
        {"the scheme's own port", &nobody, "https://bridge:443", "bridge", true, true},
        {"that port in Host", &nobody, "http://bridge", "bridge:80", false, true},
        {"the other scheme's port", &nobody, "https://bridge", "bridge:80", true, false},
        {"a port that ends so", &nobody, "http://bridge:8080", "bridge:80", false, false},
        {"another port", &nobody, "http://bridge:8081", "bridge:8080", false, false},
        {"another scheme", &nobody, "http://bridge", "bridge", true, false},
        {"another scheme, without TLS", &nobody, "https://bridge", "bridge", false, false},
        {"IPv6", &nobody, "https://[2001:db8::1]:8443", "[2001:db8::1]:8443", true, true},
        {"a name that begins so", &nobody, "https://bridge.example.org.evil.org",
         "bridge.example.org", true, false},
        {"a name that ends so", &nobody, "https://evilbridge.example.org", "bridge.example.org",
         true, false},
        {"a user before it", &nobody, "https://bridge@evil.org", "bridge", true, false},
        {"no Host", &nobody, "https://", "", true, false},
        {"null", &nobody, "null", "bridge", true, false},
        {"null as Host", &nobody, "null", "null", true, false},
        {"a file", &nobody, "file://", "bridge", true, false},
        {"an extension", &nobody, "chrome-extension://bridge", "bridge", true, false},
        {"a scheme that begins so", &nobody, "https:bridge", "bridge", true, false},
        {"a path after it", &nobody, "https://bridge/", "bridge", true, false},
        {"two origins", &nobody, "https://bridge https://evil.org", "bridge", true, false},
        {"two origins, as Host", &nobody, "https://bridge, evil", "bridge, evil", true, false},
        {"a user, as Host", &nobody, "https://a@bridge", "a@bridge", true, false},
        {"control characters", &nobody, "https://bridge\x01", "bridge", true, false},

        {"listed", &listed, "https://app.example.org", "bridge", true, true},
        {"listed, the other", &listed, "http://dash.example.org:8088", "bridge", true, true},
        {"listed, other case", &listed, "HTTPS://APP.example.org", "bridge", true, true},
        {"listed, our own still", &listed, "https://bridge", "bridge", true, true},
        {"listed, without its port", &listed, "http://dash.example.org", "bridge", true, false},
        {"listed with another scheme", &listed, "http://app.example.org", "bridge", true, false},
        {"below a listed one", &listed, "https://x.app.example.org", "bridge", true, false},
        {"a listed one and more", &listed, "https://app.example.org.evil", "bridge", true, false},
        {"not listed", &listed, "https://evil.org", "bridge", true, false},
        {"any", &everybody, "https://evil.org", "bridge", true, true},
        {"any, null", &everybody, "null", "bridge", true, true},

        {"a page of this machine", &nobody, "http://localhost:3000", "bridge", false, false},
        {"in development", &development, "http://localhost:3000", "bridge", false, true},
        {"127.0.0.9", &development, "http://127.0.0.9", "localhost:8080", false, true},
        {"[::1]", &development, "https://[::1]:3000", "localhost", false, true},
        {"begins like it", &development, "http://localhost.evil.org", "localhost", false, false},
        {"ends like it", &development, "http://evil-localhost", "localhost", false, false},
        {"begins like 127", &development, "http://127.0.0.1.evil.org", "localhost", false, false},
        {"an odd way to write it", &development, "http://0x7f.1", "localhost", false, false},
        {"user and this machine", &development, "http://localhost:x@evil.org", "localhost", false,
         false},
        {"brackets and more", &development, "http://[::1].evil.org", "localhost", false, false},
        {"elsewhere", &development, "https://evil.org", "localhost", false, false},
    };
    for (size_t i = 0; i < ROWS(rows); i++)
        ROW(rows[i].name,
            origin_allowed(rows[i].rules, text_of_str(rows[i].origin), text_of_str(rows[i].host),
                           rows[i].tls) == rows[i].allowed);
}

static void pages_that_may_read_answers_are_listed(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const struct origin_rules *rules;
        const char *origin;
        bool listed;
    } rows[] = {
        {"listed", &listed, "https://app.example.org", true},
        {"not listed", &listed, "https://evil.org", false},
        {"none", &nobody, "https://bridge", false},
        {"any", &everybody, "https://evil.org", true},
        {"development", &development, "http://localhost", false},
    };
    for (size_t i = 0; i < ROWS(rows); i++)
        ROW(rows[i].name,
            origin_listed(rows[i].rules, text_of_str(rows[i].origin)) == rows[i].listed);
    assert_true(origin_any(&everybody));
    assert_false(origin_any(&listed));
}

static void hosts_of_this_machine(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        bool local;
    } rows[] = {
        {"localhost", true},
        {"LOCALHOST:8080", true},
        {"127.0.0.1", true},
        {"127.0.0.1:80", true},
        {"127.255.0.1", true},
        {"[::1]", true},
        {"[::1]:8080", true},
        {"", false},
        {":8080", false},
        {"localhost.", false},
        {"localhost.x", false},
        {"xlocalhost", false},
        {"128.0.0.1", false},
        {"127.1", false},
        {"127.0.0.1.nip.io", false},
        {"[::2]", false},
        {"[::1", false},
        {"::1", false},
        {"[localhost]", false},
        {"[]", false},
        {"192.168.1.5:8080", false},
        {"evil.org", false},
        {"evil.org:80", false},
        {"0.0.0.0", false},
        {"[::ffff:127.0.0.1]", false},
        {"[::1].evil.org:80", false},
        {"[::1]x", false},
        {"[127.0.0.1]", false},
        {"localhost:", false},
        {"localhost:x", false},
        {"localhost:65536", false},
        {"localhost:80:80", false},
        {"localhost:80@evil.org", false},
        {"a@localhost", false},
        {"localhost, evil.org", false},
        {"localhost:80,evil.org", false},
        {" localhost", false},
        {"localhost/", false},
    };
    for (size_t i = 0; i < ROWS(rows); i++)
        ROW(rows[i].host, origin_host_is_local(text_of_str(rows[i].host)) == rows[i].local);
}

static void tokens_of_authorization(void **state)
{
    (void)state;
    static const struct {
        const char *header, *token;
    } rows[] = {
        {"Bearer a.b.c", "a.b.c"},
        {"bearer a.b.c", "a.b.c"},
        {"BEARER  a.b.c ", "a.b.c"},
        {"", ""},
        {"Bearer", ""},
        {"Bearer ", ""},
        {"Basic dXNlcjpwYXNz", ""},
        {"Bearera.b.c", ""},
        {" Bearer a.b.c", ""},
        {"Bearer\ta.b.c", ""},
        {"Bearer a.b.c, Bearer x", "a.b.c, Bearer x"},
    };
    for (size_t i = 0; i < ROWS(rows); i++)
        ROW(rows[i].header, text_equals(bearer_token(text_of_str(rows[i].header)), rows[i].token));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_may_connect_or_not),
        cmocka_unit_test(pages_that_may_read_answers_are_listed),
        cmocka_unit_test(hosts_of_this_machine),
        cmocka_unit_test(tokens_of_authorization),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
