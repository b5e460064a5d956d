#include "app/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum status cannot_read(const struct jwt_key *key, struct problem *why)
{
    return problem_set(why, STATUS_BAD_CONFIG, 0, "jwt-key", "jwt_key %.120s cannot be read: %s",
                       key->file, strerrordesc_np(errno));
}

/* One byte more than may be there, so that too much is seen. */
static enum status read_file(const struct jwt_key *key, char *bytes, size_t size, size_t *len,
                             struct problem *why)
{
    int fd = open(key->file, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;
    *len = 0;
    if (fd < 0)
        return cannot_read(key, why);
    while (n > 0 && *len < size) {
        n = read(fd, bytes + *len, size - *len);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            *len += (size_t)n;
    }
    int error = errno;
    close(fd);
    errno = error;
    return n < 0 ? cannot_read(key, why) : STATUS_OK;
}

static enum status add_key(struct token_keys *keys, const struct jwt_key *key, char *bytes,
                           size_t size, struct problem *why)
{
    enum token_alg alg;
    struct problem inner = {0};
    size_t len = 0;
    enum status status = read_file(key, bytes, size, &len, why);
    if (status != STATUS_OK)
        return status;
    (void)token_alg_parse(text_of_str(key->alg), &alg); /* config has checked it */
    status = token_keys_add(keys, alg, text_of_str(key->kid ? key->kid : ""), text_of(bytes, len),
                            &inner);
    if (status != STATUS_OK)
        problem_set(why, status, 0, "jwt-key", "jwt_key %.80s: %s", key->file, inner.text);
    return status;
}

enum status keys_load(const struct config *c, struct token_keys **out, struct problem *why)
{
    enum { SIZE = TOKEN_KEY_FILE_MAX + 1 };
    enum status status = STATUS_OK;
    *out = NULL;
    if (c->jwt_keys.count == 0)
        return STATUS_OK;
    struct token_keys *keys = token_keys_create();
    char *bytes = malloc(SIZE);
    if (!keys || !bytes)
        status = problem_set(why, STATUS_NO_MEMORY, 0, NULL, "out of memory");
    for (size_t i = 0; status == STATUS_OK && i < c->jwt_keys.count; i++)
        status = add_key(keys, &c->jwt_keys.items[i], bytes, SIZE, why);
    if (bytes)
        explicit_bzero(bytes, SIZE);
    free(bytes);
    if (status == STATUS_OK)
        *out = keys;
    else
        token_keys_destroy(keys);
    return status;
}
