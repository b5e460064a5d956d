/* Tokens and key files; the first byte says what the rest is:
 *   0  a token as it comes from the network
 *   1  a payload, signed here with the right secret, so that the claims are reached
 *   2  a header, the same
 *   3  the claims of `sigbridge token`
 *   4 to 7  a key file for HS256, RS256, ES256, EdDSA; what it gives must be usable. */
#include "policy/token.h"
#include "policy/token_base64.h"
#include "policy/token_key.h"

#include <openssl/err.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not assert(): release builds leave that out. */
#define must(holds) ((holds) ? (void)0 : abort())
#define NOW_MS      INT64_C(1900000000000)
#define SECRET      "0123456789abcdef0123456789abcdef"
#define HEADER      "{\"alg\":\"HS256\"}"
#define PAYLOAD     "{\"exp\":1900000600,\"rooms\":[\"*\"]}"

/* RFC 7515 appendix A.2 and A.3, RFC 8037 appendix A.2. */
static const struct {
    enum token_alg alg;
    const char *kid, *bytes;
} fixed[] = {
    {TOKEN_HS256, "", SECRET},
    {TOKEN_HS256, "h", SECRET SECRET},
    {TOKEN_RS256, "r",
     "{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-"
     "Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_"
     "7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3"
     "qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWy"
     "uXpoQ\",\"e\":\"AQAB\"}"},
    {TOKEN_ES256, "e",
     "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
     "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"},
    {TOKEN_EDDSA, "d",
     "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"},
};

static const struct token_rules rules = {.leeway_ms = 10000};
static const struct token_rules strict = {.issuer = "me", .audience = "fleet"};

static const struct token_keys *all_keys(void)
{
    static struct token_keys *keys;
    if (keys)
        return keys;
    keys = token_keys_create();
    must(keys);
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        must(token_keys_add(keys, fixed[i].alg, text_of_str(fixed[i].kid),
                            text_of_str(fixed[i].bytes), NULL) == STATUS_OK);
    return keys;
}

static void check_sentence(enum status s, const struct problem *why)
{
    must(s == STATUS_OK || *why->text);
    for (const char *p = why->text; *p; p++)
        must(text_is_printable(*p));
    must(ERR_peek_error() == 0);
}

/* What an access says must hang together. */
static void check_access(const struct access *a)
{
    struct text subject = access_subject(a), meta = access_meta(a);
    static struct json_member members[JSON_OPEN_KEYS];
    size_t count;
    must(access_expires_ms(a) > NOW_MS);
    must(text_len(&subject) == 0 || name_ok(subject.p, text_len(&subject)));
    must(access_peer(a, subject));
    must(text_len(&subject) == 0 || !access_peer(a, text_of_str("?")));
    must(text_len(&meta) == 0 ||
         json_object(meta.p, text_len(&meta), members, JSON_OPEN_KEYS, &count, NULL) == STATUS_OK);
    /* Only a lone star opens a room whose name cannot be one. */
    must(!access_room(a, text_of_str("?")) || access_room(a, text_of_str("lobby")));
    must(access_sends(a, MSG_OFFER) == access_sends(a, MSG_INVITE));
    must(access_sends(a, MSG_ANSWER));
    (void)access_admin(a);
}

/* True: accepted. */
static bool verify(struct text token)
{
    struct problem why = {0}, again = {0};
    struct access *a, *b;
    enum status s = token_verify(all_keys(), &rules, token, NOW_MS, &a, &why);
    must(s == STATUS_OK || s == STATUS_UNAUTHORIZED);
    must((a != NULL) == (s == STATUS_OK));
    check_sentence(s, &why);
    if (a)
        check_access(a);
    enum status t = token_verify(all_keys(), &strict, token, NOW_MS, &b, &again);
    must(t != STATUS_OK || s == STATUS_OK); /* more rules never let more pass */
    check_sentence(t, &again);
    access_destroy(a);
    access_destroy(b);
    return s == STATUS_OK;
}

/* Signs whatever it is, as token_sign() would not. */
static void sign_and_verify(struct text header, struct text payload)
{
    static struct token_key key;
    unsigned char signature[TOKEN_SIGNATURE_MAX];
    struct buf b;
    size_t len;
    if (!key.mac) {
        key.alg = TOKEN_HS256;
        must(token_key_set_secret(&key, text_of_str(SECRET), NULL) == STATUS_OK);
    }
    buf_init(&b, 1 << 20);
    token_base64_put(&b, header.p, text_len(&header));
    buf_char(&b, '.');
    token_base64_put(&b, payload.p, text_len(&payload));
    must(token_key_sign(&key, text_of(b.data, b.len), signature, &len) == STATUS_OK);
    buf_char(&b, '.');
    token_base64_put(&b, signature, len);
    if (buf_ok(&b) && verify(text_of(b.data, b.len))) {
        b.data[b.len / 2] ^= 1; /* of the payload, or of the dot before or behind it */
        must(!verify(text_of(b.data, b.len)));
    }
    buf_release(&b);
}

static void check_claims(struct text claims)
{
    struct problem why = {0};
    struct access *a;
    struct buf b;
    buf_init(&b, TOKEN_MAX_BYTES);
    enum status s =
        token_sign(TOKEN_HS256, text_of_str("h"), text_of_str(SECRET SECRET), claims, &b, &why);
    check_sentence(s, &why);
    must((s == STATUS_OK) == (b.len > 0));
    if (s == STATUS_OK &&
        token_verify(all_keys(), &rules, text_of(b.data, b.len), NOW_MS, &a, &why) == STATUS_OK)
        access_destroy(a);
    else if (s == STATUS_OK) /* what was signed here never fails before the claims */
        must(strcmp(why.rule, "token-claim") == 0 || strcmp(why.rule, "token-expired") == 0 ||
             strcmp(why.rule, "token-early") == 0);
    buf_release(&b);
}

static void check_key_file(enum token_alg alg, struct text bytes)
{
    struct problem why = {0};
    struct buf b;
    struct access *a;
    struct token_keys *k = token_keys_create();
    must(k);
    enum status s = token_keys_add(k, alg, text_of_str(""), bytes, &why);
    must(s == STATUS_OK || s == STATUS_BAD_CONFIG);
    check_sentence(s, &why);
    must((s == STATUS_OK) == (token_keys_count(k) > 0));
    buf_init(&b, TOKEN_MAX_BYTES);
    /* What can sign is what verifies. */
    if (s == STATUS_OK &&
        token_sign(alg, text_of_str(""), bytes, text_of_str(PAYLOAD), &b, &why) == STATUS_OK) {
        s = token_verify(k, &rules, text_of(b.data, b.len), NOW_MS, &a, &why);
        must(s == STATUS_OK || s == STATUS_UNAUTHORIZED);
        access_destroy(a);
    }
    must(ERR_peek_error() == 0);
    buf_release(&b);
    token_keys_destroy(k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *bytes = malloc(size); /* its own block, so that a read past its end is seen */
    must(bytes);
    memcpy(bytes, data + 1, size - 1);
    struct text t = text_of(bytes, size - 1);
    switch (data[0] % 8) {
    case 0:
        verify(t);
        break;
    case 1:
        sign_and_verify(text_of_str(HEADER), t);
        break;
    case 2:
        sign_and_verify(t, text_of_str(PAYLOAD));
        break;
    case 3:
        check_claims(t);
        break;
    default:
        check_key_file((enum token_alg)(data[0] % 8 - 4), t);
    }
    free(bytes);
    return 0;
}
