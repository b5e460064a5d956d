#include "app/parts.h"

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
    put(b, "sigbridge_outbound_queued", "gauge", "Messages that wait to go to the broker.",
        s.queued);
    put(b, "sigbridge_outbound_queued_bytes", "gauge", "Bytes of clients' messages among them.",
        s.queued_bytes);
    put(b, "sigbridge_outbound_in_flight", "gauge", "Messages without PUBACK.", s.in_flight);
    put(b, "sigbridge_outbound_expired_total", "counter",
        "Messages that grew too old while the broker was away.", s.expired);
    put(b, "sigbridge_outbound_refused_total", "counter",
        "Messages refused because the outage buffer was full.", s.refused_full);
}

static void put_server(struct parts *p, struct buf *b)
{
    struct ws_server_stats s;
    ws_server_stats(p->server, &s);
    put(b, "sigbridge_websockets_accepted_total", "counter", "WebSockets opened.", s.accepted);
    put(b, "sigbridge_websockets_refused_total", "counter",
        "WebSockets refused because the bridge was full.", s.refused_full);
    put(b, "sigbridge_slow_readers_total", "counter",
        "WebSockets closed because their send queue was full.", s.slow_readers);
    put(b, "sigbridge_ping_timeouts_total", "counter", "WebSockets closed without answer to ping.",
        s.ping_timeouts);
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
    put_process(p, b);
}

int pages_answer(void *arg, const char *path, struct buf *body, const char **type)
{
    struct parts *p = arg;
    if (strcmp(path, "/healthz") == 0) {
        buf_str(body, "ok\n");
        return 200;
    }
    if (strcmp(path, "/readyz") == 0)
        return put_ready(p, body);
    if (strcmp(path, "/metrics") == 0) {
        *type = "text/plain; version=0.0.4; charset=utf-8";
        put_metrics(p, body);
        return 200;
    }
    if (strcmp(path, "/ws") == 0) {
        buf_str(body, "this is the WebSocket endpoint: connect with ws:// or wss://\n");
        return 426;
    }
    return 0;
}
