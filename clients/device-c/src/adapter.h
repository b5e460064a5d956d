/* The inside of a handle, shared by the adapter's files. Not installed.
 *
 *   config.c   checks and copies the configuration
 *   queue.c    messages that wait for the broker
 *   send.c     public calls that put messages into the queue
 *   connect.c  makes one connection
 *   link.c     that connection: libmosquitto in our epoll set, its callbacks
 *   receive.c  from a payload to the right handler
 *   own.c      our own presence, as the broker shows it to us
 *   outbox.c   from the queue to the broker, and what did not arrive
 *   device.c   states, timers, retries: what to do when
 *   life.c     create to destroy
 *   thread.c   the own thread
 *
 * One thread drives a handle at a time; only it touches libmosquitto, which therefore needs no
 * thread of its own and no lock. Other threads reach the queue, the meta, the statistics and the
 * requests, all under `lock`, and wake the driver through an eventfd. Who sends holds `sending`
 * from the stamp to the queue, so that stamps rise in the order of the queue.
 *
 * Each connection attempt gets a fresh libmosquitto client. What was not acknowledged is sent again
 * from our own queue, after the presence and only if it is not too old; libmosquitto would resend
 * it first of all, however old. */
#ifndef SIGDEV_SRC_ADAPTER_H
#define SIGDEV_SRC_ADAPTER_H

#include <sigdev/mosquitto.h>

#include <mosquitto.h>
#include <pthread.h>

#define NEVER          INT64_MAX
#define WHY_SIZE       240
#define FILTERS_MAX    3
#define STABLE_MS      5000 /* a connection that lived shorter does not reset the backoff */
#define SETTLE_MS      5000 /* after a reconnect */
#define RESEND_MS      500
#define UNPLUGGED_MS   5000 /* the longest pause while there is no network: asking costs nothing */
#define SUSPICIOUS     3    /* so many of them in a row, each ended by the broker */
#define RECENT         64   /* messages whose redelivery is recognized */
#define PRESENCE_SIZE  (SIGDEV_META_MAX + 512)
#define CLIENT_ID_SIZE (2 * SIGDEV_NAME_MAX + 2)

/* ---- queue.c -------------------------------------------------------------------------------- */

struct outgoing {
    struct outgoing *next;
    int64_t queued_ms;
    int64_t retry_ms; /* nobody listened yet, shortly after a reconnect: not before that */
    int mid;          /* given to libmosquitto, waits for its acknowledgement; 0: not given */
    enum sigdev_type type;
    char to[SIGDEV_NAME_MAX + 1]; /* "": the room */
    char id[SIGDEV_ID_MAX + 1];
    char *payload;
    size_t len;
};

struct queue {
    struct outgoing *first;
    struct outgoing **last;
    unsigned count;
    size_t bytes;
};

void queue_init(struct queue *q);
void queue_add(struct queue *q, struct outgoing *o);
/* Takes out the one with that mid, or NULL. */
struct outgoing *queue_take_mid(struct queue *q, int mid);
/* Takes out the first one that is not given to libmosquitto and was queued before `before_ms`. */
struct outgoing *queue_take_old(struct queue *q, int64_t before_ms);
/* The first one that is not given to libmosquitto, left in its place; or NULL. */
struct outgoing *queue_next(struct queue *q);
/* The first one that may go now, while the peers may not all be back: one at a time, and none
 * before an earlier one to the same peer that has to wait. NULL: none; *at is earlier when one
 * waits. */
struct outgoing *queue_next_settling(struct queue *q, int64_t now, int64_t *at);
/* Leaves the one with that mid in its place, to be given again at retry_ms. False: there is none.
 */
bool queue_retry_mid(struct queue *q, int mid, int64_t retry_ms);
void queue_take(struct queue *q, struct outgoing *o);
void queue_forget_mids(struct queue *q); /* the connection is gone: all are to be sent again */
void queue_release(struct queue *q);
void outgoing_free(struct outgoing *o);

/* ---- The handle ----------------------------------------------------------------------------- */

enum drive { DRIVE_NONE, DRIVE_THREAD, DRIVE_LOOP };

/* Why a connection ended, or cannot be made. */
struct failure {
    enum sigdev_error error;
    char text[WHY_SIZE];
};

struct link {
    struct mosquitto *mosq; /* NULL: no connection and none on the way */
    int fd;                 /* as in the epoll set; -1: not in it */
    uint32_t events;
    bool tcp_pending; /* connect() has not finished */
    bool accepted;    /* CONNACK said yes */
    bool kept;        /* ... and that the broker has our session */
    bool subscribed;  /* every filter granted */
    bool announced;   /* our presence went out */
    bool silent;      /* it ended because nothing was heard any more */
    bool closed;      /* the broker ended it, without a word */
    bool unplugged;   /* no packet got out of this network */
    bool more;        /* decrypted bytes wait although the socket is empty */
    bool drop;        /* a callback wants the connection to end, `failure` says why */
    bool closing;     /* DISCONNECT is on its way */
    int64_t heard_at; /* when bytes came */
    int subscribe_mid;
    int filters; /* how many of them */
    int own_mid; /* the subscription to our own presence */
    bool own_refused;
    int presence_mid;
    int clear_mid; /* the empty presence at the end */
    bool present;  /* the broker has acknowledged our presence */
    bool cleared;
    char log[WHY_SIZE]; /* libmosquitto's first error line */
    struct failure failure;
};

/* ---- own.c ---------------------------------------------------------------------------------- */

