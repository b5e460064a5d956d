#include "app/keys.h"

#include "config/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static enum status add_key(struct token_keys *keys, const struct jwt_key *key, struct problem *why)
{
    enum token_alg alg;
    struct problem inner = {0};
    size_t len = 0;
    char *bytes = file_read(key->file, TOKEN_KEY_FILE_MAX, &len);
    if (!bytes)
        return problem_set(why, STATUS_BAD_CONFIG, 0, "jwt-key",
                           "jwt_key %.120s cannot be read: %s", key->file, strerrordesc_np(errno));
    (void)token_alg_parse(text_of_str(key->alg), &alg); /* config has checked it */
    enum status status = token_keys_add(keys, alg, text_of_str(key->kid ? key->kid : ""),
                                        text_of(bytes, len), &inner);
    explicit_bzero(bytes, len);
    free(bytes);
    if (status != STATUS_OK)
        problem_set(why, status, 0, "jwt-key", "jwt_key %.80s: %s", key->file, inner.text);
    return status;
}

enum status keys_load(const struct config *c, struct token_keys **out, struct problem *why)
{
    enum status status = STATUS_OK;
    *out = NULL;
    if (c->jwt_keys.count == 0)
        return STATUS_OK;
    struct token_keys *keys = token_keys_create();
    if (!keys)
        return problem_set(why, STATUS_NO_MEMORY, 0, NULL, "out of memory");
    for (size_t i = 0; status == STATUS_OK && i < c->jwt_keys.count; i++)
        status = add_key(keys, &c->jwt_keys.items[i], why);
    if (status == STATUS_OK)
        *out = keys;
    else
        token_keys_destroy(keys);
    return status;
}
