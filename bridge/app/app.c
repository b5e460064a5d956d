#include "app/app.h"

#include "app/ice_rules.h"
#include "app/keys.h"
#include "app/parts.h"
#include "app/reload.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/data_dir.h"
#include "core/watch.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The parts of the 5 s in which a clean end is promised. */
#define DRAIN_US      INT64_C(2000000)
#define STORE_US      INT64_C(800000)
#define DRAIN_CHECK_S 0.01

/* Before that, where the port is shared: as long as the slowest may take to answer who has begun to
 * connect, and less than the 1 s after which he who has not been heard tries again. */
#define YIELD_S 0.5

#define TICK_S 0.25

/* How far our clock may be behind that of whoever makes the tokens. */
#define NBF_LEEWAY_MS 10000

/* Connections that are no WebSockets yet, broker, database, files. */
enum { OTHER_DESCRIPTORS = 512 };

/* What is larger gets pages of its own, and gives them back: the buffer for a handshake's headers
 * would leave a hole between sessions that live for days, 1.5 KiB for each of them. */
enum { MAP_FROM_BYTES = 16 * 1024 };

static void on_tick(struct ev_loop *loop, ev_timer *w, int events)
{
    struct parts *p = w->data;
    (void)loop;
    (void)events;
    router_tick(&p->router, parts_now());
}

enum { LISTENERS_TEXT_MAX = WS_LISTENERS_MAX * (ENDPOINT_TEXT_MAX + 1) };

/* The real addresses of one kind, with commas; empty: there are none. */
static void put_listeners(const struct parts *p, bool tls, char out[LISTENERS_TEXT_MAX])
{
    struct buf b;
    buf_init_fixed(&b, out, LISTENERS_TEXT_MAX);
    for (size_t i = 0; i < p->config->listen.count; i++) {
        char text[ENDPOINT_TEXT_MAX];
        struct endpoint at = p->config->listen.items[i].at;
        if (p->config->listen.items[i].tls != tls)
            continue;
        at.port = (uint16_t)ws_server_port(p->server, i);
        endpoint_format(&at, text);
        if (b.len)
            buf_char(&b, ',');
        buf_str(&b, text);
    }
    buf_cstr(&b);
}

static void announce(struct parts *p)
{
    char http[LISTENERS_TEXT_MAX], https[LISTENERS_TEXT_MAX];
    char mqtt[ENDPOINT_TEXT_MAX] = "-", broker[BROKER_TEXT_MAX];
    struct endpoint devices = p->config->mqtt_listen;
    put_listeners(p, false, http);
    put_listeners(p, true, https);
    if (p->broker) {
        devices.port = (uint16_t)embedded_broker_port(p->broker);
        endpoint_format(&devices, mqtt);
    }
    broker_format(&p->config->broker, broker);
    p->announced = true;
    log_line(LOG_INFO, "ready", LOG_S("http", *http ? http : "-"), LOG_S("mqtt", mqtt),
             LOG_S("broker", broker), LOG_S("bridge", p->bridge_id),
             LOG_S("prefix", p->config->prefix), LOG_S("data", p->config->data),
             LOG_I("pid", getpid()), LOG_I("took_ms", clock_wall_ms() - p->started_ms),
             *https ? LOG_S("https", https) : LOG_END, LOG_END);
}

/* Before the loop sleeps: whatever came together in this turn goes out together. */
static void on_turn(struct ev_loop *loop, ev_prepare *w, int events)
{
    struct parts *p = w->data;
    (void)loop;
    (void)events;
    router_flush(&p->router, parts_now());
    ws_server_flush(p->server);
    if (!p->announced && router_ready(&p->router)) {
        announce(p);
        device_watch_start(&p->devices, p);
    }
}

static void on_drain_check(struct ev_loop *loop, ev_timer *w, int events)
{
    struct parts *p = w->data;
    (void)events;
    bool over = clock_mono_us() >= p->handover_deadline_us;
    if (!p->handed_over && (router_drained(&p->router) || over)) {
        p->handed_over = true;
        p->drain_deadline_us = clock_mono_us() + DRAIN_US;
        router_drain_end(&p->router, parts_now());
    }
    if (!p->handed_over)
        return;
    bool told = ws_server_empty(p->server);
    bool cleared = !mqtt_link_connected(p->link) || mqtt_link_idle(p->link);
    if ((told && cleared) || clock_mono_us() >= p->drain_deadline_us)
        ev_break(loop, EVBREAK_ALL);
}

