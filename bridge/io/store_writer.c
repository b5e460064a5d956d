#include "io/store_writer.h"

#include "base/clock.h"
#include "base/log.h"
#include "io/store_schema.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { BUSY_STEP_MS = 5 };
enum { SETTLE_MAX = 256 }; /* unsettled states moved while the mutex is held once */

static struct timespec timespec_of(int64_t us)
{
    return (struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
}

int store_writer_on_busy(void *store, int tries)
{
    struct store *s = store;
    if (tries >= STORE_BUSY_MS / BUSY_STEP_MS || clock_mono_us() >= atomic_load(&s->give_up_us))
        return 0;
    struct timespec pause = timespec_of(BUSY_STEP_MS * 1000);
    nanosleep(&pause, NULL);
    return 1;
}

void store_writer_failed(struct store *s, int rc)
{
    char error[sizeof s->stats.last_error];
    snprintf(error, sizeof error, "%s", sqlite3_errmsg(s->history.db));
    pthread_mutex_lock(&s->mutex);
    s->stats.failing = true;
    s->stats.failures++;
    memcpy(s->stats.last_error, error, sizeof error);
    size_t queued = s->queue.count;
    pthread_mutex_unlock(&s->mutex);
    if (s->failing_since_us) /* said, and not over yet */
        return;
    s->failing_since_us = clock_mono_us();
    log_line(LOG_WARN, "store-failing", LOG_S("error", error), LOG_I("code", rc),
             LOG_I("queued", queued), LOG_I("queue_max", s->queue.max_count), LOG_END);
}

/* Says what changed, once: events are being dropped, or all is well again. */
static void report(struct store *s, const struct store_stats *now, bool well)
{
    bool dropping = now->dropped_queue_full > s->dropped_before[0];
    if (dropping && !s->said_dropping) {
        s->said_dropping = true;
        log_line(LOG_WARN, "store-dropping", LOG_I("queued", now->queued),
                 LOG_I("queue_max", now->queue_max), LOG_I("unsettled", now->unsettled), LOG_END);
    }
    if (!well || !(s->failing_since_us || s->said_dropping))
        return;
    int64_t since_us = s->failing_since_us ? s->failing_since_us : clock_mono_us();
    log_line(LOG_INFO, "store-recovered", LOG_I("after_ms", (clock_mono_us() - since_us) / 1000),
             LOG_I("dropped_queue_full", now->dropped_queue_full - s->dropped_before[0]),
             LOG_I("dropped_disk", now->dropped_disk - s->dropped_before[1]),
             LOG_I("queued", now->queued), LOG_END);
    s->failing_since_us = 0;
    s->said_dropping = false;
    s->dropped_before[0] = now->dropped_queue_full;
    s->dropped_before[1] = now->dropped_disk;
}

static struct store_stats stats_now(const struct store *s) /* under the mutex */
{
    struct store_stats now = s->stats;
    now.queued = s->queue.count;
    now.unsettled = s->roster.unsettled_count;
    return now;
}

/* Waits for something to do. Returns how many events make the next transaction; 0: the end. */
static size_t next_batch(struct store *s, struct store_cursor *first)
{
    pthread_mutex_lock(&s->mutex);
    while (s->queue.count == 0 && !s->closing) {
        s->sleep = STORE_FOR_ANY;
        pthread_cond_wait(&s->wake, &s->mutex);
    }
    struct timespec until = timespec_of(clock_mono_us() + STORE_BATCH_US);
    int rc = 0;
    while (s->queue.count < STORE_BATCH_EVENTS && !s->closing && rc == 0) {
        s->sleep = STORE_FOR_BATCH;
        rc = pthread_cond_timedwait(&s->wake, &s->mutex, &until);
    }
    s->sleep = STORE_AWAKE;
    size_t count = s->queue.count < STORE_BATCH_EVENTS ? s->queue.count : STORE_BATCH_EVENTS;
    *first = store_queue_first(&s->queue);
    pthread_mutex_unlock(&s->mutex);
    return count;
}

/* One transaction. *refused counts the events that SQLite will never take. */
static int write_batch(struct store *s, struct store_cursor *at, size_t count, uint64_t *refused)
{
    struct store_history *h = &s->history;
    bool begins = !s->begun;
    int rc = store_history_begin(h);
    if (rc == SQLITE_OK && begins)
        rc = store_history_begin_run(h, s->opened_ms);
    for (size_t i = 0; rc == SQLITE_OK && i < count; i++) {
        struct store_event e;
        store_queue_next(&s->queue, at, &e);
        rc = store_history_apply(h, &e);
        if (store_history_refuses(rc)) {
            ++*refused;
            rc = SQLITE_OK;
        }
    }
    if (rc == SQLITE_OK)
        rc = store_history_commit(h);
    if (rc == SQLITE_OK)
        s->begun = true;
    return rc;
}

static void batch_written(struct store *s, const struct store_cursor *at, uint64_t refused,
                          int64_t took_us)
{
    pthread_mutex_lock(&s->mutex);
    store_queue_done(&s->queue, at);
    store_roster_settle(&s->roster, &s->queue, SETTLE_MAX);
    s->stats.written += at->count - refused;
    s->stats.dropped_disk += refused;
    s->stats.commits++;
    s->stats.last_commit_us = took_us;
    s->stats.failing = false;
    struct store_stats now = stats_now(s);
    pthread_mutex_unlock(&s->mutex);
    s->retry_us = STORE_RETRY_MIN_US;
    /* Not before the queue has real room again: at its brim, trouble comes and goes every moment.
     */
    report(s, &now, now.unsettled == 0 && now.queued <= now.queue_max / 2);
}

/* Pauses after a failure. False: it is time to give up. */
static bool pause_before_retry(struct store *s)
{
    int64_t now_us = clock_mono_us();
    pthread_mutex_lock(&s->mutex);
    struct store_stats now = stats_now(s);
    bool closing = s->closing;
    if (closing) /* the little time that is left is better spent on tries */
        s->retry_us = STORE_RETRY_MIN_US / 2;
    struct timespec until = timespec_of(now_us + s->retry_us);
    int rc = 0;
    while (s->closing == closing && rc == 0) {
        s->sleep = STORE_AWAKE; /* nothing but closing wakes it */
        rc = pthread_cond_timedwait(&s->wake, &s->mutex, &until);
    }
    pthread_mutex_unlock(&s->mutex);
    s->retry_us = 2 * s->retry_us < STORE_RETRY_MAX_US ? 2 * s->retry_us : STORE_RETRY_MAX_US;
    report(s, &now, false);
    return clock_mono_us() < atomic_load(&s->give_up_us);
}

/* What could not be written in time is lost, and said. */
static void finish(struct store *s)
{
    struct store_history *h = &s->history;
    pthread_mutex_lock(&s->mutex);
    size_t lost = s->queue.count;
    s->stats.dropped_disk += lost;
    struct store_stats now = stats_now(s);
    pthread_mutex_unlock(&s->mutex);
    if (lost || now.unsettled)
        log_line(LOG_WARN, "store-lost", LOG_I("events", lost), LOG_I("unsettled", now.unsettled),
                 LOG_END);
    if (s->begun)
        (void)store_history_end_run(h, clock_wall_ms()); /* a note for people, nothing needs it */
    store_history_release(h);
    sqlite3_close(h->db);
}

static bool write_or_complain(struct store *s, struct store_cursor at, size_t count)
{
    uint64_t refused = 0;
    int64_t start_us = clock_mono_us();
    int rc = write_batch(s, &at, count, &refused);
    if (rc == SQLITE_OK) {
        batch_written(s, &at, refused, clock_mono_us() - start_us);
        return true;
    }
    store_writer_failed(s, rc);
    store_history_rollback(&s->history);
    return false;
}

void *store_writer_main(void *store)
{
    struct store *s = store;
    struct store_cursor first;
    size_t count;
    bool go_on = true;
    s->retry_us = STORE_RETRY_MIN_US;
    /* A run that could not be entered at open is entered as soon as it can, without an event. */
    while (!s->begun && (go_on = pause_before_retry(s)))
        (void)write_or_complain(s, store_queue_first(&s->queue), 0);
    while (go_on && (count = next_batch(s, &first)) > 0) {
        if (!write_or_complain(s, first, count))
            go_on = pause_before_retry(s);
        if (clock_mono_us() >= atomic_load(&s->give_up_us))
            go_on = false;
    }
    finish(s);
    pthread_mutex_lock(&s->mutex);
    s->ended = true;
    pthread_cond_signal(&s->done);
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}
