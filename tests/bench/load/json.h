/* Just enough JSON to look into a frame without building anything: walk over the members of an
 * object, and compare two values. What the walk skips it does not check; servers are checked by
 * what they deliver, not by how well they write.
 *
 * A span points into the caller's text and lives as long as that. */
#ifndef LOAD_JSON_H
#define LOAD_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
    const char *p;
    size_t n;
};

static inline struct span span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

static inline bool span_same(struct span a, struct span b)
{
    return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

static inline bool span_is(struct span a, const char *text)
{
    return span_same(a, span_of(text));
}

/* A walk over the members of an object or the elements of an array. */
struct json_walk {
    const char *at, *end; /* at NULL: it is over, or the text is broken */
    char closing;         /* '}' or ']' */
    bool broken;
};

struct json_walk
json_enter(struct span value); /* an object or an array, else a walk that is broken */

/* The next member; false at the end. `key` is without its quotes and not unescaped; of an array's
 * element it is empty. `value` is raw: a string has its quotes. */
bool json_next(struct json_walk *walk, struct span *key, struct span *value);

/* What stands between the quotes of a string, as it is; an empty span for anything else. */
struct span json_text(struct span value);

/* Whether two values mean the same: strings after unescaping, objects whatever the order of their
 * members, numbers by their text. Strings of more than JSON_STRING_MAX bytes that are escaped
 * differently are taken as different. */
enum { JSON_STRING_MAX = 65536 };
bool json_same(struct span a, struct span b);

#endif
