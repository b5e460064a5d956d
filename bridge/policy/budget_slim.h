/* What can be left out of a description. Private to budget*.c. */
#ifndef SIGBRIDGE_POLICY_BUDGET_SLIM_H
#define SIGBRIDGE_POLICY_BUDGET_SLIM_H

#include <stddef.h>

/* In the order in which they are tried; budget_slim.c has the reason of each. */
enum slim_rule {
    SLIM_REPEATED_CANDIDATES,
    SLIM_UNUSABLE_CANDIDATES,
    SLIM_REFUSED_SECTIONS,
    SLIM_EXTENSIONS,
    SLIM_SPACES,
    SLIM_REPEATED_LINES,
    SLIM_SOURCE_NAMES,
    SLIM_RULES
};

/* Applies one rule to a description that sdp_check() took, where it stands, and returns its new
 * length, which is not greater. Time: linear but for comparisons of 64 bits within a section. */
size_t slim_sdp(char *sdp, size_t len, enum slim_rule rule);

#endif
