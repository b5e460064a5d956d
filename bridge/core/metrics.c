#include "core/metrics.h"

#include <stdio.h>

static const int64_t bounds_us[METRIC_BUCKETS] = {100,   250,   500,    1000,   2500,    5000,
                                                  10000, 25000, 100000, 500000, 2500000, 10000000};

static const char *const bounds_text[METRIC_BUCKETS] = {"0.0001", "0.00025", "0.0005", "0.001",
                                                        "0.0025", "0.005",   "0.01",   "0.025",
                                                        "0.1",    "0.5",     "2.5",    "10"};

static const char *const drop_names[METRIC_DROPS] = {
    [DROP_NO_SESSION] = "no-session", [DROP_ERROR_REPLIES] = "error-replies",
    [DROP_BAD_TOPIC] = "bad-topic",   [DROP_RETAINED] = "retained",
    [DROP_ROOMS] = "rooms",
};

static const char *const origin_names[METRIC_ORIGINS] = {"websocket", "mqtt"};

void metrics_puback(struct metrics *m, int64_t took_us)
{
    int i = 0;
    while (i < METRIC_BUCKETS && took_us > bounds_us[i])
        i++;
    m->puback_bucket[i]++;
    m->puback_count++;
    m->puback_sum_us += took_us > 0 ? (uint64_t)took_us : 0;
}

void metric_head(struct buf *b, const char *name, const char *type, const char *help)
{
    buf_str(b, "# HELP ");
    buf_str(b, name);
    buf_char(b, ' ');
    buf_str(b, help);
    buf_str(b, "\n# TYPE ");
    buf_str(b, name);
    buf_char(b, ' ');
    buf_str(b, type);
    buf_char(b, '\n');
}

void metric_value(struct buf *b, const char *name, const char *labels, uint64_t value)
{
    buf_str(b, name);
    if (labels)
        buf_str(b, labels);
    buf_char(b, ' ');
    buf_uint(b, value);
    buf_char(b, '\n');
}

static void counter(struct buf *b, const char *name, const char *help, uint64_t value)
{
    metric_head(b, name, "counter", help);
    metric_value(b, name, NULL, value);
}

static void put_received(const struct metrics *m, struct buf *b)
{
    static const char name[] = "sigbridge_messages_received_total";
    char labels[96];
    metric_head(b, name, "counter", "Messages taken from WebSockets and from MQTT, by type.");
    for (int o = 0; o < METRIC_ORIGINS; o++) {
        for (int t = 0; t < MSG_TYPE_COUNT; t++) {
            if (!m->received[o][t])
                continue;
            snprintf(labels, sizeof labels, "{from=\"%s\",type=\"%s\"}", origin_names[o],
                     msg_type_name((enum msg_type)t));
            metric_value(b, name, labels, m->received[o][t]);
        }
    }
}

static void put_refused(const struct metrics *m, struct buf *b)
{
    static const char name[] = "sigbridge_messages_refused_total";
    char labels[96];
    metric_head(b, name, "counter", "Messages answered with an error, by where they came from.");
    for (int o = 0; o < METRIC_ORIGINS; o++) {
        for (int s = 0; s < STATUS_COUNT; s++) {
            if (!m->refused[o][s])
                continue;
            snprintf(labels, sizeof labels, "{from=\"%s\",error=\"%s\"}", origin_names[o],
                     status_name((enum status)s));
            metric_value(b, name, labels, m->refused[o][s]);
        }
    }
}

static void put_dropped(const struct metrics *m, struct buf *b)
{
    static const char name[] = "sigbridge_dropped_total";
    char labels[64];
    metric_head(b, name, "counter", "What was not passed on, by reason.");
    for (int d = 0; d < METRIC_DROPS; d++) {
        snprintf(labels, sizeof labels, "{reason=\"%s\"}", drop_names[d]);
        metric_value(b, name, labels, m->dropped[d]);
    }
}

static void put_ice(const struct metrics *m, struct buf *b)
{
    static const char name[] = "sigbridge_candidates_dropped_total";
    char labels[64];
    metric_head(b, name, "counter", "Candidates that a room's ICE policy took away, by reason.");
    for (int i = 0; i < ICE_REASONS; i++) {
        snprintf(labels, sizeof labels, "{reason=\"%s\"}", ice_reason_name((enum ice_reason)i));
        metric_value(b, name, labels, m->transit.ice.dropped[i]);
    }
    counter(b, "sigbridge_addresses_hidden_total",
            "Related and default addresses that a room's ICE policy hid.", m->transit.ice.hidden);
    counter(b, "sigbridge_sdp_slimmed_total",
            "Descriptions made smaller to fit a device's announced limits.", m->transit.slimmed);
}

