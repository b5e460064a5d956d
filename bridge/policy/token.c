/* From the bytes of a token to what it allows. */
#include "policy/token.h"

#include "policy/token_base64.h"
#include "policy/token_keys.h"
#include "policy/token_number.h"

#include <string.h>

enum {
    DECODED_MAX = TOKEN_MAX_BYTES / 4 * 3,
    HEADER_MEMBERS_MAX = 32,
    CLAIMS_MAX = 64,
    AUDIENCES_MAX = 64,
    COMPARED_MAX = 1024 /* bytes of an issuer or audience that is written with escapes */
};

struct parts {
    struct text header, payload, signature;
    struct text signed_text; /* header.payload */
};

struct header {
    enum token_alg alg;
    char kid[TOKEN_KID_MAX];
    size_t kid_len; /* 0: none */
};

struct payload {
    char text[DECODED_MAX];
    size_t len;
    struct json_member claims[CLAIMS_MAX];
    size_t count;
};

static enum status refuse(struct problem *why, const char *rule, const char *sentence)
{
    return problem_set(why, STATUS_UNAUTHORIZED, 0, rule, "%s", sentence);
}

static enum status refuse_claim(struct problem *why, const char *claim, const char *rule)
{
    return problem_set(why, STATUS_UNAUTHORIZED, 0, "token-claim", "the token's claim %s %s", claim,
                       rule);
}

static struct json_span find(const struct json_member *members, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (json_equals(members[i].key, name))
            return members[i].value;
    return (struct json_span){0};
}

/* ---- before the signature ---- */

static enum status split(struct text token, struct parts *p, struct problem *why)
{
    struct text rest = token;
    if (text_end(&token))
        return refuse(why, "token-shape", "the token is empty");
    if (text_len(&token) > TOKEN_MAX_BYTES)
        return problem_set(why, STATUS_UNAUTHORIZED, 0, "token-size",
                           "the token is longer than %d bytes", TOKEN_MAX_BYTES);
    if (!text_until(&rest, '.', TOKEN_MAX_BYTES, &p->header) || !text_char(&rest, '.') ||
        !text_until(&rest, '.', TOKEN_MAX_BYTES, &p->payload) || !text_char(&rest, '.') ||
        text_end(&rest) || memchr(rest.p, '.', text_len(&rest)))
        return refuse(why, "token-shape",
                      "the token is not three parts with dots between them, as a signed JWT is");
    p->signature = rest;
    p->signed_text = (struct text){p->header.p, p->payload.end};
    return STATUS_OK;
}

/* RFC 8725 section 3.11: a kind of JWT that was made for something else is not for us. Access
 * tokens of OAuth are (RFC 9068 section 2.1). */
static bool is_our_type(struct json_span v)
{
    static const char *const types[] = {"JWT", "at+jwt", "application/at+jwt"};
    char name[32];
    size_t len;
    if (v.type == JSON_NONE)
        return true;
    if (v.type != JSON_STRING || !json_decode(v, name, sizeof name, &len))
        return false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (text_equals_nocase(text_of(name, len), types[i]))
            return true;
    return false;
}

static bool read_alg(struct json_span v, enum token_alg *out)
{
    char name[16];
    size_t len;
    return v.type == JSON_STRING && json_decode(v, name, sizeof name, &len) &&
           token_alg_parse(text_of(name, len), out);
}

/* Members that carry or point to keys (jwk, jku, x5u, x5c) are passed over like unknown ones. */
static enum status read_header(struct text part, struct header *h, struct problem *why)
{
    char text[DECODED_MAX];
    struct json_member m[HEADER_MEMBERS_MAX];
    struct problem inner = {0};
    size_t len, count;
    if (!token_base64_decode(part, text, sizeof text, &len))
        return refuse(why, "token-shape", "the token's header is not base64url without padding");
    if (json_object(text, len, m, HEADER_MEMBERS_MAX, &count, &inner) != STATUS_OK)
        return problem_set(why, STATUS_UNAUTHORIZED, 0, "token-header",
                           "the token's header is not a JSON object: %s", inner.text);
    /* RFC 7515 section 4.1.11: extensions that must be understood, and none is. */
    if (find(m, count, "crit").type != JSON_NONE)
        return refuse(why, "token-header",
                      "the token's header has crit: no extension is understood here");
    if (!is_our_type(find(m, count, "typ")))
        return refuse(why, "token-header",
                      "the token's header has a typ that is neither JWT nor at+jwt");
    struct json_span kid = find(m, count, "kid");
    h->kid_len = 0;
    if (kid.type != JSON_NONE &&
        (kid.type != JSON_STRING || !json_decode(kid, h->kid, sizeof h->kid, &h->kid_len) ||
         h->kid_len == 0))
        return refuse(why, "token-header",
                      "the token's header has a kid that is not a string of 1 to 64 bytes");
    if (!read_alg(find(m, count, "alg"), &h->alg))
        return refuse(why, "token-alg",
                      "the token's alg is missing or not one of HS256, RS256, ES256, EdDSA");
    return STATUS_OK;
}

static enum status read_payload(struct text part, struct payload *p, struct problem *why)
{
    struct problem inner = {0};
    if (!token_base64_decode(part, p->text, sizeof p->text, &p->len))
        return refuse(why, "token-shape", "the token's payload is not base64url without padding");
    if (json_object(p->text, p->len, p->claims, CLAIMS_MAX, &p->count, &inner) != STATUS_OK)
        return problem_set(why, STATUS_UNAUTHORIZED, 0, "token-payload",
                           "the token's payload is not a JSON object: %s", inner.text);
    return STATUS_OK;
}

