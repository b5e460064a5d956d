/* Writes canonical messages: JSON from what was understood, never a copy of what came.
 * Every function adds to a buf; ask buf_ok() at the end. Threads: pure functions. */
#ifndef SIGBRIDGE_PROTO_MESSAGE_H
#define SIGBRIDGE_PROTO_MESSAGE_H

#include "base/buf.h"
#include "base/problem.h"
#include "base/text.h"
#include "proto/envelope.h"

#include <stdint.h>

/* Where, from the beginning of a message, what both sides get to see begins and ends. */
struct message_marks {
    size_t body, end;
};

/* A checked message for a peer's inbox on MQTT. The topic names both ends, so the payload does not.
 */
struct message_marks message_put_mqtt(struct buf *b, const struct envelope *e, uint64_t sent_ms);

/* A checked message for a WebSocket, `from` stamped by us, without the closing brace: the session
 * adds
 * `,"seq":N}`. For MSG_CANDIDATES call message_put_candidate() once per candidate instead. */
void message_put_ws(struct buf *b, const struct envelope *e, struct text from);
/* The same from what message_put_mqtt() has written. */
void message_put_again(struct buf *b, const char *message, struct message_marks marks,
                       struct text from);
void message_put_candidate(struct buf *b, const struct envelope *e, const struct candidate_init *c,
                           struct text from);

/* Candidates of one sender and call for a peer's inbox: `candidate` for one, `candidates` for more.
 * items: as message_put_candidate_init() writes them, with commas between; id: for a single one. */
void message_put_candidates(struct buf *b, struct text items, size_t count, struct text call,
                            struct text id, uint64_t sent_ms);
/* Messages of one sender for a peer's inbox that travel together; a single one as it is. items: as
 * message_put_mqtt() writes them, with commas between. Where they begin. */
size_t message_put_together(struct buf *b, struct text items, size_t count);
/* What message_put_together() has put together, if it is that: 1 to max messages. It is taken
 * apart without a look at what they are. False: it is something else. */
bool message_apart(struct text payload, struct json_span *messages, size_t max, size_t *count);
/* Does it begin as one, whether it can be taken apart or not? */
bool message_is_together(struct text payload);

/* {"type":"error",…}, complete. id and to may be empty. */
void message_put_error(struct buf *b, const struct problem *p, struct text id, struct text to);

/* {"candidate":…,"sdpMid":…,…} or null. */
void message_put_candidate_init(struct buf *b, const struct candidate_init *c);

#endif
