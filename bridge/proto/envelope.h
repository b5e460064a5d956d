/* One signaling message: JSON bytes in, a struct of checked spans out.
 *
 * Each type has a row in one table: which side may send it, which fields it must and may have. Each
 * field has a check of its own. Unknown fields are dropped. What is left is safe to write anew with
 * message.h: names are names, numbers are in range, objects are within their bounds.
 *
 * Spans point into the caller's bytes and live as long as they do. Nothing is allocated.
 * Threads: pure functions. Stack: some 10 KiB (JSON_OPEN_KEYS and ENVELOPE_MEMBERS). */
#ifndef SIGBRIDGE_PROTO_ENVELOPE_H
#define SIGBRIDGE_PROTO_ENVELOPE_H

#include "base/problem.h"
#include "base/text.h"
#include "proto/json.h"
#include "proto/names.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bounds of fields, in bytes as written in JSON (escapes counted) unless a line says otherwise. */
#define ENVELOPE_META_MAX       4096
#define ENVELOPE_EXT_MAX        1024
#define ENVELOPE_DATA_MAX       65536
#define ENVELOPE_SEALED_MAX     131072
#define ENVELOPE_SDP_MAX        262144
#define ENVELOPE_TOKEN_MAX      8192
#define ENVELOPE_SECRET_MAX     128   /* `session` and `secret` */
#define ENVELOPE_REASON_MAX     128   /* characters of `reason`, no control characters among them */
#define ENVELOPE_CANDIDATES_MAX 64    /* candidates in one bundle */
#define ENVELOPE_TTL_MAX        86400 /* seconds */
#ifndef ENVELOPE_MEMBERS
#define ENVELOPE_MEMBERS 64 /* members of a message, unknown ones counted */
#endif

enum msg_type {
    MSG_JOIN,
    MSG_RESUME,
    MSG_LEAVE,
    MSG_UPDATE,
    MSG_INVITE,
    MSG_OFFER,
    MSG_ANSWER,
    MSG_CANDIDATE,
    MSG_CANDIDATES, /* several in one: only to peers whose presence says "bundle" */
    MSG_BYE,
    MSG_MESSAGE,
    MSG_SEALED,
    MSG_REFRESH,
    MSG_PING,
    MSG_ICE_SERVERS, /* a device asks `_bridge`; `_bridge` answers */
    MSG_ERROR,       /* only from `_bridge` */
    MSG_TYPE_COUNT
};

/* Who wrote the message: that decides which types and fields are known. */
enum msg_side {
    SIDE_CLIENT, /* a browser, over WebSocket to the bridge */
    SIDE_PEER,   /* anyone, in a peer's inbox or in `all` on MQTT */
    SIDE_BRIDGE, /* `_bridge`, in a peer's inbox: errors and ICE servers */
    SIDE_ASK     /* a peer, in the inbox of `_bridge` */
};

enum msg_field {
    FIELD_TYPE,
    FIELD_ID,
    FIELD_ROOM,
    FIELD_PEER,
    FIELD_TOKEN,
    FIELD_META,
    FIELD_SESSION,
    FIELD_SECRET,
    FIELD_SEQ,
    FIELD_TO,
    FIELD_FROM,
    FIELD_CALL,
    FIELD_MEDIA,
    FIELD_SDP,
    FIELD_CANDIDATE,
    FIELD_CANDIDATES,
    FIELD_REASON,
    FIELD_DATA,
    FIELD_EXT,
    FIELD_SENT,
    FIELD_ICE_SERVERS,
    FIELD_CODE,
    FIELD_ERROR,
    FIELD_MESSAGE,
    FIELD_RETRY_AFTER,
    FIELD_COUNT
};

struct envelope {
    enum msg_type type;
    struct json_span field[FIELD_COUNT]; /* type JSON_NONE: absent */
    uint64_t sent_ms;                    /* 0: not said */
    uint64_t seq;
};

/* The members of an RTCIceCandidateInit that count, checked. */
struct candidate_init {
    bool end;               /* null or an empty string: end of candidates */
    struct json_span line;  /* `candidate` */
    struct json_span mid;   /* string, null or absent */
    struct json_span index; /* number, null or absent */
    struct json_span ufrag; /* string, null or absent */
};

/* What a presence object says (protocol, "MQTT side"). */
struct presence {
    struct json_span meta; /* object or absent */
    struct json_span kind; /* one of the known words or absent */
    struct text via;       /* the bridge that holds the session; empty: the peer itself */
    struct text sid;       /* its session; empty: none */
    uint64_t since_ms;     /* 0: not said */
    uint64_t ttl_s;        /* 0: none */
    uint64_t max_sdp, max_line, max_candidates; /* `limits`; 0: none said */
    bool bundle;                                /* takes `candidates` */
    bool together;                              /* takes messages that travel together */
};

const char *msg_type_name(enum msg_type t); /* "offer" */
const char *msg_field_name(enum msg_field f);

static inline bool envelope_has(const struct envelope *e, enum msg_field f)
{
    return e->field[f].type != JSON_NONE;
}

/* The bytes of a field whose check allows no escapes: names, session, secret. */
static inline struct text envelope_text(const struct envelope *e, enum msg_field f)
{
    return text_of(e->field[f].p ? e->field[f].p : "", e->field[f].len);
}

/* The bytes of `id` or `call`, unescaped into out only when that is needed. */
struct text envelope_plain(const struct envelope *e, enum msg_field f, char out[NAME_MAX_BYTES]);

/* STATUS_OK, INVALID_JSON, INVALID_MESSAGE (the problem's text names the field), TOO_LARGE,
 * INVALID_CANDIDATE for a candidate object of the wrong shape. The SDP's and the candidate's inside
 * is not looked at: that is envelope_check(). On failure, type, id and to are filled in as far as
 * they were understood, so that the error can name them. */
enum status envelope_parse(const char *text, size_t len, enum msg_side side, struct envelope *out,
                           struct problem *why);

/* Checks what an offer, answer, candidate or bundle carries (protocol, "What is checked").
 * scratch: room for the unescaped SDP, at least as long as the field; it is written. */
enum status envelope_check(const struct envelope *e, char *scratch, size_t scratch_size,
                           struct problem *why);

/* One candidate object or null, as a JSON span that passed json_object(); shape and grammar. */
enum status candidate_init_parse(struct json_span value, struct candidate_init *out,
                                 struct problem *why);
enum status candidate_init_check(const struct candidate_init *c, struct problem *why);

/* A presence payload. An unknown `kind` is read as absent; unknown members are dropped. */
enum status presence_parse(const char *text, size_t len, struct presence *out, struct problem *why);

#endif
