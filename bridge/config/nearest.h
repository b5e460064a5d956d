/* "Did you mean ...?": the known word that is closest to an unknown one, when it is close enough.
 *
 *     struct nearest n;
 *     nearest_init(&n, "lisen");
 *     nearest_offer(&n, "listen");       (for each known word)
 *     if (nearest_word(&n)) ...          "listen"
 *
 * Distance: insertions, deletions, changes and swaps of neighbours. Close enough: at most a third
 * of the unknown word's length, at least one and at most four. Words past NEAREST_MAX bytes have
 * no neighbours. The offered words must outlive the struct. Threads: plain data. */
#ifndef SIGBRIDGE_CONFIG_NEAREST_H
#define SIGBRIDGE_CONFIG_NEAREST_H

#include <stddef.h>

enum { NEAREST_MAX = 64 };

struct nearest {
    const char *word;
    const char *best;
    unsigned distance; /* of the best */
};

void nearest_init(struct nearest *n, const char *word);
void nearest_offer(struct nearest *n, const char *known);
const char *nearest_word(const struct nearest *n); /* NULL: nothing is close */

#endif
