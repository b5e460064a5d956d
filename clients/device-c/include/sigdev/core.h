/* sigdev core: the signaling protocol of a device, without any I/O.
 *
 * A device is a peer that has nothing but an MQTT client. This header builds and reads the topics
 * and the JSON payloads; your MQTT library carries them. For libmosquitto there is a ready adapter
 * in <sigdev/mosquitto.h>; on a microcontroller use this header with the client you have.
 *
 * What it promises
 *   - No allocation, no globals, no clock, no I/O, no recursion. Time comes in as an argument.
 *   - Every buffer is the caller's and comes with its size. Nothing is written past it.
 *   - Input is untrusted: it is read strictly (UTF-8, no duplicate keys, bounded depth) and either
 *     understood or refused with an error; unknown fields are ignored.
 *
 * Units: sizes in bytes; times in milliseconds since the Unix epoch (`_ms`); `_s` is seconds.
 *
 * Ownership: what goes in is only read during the call, with one exception: sigdev_parse() and
 * sigdev_parse_presence() decode the strings inside the payload that they are given, so an SDP of
 * 30 kB needs no second buffer. The texts they return point into that payload, live as long as it
 * does, and are NUL-terminated C strings besides having a length. Afterwards the payload is no
 * JSON any more.
 *
 * Threads: no shared state. Any function may be called from any thread, an interrupt included, as
 * long as no two calls use the same memory.
 *
 * Errors: functions return SIGDEV_OK (0) or another enum sigdev_error; sigdev_error_text() turns it
 * into a sentence. After an error the output is unspecified but for what a function says itself.
 *
 * The life of a device, step by step (`mqtt_*` is your MQTT library; errors left out):
 *
 *     static const struct sigdev_self me = {.room = "lobby", .peer = "cam1"};
 *     static char topic[SIGDEV_TOPIC_SIZE], out[SIGDEV_MESSAGE_SIZE(8000)];
 *     size_t len;
 *
 *     // 1. Connect, with a will that clears our presence if we vanish: empty, retained.
 *     sigdev_topic_presence(&me, NULL, topic, sizeof topic);
 *     mqtt_connect(.will_topic = topic, .will_payload = "", .will_retain = true, .will_qos = 1);
 *
 *     // 2. Subscribe to the inbox and wait for the SUBACK: who is present must be reachable.
 *     sigdev_topic_inbox(&me, topic, sizeof topic);
 *     mqtt_subscribe(topic, 1);
 *
 *     // 3. Publish the presence, retained. Now others can see and call us.
 *     struct sigdev_presence here = {.kind = sigdev_str("device"),
 *                                    .meta = sigdev_str("{\"name\":\"Front door\"}"),
 *                                    .since_ms = wall_clock_ms()};
 *     sigdev_topic_presence(&me, NULL, topic, sizeof topic);
 *     sigdev_write_presence(&here, out, sizeof out, &len);
 *     mqtt_publish(topic, out, len, 1, true);
 *
 *     // 4. A message arrives: who sent it stands in the topic, what it is in the payload.
 *     void on_mqtt(const char *topic_in, size_t topic_len, char *payload, size_t payload_len)
 *     {
 *         struct sigdev_topic t;
 *         struct sigdev_message m;
 *         if (sigdev_topic_parse(&me, topic_in, topic_len, &t) || t.kind != SIGDEV_TOPIC_INBOX)
 *             return;
 *         uint64_t digest = sigdev_digest(&recent, &t, payload, payload_len);
 *         if (sigdev_parse(&me, &t, payload, payload_len, &m, NULL, 0))
 *             return;
 *         if (sigdev_is_repeated(&recent, &m, digest))
 *             return; // QoS 1: at least once
 *         if (m.type == SIGDEV_OFFER)
 *             webrtc_set_remote_offer(t.from, m.call.p, m.sdp.p);
 *         else if (m.type == SIGDEV_CANDIDATE && !m.candidate.end)
 *             webrtc_add_candidate(t.from, m.call.p, m.candidate.candidate.p);
 *         else if (m.type == SIGDEV_BYE)
 *             webrtc_close(t.from, m.call.p);
 *     }
 *
 *     // 5. Answer, on the sender's inbox, with the same `call`; then trickle what ICE finds.
 *     struct sigdev_message answer = {.type = SIGDEV_ANSWER, .call = sigdev_str(call),
 *                                     .sdp = sigdev_str(sdp), .sent_ms = wall_clock_ms()};
 *     sigdev_topic_to(&me, viewer, topic, sizeof topic);
 *     sigdev_write(&answer, out, sizeof out, &len);
 *     mqtt_publish(topic, out, len, 1, false);
 *
 *     struct sigdev_message found = {.type = SIGDEV_CANDIDATE, .call = sigdev_str(call),
 *                                    .candidate = {.candidate = sigdev_str(line),
 *                                                  .mid = sigdev_str("0")}};
 *     (write and publish it the same way; after the last one send one with .candidate.end = true)
 *
 *     // 6. End the call: SIGDEV_BYE to the viewer. Leave the room: publish an empty retained
 *     //    payload on the presence topic, then disconnect.
 *
 * After a lost connection do 1 to 3 again. Losing the broker never ends a call: only `bye` does.
 *
 * That others see the truth of you: use the same client id each time, so that the broker ends what
 * is left of an earlier connection before the new one begins; put a `ttl_s` into the presence and
 * publish it again at half of that; and subscribe to your own presence topic: when it is cleared
 * while you are here (the late will of an older connection), publish it again, at most once a
 * second. */
