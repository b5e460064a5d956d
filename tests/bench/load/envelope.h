/* A message as clients/PROTOCOL.md has it: type, call and payload, with `to` and `from` where the
 * transport does not say them. Several drivers share it. */
#ifndef LOAD_ENVELOPE_H
#define LOAD_ENVELOPE_H

#include "driver.h"
#include "work.h"

enum { ENVELOPE_PIECES = 10 };

/* The message in pieces, to be sent one behind the other. They live until the next call. Without
 * `to` where it is NULL. Returns how many there are. */
size_t envelope_write(struct span pieces[ENVELOPE_PIECES], uint32_t lane, const struct message *m,
                      const char *to);

/* The same with an `id`, which asks for an acknowledgement. */
size_t envelope_write_id(struct span pieces[ENVELOPE_PIECES], uint32_t lane,
                         const struct message *m, const char *to);

struct envelope {
    struct span type; /* without quotes */
    struct span from, to;
    bool is_message; /* `arrival` holds one */
    struct arrival arrival;
    struct span joined, left, peers, candidates, seq; /* raw, where they are there */
};

bool envelope_read(struct span text, struct envelope *e); /* false: no JSON object */

/* Tells the world of all that are named in an array of {"peer":NAME}. */
void envelope_hear(struct session *s, struct span array);

#endif