static void put_histogram(const struct metrics *m, struct buf *b)
{
    static const char name[] = "sigbridge_puback_seconds";
    char line[96];
    uint64_t sum = 0;
    metric_head(b, name, "histogram", "From a WebSocket frame to the broker's PUBACK for it.");
    for (int i = 0; i <= METRIC_BUCKETS; i++) {
        sum += m->puback_bucket[i];
        snprintf(line, sizeof line, "_bucket{le=\"%s\"}",
                 i < METRIC_BUCKETS ? bounds_text[i] : "+Inf");
        metric_value(b, name, line, sum);
    }
    snprintf(line, sizeof line, "%s_sum %.6f\n", name, (double)m->puback_sum_us / 1e6);
    buf_str(b, line);
    metric_value(b, name, "_count", m->puback_count);
}

void metrics_put(const struct metrics *m, struct buf *b)
{
    put_received(m, b);
    put_refused(m, b);
    put_dropped(m, b);
    put_ice(m, b);
    put_histogram(m, b);
    metric_head(b, "sigbridge_messages_forwarded_total", "counter", "Messages passed on, by way.");
    metric_value(b, "sigbridge_messages_forwarded_total", "{to=\"mqtt\"}", m->forwarded_mqtt);
    metric_value(b, "sigbridge_messages_forwarded_total", "{to=\"websocket\"}", m->forwarded_ws);
    counter(b, "sigbridge_join_timeouts_total", "Sockets closed because they did not join in time.",
            m->join_timeouts);
    metric_head(b, "sigbridge_joins_refused_total", "counter",
                "Joins refused for want of a place, by limit.");
    metric_value(b, "sigbridge_joins_refused_total", "{limit=\"room_peers\"}", m->rooms_full);
    metric_value(b, "sigbridge_joins_refused_total", "{limit=\"rooms\"}", m->too_many_rooms);
    counter(b, "sigbridge_tokens_refused_total", "Tokens that did not count.", m->tokens_refused);
    counter(b, "sigbridge_tokens_expired_total", "Sessions whose token ran out.",
            m->tokens_expired);
    counter(b, "sigbridge_too_fast_total", "Sessions closed because they went on sending too fast.",
            m->rate_closed);
    counter(b, "sigbridge_acks_total", "Messages acknowledged to their senders.", m->acks);
    counter(b, "sigbridge_duplicates_total", "Retried messages that were not forwarded again.",
            m->duplicates);
    counter(b, "sigbridge_joins_total", "Sessions that became members of a room.", m->joins);
    counter(b, "sigbridge_leaves_total", "Memberships of sessions that ended.", m->leaves);
    metric_head(b, "sigbridge_sessions_resumed_total", "counter",
                "Sessions whose client came back to its place, by who had held them.");
    metric_value(b, "sigbridge_sessions_resumed_total", "{from=\"here\"}", m->resumed_here);
    metric_value(b, "sigbridge_sessions_resumed_total", "{from=\"elsewhere\"}", m->takeovers);
    counter(b, "sigbridge_takeovers_failed_total",
            "Sessions that another bridge did not hand over to this one.", m->takeovers_failed);
    counter(b, "sigbridge_handovers_total", "Sessions handed over to other bridges.", m->handovers);
    counter(b, "sigbridge_handovers_refused_total",
            "Questions of other bridges for sessions that they could not have.",
            m->handovers_refused);
    metric_head(b, "sigbridge_sessions_lost_total", "counter",
                "Memberships that ended because the client did not come back, by what was over.");
    metric_value(b, "sigbridge_sessions_lost_total", "{bound=\"resume_window\"}", m->away_expired);
    metric_value(b, "sigbridge_sessions_lost_total", "{bound=\"replay\"}", m->replay_overflows);
    metric_value(b, "sigbridge_sessions_lost_total", "{bound=\"sessions\"}", m->away_refused);
    counter(b, "sigbridge_devices_found_gone_total",
            "Devices whose presence outlived a broker, and who did not listen any more.",
            m->probed_away);
    counter(b, "sigbridge_redelivered_total",
            "Messages from MQTT that had come before and were not passed on again.",
            m->redelivered);
    counter(b, "sigbridge_sessions_replaced_total", "Sessions that lost their name to a newer one.",
            m->replaced);
    counter(b, "sigbridge_presence_frames_total", "Presence frames sent.", m->presence_frames);
    counter(b, "sigbridge_presence_changes_total", "Changes of presence seen.",
            m->presence_changes);
}
