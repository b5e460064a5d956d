/* The store's insides: what its two threads share, and the writer's side of it. Only store.c and
 * store_writer.c include this.
 *
 * The mutex guards everything below it in the struct. The ring's waiting records are read without
 * it: store_queue.h says why that is safe. It is never held during I/O. */
#ifndef SIGBRIDGE_IO_STORE_WRITER_H
#define SIGBRIDGE_IO_STORE_WRITER_H

#include "io/store_history.h"
#include "io/store_queue.h"
#include "io/store_roster.h"

#include <pthread.h>
#include <stdatomic.h>

enum { STORE_BATCH_EVENTS = 200 };     /* events of one transaction */
enum { STORE_BATCH_US = 20000 };       /* how long the first of them waits for more [us] */
enum { STORE_RETRY_MIN_US = 100000 };  /* first pause after a failure, doubled each time [us] */
enum { STORE_RETRY_MAX_US = 5000000 }; /* longest pause [us] */

/* What the writer sleeps for: pushing wakes it only when that has come. */
enum store_sleep { STORE_AWAKE, STORE_FOR_ANY, STORE_FOR_BATCH };

struct store {
    /* The writer's alone, once it runs. */
    struct store_history history;
    int64_t opened_ms;
    bool begun;                 /* the run is in the table */
    bool said_dropping;         /* "store-dropping" was logged, "store-recovered" not yet */
    int64_t failing_since_us;   /* 0: not failing */
    int64_t retry_us;           /* the next pause */
    uint64_t dropped_before[2]; /* queue full, disk: already said */

    /* The opener's alone. */
    pthread_t thread;
    char *bridge;
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
    bool closing;
    bool ended;
    struct store_stats stats;
};

void *store_writer_main(void *store);
int store_writer_on_busy(void *store, int tries); /* sqlite3_busy_handler */

/* Records a failure in the figures and in the log. */
void store_writer_failed(struct store *s, int rc);

#endif
