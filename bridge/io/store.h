/* Records presence in SQLite: every membership with its times and the reason of its end, and who is
 * present now. Events go through one bounded queue to a writer thread, the only thread beside the
 * loop's; the loop never waits for the disk.
 *
 *     store_open(&s, &options, &why);
 *     store_leftovers(s, clear_in_broker, app);    (presences an earlier run left behind)
 *     store_push(s, &event);                       (for each change; then STORE_SWEEP once)
 *     store_close(s, clock_mono_us() + 2000000);
 *
 * Events wait in the queue until their transaction is committed. When the disk is full, the file
 * read-only or locked, the writer tries again with backoff. When the queue is full, the newest
 * event is dropped and counted: its place in the history is lost. Who is present is not: the store
 * remembers the last state of each peer whose event was dropped, and records it as soon as there is
 * room. The log says "store-failing", "store-dropping" and "store-recovered" once per change.
 *
 * A file that turns out to be damaged, at open or later, is moved aside (store_damaged.h), said at
 * ERROR ("store-damaged") and counted; a new one begins without a restart, and so it does when
 * somebody takes the file away ("store-taken-away"). Who is present is recorded anew. What is lost
 * for this bridge is the history (joined times of devices that do not say `since` become the time
 * of their last change) and, at open, the leftovers: presences that an earlier run held and the
 * broker may still retain. A bridge that watches all rooms finds those by itself, as nobody of its
 * own is behind them when they are replayed; one that watches only the rooms of its sessions finds
 * them when somebody joins there, and until then they stand at most as long as their message
 * expiry.
 *
 * Threads: every function belongs to the thread that opened the store. Texts are copied. */
#ifndef SIGBRIDGE_IO_STORE_H
#define SIGBRIDGE_IO_STORE_H

#include "base/problem.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STORE_NAME_MAX = 255,        /* bytes of each text but meta */
    STORE_META_MAX = 16384,      /* bytes of meta */
    STORE_QUEUE_EVENTS = 65536,  /* default bound of the queue in events */
    STORE_QUEUE_BYTES = 16 << 20 /* and in bytes: reserved at open, touched as it fills */
};

enum store_what {
    STORE_JOINED,  /* present: a new membership, or the same one seen again */
    STORE_UPDATED, /* present, with other properties; recorded as STORE_JOINED where none is open */
    STORE_LEFT,    /* gone: ends what is open for room and peer, whatever its sid */
    STORE_SWEEP    /* the roster is complete: what this run has not seen by now is gone. Only at_ms
                      counts. Memberships of earlier runs end with the reason "missed", and the
                      leftovers of earlier runs count as cleared. */
};

/* One change. A session may move to another bridge: its membership is the same one as long as
 * since_ms and the part of sid behind the first "-" stay (all of it, where there is none), and the
 * row takes the new bridge and sid. One that was recorded as ended, and is seen again so, goes on
 * in its row. A device's, without a sid, is the same as long as bridge and since_ms stay. A JOINED
 * or UPDATED of another membership ends the one before with the reason "replaced". */
struct store_event {
    enum store_what what;
    struct text room;
    struct text peer;
    struct text kind;      /* "device", "browser", "sfu", "http" */
    struct text bridge;    /* the presence's `via`; empty for a device on MQTT itself */
    struct text transport; /* "ws" or "mqtt" */
    struct text sid;       /* empty for a device */
    struct text meta;      /* JSON, recorded as it is; may be empty */
    struct text reason;    /* of LEFT */
    int64_t since_ms;      /* what the presence says; 0: it does not say, which fits any */
    int64_t at_ms;         /* when it happened, by our clock; since the Unix epoch */
};

struct store_options {
    const char *path;    /* the directory must exist; the file is made with mode 0600 */
    const char *bridge;  /* this bridge's id: whose leftovers are closed */
    size_t queue_events; /* 0: STORE_QUEUE_EVENTS */
    size_t queue_bytes;  /* 0: STORE_QUEUE_BYTES; at least 64 KiB is used */
    int64_t now_ms;      /* since the Unix epoch */
    int64_t keep_ms;     /* how long memberships stay that have ended; 0: for ever. At most a day of
                            history goes at the start and in each hour: store_retention.h */
    int64_t prune_pause_us; /* 0: that hour; tests do not wait for it */
};

struct store_stats {
    size_t queued;    /* events that wait */
    size_t queue_max; /* the bound */
    size_t queued_bytes;
    size_t unsettled;            /* peers whose last change was dropped and is not recorded yet */
    uint64_t written;            /* events committed */
    uint64_t dropped_queue_full; /* refused by store_push() */
    uint64_t dropped_too_long;   /* likewise, for a text over the limits above */
    uint64_t dropped_disk; /* taken, but refused by SQLite for good, or lost at store_close() */
    uint64_t failures;     /* transactions that failed and were, or will be, tried again */
    uint64_t damaged;      /* files moved aside */
    uint64_t pruned;       /* memberships deleted because they had ended keep_ms ago */
    uint64_t commits;
    int64_t last_commit_us; /* how long the last transaction took */
    bool failing;           /* the last transaction failed */
    char last_error[160];   /* of the last failure, kept after recovery; "" when there was none */
};

struct store;

/* Opens or creates the database, ends memberships that an earlier run of this bridge id held
 * (reason "bridge-restart") and starts the writer. STATUS_IO or STATUS_BAD_CONFIG with a sentence:
 * not writable, another program's database, of a newer version, or damaged and not to be moved
 * aside. A full disk or a lock that leave the file readable open the store in its failing state.
 * May take as long as SQLite takes; up to 2 s when another process holds the lock. An older version
 * is migrated first, which may take some seconds per million rows. */
enum status store_open(struct store **out, const struct store_options *options,
                       struct problem *why);

/* Copies *e into the queue. False: dropped and counted. Takes a mutex that is only held for short
 * pieces of memory work; no system call but the writer's wake-up. Texts over the limits above are
 * the caller's mistake: such an event is dropped and counted too. */
bool store_push(struct store *s, const struct store_event *e);

/* Calls back for each presence that an earlier run of this bridge id held when it ended: clear it
 * in the broker, unless what is retained there now carries another sid. They are reported again by
 * the next open unless a STORE_SWEEP was recorded in between, so that a bridge which fails while
 * starting loses none. Once per store; the texts live until the call returns. */
void store_leftovers(struct store *s,
                     void (*each)(void *arg, const char *room, const char *peer, const char *sid),
                     void *arg);

void store_stats(struct store *s, struct store_stats *out);

/* Another keep_ms from now on. A pass begins at once. */
void store_keep(struct store *s, int64_t keep_ms);

/* Writes what waits, at most until deadline_us (clock_mono_us()), logs what was lost, and frees the
 * store. NULL is fine. If the disk keeps the writer in the kernel past the deadline, the writer is
 * left behind with its memory. */
void store_close(struct store *s, int64_t deadline_us);

#endif
