#include "policy/turn.h"
#include "test.h"

#include <string.h>

/* Passwords as openssl says: printf %s USERNAME | openssl dgst -sha1 -hmac SECRET -binary | base64
 */
static void known_values(void **state)
{
    (void)state;
    static const struct {
        const char *name, *secret, *peer;
        int64_t expires_s;
        const char *username, *password;
    } rows[] = {
        {"a peer", "secret", "cam1", 1600000000, "1600000000:cam1", "NDoqGX/DdqCFSpMisAZBWvnW5zs="},
        {"at the epoch", "north", "a", 0, "0:a", "/gmEiDA7QX8wWrmdYHL5VTkxcYA="},
        {"no name", "north", "", 1600000000, "1600000000:", "TbyvkkS6z6YacQLwFlfVjCOrcqA="},
        {"a name with a colon", "north", "a:b", 1600000000, "1600000000:a:b",
         "oCkz6L8eQYG0uUnWhJqq+VL6e3Y="},
        {"a long secret is hashed first",
         "0123456789012345678901234567890123456789012345678901234567890123456789", "cam1",
         1600000000, "1600000000:cam1", "51z1vVeXven+KDQZ/e3pht8JB8E="},
        {"far ahead", "secret", "cam1", INT64_MAX, "9223372036854775807:cam1",
         "UHJs0/QqW3ko/eDRWtYriajPA3E="},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char name[64] = "x", password[64] = "y";
        struct buf username, credential;
        buf_init_fixed(&username, name, sizeof name);
        buf_init_fixed(&credential, password, sizeof password);
        username.len = credential.len = 1; /* added to, and not part of what is signed */
        turn_credential(text_of_str(rows[i].secret), text_of_str(rows[i].peer), rows[i].expires_s,
                        &username, &credential);
        ROW(rows[i].name, buf_ok(&username) && buf_ok(&credential));
        ROW(rows[i].name, strcmp(buf_cstr(&username) + 1, rows[i].username) == 0);
        ROW(rows[i].name, strcmp(buf_cstr(&credential) + 1, rows[i].password) == 0);
    }
}

static void secrets_are_bytes(void **state)
{
    (void)state;
    char a[64], b[64], c[64], d[64];
    struct buf user, with_nul, without, user2;
    buf_init_fixed(&user, a, sizeof a);
    buf_init_fixed(&with_nul, b, sizeof b);
    buf_init_fixed(&without, c, sizeof c);
    buf_init_fixed(&user2, d, sizeof d);
    turn_credential(text_of("se\0ret", 6), text_of_str("cam1"), 1, &user, &with_nul);
    turn_credential(text_of("se", 2), text_of_str("cam1"), 1, &user2, &without);
    assert_string_equal(buf_cstr(&user), buf_cstr(&user2));
    assert_string_not_equal(buf_cstr(&with_nul), buf_cstr(&without));
}

static void what_does_not_fit_fails(void **state)
{
    (void)state;
    static const char want[] = "1600000000:cam1";
    for (size_t name_size = 0; name_size <= sizeof want; name_size++) {
        for (size_t size = TURN_PASSWORD_BYTES - 1; size <= TURN_PASSWORD_BYTES; size++) {
            char name[sizeof want], password[TURN_PASSWORD_BYTES];
            struct buf username, credential;
            buf_init_fixed(&username, name, name_size);
            buf_init_fixed(&credential, password, size);
            turn_credential(text_of_str("secret"), text_of_str("cam1"), 1600000000, &username,
                            &credential);
            bool fits = name_size >= strlen(want);
            assert_int_equal(buf_ok(&username), fits);
            assert_int_equal(buf_ok(&credential), fits && size == TURN_PASSWORD_BYTES);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),
        cmocka_unit_test(secrets_are_bytes),
        cmocka_unit_test(what_does_not_fit_fails),
    };
    return cmocka_run_group_tests_name("TURN credentials", tests, NULL, NULL);
}
