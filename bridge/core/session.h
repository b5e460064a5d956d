/* One WebSocket's state: its membership, what it waits for, what it has been sent.
 *
 * A session lives as long as its socket. Its membership is a peer in the registry. At rest it costs
 * about 400 bytes here. Threads: the loop's. */
#ifndef SIGBRIDGE_CORE_SESSION_H
#define SIGBRIDGE_CORE_SESSION_H

#include "base/list.h"
#include "base/text.h"
#include "core/call.h"
#include "core/ports.h"
#include "core/recent.h"
#include "core/registry.h"
#include "policy/access.h"
#include "policy/rate.h"
#include "policy/visitors.h"

#include <stdbool.h>
#include <stdint.h>

enum { SESSION_ID_LEN = 20, SESSION_SECRET_LEN = 24 };

enum session_state {
    SESSION_IDLE,     /* no membership; the join timeout runs */
    SESSION_WATCHING, /* asked to join; the roster is not complete yet */
    SESSION_JOINING,  /* its presence is published and has not come back */
    SESSION_JOINED
};

struct session {
    enum session_state state;
    bool announce;        /* its `joined` is due with the next flush of the room */
    bool token_of_socket; /* the token came with the handshake: `join` brings no other */
    uint16_t strikes;     /* messages that came too fast, less those that did not */
    void *socket;
    struct visitor *visitor; /* the address it comes from; not owned; NULL: nobody counts */
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
    struct calls calls;
    struct recent recent;
    uint64_t seq; /* of the last numbered frame */
    int64_t since_ms;
    char *meta; /* JSON object, heap; NULL: none */
    uint32_t meta_len;
    struct join_request *join; /* while WATCHING */
    char sid[SESSION_ID_LEN + 1];
    char secret[SESSION_SECRET_LEN + 1];
};

struct session *session_create(void *socket); /* NULL: no memory; the buckets are empty */
void session_destroy(struct session *s);      /* the caller has ended the membership */

/* Replaces `meta`; a JSON_NONE-like empty text removes it. False: no memory, nothing changed. */
bool session_set_meta(struct session *s, struct text meta);

/* Sends a frame that must not be missed: `head` lacks its closing brace, the number follows. */
void session_send(struct session *s, const struct socket_ops *ops, struct text head);

#endif
