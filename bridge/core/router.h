/* The bridge's decisions: what comes in from WebSockets and from the broker, what goes out for it.
 * No I/O: app connects it to sockets, bus and recorder by the tables of ports.h and tells it the
 * time.
 *
 * Call router_flush() once per turn of the loop, after all that came in: presence changes that came
 * together leave in one frame. Every entry takes the time; router_tick() says when it wants the
 * next. Threads: the loop's. */
#ifndef SIGBRIDGE_CORE_ROUTER_H
#define SIGBRIDGE_CORE_ROUTER_H

#include "base/buf.h"
#include "base/list.h"
#include "base/problem.h"
#include "core/bridges.h"
#include "core/bundle.h"
#include "core/metrics.h"
#include "core/moved.h"
#include "core/ports.h"
#include "core/registry.h"
#include "core/session.h"
#include "core/transit.h"
#include "policy/ice_filter.h"
#include "policy/log_budget.h"
#include "policy/rate.h"
#include "policy/token.h"
#include "proto/topic.h"

#include <stdbool.h>
#include <stdint.h>

struct now {
    int64_t mono_us; /* for deadlines */
    int64_t wall_ms; /* for the wire */
};

/* Strings are the caller's and outlive the router. */
struct router_options {
    const char *prefix;
    const char *bridge; /* our name */
    const char *run;    /* 6 characters, new for each process: sessions and our status carry it */
    const char *version;
    /* NULL: nobody needs a token. router_set_keys() changes it. */
    const struct token_keys *keys;
    struct token_rules token_rules;
    const struct ice_policies *ice_policies; /* NULL: every candidate passes everywhere */
    bool watch_all;                          /* presence.scope */
    uint32_t presence_expiry_s;
    int64_t join_timeout_us; /* for a socket without membership */
    size_t message_max;      /* bytes of one WebSocket message */
    size_t room_peers_max;
    size_t rooms_max;
    struct rate_limit messages, bytes; /* of one session */
    int64_t resume_window_us;          /* 0: a session ends with its socket */
    size_t replay_messages, replay_bytes;
    size_t away_max; /* sessions without socket */
};

struct router {
    struct router_options o;
    struct socket_ops socket_ops;
    struct bus_ops bus_ops;
    struct recorder_ops recorder_ops;
    struct ice_ops ice_ops;
    void *bus;
    void *recorder;
    void *ice;

    struct now now; /* of the entry that is running */
    struct registry registry;
    struct bridges bridges;
    struct metrics metrics;
    struct link sessions;
    size_t session_count, joined_count;
    struct link idle;     /* sessions by deadline: join timeout */
    struct link joining;  /* WATCHING and JOINING, by deadline */
    struct link expiring; /* sessions by the end of their token */
    struct link renewing; /* JOINED, by when the presence must be published again */
    /* By session->keeping: */
    struct link confirming; /* with kept frames, by when to ask for a sign of life */
    struct link away;       /* without socket, by the end of the resume window */
    struct link handing;    /* on their way to another bridge, by when to give up */
    struct link asking;     /* RESUMING, by when to give up */
    struct map own;         /* session by its own part of the id */
    size_t away_count, asking_count;
    uint64_t ask; /* number of the last question to another bridge */
    struct moved_sessions moved;

    bool bus_up;
    bool swept; /* the history knows that the first roster was complete */
    bool draining;
    uint32_t generation; /* of the roster: one more with each connection to the broker */
    uint64_t fence;
    struct link fences; /* struct watch, in the order of their fences */
    struct watch watch; /* of all rooms */
    int64_t started_ms;
    int64_t status_due_us;  /* when our status must be published again */
    int64_t fence_retry_us; /* when the last fence goes out again, if one is still waited for */
    /* The broker began anew: until then nobody is missed because his presence is not there yet. */
    int64_t missing_until_us;
    int64_t probe_us;       /* when devices are asked whether they are there; 0: never */
    int64_t hold_until_us;  /* and clients' messages wait for the other bridges; 0: they do not */
    int64_t recheck_us;     /* when the roster is asked for anew, for want of memory; 0: never */
    int64_t roster_late_us; /* when a missing roster is worth a word; 0: it is not */
    struct link stale;      /* struct stale_filter: to be unsubscribed when the broker is back */
    struct rate error_replies;
    struct log_budget refusals; /* of messages, said in the log */
    struct log_budget too_fast; /* sessions closed for their rate, the same */