#ifndef SIGDEV_CORE_H
#define SIGDEV_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __GNUC__
#define SIGDEV_API __attribute__((visibility("default")))
#else
#define SIGDEV_API
#endif

/* ---- Errors --------------------------------------------------------------------------------- */

enum sigdev_error {
    SIGDEV_OK = 0,
    SIGDEV_END,           /* a list has no further element; not a failure */
    SIGDEV_ERR_ARGUMENT,  /* the caller's mistake: a bad name, a missing or impossible value */
    SIGDEV_ERR_SPACE,     /* the caller's buffer is too small */
    SIGDEV_ERR_TOPIC,     /* not a topic of this room, or one with a bad name in it */
    SIGDEV_ERR_JSON,      /* the payload is not one JSON object by the strict rules */
    SIGDEV_ERR_MESSAGE,   /* JSON, but no message we know: type, missing or wrong field */
    SIGDEV_ERR_TOO_LARGE, /* over a limit of the protocol (below) */
    SIGDEV_ERR_TOO_OLD,   /* waited longer than it is worth */
    /* From here on: only the adapter in mosquitto.h. */
    SIGDEV_ERR_STATE,       /* not now: already started, not started, wrong thread */
    SIGDEV_ERR_FULL,        /* too many messages wait for the broker */
    SIGDEV_ERR_NO_PEER,     /* nobody listens at that peer's inbox (MQTT 5 only) */
    SIGDEV_ERR_FORBIDDEN,   /* the broker does not let us publish or subscribe there */
    SIGDEV_ERR_LOGIN,       /* the broker refuses user name, password, client id or MQTT version */
    SIGDEV_ERR_TLS,         /* no TLS connection: certificate, key or CA */
    SIGDEV_ERR_UNREACHABLE, /* no connection to the broker, or it was lost */
    SIGDEV_ERR_NO_MEMORY,
    SIGDEV_ERR_SYSTEM,     /* the operating system refused: descriptors, threads */
    SIGDEV_ERR_TAKEN_OVER, /* somebody else uses our name */
    /* The core's again. */
    SIGDEV_ERR_UNKNOWN_TYPE, /* a message of a type that is not known here, or a `ping`: pass over
                                it in silence, it may be of a later version of the protocol */
    SIGDEV_ERR_COUNT
};

/* A sentence in English without its full stop, static; never NULL, also for unknown values. */
SIGDEV_API const char *sigdev_error_text(enum sigdev_error e);

/* ---- Limits of the protocol ----------------------------------------------------------------- */

#define SIGDEV_NAME_MAX    64     /* room, peer: A-Z a-z 0-9 . _ ~ -, first a letter or digit */
#define SIGDEV_ID_MAX      64     /* id, call: printable ASCII */
#define SIGDEV_PREFIX_MAX  100    /* topic prefix: no wildcard, no empty level at its ends */
#define SIGDEV_SDP_MAX     200000 /* what bridges accept */
#define SIGDEV_META_MAX    4096   /* as JSON text */
#define SIGDEV_EXT_MAX     1024   /* as JSON text */
#define SIGDEV_DATA_MAX    65536  /* as JSON text */
#define SIGDEV_SEALED_MAX  131072
#define SIGDEV_REASON_MAX  128            /* characters, none of them a control character */
#define SIGDEV_BUNDLE_MAX  64             /* candidates in one SIGDEV_CANDIDATES */
#define SIGDEV_PAYLOAD_MAX 262144         /* any message */
#define SIGDEV_PREFIX      "sigbridge/v1" /* the default prefix */
#define SIGDEV_BRIDGE      "_bridge"      /* the peer name that stands for the bridge itself */

