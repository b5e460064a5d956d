/* sigdev over libmosquitto: a whole device in a few calls, for Linux.
 *
 * It connects with a will, subscribes to the device's inbox, publishes its presence, hands what
 * comes in to your callbacks and sends what you give it. When the connection is lost it comes back
 * by itself (jittered exponential backoff, for ever), subscribes again, publishes the presence
 * again, and says so in on.state. Each attempt reads the TLS files anew: a renewed certificate
 * needs no restart.
 *
 * A handle is one device in one room. A process may have as many handles as it likes.
 *
 *     struct sigdev_config config = {
 *         .room = "lobby", .peer = "cam1",
 *         .host = "broker.example.org", .user = "cam1", .password = secret,
 *         .meta = "{\"name\":\"Front door\"}",
 *         .on = {.offer = on_offer, .candidate = on_candidate, .bye = on_bye, .state = on_state},
 *         .user_data = &camera,
 *     };
 *     struct sigdev *dev;
 *     enum sigdev_error e = sigdev_create(&config, &dev, NULL, 0);
 *     if (!e)
 *         e = sigdev_start(dev);
 *     ...
 *     sigdev_send_answer(dev, viewer, call, sdp);      (from any thread, also inside a callback)
 *     ...
 *     sigdev_stop(dev, 1000);
 *     sigdev_destroy(dev);
 *
 * Two ways to drive it, chosen by which function is called after sigdev_create():
 *   - its own thread: sigdev_start() ... sigdev_stop(). Callbacks run on that thread.
 *   - your loop: sigdev_open(), then watch sigdev_fd() for reading with poll, epoll, GLib,
 * libev..., and call sigdev_service() whenever it is readable. That one descriptor stays the same
 * for the whole life of the handle, and it stands for the socket, the timers and what other threads
 *     send: there is nothing else to watch and no deadline to keep. Callbacks run inside
 *     sigdev_service(). Only the name lookup of `host` can block it, at each attempt to connect and
 *     for as long as the system's resolver takes (with glibc's defaults and no name server in
 *     reach, 10 s for each server): give an address or a Unix socket if your loop cannot bear that.
 *
 * Thread rule: sigdev_create, start, stop, open, service and destroy of one handle belong to one
 * thread. Everything under "Sending" and "Asking" may be called from any thread at any time between
 * create and destroy. Callbacks run one at a time, without a lock held: they may call everything
 * but sigdev_stop(), sigdev_service() and sigdev_destroy() (these return SIGDEV_ERR_STATE, or for
 * destroy: are forbidden).
 *
 * Ownership: everything given is copied. What a callback gets lives until it returns.
 *
 * Delivery: QoS 1 and in order: what the broker had not acknowledged when the connection broke is
 * sent again, byte for byte. `sent` rises strictly from message to message, so that whoever gets
 * one twice can tell; what we get twice ourselves is dropped and counted. While there is no
 * connection, and while the broker is slow, messages wait in a queue bounded in number, bytes and
 * age; what does not fit is refused with SIGDEV_ERR_FULL, what grew too old is reported through
 * on.undelivered. In the five seconds after a reconnect, what nobody listens to is tried again each
 * half second before NO_PEER is reported: others may come back to a restarted broker later than we.
 *
 * Presence: it stands while we are there and goes when we go, by the will, or by `ttl_s` if the
 * broker went with us. We listen to our own presence topic: when something clears it while we are
 * here (the late will of an older connection, another broker's), it is published again, at most
 * once a second, and slower if it is cleared again and again (up to once a minute).
 *
 * One name, one device: the broker ends the older of two connections with one client id, and the
 * loser comes back after a growing pause (retry_max_ms and up to eight times that), so that two
 * devices that were given one name do not fight; each is told through on.contested.
 *
 * Errors: as in core.h. Side effect on the process: libmosquitto ignores SIGPIPE. */
#ifndef SIGDEV_MOSQUITTO_H
#define SIGDEV_MOSQUITTO_H

#include <sigdev/core.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sigdev;

/* ---- What it tells -------------------------------------------------------------------------- */

