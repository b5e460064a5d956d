#include "io/store_writer.h"

#include "base/clock.h"
#include "base/log.h"
#include "io/store_schema.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

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

static void note_failure(struct store *s, int rc, const char *error)
{
    pthread_mutex_lock(&s->mutex);
    s->stats.failing = true;
    s->stats.failures++;
    snprintf(s->stats.last_error, sizeof s->stats.last_error, "%s", error);
    size_t queued = s->queue.count;
    pthread_mutex_unlock(&s->mutex);
    if (s->failing_since_us) /* said, and not over yet */
        return;
    s->failing_since_us = clock_mono_us();
    log_line(LOG_WARN, "store-failing", LOG_S("error", error), LOG_I("code", rc),
             LOG_I("queued", queued), LOG_I("queue_max", s->queue.max_count), LOG_END);
}

/* What a disk or another process does can pass; damage does not. */
void store_writer_failed(struct store *s, int rc)
{
    struct store_history *h = &s->history;
    note_failure(s, rc, sqlite3_errmsg(h->db));
    if (store_history_shows_damage(rc)) {
        snprintf(s->damage, sizeof s->damage, "%s", sqlite3_errmsg(h->db));
        store_history_close(h, true);
    } else {
        store_history_rollback(h);
    }
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
    s->said_dropping = s->said_no_file = false;
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

/* Waits for something to do. Returns how many events make the next transaction; 0: none, but the
 * retention is due, or (*end) there is nothing more to do. */
static size_t next_batch(struct store *s, struct store_cursor *first, bool *end)
{
    struct timespec due = timespec_of(s->retention.due_us);
    int rc = 0;
    pthread_mutex_lock(&s->mutex);
    while (s->queue.count == 0 && !s->closing && !s->keep_changed && rc == 0) {
        s->sleep = STORE_FOR_ANY;
        if (s->retention.due_us == INT64_MAX)
            pthread_cond_wait(&s->wake, &s->mutex);
        else
            rc = pthread_cond_timedwait(&s->wake, &s->mutex, &due);
    }
    if (s->keep_changed)
        store_retention_init(&s->retention, s->keep_ms, s->retention.pause_us);
    s->keep_changed = false;
    struct timespec until = timespec_of(clock_mono_us() + STORE_BATCH_US);
    rc = 0;
    while (s->queue.count > 0 && s->queue.count < STORE_BATCH_EVENTS && !s->closing && rc == 0) {
        s->sleep = STORE_FOR_BATCH;
        rc = pthread_cond_timedwait(&s->wake, &s->mutex, &until);
    }
    s->sleep = STORE_AWAKE;
    size_t count = s->queue.count < STORE_BATCH_EVENTS ? s->queue.count : STORE_BATCH_EVENTS;
    *end = s->closing && count == 0;
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

/* A transaction succeeded: of the events up to *at, `refused` of them not recorded, or (NULL) of
 * something else. */
static void written(struct store *s, const struct store_cursor *at, uint64_t refused,
                    int64_t took_us)
{
    pthread_mutex_lock(&s->mutex);
    if (at) {
        store_queue_done(&s->queue, at);
        s->stats.written += at->count - refused;
        s->stats.dropped_disk += refused;
    }
    store_roster_settle(&s->roster, &s->queue, SETTLE_MAX);
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
    store_history_close(h, false);
}

/* SQLite would go on writing to a file without a name, and lose it all at the end. */
static void look_for_file(struct store *s)
{
    struct store_history *h = &s->history;
    int moved = 0;
    if (!h->db || sqlite3_file_control(h->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) || !moved)
        return;
    log_line(LOG_ERROR, "store-taken-away", LOG_S("file", s->path),
             LOG_S("remedy", "a new history begins; move or delete the database only while the"
                             " bridge is down"),
             LOG_END);
    store_history_close(h, true);
}

/* A new file knows nobody: who is present is recorded anew, behind what waits already. */
static bool begin_file(struct store *s)
{
    struct problem why = {0};
    if (store_open_history(s, &why) != STATUS_OK) {
        note_failure(s, SQLITE_CANTOPEN, why.text);
        if (!s->said_no_file)
            log_line(LOG_ERROR, "store-cannot-begin", LOG_S("why", why.text), LOG_END);
        s->said_no_file = true;
        return false;
    }
    s->begun = false;
    s->opened_ms = clock_wall_ms();
    pthread_mutex_lock(&s->mutex);
    store_roster_begin_anew(&s->roster, s->opened_ms);
    pthread_mutex_unlock(&s->mutex);
    return true;
}

static bool write_events(struct store *s, struct store_cursor at, size_t count)
{
    uint64_t refused = 0;
    int64_t start_us = clock_mono_us();
    int rc = write_batch(s, &at, count, &refused);
    if (rc == SQLITE_OK)
        written(s, &at, refused, clock_mono_us() - start_us);
    else
        store_writer_failed(s, rc);
    return rc == SQLITE_OK;
}

static bool prune(struct store *s)
{
    int deleted;
    int64_t start_us = clock_mono_us();
    int rc = store_retention_step(&s->retention, &s->history, clock_wall_ms(), start_us, &deleted);
    if (rc != SQLITE_OK) {
        store_writer_failed(s, rc);
        return false;
    }
    pthread_mutex_lock(&s->mutex);
    s->stats.pruned += (uint64_t)deleted;
    pthread_mutex_unlock(&s->mutex);
    written(s, NULL, 0, clock_mono_us() - start_us);
    return true;
}

/* One thing after the other: the file, the run's entry in it (without an event, where the disk
 * refused it at open), events, and what is too old. False: something failed. */
static bool work(struct store *s, bool *end)
{
    struct store_cursor first;
    size_t count = 0;
    *end = false;
    if (s->begun)
        count = next_batch(s, &first, end);
    if (*end)
        return true;
    look_for_file(s);
    if (!s->history.db && !begin_file(s))
        return false;
    if (!s->begun)
        first = store_queue_first(&s->queue);
    if ((count > 0 || !s->begun) && !write_events(s, first, count))
        return false;
    return clock_mono_us() < s->retention.due_us || prune(s);
}

/* On Linux a thread has a priority of its own. What is recorded may wait for what is signaled. */
static void step_back(void)
{
    id_t self = (id_t)gettid();
    (void)setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + STORE_NICE);
}

void *store_writer_main(void *store)
{
    struct store *s = store;
    bool end = false;
    s->retry_us = STORE_RETRY_MIN_US;
    step_back();
    while (!end) {
        if (!work(s, &end))
            end = !pause_before_retry(s);
        if (clock_mono_us() >= atomic_load(&s->give_up_us))
            end = true;
    }
    finish(s);
    pthread_mutex_lock(&s->mutex);
    s->ended = true;
    pthread_cond_signal(&s->done);
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}
