#include "app/parts.h"
#include "core/admission.h"
#include "core/overview.h"
#include "proto/names.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static bool database_ok(struct parts *p, struct store_stats *stats)
{
    store_stats(p->store, stats);
    return !stats->failing;
}

static int put_ready(struct parts *p, struct buf *b)
{
    struct store_stats stats;
    bool ok = true;
    if (p->drain_deadline_us) {
        buf_str(b, "draining: the bridge is going down\n");
        ok = false;
    } else if (!mqtt_link_connected(p->link)) {
        buf_str(b, "broker: ");
        buf_str(b, mqtt_link_trouble(p->link));
        buf_char(b, '\n');
        ok = false;
    } else if (!router_ready(&p->router)) {
        buf_str(b, "roster: the broker has not sent all presences yet;"
                   " if it stays so, its ACL may keep bridges/+/in/+ from the bridge\n");
        ok = false;
    }
    if (!database_ok(p, &stats)) {
        buf_str(b, "database: ");
        buf_str(b, stats.last_error);
        buf_char(b, '\n');
        ok = false;
    }
    if (ok)
        buf_str(b, "ready\n");
    return ok ? 200 : 503;
}

static void put(struct buf *b, const char *name, const char *type, const char *help, uint64_t value)
{
    metric_head(b, name, type, help);
    metric_value(b, name, NULL, value);
}

static void put_link(struct parts *p, struct buf *b)
{
    struct mqtt_link_stats s;
    mqtt_link_stats(p->link, &s);
    put(b, "sigbridge_broker_connects_total", "counter", "Connections to the broker.", s.connects);
    put(b, "sigbridge_broker_sessions_lost_total", "counter",
        "Times that the broker had forgotten the bridge's session.", s.sessions_lost);
    put(b, "sigbridge_broker_given_up_total", "counter",
        "Connections given up because the broker did not answer.", s.given_up);
    put(b, "sigbridge_broker_repeated_total", "counter",
        "Messages that the broker sent again and that were passed over.", s.repeated);
    put(b, "sigbridge_broker_subscriptions_refused", "gauge",
        "Subscriptions that the broker refuses, and that are tried again.",
        s.subscriptions_refused);
    put(b, "sigbridge_outbound_queued", "gauge", "Messages that wait to go to the broker.",
        s.queued);
    put(b, "sigbridge_outbound_queued_bytes", "gauge", "Bytes of clients' messages among them.",
        s.queued_bytes);
    put(b, "sigbridge_outbound_in_flight", "gauge", "Messages without PUBACK.", s.in_flight);
    put(b, "sigbridge_outbound_expired_total", "counter",
        "Messages that grew too old while the broker was away or slow.", s.expired);
    put(b, "sigbridge_outbound_refused_total", "counter",
        "Messages refused because the outage buffer was full.", s.refused_full);
    put(b, "sigbridge_outbound_own_refused_total", "counter",
        "Messages of the bridge's own that found no room to wait.", s.refused_ours);
}

static void put_server(struct parts *p, struct buf *b)
{
    struct ws_server_stats s;
    ws_server_stats(p->server, &s);
    put(b, "sigbridge_websockets_accepted_total", "counter", "WebSockets opened.", s.accepted);
    put(b, "sigbridge_websockets_refused_total", "counter",
        "WebSockets refused because the bridge was full.", s.refused_full);
    metric_head(b, "sigbridge_connections_refused_total", "counter",
                "TCP connections closed unheard, by reason.");
    metric_value(b, "sigbridge_connections_refused_total", "{reason=\"address\"}",
                 s.connections_refused_address);
    metric_value(b, "sigbridge_connections_refused_total", "{reason=\"full\"}",
                 s.connections_refused_full);
    put(b, "sigbridge_descriptor_pauses_total", "counter",
        "Times that nobody could connect for want of file descriptors.", s.descriptor_pauses);
    put(b, "sigbridge_connections", "gauge", "TCP connections, WebSockets among them.",
        s.connections);
    put(b, "sigbridge_addresses", "gauge", "Addresses that are remembered.",
        visitors_count(p->visitors));
    put(b, "sigbridge_origins_refused_total", "counter",
        "WebSockets refused because of the page they came from.", s.origins_refused);
    if (s.certificate_ends_ms)
        put(b, "sigbridge_certificate_expires_seconds", "gauge",
            "When the TLS certificate in use ends, since the epoch.",
            (uint64_t)s.certificate_ends_ms / 1000);
    put(b, "sigbridge_slow_readers_total", "counter",
        "WebSockets closed because their send queue was full.", s.slow_readers);
    put(b, "sigbridge_ping_timeouts_total", "counter", "WebSockets closed without answer to ping.",
        s.ping_timeouts);
    put(b, "sigbridge_protocol_violations_total", "counter",
        "WebSockets closed for frames that RFC 6455 does not allow.", s.violations);
    put(b, "sigbridge_frames_too_large_total", "counter", "Messages beyond limits.message.",
        s.too_large);
}