enum sigdev_state {
    SIGDEV_STATE_STOPPED,    /* not driven, or has left the room */
    SIGDEV_STATE_CONNECTING, /* on the way: connection, login, subscription, presence */
    SIGDEV_STATE_ONLINE,     /* subscribed, and the broker has our presence: we can be called */
    SIGDEV_STATE_WAITING,    /* no connection; the next attempt comes in retry_ms */
    SIGDEV_STATE_LEAVING     /* sending what is left, clearing the presence */
};

struct sigdev_status {
    enum sigdev_state state;
    enum sigdev_error error; /* WAITING: why; STOPPED: whether it left cleanly; else SIGDEV_OK */
    const char *text;        /* the same as a sentence with what the broker or system said; "" */
    int64_t retry_ms;        /* WAITING: milliseconds until the next attempt */
    /* ONLINE: */
    bool again;        /* not for the first time since sigdev_start() or sigdev_open() */
    bool session_kept; /* the broker still had our session (only with `durable`): what came
                          meanwhile is delivered */
    int64_t away_ms;   /* again: for so long nobody could reach us */
};

/* A message that did not reach `to` (NULL: the room). */
struct sigdev_failure {
    const char *to;
    enum sigdev_type type;
    const char *id;          /* the `id` you gave it, or "" */
    enum sigdev_error error; /* NO_PEER, FORBIDDEN, TOO_LARGE, TOO_OLD, UNREACHABLE */
    const char *text;
};

/* All optional. `from` is whom the broker vouches for. A callback must not block for long: the
 * connection waits for it. */
struct sigdev_handlers {
    void (*offer)(struct sigdev *dev, const char *from, const struct sigdev_message *m, void *user);
    void (*answer)(struct sigdev *dev, const char *from, const struct sigdev_message *m,
                   void *user);
    /* Once for each candidate, also when several came in one message: m->candidate, m->call. */
    void (*candidate)(struct sigdev *dev, const char *from, const struct sigdev_message *m,
                      void *user);
    void (*bye)(struct sigdev *dev, const char *from, const struct sigdev_message *m, void *user);
    void (*invite)(struct sigdev *dev, const char *from, const struct sigdev_message *m,
                   void *user);
    /* Application data to us; with to_room also what is sent to the whole room. */
    void (*message)(struct sigdev *dev, const char *from, const struct sigdev_message *m,
                    bool to_room, void *user);
    void (*sealed)(struct sigdev *dev, const char *from, const struct sigdev_message *m,
                   void *user);
    /* The bridge refused something that we sent: m->error. */
    void (*error)(struct sigdev *dev, const struct sigdev_message *m, void *user);
    /* What sigdev_ask_ice_servers() asked for: walk m->ice_servers once. */
    void (*ice_servers)(struct sigdev *dev, const struct sigdev_message *m, void *user);
    /* With watch_presence: somebody came, changed or (p->gone) left. */
    void (*presence)(struct sigdev *dev, const char *peer, const struct sigdev_presence *p,
                     void *user);
    void (*state)(struct sigdev *dev, const struct sigdev_status *status, void *user);
    /* Somebody else changed our own presence. p->gone: it had been cleared and is being published
     * again. Else: *p stands there, which is not ours: another device has our name, or, after a
     * restart of the broker, an old presence of ours was restored. Told at most once in ten
     * seconds each. */
    void (*contested)(struct sigdev *dev, const struct sigdev_presence *p, void *user);
    void (*undelivered)(struct sigdev *dev, const struct sigdev_failure *failure, void *user);
    /* A payload that was refused or passed over: from whom (NULL: unknown topic), and why. */
    void (*refused)(struct sigdev *dev, const char *from, enum sigdev_error error, const char *why,
                    void *user);
};

/* ---- What it needs to know ------------------------------------------------------------------ */

enum sigdev_mqtt { SIGDEV_MQTT_5 = 0, SIGDEV_MQTT_311 };

/* Zero means the default everywhere: fill in what you need, leave the rest. */
struct sigdev_config {
    const char *prefix; /* topic prefix; SIGDEV_PREFIX */
    const char *room;   /* required */
    const char *peer;   /* required: our name in the room */

