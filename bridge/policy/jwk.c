#include "policy/jwk.h"

#include "policy/token_base64.h"
#include "proto/json.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <stdlib.h>
#include <string.h>

struct jwk {
    struct json_member members[JWK_MEMBERS_MAX];
    size_t count;
};

struct param {
    unsigned char bytes[JWK_PARAM_MAX];
    size_t len;
};

static const struct {
    const char *kty, *crv;
} kinds[TOKEN_ALGS] = {[TOKEN_HS256] = {"oct", NULL},
                       [TOKEN_RS256] = {"RSA", NULL},
                       [TOKEN_ES256] = {"EC", "P-256"},
                       [TOKEN_EDDSA] = {"OKP", "Ed25519"}};

static enum status refuse(struct problem *why, const char *sentence)
{
    return problem_set(why, STATUS_BAD_CONFIG, 0, "token-key", "%s", sentence);
}

static struct json_span find(const struct jwk *j, const char *name)
{
    for (size_t i = 0; i < j->count; i++)
        if (json_equals(j->members[i].key, name))
            return j->members[i].value;
    return (struct json_span){0};
}

static bool is(const struct jwk *j, const char *name, const char *value)
{
    return json_equals(find(j, name), value);
}

static bool is_absent_or(const struct jwk *j, const char *name, const char *value)
{
    return find(j, name).type == JSON_NONE || is(j, name, value);
}

static bool may_do(const struct jwk *j, const char *operation)
{
    struct json_span ops = find(j, "key_ops"), items[JWK_MEMBERS_MAX];
    size_t count;
    if (ops.type == JSON_NONE)
        return true;
    if (ops.type != JSON_ARRAY ||
        json_array(ops.p, ops.len, items, JWK_MEMBERS_MAX, &count, NULL) != STATUS_OK)
        return false;
    for (size_t i = 0; i < count; i++)
        if (json_equals(items[i], operation))
            return true;
    return false;
}

static bool fits(const struct jwk *j, enum token_alg alg, enum token_half half)
{
    return is(j, "kty", kinds[alg].kty) && (!kinds[alg].crv || is(j, "crv", kinds[alg].crv)) &&
           is_absent_or(j, "use", "sig") && is_absent_or(j, "alg", token_alg_name(alg)) &&
           may_do(j, half == TOKEN_PRIVATE ? "sign" : "verify") &&
           (half == TOKEN_PUBLIC || alg == TOKEN_HS256 || find(j, "d").type != JSON_NONE);
}

/* The key's own name, else the wanted one. False with a problem: it cannot be a name. */
static bool read_kid(const struct jwk *j, struct text wanted, struct token_key *k,
                     struct problem *why)
{
    struct json_span kid = find(j, "kid");
    size_t len = text_len(&wanted);
    if (kid.type == JSON_NONE) {
        if (len > 0)
            memcpy(k->kid, wanted.p, len);
    } else if (kid.type != JSON_STRING || !json_decode(kid, k->kid, sizeof k->kid, &len) ||
               !id_ok(k->kid, len)) {
        refuse(why, "its kid must be 1 to 64 characters of printable ASCII");
        return false;
    }
    k->kid_len = (uint8_t)len;
    return true;
}

/* A parameter's bytes; `exact` of them unless that is 0. */
static bool read_param(const struct jwk *j, const char *name, size_t exact, struct param *out,
                       struct problem *why)
{
    struct json_span v = find(j, name);
    if (v.type == JSON_STRING && !v.escaped &&
        token_base64_decode(text_of(v.p, v.len), out->bytes, sizeof out->bytes, &out->len) &&
        out->len > 0 && (exact == 0 || out->len == exact))
        return true;
    if (exact)
        problem_set(why, STATUS_BAD_CONFIG, 0, "token-key",
                    "its \"%s\" must be %zu bytes in base64url without padding", name, exact);
    else
        problem_set(why, STATUS_BAD_CONFIG, 0, "token-key",
                    "its \"%s\" must be 1 to %d bytes in base64url without padding", name,
                    JWK_PARAM_MAX);
    return false;
}

