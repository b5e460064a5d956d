/* The store's insides: what its two threads share, and the writer's side of it. Only store.c and
 * store_writer.c include this.
 *
 * The mutex guards everything below it in the struct. The ring's waiting records are read without
 * it: store_queue.h says why that is safe. It is never held during I/O. */
#ifndef SIGBRIDGE_IO_STORE_WRITER_H
#define SIGBRIDGE_IO_STORE_WRITER_H

#include "io/store_history.h"
#include "io/store_queue.h"
#include "io/store_retention.h"
#include "io/store_roster.h"

#include <pthread.h>
#include <stdatomic.h>

enum { STORE_NICE = 5 }; /* of the writer, above that of the loop: about a third of its time */
enum { STORE_BATCH_EVENTS = 200 };     /* events of one transaction */
enum { STORE_BATCH_US = 20000 };       /* how long the first of them waits for more [us] */
enum { STORE_RETRY_MIN_US = 100000 };  /* first pause after a failure, doubled each time [us] */
enum { STORE_RETRY_MAX_US = 5000000 }; /* longest pause [us] */

/* What the writer sleeps for: pushing wakes it only when that has come. */
enum store_sleep { STORE_AWAKE, STORE_FOR_ANY, STORE_FOR_BATCH };

struct store {
    /* The writer's alone, once it runs. */
    struct store_history history; /* without a connection while a new file could not be begun */
    struct store_retention retention;
    int64_t opened_ms;
    char damage[PROBLEM_TEXT_MAX]; /* of what stands at `path`, which is to be moved aside; or "" */
    bool said_no_file;             /* "store-cannot-begin" was logged, "store-recovered" not yet */
    bool begun;                    /* the run is in the table */
    bool said_dropping;            /* "store-dropping" was logged, "store-recovered" not yet */
    int64_t failing_since_us;      /* 0: not failing */
    int64_t retry_us;              /* the next pause */
    uint64_t dropped_before[2];    /* queue full, disk: already said */

    char *path; /* both of them written before the writer runs */
    char *bridge;

    /* The opener's alone. */
    pthread_t thread;
    struct leftover *leftovers;
    size_t leftover_count;

    /* When to stop waiting for locks and retries: far away until store_close() sets it. */
    _Atomic int64_t give_up_us;

    pthread_mutex_t mutex;
    pthread_cond_t wake; /* to the writer; monotonic clock */
    pthread_cond_t done; /* from the writer, on its end; monotonic clock */
    struct store_queue queue;
    struct store_roster roster;
    enum store_sleep sleep;
    int64_t keep_ms; /* the retention's, once keep_changed */
    bool keep_changed;
    bool closing;
    bool ended;
    struct store_stats stats;
};

void *store_writer_main(void *store);
int store_writer_on_busy(void *store, int tries); /* sqlite3_busy_handler */

/* A transaction failed: takes it back, and puts it into the figures and the log. Where the file
 * turns out to be damaged it is closed, and the next try begins another. */
void store_writer_failed(struct store *s, int rc);

/* Opens the database at s->path, moves it aside before where it is known or found to be damaged,
 * and prepares s->history. The run is not in the table yet. */
enum status store_open_history(struct store *s, struct problem *why);

#endif