/* Bytes that hold every topic of this protocol with its NUL. A device that knows its prefix to be
 * shorter may use a smaller buffer: too small is an error, never an overrun. */
#define SIGDEV_TOPIC_SIZE                                                                          \
    (SIGDEV_PREFIX_MAX + 7 + SIGDEV_NAME_MAX + 7 + SIGDEV_NAME_MAX + 4 + SIGDEV_NAME_MAX + 1)

/* Bytes that hold an offer or answer whose SDP has `sdp_bytes`: JSON writes each line end longer.
 * Other messages fit into SIGDEV_MESSAGE_SIZE(0) plus the length of their texts. */
#define SIGDEV_MESSAGE_SIZE(sdp_bytes) (768 + (sdp_bytes) + (sdp_bytes) / 2)

/* ---- Texts ---------------------------------------------------------------------------------- */

/* Bytes of somebody else. p == NULL: the field is absent. What a parse function returns is also
 * NUL-terminated; what you hand in need not be. */
struct sigdev_text {
    const char *p;
    size_t len;
};

/* The text of a C string; NULL gives an absent one. */
SIGDEV_API struct sigdev_text sigdev_str(const char *str);

/* ---- Who we are, and topics ----------------------------------------------------------------- */

struct sigdev_self {
    const char *prefix; /* NULL: SIGDEV_PREFIX */
    const char *room;
    const char *peer; /* our own name; by the usual ACL also our MQTT user name */
};

/* True when `name` is a legal room or peer name. NULL is not. */
SIGDEV_API bool sigdev_name_ok(const char *name);

/* Each writes one topic or topic filter, NUL-terminated, into out[size].
 * SIGDEV_ERR_ARGUMENT: a bad name or prefix; SIGDEV_ERR_SPACE: size too small. */
/* Presence of `peer`; NULL: our own. Publish retained, QoS 1; empty payload = gone. */
SIGDEV_API enum sigdev_error sigdev_topic_presence(const struct sigdev_self *self, const char *peer,
                                                   char *out, size_t size);
/* Filter: everything that is sent to us. Subscribe with QoS 1. */
SIGDEV_API enum sigdev_error sigdev_topic_inbox(const struct sigdev_self *self, char *out,
                                                size_t size);
/* Filter: application messages to the whole room. Optional. */
SIGDEV_API enum sigdev_error sigdev_topic_room(const struct sigdev_self *self, char *out,
                                               size_t size);
/* Filter: everybody's presence in the room. Optional; devices that call others need it. */
SIGDEV_API enum sigdev_error sigdev_topic_roster(const struct sigdev_self *self, char *out,
                                                 size_t size);
/* Where a message to peer `to` is published. SIGDEV_BRIDGE is allowed. Never retained. */
SIGDEV_API enum sigdev_error sigdev_topic_to(const struct sigdev_self *self, const char *to,
                                             char *out, size_t size);
/* Where a SIGDEV_MESSAGE to the whole room is published. Never retained. */
SIGDEV_API enum sigdev_error sigdev_topic_all(const struct sigdev_self *self, char *out,
                                              size_t size);

enum sigdev_topic_kind {
    SIGDEV_TOPIC_INBOX,   /* `from` sent something to us: sigdev_parse() */
    SIGDEV_TOPIC_ROOM,    /* `from` sent a SIGDEV_MESSAGE to the room: sigdev_parse() */
    SIGDEV_TOPIC_PRESENCE /* the presence of `from`: sigdev_parse_presence() */
};

struct sigdev_topic {
    enum sigdev_topic_kind kind;
    char from[SIGDEV_NAME_MAX + 1]; /* whom the broker vouches for; may be SIGDEV_BRIDGE */
};

/* What a received topic means to us. SIGDEV_ERR_TOPIC: not of our prefix and room, an inbox that is
 * not ours, or not a topic of this protocol. */
SIGDEV_API enum sigdev_error sigdev_topic_parse(const struct sigdev_self *self, const char *topic,
                                                size_t len, struct sigdev_topic *out);

/* ---- Messages ------------------------------------------------------------------------------- */

enum sigdev_type {
    SIGDEV_OFFER = 1,  /* sdp */
    SIGDEV_ANSWER,     /* sdp */
    SIGDEV_CANDIDATE,  /* candidate */
    SIGDEV_CANDIDATES, /* several at once: only from and to peers whose presence says `bundle` */
    SIGDEV_BYE,        /* reason: ends or declines the call */
    SIGDEV_INVITE,     /* media: the sender asks us to make the offer */
    SIGDEV_MESSAGE,    /* data: any JSON value of the application */
    SIGDEV_SEALED,     /* sealed: base64 with padding, end-to-end encrypted */
    SIGDEV_ERROR,      /* error: the bridge refused something that we sent */
    SIGDEV_ICE_SERVERS /* to SIGDEV_BRIDGE: a question; from it: the answer in ice_servers */
};