/* Hands the collected parameters to OpenSSL. */
static EVP_PKEY *make_pkey(const char *kind, OSSL_PARAM_BLD *bld, bool complete,
                           enum token_half half)
{
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM *params = complete ? OSSL_PARAM_BLD_to_param(bld) : NULL;
    EVP_PKEY_CTX *ctx = params ? EVP_PKEY_CTX_new_from_name(NULL, kind, NULL) : NULL;
    if (ctx && EVP_PKEY_fromdata_init(ctx) == 1)
        EVP_PKEY_fromdata(ctx, &pkey,
                          half == TOKEN_PRIVATE ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return pkey;
}

static enum status set_numbers(struct token_key *k, OSSL_PARAM_BLD *bld, bool complete,
                               enum token_half half, struct problem *why)
{
    EVP_PKEY *pkey = make_pkey(k->alg == TOKEN_RS256 ? "RSA" : "EC", bld, bld && complete, half);
    OSSL_PARAM_BLD_free(bld);
    if (!bld)
        return problem_set(why, STATUS_NO_MEMORY, 0, NULL, "out of memory");
    return pkey ? token_key_set_pkey(k, pkey, why)
                : refuse(why, "its parameters are no key of its kind");
}

static enum status read_rsa(const struct jwk *j, enum token_half half, struct token_key *k,
                            struct problem *why)
{
    static const struct {
        const char *name, *param;
    } params[] = {
        {"n", OSSL_PKEY_PARAM_RSA_N}, {"e", OSSL_PKEY_PARAM_RSA_E}, {"d", OSSL_PKEY_PARAM_RSA_D}};
    size_t count = half == TOKEN_PRIVATE ? 3 : 2;
    BIGNUM *numbers[3] = {NULL, NULL, NULL};
    struct param p = {.len = 0};
    enum status s = STATUS_BAD_CONFIG;
    bool complete = true;
    OSSL_PARAM_BLD *bld = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!read_param(j, params[i].name, 0, &p, why))
            goto out;
        numbers[i] = BN_bin2bn(p.bytes, (int)p.len, NULL);
    }
    bld = OSSL_PARAM_BLD_new();
    for (size_t i = 0; bld && i < count; i++)
        complete =
            complete && numbers[i] && OSSL_PARAM_BLD_push_BN(bld, params[i].param, numbers[i]);
    s = set_numbers(k, bld, complete, half, why);
out:
    OPENSSL_cleanse(&p, sizeof p);
    for (size_t i = 0; i < 3; i++)
        BN_clear_free(numbers[i]);
    return s;
}

static enum status read_ec(const struct jwk *j, enum token_half half, struct token_key *k,
                           struct problem *why)
{
    enum { HALF = TOKEN_ES256_HALF };
    unsigned char point[1 + 2 * HALF] = {POINT_CONVERSION_UNCOMPRESSED};
    struct param x, y, d = {.len = 0};
    BIGNUM *secret = NULL;
    enum status s = STATUS_BAD_CONFIG;
    if (!read_param(j, "x", HALF, &x, why) || !read_param(j, "y", HALF, &y, why) ||
        (half == TOKEN_PRIVATE && !read_param(j, "d", HALF, &d, why)))
        goto out;
    memcpy(point + 1, x.bytes, HALF);
    memcpy(point + 1 + HALF, y.bytes, HALF);
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    bool complete =
        bld && OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) &&
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point);
    if (complete && half == TOKEN_PRIVATE) {
        secret = BN_bin2bn(d.bytes, (int)d.len, NULL);
        complete = secret && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, secret);
    }
    s = set_numbers(k, bld, complete, half, why);
out:
    BN_clear_free(secret);
    OPENSSL_cleanse(&d, sizeof d);
    return s;
}

static enum status read_okp(const struct jwk *j, enum token_half half, struct token_key *k,
                            struct problem *why)
{
    enum { BYTES = 32 };
    struct param p;
    if (!read_param(j, half == TOKEN_PRIVATE ? "d" : "x", BYTES, &p, why))
        return STATUS_BAD_CONFIG;
    EVP_PKEY *pkey = half == TOKEN_PRIVATE
                         ? EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, p.bytes, p.len)
                         : EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, p.bytes, p.len);
    OPENSSL_cleanse(&p, sizeof p);
    return pkey ? token_key_set_pkey(k, pkey, why)
                : problem_set(why, STATUS_NO_MEMORY, 0, NULL, "out of memory");
}

static enum status read_oct(const struct jwk *j, enum token_half half, struct token_key *k,
                            struct problem *why)
{
    struct param p;
    (void)half;
    if (!read_param(j, "k", 0, &p, why))
        return STATUS_BAD_CONFIG;
    enum status s = token_key_set_secret(k, text_of((const char *)p.bytes, p.len), why);
    OPENSSL_cleanse(&p, sizeof p);
    return s;
}