static void drain(struct parts *p)
{
    p->handover_deadline_us = clock_mono_us() + (int64_t)p->config->limits.drain_s * 1000000;
    p->drain_deadline_us = p->handover_deadline_us + DRAIN_US;
    ws_server_stop_listening(p->server);
    router_drain(&p->router, "the bridge is going down", p->handover_deadline_us - clock_mono_us(),
                 parts_now());
    ev_timer_start(p->loop, &p->drain_check);
}

static void on_yielded(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)loop;
    (void)events;
    drain(w->data);
}

static void on_signal(struct ev_loop *loop, ev_signal *w, int events)
{
    struct parts *p = w->data;
    (void)events;
    if (p->drain_deadline_us) {
        ev_break(loop, EVBREAK_ALL); /* asked twice: at once */
        return;
    }
    log_line(LOG_INFO, "draining", LOG_I("signal", w->signum),
             LOG_I("sessions", p->router.joined_count), LOG_END);
    p->drain_deadline_us = clock_mono_us(); /* drain() moves it to where it belongs */
    if (!p->config->listen_shared) {
        drain(p);
        return;
    }
    /* Sessions that were told to go would come back here. */
    ws_server_yield(p->server);
    ev_timer_start(loop, &p->yielded);
}

static void on_hangup(struct ev_loop *loop, ev_signal *w, int events)
{
    struct parts *p = w->data;
    (void)loop;
    (void)events;
    reload(p);
}

static void on_broker_change(void *arg, bool running)
{
    struct parts *p = arg;
    log_line(running ? LOG_INFO : LOG_ERROR, running ? "broker-restarted" : "broker-died", LOG_END);
    if (running && p->link)
        mqtt_link_hurry(p->link);
}

/* The embedded broker's listener has no TLS. */
static void warn_of_plain_passwords(const struct config *c)
{
    if (c->dev || endpoint_is_loopback(&c->mqtt_listen))
        return;
    log_line(LOG_WARN, "mqtt-plain", LOG_S("host", c->mqtt_listen.host),
             LOG_S("why", "devices' passwords cross the network as they are"),
             LOG_S("remedy", "use it in a network that you trust only, or a mosquitto of your own"
                             " with TLS: see broker-config/README.md"),
             LOG_END);
}

static enum status start_broker(struct parts *p, struct problem *why)
{
    const struct config *c = p->config;
    struct embedded_broker_options o = {
        .data_dir = c->data,
        .listen_host = c->mqtt_listen.host,
        .listen_port = c->mqtt_listen.port,
        .prefix = c->prefix,
        .anonymous = c->dev,
    };
    if (c->broker.kind != BROKER_EMBEDDED)
        return STATUS_OK;
    warn_of_plain_passwords(c);
    return embedded_broker_start(&p->broker, p->loop, &o, on_broker_change, p, why);
}

static void check_leftover(void *arg, const char *room, const char *peer, const char *sid)
{
    struct parts *p = arg;
    (void)peer;
    (void)sid;
    watch_check(&p->router, text_of_str(room));
}

static enum status start_store(struct parts *p, struct problem *why)
{
    snprintf(p->db_path, sizeof p->db_path, "%s/" DATA_DIR_DATABASE, p->config->data);
    struct store_options o = {
        .path = p->db_path,
        .bridge = p->bridge_id,
        .queue_events = p->config->limits.store_queue,
        .now_ms = clock_wall_ms(),
        .keep_ms = (int64_t)p->config->history.keep_days * 24 * 3600 * 1000,
    };
    return store_open(&p->store, &o, why);
}

static void put_will(struct parts *p, const struct router_options *o)
{
    struct buf b;
    buf_init_fixed(&b, p->will_topic, sizeof p->will_topic);
    topic_bridge_status(&b, o->prefix, text_of_str(o->bridge));
    buf_cstr(&b);
    buf_init_fixed(&b, p->will_payload, sizeof p->will_payload);
    watch_put_status(&b, o, false, 0);
    buf_cstr(&b);
}

static enum status start_router(struct parts *p)
{
    const struct config *c = p->config;
    struct router_options o = {
        .prefix = c->prefix,
        .bridge = p->bridge_id,
        .run = p->run,
        .version = SIGBRIDGE_VERSION,
        .keys = p->keys,
        .token_rules = {c->jwt.issuer, c->jwt.audience, NBF_LEEWAY_MS},
        .ice_policies = p->ice_policies,
        .watch_all = !c->presence.rooms_only,
        .presence_expiry_s = c->presence.expiry_s,
        .join_timeout_us = (int64_t)c->limits.join_timeout_s * 1000000,
        .message_max = c->limits.message_bytes,
        .room_peers_max = c->limits.room_peers,
        .rooms_max = c->limits.rooms,
        .messages = {c->limits.messages_per_second, c->limits.messages_burst},
        .bytes = {c->limits.bytes_per_second, c->limits.bytes_burst},
        .resume_window_us = (int64_t)c->presence.resume_window_s * 1000000,
        .replay_messages = c->limits.replay_messages,
        .replay_bytes = c->limits.replay_bytes,
        .away_max = c->limits.sessions,
    };
    put_will(p, &o);
    p->router_made = true;
    return router_init(&p->router, &o, parts_now());
}