    struct bundle bundle;
    size_t echo_bytes; /* of all that echo.h keeps */
    struct buf out;    /* a message being written; empty between entries */
    struct buf topic;  /* a topic being written */
    struct transit transit;
    char *scratch; /* an SDP being checked */
    size_t scratch_size;
    char topic_bytes[TOPIC_MAX];
};

enum status router_init(struct router *r, const struct router_options *o, struct now now);
void router_release(struct router *r);

/* Keys for the tokens that come from now on; memberships go on. */
void router_set_keys(struct router *r, const struct token_keys *keys);

/* A WebSocket opened, sent a whole message, was closed; its client has read what bears the mark.
 * token: that of the handshake, or empty. lost: neither side meant it to end, so the client may
 * come back. NULL from router_open: no memory. */
struct session *router_open(struct router *r, void *socket, struct visitor *visitor,
                            struct text token, struct now now);
void router_message(struct router *r, struct session *s, const char *bytes, size_t len,
                    struct now now);
void router_close(struct router *r, struct session *s, const char *reason, bool lost,
                  struct now now);
void router_confirmed(struct router *r, struct session *s, uint64_t mark, struct now now);

/* From the broker: connection up (kept: with what it held for us) or down, a message, a refused
 * subscription, the outcome of a publication: STATUS_OK, with found false when PUBACK said 0x10; or
 * why the broker did not take it, with found true where it may have. */
void router_bus_up(struct router *r, bool kept, struct now now);
void router_bus_down(struct router *r, struct now now);
void router_bus_message(struct router *r, const char *topic, struct text payload, bool retained,
                        struct text reason, struct now now);
void router_published(struct router *r, struct delivery *d, enum status status, bool found,
                      struct now now);
void router_refused(struct router *r, const char *filter, struct now now);

/* Does what is due; the monotonic time at which it wants to be called again. */
int64_t router_tick(struct router *r, struct now now);
void router_flush(struct router *r, struct now now);

/* Ready to let people in: the broker is there and the roster is complete. */
bool router_ready(const struct router *r);

/* Lets nobody in any more and tells every session to go elsewhere. Where other bridges run the
 * memberships stay, to be taken over, until router_drain_end(). */
void router_drain(struct router *r, const char *reason, int64_t within_us, struct now now);
bool router_drained(const struct router *r); /* nobody is left to wait for */
void router_drain_end(struct router *r, struct now now);

void router_put_metrics(const struct router *r, struct buf *b);

/* For the other files of core. */
void router_enter(struct router *r, struct now now); /* each entry begins with it */
void router_send_error(struct router *r, struct session *s, const struct problem *p, struct text id,
                       struct text to);
void router_refuse(struct router *r, struct session *s, const struct problem *p,
                   const struct envelope *e);
/* One line for what was refused; of a flood only some, which say how many were not. */
void router_log_refused(struct router *r, const char *from, const struct visitor *visitor,
                        struct text room, struct text peer, const struct problem *p);
void router_ack(struct router *r, struct session *s, struct text id, bool with_ice_servers);
enum status router_publish(struct router *r, struct text payload, bool retain, uint32_t expiry_s,
                           const char *reason, struct delivery *d); /* to r->topic */
/* `,"iceServers":…` and what else a session must know in time. */
void router_put_session_means(struct router *r, const struct session *s, struct buf *b);
/* What stands in r->out, whole or not at all: to the socket, which is closed when memory ran out;
 * to the broker, STATUS_NO_MEMORY when it did. A session without socket misses it. */
void router_send(struct router *r, struct session *s);
/* The same for what a session without socket is to hear when it comes back, with a number then. */
void router_tell(struct router *r, struct session *s);
void router_send_marked(struct router *r, struct session *s); /* `joined`, `resumed` */
/* A frame that must not be missed: r->out lacks its closing brace, the number follows. */
void router_send_numbered(struct router *r, struct session *s);
/* The session and its socket go different ways; fine where it has none. */
void router_part(struct router *r, struct session *s, int code, const char *reason, bool flush);
void router_close_socket(struct router *r, struct session *s, int code, const char *reason);
enum status router_publish_out(struct router *r, bool retain, uint32_t expiry_s,
                               struct delivery *d);
/* The broker keeps our subscriptions over a short outage: what ends meanwhile is ended afterwards.
 */
void router_unsubscribe(struct router *r, const char *filter);

#endif
