/* A strict reader of RFC 8259 JSON for text that comes from the network. It checks the whole text
 * and hands out spans of the caller's bytes; it never allocates, never recurses, never copies.
 *
 * Stricter than most: UTF-8 must be valid (RFC 3629), no NUL (neither raw nor as \u0000), no lone
 * surrogate escapes, no duplicate keys at any depth (compared after unescaping), nothing after the
 * value, and the bounds below. So what passes means the same to every reader behind us.
 *
 * What passes as a span is a complete, checked value: it may be copied into another JSON text as it
 * came.
 *
 * Threads: pure functions. Stack: about 24 bytes per JSON_OPEN_KEYS in json_object/json_array. */
#ifndef SIGBRIDGE_PROTO_JSON_H
#define SIGBRIDGE_PROTO_JSON_H

#include "base/buf.h"
#include "base/problem.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bounds; firmware may set smaller ones on the compiler's command line. */
#ifndef JSON_MAX_DEPTH
#define JSON_MAX_DEPTH 16 /* nested objects and arrays, the outermost counted */
#endif
#ifndef JSON_OPEN_KEYS
#define JSON_OPEN_KEYS 256 /* keys of all objects that are open at the same time */
#endif
#define JSON_MAX_KEY 128 /* bytes of one key, as written */

enum json_type {
    JSON_NONE, /* absent: a zeroed span */
    JSON_NULL,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

struct json_span {
    const char *p; /* strings: after the opening quote */
    size_t len;    /* strings: without the quotes, still escaped */
    enum json_type type;
    bool escaped; /* a string that holds at least one backslash */
};

struct json_member {
    struct json_span key;
    struct json_span value;
};

/* Reads exactly one object and lists its members in the order in which they came. STATUS_OK, or
 * STATUS_INVALID_JSON with the place (byte offset) and the rule in *why. More than `max` members
 * are refused. `why` may be NULL. */
enum status json_object(const char *text, size_t len, struct json_member *members, size_t max,
                        size_t *count, struct problem *why);

/* The same for exactly one array. */
enum status json_array(const char *text, size_t len, struct json_span *items, size_t max,
                       size_t *count, struct problem *why);

/* The same for a span that has been read as part of one of these: without their checks, many times
 * faster. False: more than max. */
bool json_known_object(struct json_span object, struct json_member *members, size_t max,
                       size_t *count);
bool json_known_array(struct json_span array, struct json_span *items, size_t max, size_t *count);

/* Unescapes a string span into out (which may be span.p itself: in place). The result is never
 * longer than the span and not NUL-terminated. False: it does not fit into cap bytes. */
bool json_decode(struct json_span string, char *out, size_t cap, size_t *len);

bool json_equals(struct json_span string,
                 const char *str); /* after unescaping; str up to 128 bytes */
bool json_uint(struct json_span number, uint64_t max, uint64_t *out); /* digits only, no fraction */

/* Writers. */
void json_put_string(struct buf *b, const char *bytes, size_t len); /* quoted; bytes: valid UTF-8 */
void json_put_str(struct buf *b, const char *str);
void json_put_text(struct buf *b, struct text t);
void json_put_span(struct buf *b, struct json_span value); /* any checked value, as it came */

#endif
