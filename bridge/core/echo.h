/* What this bridge has checked and published for a session of its own comes back from the broker as
 * it went: then it need not be read and checked again. The broker still decides whether, when and
 * in which order it is delivered.
 *
 * Kept from the publication until it has come back or its outcome is known, whichever is first, up
 * to ECHO_BYTES_MAX; what is not kept, or comes back in any other form, is read as anybody's.
 * Threads: the loop's. */
#ifndef SIGBRIDGE_CORE_ECHO_H
#define SIGBRIDGE_CORE_ECHO_H

#include "base/text.h"
#include "core/bundle.h"

enum { ECHO_BYTES_MAX = 1024 * 1024 };

struct echo;
struct session;
struct topic;

/* first: the delivery of the publication, which has the echo from then on. parts: where each of
 * its messages stands in the payload. */
void echo_keep(struct router *r, struct session *target, struct delivery *first,
               struct text payload, const struct bundle_part *parts, size_t count);
/* It came back, its outcome is known, or its target ends. NULL is fine. */
void echo_drop(struct echo *e);
void echo_drop_all(struct session *target);

/* The echo that this is, or NULL. */
struct echo *echo_find(const struct session *target, const struct topic *t, struct text payload);
const struct delivery *echo_first(const struct echo *e);
const struct bundle_part *echo_part(const struct echo *e, size_t i);

#endif