    /* The broker: `unix_path`, or `host` and `port`. */
    const char *unix_path; /* Unix socket, at most 107 bytes */
    const char *host;      /* name or address; "localhost" */
    uint16_t port;         /* 1883; with TLS 8883 */
    const char *user;      /* MQTT user name, usually the peer name; none */
    const char *password;  /* none */
    const char *client_id; /* "{room}:{peer}": the same after each restart, so that the broker ends
                              what is left of an earlier connection before this one begins */
    enum sigdev_mqtt mqtt; /* MQTT 5. A 3.1.1 broker cannot say NO_PEER, nor FORBIDDEN of what we
                              publish */
    unsigned keepalive_s;  /* 30; 5 to 3600. A connection that died without a word is noticed by us
                              after one to two and a quarter times that since the broker was last
                              heard, by the broker after one and a half times */
    bool durable;          /* the broker keeps what comes while we are away */
    uint32_t durable_s;    /* for so long (MQTT 5); 3600 */
    bool qos0;             /* send signaling with QoS 0: no queueing in the broker, no failures */

    bool tls;               /* with the system's CAs unless one is given */
    const char *ca_file;    /* PEM */
    const char *ca_dir;     /* hashed directory of PEM files */
    const char *cert_file;  /* PEM: our certificate, with key_file */
    const char *key_file;   /* PEM, not encrypted */
    bool tls_any_host_name; /* do not compare the certificate with `host`: for tests */

    /* What others see of us. */
    const char *meta; /* JSON object; none */
    uint32_t ttl_s;   /* 120; 2 to 86400: the presence is renewed at half of it, and without that
                         bridges take us for gone */
    bool no_ttl;      /* no such promise: a device that vanishes together with its broker, which
                         cannot send the will, is taken for present until somebody probes it */
    bool no_own_presence; /* do not listen to our own presence: for a broker that ends a connection
                             which subscribes to what it may not */
    bool no_bundle;       /* do not tell that several candidates may come in one message */
    uint32_t limit_sdp, limit_line, limit_candidates; /* see struct sigdev_presence */

    /* What else to listen to. */
    bool room_messages;  /* messages to the whole room: on.message with to_room */
    bool watch_presence; /* everybody's presence: on.presence */

    /* Bounds. */
    unsigned queue_messages; /* that wait for the broker, or for its PUBACK; 64 */
    size_t queue_bytes;      /* payloads of these; 1 MiB */
    int64_t queue_age_ms;    /* older than this is not sent after a reconnect; 30000 */
    int64_t max_age_ms;      /* received messages sent longer ago are passed over; 0: off. Needs
                                clocks that agree */
    int64_t retry_min_ms;    /* first backoff; 1000 */
    int64_t retry_max_ms;    /* longest backoff; 30000. After a refused login or subscription: at
                                once so long. While there is no network: at most 5000 */
    int64_t handshake_ms;    /* from connect to ONLINE, then it is tried again; 20000 */

    struct sigdev_handlers on;
    void *user_data; /* given to each callback */
};

/* ---- Life ----------------------------------------------------------------------------------- */

/* Checks and copies the configuration; no I/O but for reading the TLS files. ARGUMENT, NO_MEMORY,
 * SYSTEM, TLS (a file that cannot be read): then *out is NULL and why[why_size] says which field
 * and what is wrong with it (NULL, 0: not wanted). */
SIGDEV_API enum sigdev_error sigdev_create(const struct sigdev_config *config, struct sigdev **out,
                                           char *why, size_t why_size);

/* Own thread: begins. STATE when it is driven already; SYSTEM without a thread. */
SIGDEV_API enum sigdev_error sigdev_start(struct sigdev *dev);
/* Own thread: sends what is queued, clears the presence, disconnects, at most wait_ms; then ends
 * the thread. UNREACHABLE when that could not be done in time (the broker's will does it then). May
 * be started again after it. A thread that ended by sigdev_leave() is still to be stopped. */
SIGDEV_API enum sigdev_error sigdev_stop(struct sigdev *dev, int64_t wait_ms);

/* Your loop: begins. */
SIGDEV_API enum sigdev_error sigdev_open(struct sigdev *dev);
/* Your loop: readable when sigdev_service() has something to do. Valid from create to destroy;
 * never close it. */
