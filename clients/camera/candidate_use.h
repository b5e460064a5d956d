/* Which of a viewer's ICE candidates are worth handing to libnice.
 *
 * Threads: pure functions. */
#ifndef CAMERA_CANDIDATE_USE_H
#define CAMERA_CANDIDATE_USE_H

#include <stddef.h>

enum candidate_use {
    CANDIDATE_USE,    /* a UDP candidate with an address */
    CANDIDATE_HIDDEN, /* an mDNS name instead of the address: the viewer's checks will show it */
    CANDIDATE_USELESS /* TCP, RTCP's component (we multiplex), a DNS name, or no candidate at all */
};

/* `line` is "candidate:..." (RFC 8839 section 5.1). */
enum candidate_use candidate_use(const char *line, size_t len);

#endif
