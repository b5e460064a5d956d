#include "io/store.h"

#include "base/clock.h"
#include "base/log.h"
#include "io/store_damaged.h"
#include "io/store_schema.h"
#include "io/store_writer.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CLOSE_GRACE_US = 500000 }; /* for a transaction that is under way at the deadline */

struct leftover {
    char *room;
    char *peer;
    char *sid;
};

static void free_leftovers(struct store *s)
{
    for (size_t i = 0; i < s->leftover_count; i++) {
        free(s->leftovers[i].room);
        free(s->leftovers[i].peer);
        free(s->leftovers[i].sid);
    }
    free(s->leftovers);
    s->leftovers = NULL;
    s->leftover_count = 0;
}

static bool keep_leftover(void *arg, const char *room, const char *peer, const char *sid)
{
    struct store *s = arg;
    size_t n = s->leftover_count;
    if ((n & (n - 1)) == 0) { /* full at each power of two */
        struct leftover *more = realloc(s->leftovers, (n ? 2 * n : 1) * sizeof *more);
        if (!more)
            return false;
        s->leftovers = more;
    }
    s->leftovers[n] = (struct leftover){strdup(room), strdup(peer), strdup(sid)};
    s->leftover_count++;
    return s->leftovers[n].room && s->leftovers[n].peer && s->leftovers[n].sid;
}

static void init_sync(struct store *s)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->wake, &attr);
    pthread_cond_init(&s->done, &attr);
    pthread_condattr_destroy(&attr);
}

/* All but the writer's connection, which its thread closes. NULL is fine. */
static void destroy(struct store *s)
{
    free_leftovers(s);
    store_roster_release(&s->roster);
    store_queue_release(&s->queue);
    pthread_cond_destroy(&s->done);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->mutex);
    free(s->path);
    free(s->bridge);
    free(s);
}

/* Enters this run and closes the leftovers. When the disk refuses that now, the writer does it with
 * its first transaction. */
static void begin_run(struct store *s)
{
    struct store_history *h = &s->history;
    int rc = store_history_begin(h);
    if (rc == SQLITE_OK)
        rc = store_history_begin_run(h, s->opened_ms);
    if (rc == SQLITE_OK)
        rc = store_history_commit(h);
    s->begun = rc == SQLITE_OK;
    if (!s->begun)
        store_writer_failed(s, rc);
}

static enum status start_thread(struct store *s, struct problem *why)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the loop's thread */
    int rc = pthread_create(&s->thread, NULL, store_writer_main, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return problem_set(why, STATUS_NO_MEMORY, 0, "store-access",
                           "cannot start the thread that writes the presence database: %s",
                           strerrordesc_np(rc));
    pthread_setname_np(s->thread, "store-writer");
    return STATUS_OK;
}

static enum status try_file(struct store *s, struct problem *why)
{
    struct store_history *h = &s->history;
    sqlite3 *db = NULL;
    enum status status = store_schema_open(s->path, &db, why);
    if (status != STATUS_OK)
        return status;
    sqlite3_busy_handler(db, store_writer_on_busy, s);
    int rc = store_history_init(h, db, s->bridge);
    if (rc == SQLITE_OK)
        return STATUS_OK;
    status = store_schema_problem(db, rc, s->path, why);
    store_history_close(h, true);
    return status;
}

static enum status move_aside(struct store *s, struct problem *why)
{
    enum status status = store_damaged_move(s->path, s->damage, clock_wall_ms(), why);
    if (status != STATUS_OK)
        return status;
    s->damage[0] = '\0';
    pthread_mutex_lock(&s->mutex);
    s->stats.damaged++;
    pthread_mutex_unlock(&s->mutex);
    return STATUS_OK;
}

enum status store_open_history(struct store *s, struct problem *why)
{
    enum status status = STATUS_OK;
    if (!*s->damage) {
        status = try_file(s, why);
        if (status == STATUS_OK || !why->rule || strcmp(why->rule, "store-damaged") != 0)
            return status;
        snprintf(s->damage, sizeof s->damage, "%s", why->text);
    }
    status = move_aside(s, why);
    return status == STATUS_OK ? try_file(s, why) : status;
}

/* Damage can hide where the check at open did not come by. Then a second file is begun, and it has
 * no leftovers. */
static enum status open_first(struct store *s, struct problem *why)
{
    struct store_history *h = &s->history;
    enum status status = STATUS_OK;
    for (int tries = 0; tries < 2 && !h->db && status == STATUS_OK; tries++) {
        status = store_open_history(s, why);
        int rc = status == STATUS_OK ? store_history_leftovers(h, keep_leftover, s) : SQLITE_OK;
        if (rc == SQLITE_OK)
            continue;
        if (store_history_shows_damage(rc))
            snprintf(s->damage, sizeof s->damage, "%s", sqlite3_errmsg(h->db));
        else
            status = store_schema_problem(h->db, rc, s->path, why);
        store_history_close(h, true);
        free_leftovers(s);
    }
    if (status == STATUS_OK)
        begin_run(s);
    return status;
}