SIGDEV_API int sigdev_fd(const struct sigdev *dev);
/* Your loop: does what is due, without blocking. Extra calls do no harm. */
SIGDEV_API enum sigdev_error sigdev_service(struct sigdev *dev);
/* Your loop (or any thread, also in a callback): begins to leave as sigdev_stop() does; go on with
 * sigdev_service() until on.state says STOPPED. */
SIGDEV_API enum sigdev_error sigdev_leave(struct sigdev *dev, int64_t wait_ms);

/* Frees everything; NULL is allowed. A running thread is stopped first (1 s). In your loop, without
 * sigdev_leave() before, the connection just ends and the broker sends the will. */
SIGDEV_API void sigdev_destroy(struct sigdev *dev);

/* ---- Sending (any thread) ---------------------------------------------------------------------
 * SIGDEV_OK: accepted, will be sent in order. ARGUMENT: not a legal message, name or call. FULL:
 * the queue is at its bound; nothing was taken. STATE: leaving or stopped. call NULL: the default
 * call. `sent` is set for you. */

SIGDEV_API enum sigdev_error sigdev_send_offer(struct sigdev *dev, const char *to, const char *call,
                                               const char *sdp);
SIGDEV_API enum sigdev_error sigdev_send_answer(struct sigdev *dev, const char *to,
                                                const char *call, const char *sdp);
/* c NULL: end of candidates. */
SIGDEV_API enum sigdev_error sigdev_send_candidate(struct sigdev *dev, const char *to,
                                                   const char *call,
                                                   const struct sigdev_candidate *c);
/* reason: plain text, or NULL. */
SIGDEV_API enum sigdev_error sigdev_send_bye(struct sigdev *dev, const char *to, const char *call,
                                             const char *reason);
/* media NULL: as the other likes. */
SIGDEV_API enum sigdev_error sigdev_send_invite(struct sigdev *dev, const char *to,
                                                const char *call, const struct sigdev_media *media);
/* data: any JSON value as text. to NULL: everyone in the room. */
SIGDEV_API enum sigdev_error sigdev_send_message(struct sigdev *dev, const char *to,
                                                 const char *data);
/* Asks the bridge for ICE servers; the answer comes to on.ice_servers with the same id (NULL:
 * none). */
SIGDEV_API enum sigdev_error sigdev_ask_ice_servers(struct sigdev *dev, const char *id);
/* Any message with all its fields. to NULL: everyone (SIGDEV_MESSAGE only). */
SIGDEV_API enum sigdev_error sigdev_send(struct sigdev *dev, const char *to,
                                         const struct sigdev_message *m);
/* Replaces our meta (NULL: none) and publishes the presence again. */
SIGDEV_API enum sigdev_error sigdev_set_meta(struct sigdev *dev, const char *meta);

/* ---- Asking (any thread) -------------------------------------------------------------------- */

struct sigdev_stats {
    uint64_t sent;        /* taken by the broker (QoS 1) or written (QoS 0) */
    uint64_t received;    /* handed to callbacks, presence not counted */
    uint64_t refused;     /* payloads that were not understood or not allowed */
    uint64_t too_old;     /* received, but older than max_age_ms */
    uint64_t undelivered; /* reported through on.undelivered */
    uint64_t connects;    /* times ONLINE was reached */
    uint64_t repeated;    /* came a second time and were dropped */
    uint64_t ignored;     /* of a type that is not known here, and the bridge's `ping` */
    uint64_t restored;    /* times our presence had been cleared by somebody else */
    uint64_t contested;   /* times somebody else's presence stood in the place of ours */
    bool watched;         /* the broker lets us see our own presence: the two above can be known */
    unsigned queued;      /* messages that wait now */
    size_t queued_bytes;
};

SIGDEV_API enum sigdev_state sigdev_get_state(struct sigdev *dev);
SIGDEV_API void sigdev_get_stats(struct sigdev *dev, struct sigdev_stats *out);
SIGDEV_API const char *sigdev_state_text(enum sigdev_state state); /* "online"; static */

#ifdef __cplusplus
}
#endif

#endif
