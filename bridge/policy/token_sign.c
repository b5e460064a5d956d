/* Tokens made here: for trying out, and for tests. */
#include "policy/token.h"

#include "policy/token_base64.h"
#include "policy/token_keys.h"

enum { SIGN_CLAIMS_MAX = 64, HEADER_MAX = 256 };

static void put_header(const struct token_key *k, struct buf *out)
{
    char memory[HEADER_MAX];
    struct buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    buf_str(&b, "{\"alg\":");
    json_put_str(&b, token_alg_name(k->alg));
    buf_str(&b, ",\"typ\":\"JWT\"");
    if (k->kid_len > 0) {
        buf_str(&b, ",\"kid\":");
        json_put_string(&b, k->kid, k->kid_len);
    }
    buf_char(&b, '}');
    token_base64_put(out, b.data, b.len);
}

static enum status put_token(const struct token_key *k, struct text claims, struct buf *out,
                             struct problem *why)
{
    unsigned char signature[TOKEN_SIGNATURE_MAX];
    char memory[TOKEN_MAX_BYTES];
    struct buf b; /* apart from out, so that out gets a whole token or nothing */
    size_t len;
    buf_init_fixed(&b, memory, sizeof memory);
    put_header(k, &b);
    buf_char(&b, '.');
    token_base64_put(&b, claims.p, text_len(&claims));
    if (buf_ok(&b)) {
        enum status s = token_key_sign(k, text_of(b.data, b.len), signature, &len);
        if (s != STATUS_OK)
            return problem_set(why, s, 0, "token-key",
                               s == STATUS_NO_MEMORY ? "out of memory" : "the key cannot sign");
        buf_char(&b, '.');
        token_base64_put(&b, signature, len);
    }
    if (!buf_ok(&b))
        return problem_set(why, STATUS_TOO_LARGE, 0, "token-size",
                           "the token would be longer than %d bytes: say less in it",
                           TOKEN_MAX_BYTES);
    buf_add(out, b.data, b.len);
    return buf_ok(out) ? STATUS_OK : problem_set(why, STATUS_NO_MEMORY, 0, NULL, "out of memory");
}

enum status token_sign(enum token_alg alg, struct text kid, struct text key_bytes,
                       struct text claims_json, struct buf *out, struct problem *why)
{
    struct json_member members[SIGN_CLAIMS_MAX];
    struct token_key keys[TOKEN_KEYS_MAX];
    size_t count;
    enum status s =
        json_object(claims_json.p, text_len(&claims_json), members, SIGN_CLAIMS_MAX, &count, why);
    if (s != STATUS_OK)
        return s;
    s = token_keys_read(alg, kid, key_bytes, TOKEN_PRIVATE, keys, TOKEN_KEYS_MAX, &count, why);
    if (s == STATUS_OK) /* of several, the first: a set lists the newest there */
        s = put_token(&keys[0], claims_json, out, why);
    for (size_t i = 0; i < count; i++)
        token_key_release(&keys[i]);
    return s;
}
