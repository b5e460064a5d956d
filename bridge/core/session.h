/* One client's state: its socket, its membership, what it waits for, what it has been sent.
 *
 * A session without membership lives as long as its socket. Its membership is a peer in the
 * registry; with one it may outlive the socket for the resume window (away.h), get another socket
 * (resume.h), or go on at another bridge (handover.h, takeover.h). At rest it costs about 500 bytes
 * here. Threads: the loop's. */
#ifndef SIGBRIDGE_CORE_SESSION_H
#define SIGBRIDGE_CORE_SESSION_H

#include "base/list.h"
#include "base/text.h"
#include "core/call.h"
#include "core/ports.h"
#include "core/recent.h"
#include "core/registry.h"
#include "core/replay.h"
#include "core/seen.h"
#include "policy/access.h"
#include "policy/rate.h"
#include "policy/visitors.h"

#include <stdbool.h>
#include <stdint.h>

/* A session's id: the run of the bridge that holds it, a dash, and its own part, which stays the
 * same when it moves to another bridge. */
enum { SESSION_RUN_LEN = 6, SESSION_OWN_LEN = 13 };
enum { SESSION_ID_LEN = SESSION_RUN_LEN + 1 + SESSION_OWN_LEN, SESSION_SECRET_LEN = 24 };

enum session_state {
    SESSION_IDLE,     /* no membership; the join timeout runs */
    SESSION_WATCHING, /* asked to join; the roster is not complete yet */
    SESSION_JOINING,  /* its presence is published and has not come back */
    SESSION_JOINED,
    SESSION_RESUMING, /* another bridge is asked for it: takeover.h */
    SESSION_HANDING   /* another bridge gets it, or has it already: handover.h */
};

struct takeover;
struct handover;
struct echo;

struct session {
    enum session_state state;
    bool announce;           /* its `joined` is due with the next flush of the room */
    bool token_of_socket;    /* the token came with the handshake: `join` brings no other */
    uint16_t strikes;        /* messages that came too fast, less those that did not */
    bool away;               /* its socket dropped: in the router's `away` */
    bool known;              /* its client has shown that it knows of its membership */
    void *socket;            /* NULL: it has none */
    struct visitor *visitor; /* the address it comes or came from; not owned; NULL: none counts */
    struct access *access;   /* what its token allows; NULL: none was needed, or none came yet */
    struct link expiring;    /* in router->expiring, while there is a token */
    int64_t expires_us;
    struct rate messages, bytes;
    struct peer *peer; /* from JOINING on */
    struct link in_all;
    struct link in_room;    /* from JOINING on */
    struct link timer;      /* in one of the router's timer lists */
    int64_t deadline_us;    /* of that list */
    struct link deliveries; /* struct delivery, in_session */
    struct echo *echoes;    /* of what is on its way to it, in order */
    struct calls calls;
    struct recent recent;
    struct seen seen;     /* what came for it from MQTT */
    uint64_t seq;         /* of the last numbered frame */
    struct replay replay; /* numbered frames that its client may not have */
    struct link keeping;  /* in the router's `confirming`, `away` or `handing`, by keep_us */
    int64_t keep_us;
    uint64_t away_seq;         /* `seq` when the socket dropped */
    struct takeover *takeover; /* while RESUMING */
    struct handover *handover; /* from a grant on */
    uint64_t sent_ms;          /* of its last message to the broker: each has another one */
    int64_t since_ms;
    char *meta; /* JSON object, heap; NULL: none */
    uint32_t meta_len;
    struct join_request *join; /* while WATCHING */
    char sid[SESSION_ID_LEN + 1];
    char secret[SESSION_SECRET_LEN + 1];
    char last_secret[SESSION_SECRET_LEN + 1]; /* counts until `known`; empty: none */
};

struct session *session_create(void *socket); /* NULL: no memory; the buckets are empty */
void session_destroy(struct session *s);      /* the caller has ended the membership */

/* Replaces `meta`; a JSON_NONE-like empty text removes it. False: no memory, nothing changed. */
bool session_set_meta(struct session *s, struct text meta);

/* What of its id it keeps wherever it goes; empty: no id. */
struct text session_own(struct text sid);
/* A new id and the secrets that go with it. own: the part it has; empty: it gets one. */
void session_name(struct session *s, const char *run, struct text own);
/* used: the one that its client has shown. */
void session_renew_secret(struct session *s, struct text used);
bool session_secret_fits(const struct session *s, struct text secret);
bool session_secret_is(const struct session *s, struct text secret); /* the newest */

#endif