enum {
    OWN_SINCES = 32,          /* presences of ours that are recognized when they come back */
    RESTORE_MS = 1000,        /* between two presences at least, when it was cleared */
    RESTORE_DOUBLINGS = 6,    /* cleared again and again: up to about a minute */
    RESTORE_CALM_MS = 120000, /* it stood so long: from the beginning */
    TELL_MS = 10000           /* between two calls of on.contested */
};

struct own {
    int64_t since[OWN_SINCES]; /* `since` of what we published; -1: none */
    unsigned next;
    int64_t published_at, restored_at;
    int64_t restore_at; /* NEVER: it stands */
    unsigned restores;  /* shortly after one another */
    int64_t cleared_told_at, rival_told_at;
    bool rival; /* somebody else was seen since the connection before this one */
};

struct sigdev;
void own_init(struct own *o);
void own_published(struct sigdev *dev); /* with since_wall_ms, now */
void own_received(struct sigdev *dev, struct sigdev_presence *p, bool retained);
void own_restored(struct sigdev *dev); /* it is about to be published again */

/* ---- The handle, continued ------------------------------------------------------------------ */

struct sigdev {
    struct sigdev_config config; /* strings owned */
    struct sigdev_self self;
    char client_id[CLIENT_ID_SIZE];

    int epoll, timer, wake;
    enum drive drive;
    pthread_t thread;
    bool has_thread;

    /* The driver's own. */
    struct link link;
    bool servicing;
    int family;        /* 0: as the resolver says; else which one the next attempt is held to */
    unsigned attempts; /* failed ones in a row */
    unsigned rivals;   /* connections in a row that somebody of our name ended */
    unsigned cut_off;  /* ... that the broker ended soon after they stood */
    uint64_t random;
    int64_t online_at, since_wall_ms;
    int64_t away_since; /* 0: was not there yet */
    int64_t settled_at; /* until then others may still be coming back to the broker */
    int64_t resend_at;  /* NEVER: nothing waits for them */
    int64_t wait_ms;    /* the last pause */
    struct own own;
    struct sigdev_recent recent;
    uint64_t digests[RECENT];
    int64_t retry_at, handshake_at, misc_at, renew_at;
    bool clearing;
    enum sigdev_error leave_error;

    pthread_mutex_t lock;
    /* Under the lock. */
    enum sigdev_state state;
    struct queue queue;
    struct sigdev_stats stats;
    char *meta;            /* owned; from the configuration, or newer */
    bool presence_changed; /* it is newer than what was published */
    bool leave;
    int64_t leave_at; /* then it ends, whatever is left */

    pthread_mutex_t sending; /* taken before `lock` */
    /* Under it. */
    int64_t last_sent_ms;
    uint64_t last_id;
    uint32_t run; /* tells our ids from those of an earlier run */
};

/* ---- device.c ------------------------------------------------------------------------------- */

int64_t now_ms(void);  /* goes on while the machine sleeps, never jumps */
int64_t wall_ms(void); /* since the epoch; 0 while the clock is not set */
/* Waits up to timeout_ms (-1: for ever) for something to do, and does it. */
void device_service(struct sigdev *dev, int timeout_ms);

/* ---- life.c --------------------------------------------------------------------------------- */

void device_wake(struct sigdev *dev); /* any thread */
enum sigdev_error device_begin(struct sigdev *dev, enum drive drive);
void device_end(struct sigdev *dev); /* the thread is gone, or never came to be */

/* ---- outbox.c ------------------------------------------------------------------------------- */

/* Publishes what was not published yet. */
void outbox_flush(struct sigdev *dev);
/* The acknowledgement of one of our publishes came. */
void outbox_acknowledged(struct sigdev *dev, int mid, int reason);
/* Gives up what waits since before `before_ms` (NEVER: everything) and tells the caller. */
void outbox_drop_old(struct sigdev *dev, int64_t before_ms, enum sigdev_error e);

/* ---- config.c ------------------------------------------------------------------------------- */

enum sigdev_error config_copy(struct sigdev_config *to, const struct sigdev_config *from, char *why,
                              size_t why_size);
void config_release(struct sigdev_config *config);

/* ---- connect.c ------------------------------------------------------------------------------ */

/* Begins one connection attempt. False: it failed at once, link.failure says why. */
bool link_open(struct sigdev *dev);
const char *connect_host(const struct sigdev *dev);

/* ---- link.c --------------------------------------------------------------------------------- */

void link_set_callbacks(struct mosquitto *mosq);
/* Notes why the connection ends; the first reason stays. */
void link_fail(struct link *l, enum sigdev_error e, const char *text);
void link_fail_code(struct sigdev *dev, int rc, int err); /* a code of libmosquitto, and errno */
void link_close(struct sigdev *dev);
/* Does what the socket is ready for. False: the connection is gone, link.failure says why. */
bool link_io(struct sigdev *dev, uint32_t events);
bool link_misc(struct sigdev *dev); /* keepalive; as link_io() */
void link_watch(struct sigdev *dev);
/* Publishes one of the queue; SIGDEV_OK also when the connection breaks on it. */
enum sigdev_error link_publish(struct sigdev *dev, struct outgoing *o);
bool link_publish_presence(struct sigdev *dev, const char *payload, size_t len, int *mid);
void link_disconnect(struct sigdev *dev);

/* ---- receive.c ------------------------------------------------------------------------------ */

void receive(struct sigdev *dev, const struct mosquitto_message *message);

#endif
