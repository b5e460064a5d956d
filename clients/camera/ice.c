#include "ice.h"

#include <glib.h>
#include <string.h>

#include "base/text.h"

enum { HOST_MAX_BYTES = 255 };

void ice_clear(struct ice *ice)
{
    g_free(ice->stun);
    for (unsigned i = 0; i < ice->turn_count; i++)
        g_free(ice->turn[i]);
    memset(ice, 0, sizeof *ice);
}

static bool is_host_char(char c)
{
    return text_is_alnum(c) || strchr(".-_:[]", c);
}

static bool is_query_char(char c)
{
    return text_is_alnum(c) || c == '=';
}

/* host[:port][?transport=x], with the usual port where none is given. NULL: not of that form. */
static char *authority(struct text t, unsigned usual_port, char **query)
{
    struct text host, transport = text_of("", 0);
    *query = NULL;
    if (!text_run(&t, is_host_char, HOST_MAX_BYTES, &host))
        return NULL;
    if (text_char(&t, '?') && !text_run(&t, is_query_char, 32, &transport))
        return NULL;
    if (!text_end(&t))
        return NULL;
    char *name = g_strndup(host.p, text_len(&host));
    const char *bracket = strrchr(name, ']');
    bool has_port = strchr(bracket ? bracket : name, ':') != NULL;
    char *out = has_port ? g_strdup(name) : g_strdup_printf("%s:%u", name, usual_port);
    g_free(name);
    *query = g_strndup(transport.p, text_len(&transport));
    return out;
}

static bool add_turn(struct ice *ice, const char *scheme, const char *where, const char *query,
                     const char *user, const char *password)
{
    if (ice->turn_count == ICE_TURN_MAX || !user || !password)
        return false;
    char *u = g_uri_escape_string(user, NULL, FALSE);
    char *p = g_uri_escape_string(password, NULL, FALSE);
    ice->turn[ice->turn_count++] =
        g_strdup_printf("%s://%s:%s@%s%s%s", scheme, u, p, where, *query ? "?" : "", query);
    g_free(u);
    g_free(p);
    return true;
}

bool ice_add(struct ice *ice, const char *url, const char *user, const char *password)
{
    struct text t = text_of_str(url);
    bool stun = text_literal(&t, "stun:"), tls = !stun && text_literal(&t, "turns:");
    if (!stun && !tls && !text_literal(&t, "turn:"))
        return false;
    char *query, *where = authority(t, tls ? 5349 : 3478, &query);
    if (!where)
        return false;
    bool good;
    if (stun) {
        good = !ice->stun;
        if (good)
            ice->stun = g_strdup_printf("stun://%s", where);
    } else {
        good = add_turn(ice, tls ? "turns" : "turn", where, query, user, password);
    }
    g_free(where);
    g_free(query);
    return good;
}

bool ice_add_option(struct ice *ice, const char *url)
{
    const char *scheme = strchr(url, ':'), *at = strrchr(url, '@');
    if (!scheme || !at)
        return ice_add(ice, url, NULL, NULL);
    char *login = g_strndup(scheme + 1, (size_t)(at - scheme - 1));
    char *colon = strchr(login, ':');
    char *bare = g_strdup_printf("%.*s%s", (int)(scheme + 1 - url), url, at + 1);
    bool good = false;
    if (colon) {
        *colon = '\0';
        good = ice_add(ice, bare, login, colon + 1);
    }
    g_free(bare);
    g_free(login);
    return good;
}
