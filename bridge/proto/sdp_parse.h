/* What the parts of the SDP check share. Private to sdp*.c. */
#ifndef SIGBRIDGE_PROTO_SDP_PARSE_H
#define SIGBRIDGE_PROTO_SDP_PARSE_H

#include "base/text.h"
#include "proto/sdp.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    SDP_HAS_UFRAG = 1,
    SDP_HAS_PWD = 2,
    SDP_HAS_FINGERPRINT = 4,
    SDP_HAS_SETUP = 8,
    SDP_HAS_MID = 16,
    SDP_HAS_BUNDLE_ONLY = 32,
    /* What a media section in use needs, of its own or from where it may be inherited. */
    SDP_NEEDS = SDP_HAS_UFRAG | SDP_HAS_PWD | SDP_HAS_FINGERPRINT | SDP_HAS_SETUP
};

/* One media section, or the session section before the first one. */
struct sdp_section {
    struct text mid;
    uint32_t mid_hash;
    unsigned line; /* of m= */
    unsigned lines, candidates;
    uint8_t has;    /* SDP_HAS_… */
    uint8_t bundle; /* 1-based number of its BUNDLE group; 0: none */
    bool zero_port;
};

struct sdp_parser {
    enum sdp_kind kind;
    struct problem *why;
    unsigned line; /* the current one, from 1 */
    struct sdp_section *at;
    struct sdp_section session;
    unsigned sections;
    unsigned bundles, tags;
    struct {
        struct text tags;
        unsigned line;
    } bundle[SDP_MAX_BUNDLES];
    uint16_t mid_slots[2 * SDP_MAX_SECTIONS]; /* open hash table: 1-based section, 0: free */
    struct sdp_section section[SDP_MAX_SECTIONS];
};

enum status sdp_refuse(struct sdp_parser *p, const char *rule, const char *text);
enum status sdp_too_large(struct sdp_parser *p, const char *rule, const char *text);

/* One line each; `t` is what stands behind "x=". */
enum status sdp_line_version(struct sdp_parser *p, struct text t);
enum status sdp_line_origin(struct sdp_parser *p, struct text t);
enum status sdp_line_time(struct sdp_parser *p, struct text t);
enum status sdp_line_connection(struct sdp_parser *p, struct text t);
enum status sdp_line_bandwidth(struct sdp_parser *p, struct text t);
enum status sdp_line_media(struct sdp_parser *p, struct text t); /* opens a section */
enum status sdp_line_attribute(struct sdp_parser *p, struct text t);

/* sdp_bundle.c: names of sections, groups of them, and what each section in use must have. */
enum status sdp_add_mid(struct sdp_parser *p, struct text mid);
enum status sdp_add_group(struct sdp_parser *p, struct text tags); /* of a BUNDLE group */
enum status sdp_check_sections(struct sdp_parser *p);              /* after the last line */

/* Like text_literal(); inline, so that the comparison with a constant costs next to nothing. */
static inline bool sdp_takes(struct text *t, const char *literal)
{
    size_t len = strlen(literal);
    if (text_len(t) < len || memcmp(t->p, literal, len) != 0)
        return false;
    t->p += len;
    return true;
}

/* A decimal number that fills the cursor or ends before a space or `stop`. */
static inline bool sdp_number(struct text *t, uint64_t max, uint64_t *out)
{
    return text_uint(t, max, out) && (text_end(t) || *t->p == ' ');
}

/* Real endpoints leave a space at the end of some lines. */
static inline struct text sdp_trim_end(struct text t)
{
    while (!text_end(&t) && t.end[-1] == ' ')
        t.end--;
    return t;
}

#endif