/* ---- the signature ---- */

static bool may_be(const struct token_key *k, const struct header *h)
{
    return k->alg == h->alg &&
           (h->kid_len == 0 || k->kid_len == 0 ||
            (k->kid_len == h->kid_len && memcmp(k->kid, h->kid, h->kid_len) == 0));
}

static enum status check_signature(const struct token_keys *k, const struct header *h,
                                   const struct parts *p, struct problem *why)
{
    unsigned char signature[DECODED_MAX];
    size_t len;
    bool alg = false, tried = false;
    if (!token_base64_decode(p->signature, signature, sizeof signature, &len))
        return refuse(why, "token-shape", "the token's signature is not base64url without padding");
    for (const struct token_key *key = k->items; key < k->items + k->count; key++) {
        alg = alg || key->alg == h->alg;
        if (!may_be(key, h))
            continue;
        tried = true;
        enum status s = token_key_verify(key, p->signed_text, signature, len);
        if (s == STATUS_OK)
            return s;
        if (s == STATUS_NO_MEMORY)
            return problem_set(why, s, 0, NULL, "out of memory");
    }
    if (!alg)
        return refuse(why, "token-alg",
                      "the token's alg is not that of any key that is configured here");
    if (!tried)
        return refuse(why, "token-key",
                      "the token is signed with a key that is not configured here");
    return refuse(why, "token-signature", "the token's signature is wrong");
}

/* ---- after the signature ---- */

static enum status check_times(const struct payload *p, const struct token_rules *rules,
                               int64_t now_ms, int64_t *expires_ms, struct problem *why)
{
    struct json_span exp = find(p->claims, p->count, "exp"), nbf = find(p->claims, p->count, "nbf");
    int64_t from_ms;
    if (exp.type == JSON_NONE)
        return refuse_claim(why, "exp", "is missing: it must say when the token expires");
    if (!token_date_ms(exp, expires_ms))
        return refuse_claim(why, "exp",
                            "must be a number: seconds since 1970, at most the year 9999");
    if (nbf.type != JSON_NONE && !token_date_ms(nbf, &from_ms))
        return refuse_claim(why, "nbf",
                            "must be a number: seconds since 1970, at most the year 9999");
    if (now_ms >= *expires_ms) /* RFC 7519 section 4.1.4: on or after */
        return refuse(why, "token-expired", "the token has expired");
    if (nbf.type != JSON_NONE && now_ms < from_ms - rules->leeway_ms)
        return refuse(why, "token-early", "the token is not valid yet");
    return STATUS_OK;
}

static bool equals(struct json_span v, const char *wanted)
{
    char plain[COMPARED_MAX];
    if (v.type != JSON_STRING) /* absent: no pointer to add to */
        return false;
    struct text t = {v.p, v.p + v.len};
    if (v.escaped) { /* as in "https:\/\/issuer.example" */
        size_t len;
        if (!json_decode(v, plain, sizeof plain, &len))
            return false;
        t = text_of(plain, len);
    }
    return text_equals(t, wanted);
}

static enum status check_issuer(const struct payload *p, const char *wanted, struct problem *why)
{
    struct json_span iss = find(p->claims, p->count, "iss");
    if (iss.type != JSON_NONE && iss.type != JSON_STRING)
        return refuse_claim(why, "iss", "must be a string");
    if (wanted && !equals(iss, wanted))
        return refuse(why, "token-issuer",
                      "the token's claim iss is missing or not the issuer that is expected here");
    return STATUS_OK;
}

/* RFC 7519 section 4.1.3: one string or an array of them. */
static enum status check_audience(const struct payload *p, const char *wanted, struct problem *why)
{
    struct json_span aud = find(p->claims, p->count, "aud"), items[AUDIENCES_MAX];
    size_t count = 0;
    bool found = false;
    if (aud.type == JSON_STRING) {
        items[0] = aud;
        count = 1;
    } else if (aud.type != JSON_NONE &&
               (aud.type != JSON_ARRAY ||
                json_array(aud.p, aud.len, items, AUDIENCES_MAX, &count, NULL) != STATUS_OK)) {
        return refuse_claim(why, "aud", "must be a string or an array of at most 64 strings");
    }
    for (size_t i = 0; i < count; i++) {
        if (items[i].type != JSON_STRING)
            return refuse_claim(why, "aud", "must be a string or an array of at most 64 strings");
        found = found || (wanted && equals(items[i], wanted));
    }
    if (wanted && !found)
        return refuse(why, "token-audience",
                      "the token's claim aud is missing or does not name this service");
    return STATUS_OK;
}

enum status token_verify(const struct token_keys *k, const struct token_rules *rules,
                         struct text token, int64_t now_ms, struct access **out,
                         struct problem *why)
{
    struct parts parts;
    struct header header;
    struct payload payload;
    int64_t expires_ms = 0;
    *out = NULL;
    enum status s = split(token, &parts, why);
    if (s == STATUS_OK)
        s = read_header(parts.header, &header, why);
    if (s == STATUS_OK)
        s = read_payload(parts.payload, &payload, why);
    if (s == STATUS_OK)
        s = check_signature(k, &header, &parts, why);
    if (s == STATUS_OK)
        s = check_times(&payload, rules, now_ms, &expires_ms, why);
    if (s == STATUS_OK)
        s = check_issuer(&payload, rules->issuer, why);
    if (s == STATUS_OK)
        s = check_audience(&payload, rules->audience, why);
    if (s == STATUS_OK)
        s = access_create(payload.claims, payload.count, expires_ms, out, why);
    return s;
}
