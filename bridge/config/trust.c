#include "config/trust.h"

#include "config/option.h"
#include "config/value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WHERE_MAX = 512 };

/* Who set it, as complaints about single values say it: "--listen", "x.conf:3: listen". */
static const char *where(const struct config *c, const char *name, char out[WHERE_MAX])
{
    const struct option *o = option_by_name(&options, name);
    struct config_origin origin = c->origin[o - options.options];
    char spelt[OPTION_NAME_MAX];
    if (origin.from == CONFIG_FILE)
        snprintf(out, WHERE_MAX, "%s:%u: %s", c->ask.config, origin.line, name);
    else if (origin.from == CONFIG_ENV)
        snprintf(out, WHERE_MAX, "%s", option_env(o, spelt));
    else if (origin.from == CONFIG_FLAG)
        snprintf(out, WHERE_MAX, "--%s", option_flag(o, spelt));
    else
        snprintf(out, WHERE_MAX, "%s", name);
    return out;
}

static void check_loopback(const struct config *c, const char *name, const struct endpoint *e,
                           struct complaints *wrong)
{
    char at[WHERE_MAX], text[ENDPOINT_TEXT_MAX];
    if (endpoint_is_loopback(e))
        return;
    endpoint_format(e, text);
    complain(wrong, where(c, name, at),
             "%s can be reached from other machines, and in development mode everyone may do "
             "everything: listen on 127.0.0.1 or [::1], or add --dev-exposed",
             text);
}

static void check_mode(const struct config *c, struct complaints *wrong)
{
    char at[WHERE_MAX];
    if (c->dev_exposed && !c->dev)
        complain(wrong, where(c, "dev_exposed", at),
                 "goes with development mode: add --dev, or remove it");
    if (!c->dev && c->jwt_keys.count == 0 && wrong->count == 0) /* else they may be in there */
        complain(
            wrong, NULL,
            "no key is set that tokens may be signed with, so nobody could join: add --jwt-key "
            "ALG:FILE, or --dev for development on this machine");
    if (!c->dev || c->dev_exposed)
        return;
    for (size_t i = 0; i < c->listen.count; i++)
        check_loopback(c, "listen", &c->listen.items[i].at, wrong);
    if (c->broker.kind == BROKER_EMBEDDED)
        check_loopback(c, "mqtt_listen", &c->mqtt_listen, wrong);
}

static void check_claims(const struct config *c, struct complaints *wrong)
{
    char at[WHERE_MAX];
    if (c->jwt_keys.count > 0)
        return;
    if (c->jwt.issuer)
        complain(wrong, where(c, "jwt.issuer", at),
                 "is about tokens, and no jwt_key is set: set one, or remove it");
    if (c->jwt.audience)
        complain(wrong, where(c, "jwt.audience", at),
                 "is about tokens, and no jwt_key is set: set one, or remove it");
}

static void check_readable(const struct config *c, const char *name, const char *path,
                           struct complaints *wrong)
{
    char at[WHERE_MAX];
    if (path && access(path, R_OK) != 0)
        complain(wrong, where(c, name, at), "%s cannot be read: %s", path, strerror(errno));
}

static void check_tls(const struct config *c, struct complaints *wrong)
{
    char at[WHERE_MAX], text[ENDPOINT_TEXT_MAX];
    if (c->tls.cert && !c->tls.key)
        complain(wrong, where(c, "tls_cert", at), "needs its private key: set tls_key, too");
    if (c->tls.key && !c->tls.cert)
        complain(wrong, where(c, "tls_key", at), "needs its certificate: set tls_cert, too");
    for (size_t i = 0; i < c->listen.count && !c->tls.cert && !c->tls.key; i++) {
        if (!c->listen.items[i].tls)
            continue;
        endpoint_format(&c->listen.items[i].at, text);
        complain(wrong, where(c, "listen", at),
                 "https://%s needs a certificate: set tls_cert and tls_key, or write http://",
                 text);
    }
    check_readable(c, "tls_cert", c->tls.cert, wrong);
    check_readable(c, "tls_key", c->tls.key, wrong);
}

static void check_bursts(const struct config *c, struct complaints *wrong)
{
    if (c->limits.messages_burst < c->limits.messages_per_second)
        complain(
            wrong, NULL,
            "limits.messages_burst (%u) is less than limits.messages_per_second (%u): raise it",
            c->limits.messages_burst, c->limits.messages_per_second);
    if (c->limits.bytes_burst < c->limits.bytes_per_second)
        complain(wrong, NULL,
                 "limits.bytes_burst (%u) is less than limits.bytes_per_second (%u): raise it",
                 c->limits.bytes_burst, c->limits.bytes_per_second);
    if (c->limits.bytes_burst < c->limits.message_bytes)
        complain(
            wrong, NULL,
            "limits.bytes_burst (%u) is less than limits.message (%u), so such a message could "
            "never pass: raise it",
            c->limits.bytes_burst, c->limits.message_bytes);
}

void trust_check(const struct config *c, struct complaints *wrong)
{
    check_mode(c, wrong);
    check_claims(c, wrong);
    check_tls(c, wrong);
    check_bursts(c, wrong);
}

/* Others than the owner and the group may read or write it. */
static bool warn_open(struct config *c, const char *name, const char *path)
{
    struct stat st;
    char *sentence = NULL;
    if (!path || stat(path, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_mode & 07) == 0)
        return true;
    if (asprintf(&sentence, "%s (%s) is open to every user of this machine: chmod o-rwx it", path,
                 name) < 0)
        return false;
    bool done = strings_add(&c->warnings, sentence);
    free(sentence);
    return done;
}

bool trust_warn(struct config *c)
{
    bool done = warn_open(c, "tls_key", c->tls.key) &&
                warn_open(c, "mqtt.password_file", c->mqtt.password_file) &&
                warn_open(c, "mqtt.key", c->mqtt.key);
    for (size_t i = 0; i < c->jwt_keys.count; i++)
        if (strcmp(c->jwt_keys.items[i].alg, "HS256") == 0) /* the others are public */
            done = done && warn_open(c, "jwt_key", c->jwt_keys.items[i].file);
    for (size_t i = 0; i < c->ice_servers.count; i++) {
        const struct ice_server *s = &c->ice_servers.items[i];
        bool inside = s->credential && !s->credential_file;
        done = done && warn_open(c, "ice_servers.credential", inside ? c->ask.config : NULL) &&
               warn_open(c, "ice_servers.credential_file", s->credential_file) &&
               warn_open(c, "ice_servers.secret_file", s->secret_file);
    }
    return done;
}
