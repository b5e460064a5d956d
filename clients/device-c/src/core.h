/* What the core's files share: the way from the public types of <sigdev/core.h> to the parts of
 * base and proto that speak the wire format, and back. Not installed. */
#ifndef SIGDEV_SRC_CORE_H
#define SIGDEV_SRC_CORE_H

#include <sigdev/core.h>

#include "base/buf.h"
#include "base/problem.h"
#include "proto/envelope.h"
#include "proto/json.h"

/* Finishes a buffer over out[size]: NUL, *len; SPACE when something did not fit. */
enum sigdev_error core_finish(struct buf *b, size_t *len);
/* A buffer over out[size] with one byte kept back for the NUL; false: no room even for that. */
bool core_begin(struct buf *b, char *out, size_t size);

/* The error for what a check of proto said, its sentence copied to why[why_size]. */
enum sigdev_error core_refused(const struct problem *p, char *why, size_t why_size);
/* A refusal of our own, with a static sentence. */
enum sigdev_error core_refuse(enum sigdev_error e, const char *text, char *why, size_t why_size);

/* Raw JSON that the caller gave, without white space around it. */
struct sigdev_text core_trim(struct sigdev_text t);
/* True when the checked value is the whole of what the caller gave, so that `1,"type":2` cannot
 * smuggle a second field into the object around it. */
bool core_is_whole(struct json_span value, struct sigdev_text given);

/* Strings: decoded in place and NUL-terminated over their closing quote or before it. Other values:
 * as they stand, the byte behind them overwritten by a NUL. `payload` is the mutable text that the
 * span points into. */
struct sigdev_text core_take_string(char *payload, struct json_span v);
struct sigdev_text core_take_text(char *payload, struct text t);
struct sigdev_text core_take_raw(char *payload, struct json_span v);

/* An array that json_object() has checked. */
struct sigdev_list core_list(char *payload, struct json_span array);
/* Its next element; false at the end. */
bool core_list_next(struct sigdev_list *list, struct json_span *item);

/* One candidate object or null into *out, decoded in place. */
void core_take_candidate(char *payload, const struct candidate_init *c,
                         struct sigdev_candidate *out);

/* The members of one RTCIceServer. STATUS_INVALID_MESSAGE when it is none. */
struct core_ice_server {
    struct json_span urls; /* string or array */
    struct json_span username, credential;
};
enum status core_ice_server(struct json_span v, struct core_ice_server *out, struct problem *why);

#endif