static enum status start_link(struct parts *p, struct problem *why)
{
    const struct config *c = p->config;
    struct mqtt_link_events events = glue_link_events(p);
    struct mqtt_link_options o = {
        .host = c->broker.host,
        .port = c->broker.port,
        .tls = c->broker.kind == BROKER_MQTTS,
        .ca = c->mqtt.ca,
        .cert = c->mqtt.cert,
        .key = c->mqtt.key,
        .username = c->mqtt.username,
        .password = c->mqtt.password,
        .client_id = p->client_id,
        .keepalive_s = (int)c->mqtt.keepalive_s,
        .will_topic = p->will_topic,
        .will_payload = p->will_payload,
        .outage_bytes = c->limits.outage_bytes,
        .outage_age_us = (int64_t)c->limits.outage_age_s * 1000000,
    };
    if (p->broker) {
        o.host = embedded_broker_socket(p->broker);
        o.username = embedded_broker_user(p->broker);
        o.password = embedded_broker_password(p->broker);
    } else if (c->broker.kind == BROKER_UNIX) {
        o.host = c->broker.path;
    }
    if (p->broker || c->broker.kind == BROKER_UNIX)
        o.port = 0;
    return mqtt_link_start(&p->link, p->loop, &o, &events, why);
}

/* Addresses that are remembered: everybody who is connected, and as many who were refused. */
static enum status make_visitors(struct parts *p, struct problem *why)
{
    const struct config *c = p->config;
    struct visitors_options o = {
        .sessions_max = c->limits.address_sessions,
        .free_failures = c->limits.auth_failures,
        .addresses_max = (size_t)c->limits.sessions * 2 + 10000,
    };
    p->visitors = visitors_create(&o);
    if (!p->visitors)
        return problem_set(why, STATUS_NO_MEMORY, 0, NULL, "out of memory");
    return proxies_create(&p->proxies, (const char *const *)c->trusted_proxies.items,
                          c->trusted_proxies.count, why);
}

/* Beyond this machine, and with no proxy in front that may have done TLS. */
static void warn_of_plain_tokens(const struct config *c)
{
    for (size_t i = 0; i < c->listen.count && !c->dev && !c->trusted_proxies.count; i++) {
        const struct listen *l = &c->listen.items[i];
        if (l->tls || endpoint_is_loopback(&l->at))
            continue;
        log_line(LOG_WARN, "http-plain", LOG_S("host", l->at.host),
                 LOG_S("why", "tokens cross the network as they are"),
                 LOG_S("remedy", "listen with TLS (tls_cert, tls_key), or name the proxy that does"
                                 " (trusted_proxy)"),
                 LOG_END);
    }
}

static enum status start_server(struct parts *p, struct problem *why)
{
    const struct config *c = p->config;
    struct ws_server_events events = glue_server_events(p);
    struct ws_listen listen[WS_LISTENERS_MAX];
    struct ws_server_options o = {
        .listen = listen,
        .listen_shared = c->listen_shared,
        .cert = c->tls.cert,
        .key = c->tls.key,
        .visitors = p->visitors,
        .proxies = p->proxies,
        .origins = {(const char *const *)c->origins.items, c->origins.count, c->dev},
        .local_names_only = c->dev && !c->dev_exposed,
        .web = c->web,
        .message_max = c->limits.message_bytes,
        .queue_messages = c->limits.send_queue_messages,
        .queue_bytes = c->limits.send_queue_bytes,
        .sockets_max = c->limits.sessions,
        .ping_interval_us = (int64_t)c->ping.interval_s * 1000000,
        .ping_timeout_us = (int64_t)c->ping.timeout_s * 1000000,
    };
    for (size_t i = 0; i < c->listen.count && i < WS_LISTENERS_MAX; i++) {
        const struct listen *l = &c->listen.items[i];
        listen[o.listen_count++] = (struct ws_listen){l->at.host, l->at.ipv6, l->at.port, l->tls};
    }
    warn_of_plain_tokens(c);
    return ws_server_start(&p->server, p->loop, &o, &events, why);
}

