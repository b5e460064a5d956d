/* Sets of keys, and what each form of a key file holds. */
#include "policy/token_keys.h"

#include "policy/jwk.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[TOKEN_ALGS] = {[TOKEN_HS256] = "HS256",
                                              [TOKEN_RS256] = "RS256",
                                              [TOKEN_ES256] = "ES256",
                                              [TOKEN_EDDSA] = "EdDSA"};

bool token_alg_parse(struct text name, enum token_alg *out)
{
    for (unsigned i = 0; i < TOKEN_ALGS; i++)
        if (text_equals(name, names[i])) {
            *out = (enum token_alg)i;
            return true;
        }
    return false;
}

const char *token_alg_name(enum token_alg alg)
{
    return (unsigned)alg < TOKEN_ALGS ? names[alg] : "unknown";
}

struct token_keys *token_keys_create(void)
{
    return calloc(1, sizeof(struct token_keys));
}

static void release(struct token_key *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        token_key_release(&items[i]);
}

void token_keys_destroy(struct token_keys *k)
{
    if (!k)
        return;
    release(k->items, k->count);
    free(k);
}

size_t token_keys_count(const struct token_keys *k)
{
    return k->count;
}

static bool is_json(struct text t)
{
    while (text_char(&t, ' ') || text_char(&t, '\t') || text_char(&t, '\n') || text_char(&t, '\r'))
        ;
    return text_char(&t, '{');
}

/* A file with one key: a secret or PEM. */
static enum status read_one(enum token_alg alg, struct text kid, struct text bytes,
                            enum token_half half, struct token_key *out, struct problem *why)
{
    size_t len = text_len(&kid);
    *out = (struct token_key){.alg = alg, .kid_len = (uint8_t)len};
    if (len > 0)
        memcpy(out->kid, kid.p, len);
    if (alg == TOKEN_HS256)
        return token_key_set_secret(out, token_key_without_line_end(bytes), why);
    return token_key_set_pem(out, bytes, half, why);
}

enum status token_keys_read(enum token_alg alg, struct text kid, struct text bytes,
                            enum token_half half, struct token_key *out, size_t max, size_t *count,
                            struct problem *why)
{
    *count = 0;
    if (text_len(&kid) > 0 && !id_ok(kid.p, text_len(&kid)))
        return problem_set(why, STATUS_BAD_CONFIG, 0, "token-key",
                           "a kid must be 1 to %d characters of printable ASCII", TOKEN_KID_MAX);
    if (text_len(&bytes) > TOKEN_KEY_FILE_MAX)
        return problem_set(why, STATUS_BAD_CONFIG, 0, "token-key",
                           "a key file may have at most %d bytes", TOKEN_KEY_FILE_MAX);
    if (text_end(&bytes))
        return problem_set(why, STATUS_BAD_CONFIG, 0, "token-key", "the key file is empty");
    if (is_json(bytes))
        return jwk_read(bytes, alg, kid, half, out, max, count, why);
    if (max == 0)
        return problem_set(why, STATUS_BAD_CONFIG, 0, "token-key",
                           "there may be at most %d keys in all", TOKEN_KEYS_MAX);
    enum status s = read_one(alg, kid, bytes, half, out, why);
    if (s == STATUS_OK)
        *count = 1;
    else
        token_key_release(out);
    return s;
}

enum status token_keys_add(struct token_keys *k, enum token_alg alg, struct text kid,
                           struct text bytes, struct problem *why)
{
    size_t added;
    enum status s = token_keys_read(alg, kid, bytes, TOKEN_PUBLIC, k->items + k->count,
                                    TOKEN_KEYS_MAX - k->count, &added, why);
    if (s == STATUS_OK)
        k->count += added;
    else
        release(k->items + k->count, added);
    return s;
}