/* The word on the wire, as "ice-servers"; "?" for an unknown value. Static. */
SIGDEV_API const char *sigdev_type_text(enum sigdev_type type);

/* One RTCIceCandidateInit. */
struct sigdev_candidate {
    struct sigdev_text candidate; /* "candidate:1 1 udp …", with or without "a=" in front */
    struct sigdev_text mid;       /* sdpMid; this or mline must be given, better both */
    bool has_mline;
    uint16_t mline;           /* sdpMLineIndex; counts only with has_mline */
    struct sigdev_text ufrag; /* usernameFragment; may be absent */
    bool end;                 /* end of candidates: `candidate` does not count */
};

/* What is left of a JSON array inside a parsed payload. The functions below walk it, once. */
struct sigdev_list {
    char *p; /* NULL: absent or at its end */
    char *end;
};

/* What an invitation asks for. */
enum sigdev_want { SIGDEV_WANT_UNSAID, SIGDEV_WANT_YES, SIGDEV_WANT_NO };

struct sigdev_media {
    enum sigdev_want audio, video, data;
};

struct sigdev_error_info {
    unsigned code;           /* 400 to 599, as in the protocol's table */
    struct sigdev_text word; /* "peer-not-found" */
    struct sigdev_text text; /* a sentence that says what to do; may be absent */
    struct sigdev_text to;   /* whom we had tried to reach; may be absent */
    uint32_t retry_after_ms; /* 0: not given */
};

/* One message, to be written or as parsed. Set `type` and the fields of that type, leave the rest
 * zero: absent fields are not written. Which field belongs to which type stands above. */
struct sigdev_message {
    enum sigdev_type type;
    struct sigdev_text call; /* names one of several calls with the same peer. After parsing never
                                absent: "" is the default call. An answer repeats its offer's. */
    struct sigdev_text id;   /* optional: an `error` or an answer to a question repeats it */
    int64_t sent_ms;         /* wall clock at sending; 0: unknown, not written */
    struct sigdev_text ext;  /* optional JSON object for extensions, raw */

    struct sigdev_text sdp;
    struct sigdev_candidate candidate;
    const struct sigdev_candidate *bundle; /* SIGDEV_CANDIDATES, writing: this array */
    size_t bundle_len;
    struct sigdev_list candidates; /* SIGDEV_CANDIDATES, parsed: sigdev_next_candidate() */
    struct sigdev_text reason;     /* plain text */
    struct sigdev_media media;
    struct sigdev_text data;   /* raw JSON: any value */
    struct sigdev_text sealed; /* base64 */
    struct sigdev_error_info error;
    struct sigdev_list ice_servers; /* parsed: sigdev_next_ice_server() */
};

/* Writes *m as JSON, NUL-terminated, into out[size]; *len is the length without the NUL.
 * SIGDEV_ERR_ARGUMENT: a required field is absent or a value is not allowed (bad UTF-8,
 * `data` that is no JSON, a call name that is not printable ASCII); SIGDEV_ERR_SPACE: does not
 * fit; SIGDEV_ERR_TOO_LARGE: over a limit of the protocol.
 * SIGDEV_ERROR cannot be written: only bridges send errors. */
SIGDEV_API enum sigdev_error sigdev_write(const struct sigdev_message *m, char *out, size_t size,
                                          size_t *len);

/* Reads the payload that came with an inbox or room topic, decoding its strings in place (see
 * Ownership above). The topic counts: errors and ICE servers are taken only from the bridge, and a
 * payload that repeats who sent it must agree with the topic.
 * *out is valid only after SIGDEV_OK. On an error, why[why_size] gets a sentence that names the
 * field and the rule, NUL-terminated and cut to fit (never bytes of the payload); NULL, 0 if you
 * do not want it. */
SIGDEV_API enum sigdev_error sigdev_parse(const struct sigdev_self *self,
                                          const struct sigdev_topic *topic, char *payload,
                                          size_t len, struct sigdev_message *out, char *why,
                                          size_t why_size);

/* The next candidate of a parsed SIGDEV_CANDIDATES:
 *     struct sigdev_list list = m.candidates;
 *     while (sigdev_next_candidate(&list, &c) == SIGDEV_OK) ...
 * SIGDEV_END after the last one. Its texts are decoded in place: each list can be walked once. */