static enum status (*const readers[TOKEN_ALGS])(const struct jwk *j, enum token_half half,
                                                struct token_key *k,
                                                struct problem *why) = {[TOKEN_HS256] = read_oct,
                                                                        [TOKEN_RS256] = read_rsa,
                                                                        [TOKEN_ES256] = read_ec,
                                                                        [TOKEN_EDDSA] = read_okp};

struct reading {
    enum token_alg alg;
    struct text kid;
    enum token_half half;
    struct token_key *out;
    size_t max, count;
};

/* One key, taken or passed over. */
static enum status read_key(struct reading *r, struct json_span v, struct problem *why)
{
    struct jwk j;
    if (v.type != JSON_OBJECT)
        return refuse(why, "it is not a JSON object");
    if (json_object(v.p, v.len, j.members, JWK_MEMBERS_MAX, &j.count, NULL) != STATUS_OK)
        return refuse(why, "it has more than 32 members");
    if (!fits(&j, r->alg, r->half))
        return STATUS_OK;
    struct token_key k = {.alg = r->alg};
    if (!read_kid(&j, r->kid, &k, why))
        return STATUS_BAD_CONFIG;
    if (text_len(&r->kid) > 0 && !text_same(text_of(k.kid, k.kid_len), r->kid))
        return STATUS_OK;
    if (r->count == r->max)
        return problem_set(why, STATUS_BAD_CONFIG, 0, "token-key",
                           "it is one too many: there may be %d keys in all", TOKEN_KEYS_MAX);
    enum status s = readers[r->alg](&j, r->half, &k, why);
    if (s == STATUS_OK)
        r->out[r->count++] = k;
    else
        token_key_release(&k);
    return s;
}

static enum status read_set(struct reading *r, struct json_span keys, struct problem *why)
{
    struct json_span items[TOKEN_KEYS_MAX];
    size_t count;
    struct problem inner = {0};
    if (keys.type != JSON_ARRAY ||
        json_array(keys.p, keys.len, items, TOKEN_KEYS_MAX, &count, NULL) != STATUS_OK)
        return problem_set(why, STATUS_BAD_CONFIG, 0, "token-key",
                           "\"keys\" of the JWK Set must be an array of at most %d keys",
                           TOKEN_KEYS_MAX);
    for (size_t i = 0; i < count; i++) {
        enum status s = read_key(r, items[i], &inner);
        if (s != STATUS_OK)
            return problem_set(why, s, 0, "token-key", "key %zu of the JWK Set: %s", i + 1,
                               inner.text);
    }
    return STATUS_OK;
}

static enum status read_text(struct reading *r, struct text json, struct problem *why)
{
    struct jwk top;
    struct problem inner = {0};
    if (json_object(json.p, text_len(&json), top.members, JWK_MEMBERS_MAX, &top.count, &inner) !=
        STATUS_OK)
        return problem_set(why, STATUS_BAD_CONFIG, 0, "token-key",
                           "it begins like a JWK or a JWK Set and is not valid JSON: %s",
                           inner.text);
    struct json_span keys = find(&top, "keys");
    if (keys.type != JSON_NONE)
        return read_set(r, keys, why);
    struct json_span whole = {.p = json.p, .len = text_len(&json), .type = JSON_OBJECT};
    enum status s = read_key(r, whole, &inner);
    return s == STATUS_OK ? s : problem_set(why, s, 0, "token-key", "the JWK: %s", inner.text);
}

enum status jwk_read(struct text json, enum token_alg alg, struct text kid, enum token_half half,
                     struct token_key *out, size_t max, size_t *count, struct problem *why)
{
    struct reading r = {.alg = alg, .kid = kid, .half = half, .out = out, .max = max};
    ERR_set_mark();
    enum status s = read_text(&r, json, why);
    ERR_pop_to_mark();
    *count = r.count;
    if (s == STATUS_OK && r.count == 0)
        return problem_set(why, STATUS_BAD_CONFIG, 0, "token-key",
                           "no %s in it fits %s: wanted is kty %s%s%s, use sig%s",
                           half == TOKEN_PRIVATE ? "private JWK" : "JWK", token_alg_name(alg),
                           kinds[alg].kty, kinds[alg].crv ? " with crv " : "",
                           kinds[alg].crv ? kinds[alg].crv : "",
                           text_len(&kid) > 0 ? ", with the kid that is given here" : "");
    return s;
}
