/* What the bridge counts, and its text form for Prometheus (exposition format 0.0.4). Names follow
 * the conventions of prometheus.io/docs/practices/naming. Threads: the loop's. */
#ifndef SIGBRIDGE_CORE_METRICS_H
#define SIGBRIDGE_CORE_METRICS_H

#include "base/buf.h"
#include "base/status.h"
#include "core/transit.h"
#include "proto/envelope.h"

#include <stdint.h>

enum metric_origin { FROM_WS, FROM_MQTT, METRIC_ORIGINS };

enum metric_drop {
    DROP_NO_SESSION,    /* from MQTT, for a peer that is not here any more */
    DROP_ERROR_REPLIES, /* errors to devices beyond the rate */
    DROP_BAD_TOPIC,     /* from MQTT, on a topic that is none of ours */
    DROP_RETAINED,      /* from MQTT, replayed where nothing is to be retained */
    DROP_ROOMS,         /* presence in one room more than limits.rooms */
    METRIC_DROPS
};

enum { METRIC_BUCKETS = 12 };

struct metrics {
    uint64_t received[METRIC_ORIGINS][MSG_TYPE_COUNT];
    uint64_t refused[METRIC_ORIGINS][STATUS_COUNT];
    uint64_t forwarded_mqtt, forwarded_ws;
    uint64_t join_timeouts, rooms_full, too_many_rooms;
    uint64_t tokens_refused, tokens_expired, rate_closed;
    struct transit_count transit;
    uint64_t resumed_here, takeovers, takeovers_failed, handovers, handovers_refused;
    uint64_t away_expired, away_refused, replay_overflows, redelivered, probed_away;
    uint64_t acks, joins, leaves, replaced, duplicates;
    uint64_t presence_frames, presence_changes;
    uint64_t dropped[METRIC_DROPS];
    uint64_t puback_bucket[METRIC_BUCKETS + 1]; /* the last one: +Inf */
    uint64_t puback_count, puback_sum_us;
};

void metrics_puback(struct metrics *m, int64_t took_us);

/* Writers of one family each, for the core's own counters and for what io adds. `labels` is NULL or
 * complete as in `{reason="x"}`. */
void metric_head(struct buf *b, const char *name, const char *type, const char *help);
void metric_value(struct buf *b, const char *name, const char *labels, uint64_t value);

void metrics_put(const struct metrics *m, struct buf *b);

#endif
