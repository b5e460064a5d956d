#include "config/forms.h"

#include "base/buf.h"
#include "config/value.h"
#include "proto/names.h"

#include <stdlib.h>
#include <string.h>

static bool parse_listen(const char *str, const char *dir, void *item, const char **why)
{
    struct listen *l = item;
    (void)dir;
    l->tls = strncmp(str, "https://", 8) == 0;
    l->scheme = l->tls || strncmp(str, "http://", 7) == 0;
    return endpoint_parse(str + (l->tls ? 8 : l->scheme ? 7 : 0), &l->at, why);
}

static void format_listen(const void *item, struct buf *out)
{
    const struct listen *l = item;
    char at[ENDPOINT_TEXT_MAX];
    endpoint_format(&l->at, at);
    buf_str(out, l->tls ? "https://" : l->scheme ? "http://" : "");
    buf_str(out, at);
}

const struct option_form form_listen = {
    .item_size = sizeof(struct listen),
    .wanted =
        "write ADDR:PORT, as in 127.0.0.1:8080 or [::1]:8080, with http:// or https:// before it "
        "or without",
    .parse = parse_listen,
    .format = format_listen,
};

static bool alg_ok(const char *alg, size_t len)
{
    static const char *const known[] = {"HS256", "RS256", "ES256", "EdDSA"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i]) == len && memcmp(known[i], alg, len) == 0)
            return true;
    return false;
}

/* What stands between @ and the colon. Without spaces, which part the keys in a variable. */
static bool kid_ok(const char *kid, size_t len)
{
    if (len == 0 || len > JWT_KID_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (kid[i] <= 0x20 || kid[i] > 0x7e)
            return false;
    return true;
}

static bool path_ok(const char *path)
{
    if (!*path)
        return false;
    for (; *path; path++)
        if ((unsigned char)*path < 0x20 || *path == 0x7f)
            return false;
    return true;
}

static void release_jwt_key(void *item)
{
    struct jwt_key *k = item;
    free(k->alg);
    free(k->kid);
    free(k->file);
}

static bool parse_jwt_key(const char *str, const char *dir, void *item, const char **why)
{
    struct jwt_key *k = item;
    size_t before = strcspn(str, ":"), alg = strcspn(str, "@:");
    const char *kid = str[alg] == '@' ? str + alg + 1 : NULL;
    size_t kid_len = kid ? before - alg - 1 : 0;
    if (!alg_ok(str, alg))
        *why = "does not begin with an algorithm that is known here";
    else if (!str[before])
        *why = "names no file";
    else if (kid && !kid_ok(kid, kid_len))
        *why = "has a bad key name after the @: 1 to 64 printable ASCII characters, no space, no "
               "colon";
    else if (!path_ok(str + before + 1))
        *why = "names no file, or one with a control character";
    else {
        k->alg = strndup(str, alg);
        k->kid = kid ? strndup(kid, kid_len) : NULL;
        k->file = value_path(dir, str + before + 1);
        if (k->alg && k->file && !kid == !k->kid)
            return true;
        *why = "cannot be kept: out of memory";
        release_jwt_key(k);
    }
    return false;
}

static void format_jwt_key(const void *item, struct buf *out)
{
    const struct jwt_key *k = item;
    buf_str(out, k->alg);
    if (k->kid) {
        buf_char(out, '@');
        buf_str(out, k->kid);
    }
    buf_char(out, ':');
    buf_str(out, k->file);
}

const struct option_form form_jwt_key = {
    .item_size = sizeof(struct jwt_key),
    .wanted = "write ALG:FILE or ALG@KID:FILE, with ALG one of HS256, RS256, ES256, EdDSA",
    .parse = parse_jwt_key,
    .format = format_jwt_key,
    .release = release_jwt_key,
};

bool room_pattern_ok(const char *str, const char **why)
{
    size_t len = strlen(str);
    *why = "is no room's name (1 to 64 characters of A-Z a-z 0-9 . _ ~ -, the first one a letter "
           "or a digit), nor the beginning of one and a star";
    if (len > 0 && str[len - 1] == '*')
        len--; /* what stands before it begins a name, so it may be one itself, or nothing */
    else if (len == 0)
        return false;
    return len == 0 || name_ok(str, len);
}

static bool is_one_of(const char *str, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(*words, str) == 0)
            return true;
    return false;
}

bool ice_type_ok(const char *str, const char **why)
{
    static const char *const words[] = {"host", "srflx", "prflx", "relay", NULL};
    *why = "is no candidate type: write host, srflx, prflx or relay";
    return is_one_of(str, words);
}

bool ice_transport_ok(const char *str, const char **why)
{
    static const char *const words[] = {"udp", "tcp", NULL};
    *why = "is no transport: write udp or tcp";
    return is_one_of(str, words);
}

bool ice_address_class_ok(const char *str, const char **why)
{
    static const char *const words[] = {"public", "private", "loopback", "link-local",
                                        "mdns",   "name",    NULL};
    *why = "is no class of addresses: write public, private, loopback, link-local, mdns or name";
    return is_one_of(str, words);
}
