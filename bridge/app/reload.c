#include "app/reload.h"

#include "app/keys.h"
#include "app/parts.h"
#include "base/log.h"

enum { WHAT_MAX = 32 };

static enum status reload_keys(struct parts *p, struct problem *why)
{
    struct token_keys *old = p->keys, *keys;
    enum status s = keys_load(p->config, &keys, why);
    if (s != STATUS_OK)
        return s;
    router_set_keys(&p->router, keys);
    p->keys = keys;
    token_keys_destroy(old);
    return STATUS_OK;
}

static enum status reload_tls(struct parts *p, struct problem *why)
{
    return ws_server_reload_tls(p->server, p->config->tls.cert, p->config->tls.key, why);
}

static bool has_keys(const struct config *c)
{
    return c->jwt_keys.count > 0;
}

static bool has_tls(const struct config *c)
{
    for (size_t i = 0; i < c->listen.count; i++)
        if (c->listen.items[i].tls)
            return true;
    return false;
}

void reload(struct parts *p)
{
    static const struct {
        const char *name;
        bool (*configured)(const struct config *c);
        enum status (*reload)(struct parts *p, struct problem *why);
    } all[] = {{"keys", has_keys, reload_keys}, {"certificate", has_tls, reload_tls}};
    char bytes[WHAT_MAX];
    struct buf what;
    bool failed = false;
    buf_init_fixed(&what, bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct problem why = {0};
        if (!all[i].configured(p->config))
            continue;
        if (all[i].reload(p, &why) == STATUS_OK) {
            buf_str(&what, what.len ? "," : "");
            buf_str(&what, all[i].name);
            continue;
        }
        failed = true;
        log_line(LOG_ERROR, "reload-failed", LOG_S("what", all[i].name), LOG_S("why", why.text),
                 LOG_S("remedy", "the old one stays in force until the next SIGHUP"), LOG_END);
    }
    buf_cstr(&what);
    if (what.len || !failed)
        log_line(LOG_INFO, "reloaded", LOG_S("what", what.len ? bytes : "nothing"),
                 LOG_S("rest", "restart to change other options"), LOG_END);
}