static void put_store(struct parts *p, struct buf *b)
{
    struct store_stats s;
    bool ok = database_ok(p, &s);
    put(b, "sigbridge_store_ok", "gauge", "Whether the last transaction succeeded.", ok);
    put(b, "sigbridge_store_queued", "gauge", "Changes of presence that wait for the database.",
        s.queued);
    put(b, "sigbridge_store_written_total", "counter", "Changes of presence recorded.", s.written);
    put(b, "sigbridge_store_commits_total", "counter", "Transactions.", s.commits);
    put(b, "sigbridge_store_failures_total", "counter", "Transactions that failed.", s.failures);
    put(b, "sigbridge_store_pruned_total", "counter",
        "Memberships deleted because they ended longer ago than they are kept.", s.pruned);
    put(b, "sigbridge_store_damaged_total", "counter", "Damaged databases that were moved aside.",
        s.damaged);
    put(b, "sigbridge_store_unsettled", "gauge",
        "Peers whose state is not in the database yet because the queue was full.", s.unsettled);
    metric_head(b, "sigbridge_store_dropped_total", "counter",
                "Changes that are missing in the history.");
    metric_value(b, "sigbridge_store_dropped_total", "{reason=\"queue-full\"}",
                 s.dropped_queue_full);
    metric_value(b, "sigbridge_store_dropped_total", "{reason=\"disk\"}", s.dropped_disk);
    metric_value(b, "sigbridge_store_dropped_total", "{reason=\"too-long\"}", s.dropped_too_long);
}

static uint64_t resident_bytes(void)
{
    unsigned long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    if (fscanf(f, "%lu %lu", &size, &resident) != 2)
        resident = 0;
    fclose(f);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void put_process(struct parts *p, struct buf *b)
{
    struct rusage u;
    char line[96];
    getrusage(RUSAGE_SELF, &u);
    metric_head(b, "process_cpu_seconds_total", "counter", "User and system CPU time.");
    snprintf(line, sizeof line, "process_cpu_seconds_total %.3f\n",
             (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                 (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
    buf_str(b, line);
    put(b, "process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes());
    put(b, "process_start_time_seconds", "gauge", "Start of the process since the epoch.",
        (uint64_t)p->started_ms / 1000);
}

static void put_metrics(struct parts *p, struct buf *b)
{
    router_put_metrics(&p->router, b);
    put_link(p, b);
    put_server(p, b);
    put_store(p, b);
    reload_put_metrics(&p->reloads, b);
    put_process(p, b);
}

static void answer_metrics(struct parts *p, struct http_reply *a)
{
    a->status = 200;
    a->type = "text/plain; version=0.0.4; charset=utf-8";
    put_metrics(p, a->body);
}

static void answer_rooms(struct parts *p, struct http_reply *a)
{
    a->status = 200;
    a->type = "application/json";
    overview_put_rooms(&p->router, a->body);
}

static void answer_room(struct parts *p, const char *name, struct http_reply *a)
{
    a->type = "application/json";
    a->status = 200;
    if (name_ok(name, strlen(name)) && overview_put_room(&p->router, text_of_str(name), a->body))
        return;
    a->status = 404;
    buf_str(a->body, "{\"error\":\"nobody is in a room of this name\"}\n");
}

/* Beyond health: an administrator's token, or development on this machine. */
static bool may_read(struct parts *p, const struct http_request *q, struct http_reply *a)
{
    struct problem why = {0};
    if (p->config->dev && q->loopback)
        return true;
    enum status s = admission_admin(&p->router, q->visitor, q->token, &why, parts_now());
    if (s == STATUS_OK)
        return true;
    a->status = s == STATUS_FORBIDDEN || s == STATUS_RATE_LIMITED ? status_code(s) : 401;
    a->challenge = a->status == 401;
    a->retry_ms = why.retry_ms;
    buf_str(a->body, why.text);
    buf_char(a->body, '\n');
    return false;
}

void pages_answer(void *arg, const struct http_request *q, struct http_reply *a)
{
    static const char rooms[] = "/api/v1/rooms";
    struct parts *p = arg;
    bool one_room = strncmp(q->path, rooms, strlen(rooms)) == 0 && q->path[strlen(rooms)] == '/';
    if (strcmp(q->path, "/healthz") == 0) {
        a->status = 200;
        buf_str(a->body, "ok\n");
    } else if (strcmp(q->path, "/readyz") == 0) {
        a->status = put_ready(p, a->body);
    } else if (strcmp(q->path, "/ws") == 0) {
        a->status = 426;
        buf_str(a->body, "this is the WebSocket endpoint: connect with ws:// or wss://\n");
    } else if (strcmp(q->path, "/metrics") == 0) {
        if (may_read(p, q, a))
            answer_metrics(p, a);
    } else if (strcmp(q->path, rooms) == 0) {
        if (may_read(p, q, a))
            answer_rooms(p, a);
    } else if (one_room && may_read(p, q, a)) {
        answer_room(p, q->path + strlen(rooms) + 1, a);
    }
}
