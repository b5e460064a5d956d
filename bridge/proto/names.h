/* Which names may stand for a room, a peer, a bridge, a message or a call (protocol, "Words").
 *
 * A name can hold none of / + # $, so it is one topic level and never a wildcard; and it needs no
 * escaping in JSON, in a URL's path or in a log line. Threads: pure functions. */
#ifndef SIGBRIDGE_PROTO_NAMES_H
#define SIGBRIDGE_PROTO_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#define NAME_MAX_BYTES 64
#define NAME_BRIDGE    "_bridge" /* the bridge itself, as a sender and as an inbox */

/* 1 to 64 bytes of A-Z a-z 0-9 . _ ~ -, the first one a letter or a digit. */
bool name_ok(const char *bytes, size_t len);

/* A message's `id` and a call's name: 1 to 64 bytes of printable ASCII. */
bool id_ok(const char *bytes, size_t len);

#endif
