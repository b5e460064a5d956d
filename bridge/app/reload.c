#include "app/reload.h"

#include "app/ice_rules.h"
#include "app/keys.h"
#include "app/parts.h"
#include "base/log.h"
#include "config/change.h"

#include <string.h>

enum { NAMES_MAX = 1900 }; /* less than a line of the log: all options together fit */

#define AGAIN "all stays as it was: correct it and send SIGHUP again"

/* What has to be made for the new values, and may fail. */
struct made {
    struct token_keys *keys;
    struct ice_policies *ice_policies;
    struct proxies *proxies;
};

static void release(struct made *m)
{
    token_keys_destroy(m->keys);
    ice_policies_destroy(m->ice_policies);
    proxies_destroy(m->proxies);
}

/* The certificate last: where that succeeds it is in use at once, and nothing fails any more. */
static enum status make(struct parts *p, const struct config *would, struct made *m,
                        struct problem *why)
{
    enum status s = keys_load(would, &m->keys, why);
    if (s == STATUS_OK)
        s = ice_rules_load(would, &m->ice_policies, why);
    if (s == STATUS_OK)
        s = proxies_create(&m->proxies, (const char *const *)would->trusted_proxies.items,
                           would->trusted_proxies.count, why);
    if (s == STATUS_OK)
        s = ws_server_reload_tls(p->server, would->tls.cert, would->tls.key, why);
    return s;
}

/* Sockets wait to join in the order of their deadlines, and go on doing so. What has no socket any
 * more is only to be swept away. */
static void change_join_timeout(struct router *r, int64_t us)
{
    int64_t later_us = us - r->o.join_timeout_us;
    LIST_EACH(l, &r->idle)
    {
        struct session *s = LIST_ITEM(l, struct session, timer);
        if (s->socket)
            s->deadline_us += later_us;
    }
    r->o.join_timeout_us = us;
}

static void change_router(struct parts *p)
{
    const struct config *c = p->config;
    struct router_options *o = &p->router.o;
    router_set_keys(&p->router, p->keys);
    o->token_rules.issuer = c->jwt.issuer;
    o->token_rules.audience = c->jwt.audience;
    o->ice_policies = p->ice_policies;
    o->room_peers_max = c->limits.room_peers;
    o->rooms_max = c->limits.rooms;
    o->messages = (struct rate_limit){c->limits.messages_per_second, c->limits.messages_burst};
    o->bytes = (struct rate_limit){c->limits.bytes_per_second, c->limits.bytes_burst};
    o->replay_messages = c->limits.replay_messages;
    o->replay_bytes = c->limits.replay_bytes;
    /* Who is away already keeps the time that it was promised. */
    o->resume_window_us = (int64_t)c->presence.resume_window_s * 1000000;
    change_join_timeout(&p->router, (int64_t)c->limits.join_timeout_s * 1000000);
}

static void change_server(struct parts *p)
{
    const struct config *c = p->config;
    struct ws_server_options o = {
        .proxies = p->proxies,
        .origins = {(const char *const *)c->origins.items, c->origins.count, c->dev},
        .queue_messages = c->limits.send_queue_messages,
        .queue_bytes = c->limits.send_queue_bytes,
        .ping_interval_us = (int64_t)c->ping.interval_s * 1000000,
        .ping_timeout_us = (int64_t)c->ping.timeout_s * 1000000,
    };
    ws_server_change(p->server, &o);
}

static void change_link(struct parts *p)
{
    const struct config *c = p->config;
    struct mqtt_link_options o = {
        .username = p->broker ? embedded_broker_user(p->broker) : c->mqtt.username,
        .password = p->broker ? embedded_broker_password(p->broker) : c->mqtt.password,
        .outage_bytes = c->limits.outage_bytes,
        .outage_age_us = (int64_t)c->limits.outage_age_s * 1000000,
    };
    mqtt_link_change(p->link, &o);
}

/* Cannot fail. Who uses the configuration itself, such as the list of ICE servers, needs no word.
 */
static void take(struct parts *p, struct config *fresh, struct made *m)
{
    struct made old = {p->keys, p->ice_policies, p->proxies};
    config_take(p->config, fresh);
    p->keys = m->keys;
    p->ice_policies = m->ice_policies;
    p->proxies = m->proxies;
    *m = old;
    change_router(p);
    visitors_change(p->visitors, p->config->limits.address_sessions,
                    p->config->limits.auth_failures);
    change_server(p);
    change_link(p);
    if (p->config->history.keep_days != fresh->history.keep_days)
        store_keep(p->store, (int64_t)p->config->history.keep_days * 24 * 3600 * 1000);
}