/* Each socket is a descriptor; the soft limit of most systems is 1024. */
static void raise_descriptor_limit(const struct config *c)
{
    struct rlimit limit;
    rlim_t want = (rlim_t)c->limits.sessions + OTHER_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= want)
        return;
    limit.rlim_cur = limit.rlim_max < want ? limit.rlim_max : want;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < want)
        log_line(LOG_WARN, "few-descriptors", LOG_I("limit", limit.rlim_cur), LOG_I("want", want),
                 LOG_S("remedy", "raise the hard limit of open files or lower limits.sessions"),
                 LOG_END);
}

static void start_watchers(struct parts *p)
{
    ev_prepare_init(&p->flush, on_turn);
    ev_timer_init(&p->tick, on_tick, TICK_S, TICK_S);
    ev_timer_init(&p->yielded, on_yielded, YIELD_S, 0.);
    ev_timer_init(&p->drain_check, on_drain_check, DRAIN_CHECK_S, DRAIN_CHECK_S);
    ev_signal_init(&p->term, on_signal, SIGTERM);
    ev_signal_init(&p->interrupt, on_signal, SIGINT);
    p->flush.data = p->tick.data = p->yielded.data = p->drain_check.data = p->term.data =
        p->interrupt.data = p;
    ev_prepare_start(p->loop, &p->flush);
    ev_timer_start(p->loop, &p->tick);
    ev_signal_start(p->loop, &p->term);
    ev_signal_start(p->loop, &p->interrupt);
}

/* Before anything else: a SIGHUP while we start would end us, and is heard when the loop runs. */
static void watch_hangup(struct parts *p)
{
    ev_signal_init(&p->hangup, on_hangup, SIGHUP);
    p->hangup.data = p;
    ev_signal_start(p->loop, &p->hangup);
}

static void name_parts(struct parts *p)
{
    snprintf(p->bridge_id, sizeof p->bridge_id, "%s", p->config->bridge_id);
    clock_random_name(p->run, sizeof p->run - 1);
    snprintf(p->client_id, sizeof p->client_id, "%s-%s", p->bridge_id, p->run);
}

static void say_doubts(const struct config *c)
{
    if (c->dev)
        log_line(LOG_WARN, "development-mode",
                 LOG_S("why", c->jwt_keys.count ? "devices need no password"
                                                : "nobody needs a token or a password"),
                 LOG_S("remedy", "leave out --dev where others can reach it"), LOG_END);
    for (size_t i = 0; i < c->warnings.count; i++)
        log_line(LOG_WARN, "config-warning", LOG_S("text", c->warnings.items[i]), LOG_END);
}

static enum status start(struct parts *p, struct problem *why)
{
    name_parts(p);
    say_doubts(p->config);
    enum status s = keys_load(p->config, &p->keys, why);
    if (s == STATUS_OK)
        s = ice_rules_load(p->config, &p->ice_policies, why);
    if (s == STATUS_OK)
        s = start_store(p, why);
    if (s == STATUS_OK)
        s = start_broker(p, why);
    if (s == STATUS_OK)
        s = start_router(p);
    if (s == STATUS_OK)
        s = start_link(p, why);
    if (s == STATUS_OK)
        s = make_visitors(p, why);
    if (s == STATUS_OK)
        s = start_server(p, why);
    if (s != STATUS_OK)
        return s;
    glue_router(p);
    store_leftovers(p->store, check_leftover, p);
    start_watchers(p);
    return STATUS_OK;
}

static void stop(struct parts *p)
{
    device_watch_stop(&p->devices);
    ws_server_stop(p->server);
    mqtt_link_stop(p->link);
    if (p->router_made)
        router_release(&p->router);
    embedded_broker_stop(p->broker);
    if (p->store)
        store_close(p->store, clock_mono_us() + STORE_US);
    visitors_destroy(p->visitors);
    proxies_destroy(p->proxies);
    token_keys_destroy(p->keys);
    ice_policies_destroy(p->ice_policies);
}

int app_run(struct config *c)
{
    static struct parts p; /* large, and one per process */
    struct problem why = {0};
    p = (struct parts){.config = c, .started_ms = clock_wall_ms()};
    log_setup((enum log_level)c->log_level, c->log_json);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit of file sizes is an error of the database, not our end */
    mallopt(M_MMAP_THRESHOLD, MAP_FROM_BYTES);
    raise_descriptor_limit(c);
    p.loop = ev_default_loop(EVFLAG_AUTO);
    watch_hangup(&p);
    enum status s = start(&p, &why);
    if (s == STATUS_OK)
        ev_run(p.loop, 0);
    else
        log_line(LOG_ERROR, "cannot-start", LOG_S("why", why.text), LOG_END);
    stop(&p);
    ev_loop_destroy(p.loop);
    if (s == STATUS_OK)
        log_line(LOG_INFO, "stopped", LOG_END);
    return s == STATUS_OK ? 0 : 1;
}
