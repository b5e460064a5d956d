/* What bridges say to each other on {prefix}/bridges/{to}/in/{from}: one line of JSON with `type`
 * and `ask`, and in one case a frame behind it. What is said: takeover.h. Threads: the loop's. */
#ifndef SIGBRIDGE_CORE_TALK_H
#define SIGBRIDGE_CORE_TALK_H

#include "core/router.h"

enum { TALK_MEMBERS = 16, TALK_DIGESTS = 256 };

/* A message in our inbox from another bridge. */
void talk_message(struct router *r, struct text from, struct text payload);

/* The member of this name; JSON_NONE: absent. */
struct json_span talk_field(const struct json_member *members, size_t count, const char *name);
bool talk_uint(const struct json_member *members, size_t count, const char *name, uint64_t *out);
/* A string without escapes, as all our names, ids and digests are; empty: absent or another one. */
struct text talk_text(const struct json_member *members, size_t count, const char *name);

/* Digests as 16 hexadecimal digits, quoted; reading stops at what is none. */
void talk_put_digest(struct buf *b, uint64_t digest);
size_t talk_digests(struct json_span array, uint64_t *out, size_t max);

/* `{"type":…,"ask":N` into r->out; the caller adds to it and closes it. */
void talk_begin(struct router *r, const char *type, uint64_t ask);
/* What stands in r->out. False: it cannot be sent. */
bool talk_send(struct router *r, struct text to);

#endif