/* The names of the options, with commas; "-": none. */
static const char *names(enum config_change wanted, const struct config *running,
                         const struct config *fresh, char out[NAMES_MAX])
{
    struct buf b;
    buf_init_fixed(&b, out, NAMES_MAX);
    for (const struct option *o = options.options; o < options.options + options.count; o++) {
        if (config_compare(o, running, fresh) != wanted)
            continue;
        buf_str(&b, b.len ? "," : "");
        buf_str(&b, o->name);
    }
    return b.len ? buf_cstr(&b) : "-";
}

static void say_restart(const struct config *running, const struct config *fresh)
{
    for (const struct option *o = options.options; o < options.options + options.count; o++)
        if (config_compare(o, running, fresh) == CONFIG_RESTART)
            log_line(LOG_WARN, "config-needs-restart", LOG_S("option", o->name),
                     LOG_S("remedy", "restart the bridge to change it"), LOG_END);
}

static void say_warnings(const struct config *fresh)
{
    for (size_t i = 0; i < fresh->warnings.count; i++)
        log_line(LOG_WARN, "config-warning", LOG_S("text", fresh->warnings.items[i]), LOG_END);
}

/* One line of the log for each. */
static void say_mistakes(struct complaints *wrong)
{
    static const char program[] = "sigbridge: ";
    const char *line = complaints_text(wrong);
    while (*line) {
        size_t len = strcspn(line, "\n");
        size_t skip = strncmp(line, program, strlen(program)) == 0 ? strlen(program) : 0;
        log_line(LOG_ERROR, "config-mistake", LOG_T("text", line + skip, len - skip), LOG_END);
        line += len + (line[len] == '\n');
    }
}

static void refuse(struct parts *p, const char *why, const char *remedy)
{
    p->reloads.refused++;
    log_line(LOG_ERROR, "reload-failed", LOG_S("why", why), LOG_S("remedy", remedy), LOG_END);
}

/* What files were read for, whether they had changed or not. */
static const char *files(const struct config *c)
{
    bool tls = false;
    for (size_t i = 0; i < c->listen.count; i++)
        tls = tls || c->listen.items[i].tls;
    if (c->jwt_keys.count)
        return tls ? "jwt_key,tls_cert" : "jwt_key";
    return tls ? "tls_cert" : "-";
}

/* The two versions of the log's own options: the line goes out where more of it is shown. */
static void take_and_say(struct parts *p, struct config *fresh, struct made *m)
{
    char changed_bytes[NAMES_MAX], restart_bytes[NAMES_MAX];
    const char *changed = names(CONFIG_CHANGED, p->config, fresh, changed_bytes);
    const char *restart = names(CONFIG_RESTART, p->config, fresh, restart_bytes);
    bool before = log_enabled(LOG_INFO);
    say_restart(p->config, fresh);
    say_warnings(fresh);
    take(p, fresh, m);
    p->reloads.done++;
    if (!before)
        log_setup((enum log_level)p->config->log_level, p->config->log_json);
    log_line(LOG_INFO, "reloaded", LOG_S("changed", changed), LOG_S("read", files(p->config)),
             LOG_S("restart", restart), LOG_END);
    log_setup((enum log_level)p->config->log_level, p->config->log_json);
}

static void reload_from(struct parts *p, struct config *fresh, struct complaints *wrong)
{
    struct config would;
    struct made made = {0};
    struct problem why = {0};
    config_preview(p->config, fresh, &would);
    config_check(&would, wrong);
    if (wrong->count) {
        say_restart(p->config, fresh);
        say_mistakes(wrong);
        refuse(p, "what needs a restart and the rest only go together", "restart the bridge");
        return;
    }
    if (make(p, &would, &made, &why) == STATUS_OK)
        take_and_say(p, fresh, &made);
    else
        refuse(p, why.text, AGAIN);
    release(&made); /* what is not in use: the new or the old */
}

void reload(struct parts *p)
{
    struct complaints wrong;
    if (p->drain_deadline_us) {
        p->reloads.ignored++;
        log_line(LOG_INFO, "reload-ignored", LOG_S("why", "the bridge is going down"), LOG_END);
        return;
    }
    complaints_init(&wrong);
    struct config *fresh = config_load_again(p->config, &wrong);
    if (fresh) {
        reload_from(p, fresh, &wrong);
    } else {
        say_mistakes(&wrong);
        refuse(p, "the configuration has mistakes", AGAIN);
    }
    config_free(fresh);
    complaints_release(&wrong);
}

void reload_put_metrics(const struct reload_count *count, struct buf *b)
{
    static const char name[] = "sigbridge_reloads_total";
    metric_head(b, name, "counter", "SIGHUPs, by what came of them.");
    metric_value(b, name, "{result=\"done\"}", count->done);
    metric_value(b, name, "{result=\"refused\"}", count->refused);
    metric_value(b, name, "{result=\"ignored\"}", count->ignored);
}