SIGDEV_API enum sigdev_error sigdev_next_candidate(struct sigdev_list *list,
                                                   struct sigdev_candidate *out);

/* One URL of an RTCIceServer with what it needs to log in. */
struct sigdev_ice_server {
    struct sigdev_text url;        /* "turn:turn.example.org:3478?transport=udp" */
    struct sigdev_text username;   /* absent for STUN */
    struct sigdev_text credential; /* a secret: do not log */
};

/* The next URL of a parsed SIGDEV_ICE_SERVERS; a server with three URLs gives three. SIGDEV_END
 * after the last one. Each list can be walked once:
 *     struct sigdev_ice_walk walk = {.servers = m.ice_servers};
 *     while (sigdev_next_ice_server(&walk, &server) == SIGDEV_OK) ... */
struct sigdev_ice_walk {
    struct sigdev_list servers;
    struct sigdev_list urls; /* this and what follows: leave zero */
    struct sigdev_text username, credential;
};
SIGDEV_API enum sigdev_error sigdev_next_ice_server(struct sigdev_ice_walk *walk,
                                                    struct sigdev_ice_server *out);

/* QoS 1 means at least once: when an acknowledgement is lost, the same bytes come a second time. A
 * message that says `sent` or `id` and is byte for byte one of the last few of its sender is such a
 * redelivery. The ring is yours: 8 bytes for each message that is remembered, 16 are enough for a
 * device with one viewer. Zero-initialise it but for its first two members.
 *
 *     static uint64_t digests[SIGDEV_RECENT];
 *     static struct sigdev_recent recent = {digests, SIGDEV_RECENT};
 *     uint64_t digest = sigdev_digest(&recent, &t, payload, len);     (before it is decoded)
 *     if (!sigdev_parse(&me, &t, payload, len, &m, NULL, 0) &&
 *         !sigdev_is_repeated(&recent, &m, digest))
 *         ...
 *
 * When you send, let `sent_ms` rise strictly, or give each message an `id` of its own: then who
 * gets it can tell a redelivery from a second message with the same words. */
#define SIGDEV_RECENT 16
struct sigdev_recent {
    uint64_t *digests; /* yours, zeroed */
    size_t size;       /* how many of them */
    size_t next;
    uint64_t seed; /* any number that others cannot guess, or 0; not to be changed later */
};
SIGDEV_API uint64_t sigdev_digest(const struct sigdev_recent *recent,
                                  const struct sigdev_topic *topic, const char *payload,
                                  size_t len);
/* True: it came before. False: it is new, and remembered if it says `sent` or `id`. */
SIGDEV_API bool sigdev_is_repeated(struct sigdev_recent *recent, const struct sigdev_message *m,
                                   uint64_t digest);

/* True when the message says when it was sent and that is more than max_age_ms before now_ms.
 * A device that slept with a durable MQTT session passes over such messages. */
SIGDEV_API bool sigdev_is_old(const struct sigdev_message *m, int64_t now_ms, int64_t max_age_ms);

/* ---- Presence ------------------------------------------------------------------------------- */

struct sigdev_presence {
    struct sigdev_text kind; /* "device", "browser", "sfu", "http"; absent: none of these */
    struct sigdev_text meta; /* a JSON object as text, at most SIGDEV_META_MAX: name, model, … */
    int64_t since_ms;        /* 0: not given */
    uint32_t ttl_s;          /* it is published again within that time (at most 86400), or the peer
                                is gone; 0: no such promise */
    bool bundle;             /* the peer understands SIGDEV_CANDIDATES */
    /* What the peer's buffers hold; 0: not given. A bridge keeps what it sends within them. */
    uint32_t limit_sdp;        /* bytes of one SDP */
    uint32_t limit_line;       /* bytes of one SDP line */
    uint32_t limit_candidates; /* candidate lines in one SDP */
    /* Only in what is received: */
    bool gone;              /* the payload was empty: the peer has left, nothing else is set */
    struct sigdev_text via; /* the bridge that holds this peer's session */
    struct sigdev_text sid; /* that session */
};

/* As sigdev_write(). `gone`, `via` and `sid` are not written: leaving is an empty payload. */
SIGDEV_API enum sigdev_error sigdev_write_presence(const struct sigdev_presence *p, char *out,
                                                   size_t size, size_t *len);
/* As sigdev_parse(). len 0 is SIGDEV_OK with `gone`. */
SIGDEV_API enum sigdev_error sigdev_parse_presence(char *payload, size_t len,
                                                   struct sigdev_presence *out, char *why,
                                                   size_t why_size);

#ifdef __cplusplus
}
#endif

#endif
