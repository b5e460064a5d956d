#include "app/parts.h"

#include "base/clock.h"

struct now parts_now(void)
{
    return (struct now){clock_mono_us(), clock_wall_ms()};
}

static void on_up(void *arg, bool kept)
{
    struct parts *p = arg;
    router_bus_up(&p->router, kept, parts_now());
}

static void on_down(void *arg)
{
    struct parts *p = arg;
    router_bus_down(&p->router, parts_now());
}

static void on_bus_message(void *arg, const char *topic, struct text payload, bool retained,
                           struct text reason)
{
    struct parts *p = arg;
    router_bus_message(&p->router, topic, payload, retained, reason, parts_now());
}

static void on_published(void *arg, struct delivery *d, enum status status, bool found)
{
    struct parts *p = arg;
    router_published(&p->router, d, status, found, parts_now());
}

static void on_refused(void *arg, const char *filter)
{
    struct parts *p = arg;
    router_refused(&p->router, filter, parts_now());
}

struct mqtt_link_events glue_link_events(struct parts *p)
{
    return (struct mqtt_link_events){on_up, on_down, on_bus_message, on_published, on_refused, p};
}

static void *on_opened(void *arg, struct ws_socket *socket, const struct ws_visit *visit)
{
    struct parts *p = arg;
    return router_open(&p->router, socket, visit->visitor, visit->token, parts_now());
}

static void on_socket_message(void *arg, void *session, const char *bytes, size_t len)
{
    struct parts *p = arg;
    router_message(&p->router, session, bytes, len, parts_now());
}

static void on_closed(void *arg, void *session, const char *reason, bool lost)
{
    struct parts *p = arg;
    router_close(&p->router, session, reason, lost, parts_now());
}

static void on_confirmed(void *arg, void *session, uint64_t mark)
{
    struct parts *p = arg;
    router_confirmed(&p->router, session, mark, parts_now());
}

struct ws_server_events glue_server_events(struct parts *p)
{
    return (struct ws_server_events){on_opened,    on_socket_message, on_closed,
                                     on_confirmed, pages_answer,      p};
}

static void on_record(void *store, const struct record *r)
{
    static const enum store_what what[] = {
        [RECORD_JOINED] = STORE_JOINED,
        [RECORD_UPDATED] = STORE_UPDATED,
        [RECORD_LEFT] = STORE_LEFT,
        [RECORD_SWEEP] = STORE_SWEEP,
    };
    struct store_event e = {
        .what = what[r->what],
        .room = r->room,
        .peer = r->peer,
        .kind = r->kind,
        .bridge = r->bridge,
        .transport = r->transport,
        .sid = r->sid,
        .meta = r->meta,
        .reason = r->reason,
        .since_ms = r->since_ms,
        .at_ms = r->at_ms,
    };
    (void)store_push(store, &e); /* the store counts what it cannot take */
}

static void put_ice_servers(void *ice, struct buf *b, struct text peer, int64_t now_ms)
{
    const struct parts *p = ice;
    ice_servers_put(b, p->config, peer, now_ms);
}

void glue_router(struct parts *p)
{
    struct router *r = &p->router;
    r->socket_ops = (struct socket_ops){ws_socket_send, ws_socket_close, ws_socket_bind,
                                        ws_socket_part, ws_socket_confirm};
    r->bus_ops = (struct bus_ops){mqtt_link_publish, mqtt_link_subscribe, mqtt_link_unsubscribe,
                                  mqtt_link_hold};
    r->recorder_ops = (struct recorder_ops){on_record};
    r->ice_ops = (struct ice_ops){put_ice_servers};
    r->ice = p;
    r->bus = p->link;
    r->recorder = p->store;
}
