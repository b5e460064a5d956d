/* The bridge's parts in one place. Private to app: app.c builds them, glue.c connects them, pages.c
 * shows their state. */
#ifndef SIGBRIDGE_APP_PARTS_H
#define SIGBRIDGE_APP_PARTS_H

#include "app/device_watch.h"
#include "app/reload.h"
#include "base/buf.h"
#include "config/config.h"
#include "core/router.h"
#include "io/embedded_broker.h"
#include "io/mqtt_link.h"
#include "io/store.h"
#include "io/ws_server.h"
#include "proto/names.h"

#include <ev.h>

struct parts {
    struct config *config; /* the caller's; reload.c changes it */
    struct ev_loop *loop;
    struct store *store;
    struct embedded_broker *broker; /* NULL: an external one */
    struct mqtt_link *link;
    struct ws_server *server;
    struct router router;
    bool router_made;
    ev_prepare flush;
    ev_timer tick, yielded, drain_check;
    ev_signal term, interrupt, hangup;
    int64_t started_ms;
    int64_t handover_deadline_us; /* draining: until then sessions may be taken over */
    bool handed_over;
    int64_t drain_deadline_us; /* 0: not draining */
    struct device_watch devices;
    bool announced; /* `ready` was logged */
    struct reload_count reloads;
    struct token_keys *keys;           /* NULL: nobody needs a token */
    struct ice_policies *ice_policies; /* NULL: every candidate passes */
    struct visitors *visitors;
    struct proxies *proxies; /* NULL: nobody is believed */
    char bridge_id[NAME_MAX_BYTES + 1];
    char run[7];
    char client_id[NAME_MAX_BYTES + 9];
    char will_topic[TOPIC_MAX];
    char will_payload[64];
    char db_path[4096];
};

struct now parts_now(void);

/* glue.c: fills in the tables by which core and io reach each other. */
void glue_router(struct parts *p);
struct mqtt_link_events glue_link_events(struct parts *p);
struct ws_server_events glue_server_events(struct parts *p);

/* pages.c: what ws_server_events.page wants. arg: struct parts. */
void pages_answer(void *arg, const struct http_request *q, struct http_reply *a);

/* ice_servers.c: the configured servers as a JSON array, with credentials for `peer` where the
 * server takes such as end. */
void ice_servers_put(struct buf *b, const struct config *c, struct text peer, int64_t now_ms);

#endif
