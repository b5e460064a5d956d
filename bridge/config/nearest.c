#include "config/nearest.h"

#include <string.h>

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Optimal string alignment over three rows: at most 64 by 64 steps. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned rows[3][NEAREST_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b_len; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned change = last[j - 1] + (a[i - 1] != b[j - 1]);
            now[j] = least(change, least(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
        unsigned *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[b_len];
}

void nearest_init(struct nearest *n, const char *word)
{
    size_t len = strlen(word);
    unsigned far = (unsigned)(len > NEAREST_MAX ? 0 : len / 3);
    n->word = word;
    n->best = NULL;
    n->distance = far < 1 ? 2 : least(far, 4) + 1; /* the best must be closer than this */
    if (len == 0 || len > NEAREST_MAX)
        n->distance = 0;
}

void nearest_offer(struct nearest *n, const char *known)
{
    size_t len = strlen(known);
    if (n->distance == 0 || len > NEAREST_MAX)
        return;
    unsigned d = distance(n->word, strlen(n->word), known, len);
    if (d < n->distance) {
        n->distance = d;
        n->best = known;
    }
}

const char *nearest_word(const struct nearest *n)
{
    return n->best;
}