enum status store_open(struct store **out, const struct store_options *options, struct problem *why)
{
    size_t events = options->queue_events ? options->queue_events : STORE_QUEUE_EVENTS;
    size_t bytes = options->queue_bytes ? options->queue_bytes : STORE_QUEUE_BYTES;
    struct problem unheard;
    struct store *s = calloc(1, sizeof *s);
    why = why ? why : &unheard;
    if (!s)
        return problem_set(why, STATUS_NO_MEMORY, 0, "store-access", "out of memory");
    init_sync(s);
    store_roster_init(&s->roster);
    map_hash("", 0); /* the key of all hashes is drawn at the first one: before there are threads */
    s->opened_ms = options->now_ms;
    s->stats.queue_max = events;
    atomic_init(&s->give_up_us, INT64_MAX);
    store_retention_init(&s->retention, options->keep_ms, options->prune_pause_us);
    s->path = strdup(options->path);
    s->bridge = strdup(options->bridge);
    enum status status =
        s->path && s->bridge ? store_queue_init(&s->queue, events, bytes) : STATUS_NO_MEMORY;
    if (status != STATUS_OK) {
        problem_set(why, status, 0, "store-access", "out of memory");
        goto out;
    }
    status = open_first(s, why);
    if (status != STATUS_OK)
        goto out;
    status = start_thread(s, why);
    if (status != STATUS_OK)
        store_history_close(&s->history, false);
out:
    if (status == STATUS_OK)
        *out = s;
    else
        destroy(s);
    return status;
}

bool store_push(struct store *s, const struct store_event *e)
{
    bool fits = store_event_fits(e);
    pthread_mutex_lock(&s->mutex);
    bool taken = fits && store_roster_push(&s->roster, &s->queue, e);
    if (!fits)
        s->stats.dropped_too_long++;
    else if (!taken)
        s->stats.dropped_queue_full++;
    bool wake = (s->sleep == STORE_FOR_ANY && s->queue.count > 0) ||
                (s->sleep == STORE_FOR_BATCH && s->queue.count >= STORE_BATCH_EVENTS);
    if (wake)
        s->sleep = STORE_AWAKE; /* one wake-up is enough */
    pthread_mutex_unlock(&s->mutex);
    if (wake)
        pthread_cond_signal(&s->wake);
    return taken;
}

void store_leftovers(struct store *s,
                     void (*each)(void *arg, const char *room, const char *peer, const char *sid),
                     void *arg)
{
    for (size_t i = 0; i < s->leftover_count; i++)
        each(arg, s->leftovers[i].room, s->leftovers[i].peer, s->leftovers[i].sid);
    free_leftovers(s);
}

void store_stats(struct store *s, struct store_stats *out)
{
    pthread_mutex_lock(&s->mutex);
    *out = s->stats;
    out->queued = s->queue.count;
    out->queued_bytes = s->queue.used;
    out->unsettled = s->roster.unsettled_count;
    pthread_mutex_unlock(&s->mutex);
}

void store_keep(struct store *s, int64_t keep_ms)
{
    pthread_mutex_lock(&s->mutex);
    s->keep_ms = keep_ms;
    s->keep_changed = true;
    pthread_mutex_unlock(&s->mutex);
    pthread_cond_signal(&s->wake);
}

void store_close(struct store *s, int64_t deadline_us)
{
    if (!s)
        return;
    int64_t last_us = deadline_us + CLOSE_GRACE_US;
    struct timespec last = {.tv_sec = last_us / 1000000, .tv_nsec = last_us % 1000000 * 1000};
    atomic_store(&s->give_up_us, deadline_us);
    pthread_mutex_lock(&s->mutex);
    s->closing = true;
    pthread_cond_signal(&s->wake);
    int rc = 0;
    while (!s->ended && rc == 0)
        rc = pthread_cond_timedwait(&s->done, &s->mutex, &last);
    bool ended = s->ended;
    size_t queued = s->queue.count;
    pthread_mutex_unlock(&s->mutex);
    if (!ended) { /* stuck in the kernel: its memory must stay as long as it may wake up */
        log_line(LOG_ERROR, "store-stuck", LOG_I("lost", queued), LOG_END);
        pthread_detach(s->thread);
        return;
    }
    pthread_join(s->thread, NULL);
    destroy(s);
}
