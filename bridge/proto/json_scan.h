/* Finds the end of what in a JSON string needs no look, eight bytes at a time. For the files of
 * the reader. Threads: pure functions. */
#ifndef SIGBRIDGE_PROTO_JSON_SCAN_H
#define SIGBRIDGE_PROTO_JSON_SCAN_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline bool json_is_plain(char c)
{
    unsigned char u = (unsigned char)c;
    return u >= 0x20 && u < 0x80 && c != '"' && c != '\\';
}

/* The first byte that is a quote, a backslash, a control character or above 0x7f; or end. */
static inline const char *json_skip_plain(const char *p, const char *end)
{
    const uint64_t ones = 0x0101010101010101ULL, tops = 0x8080808080808080ULL;
    for (; end - p >= 8; p += 8) {
        uint64_t w;
        memcpy(&w, p, sizeof w);
        w = le64toh(w);
        uint64_t quote = w ^ (ones * '"'), slash = w ^ (ones * '\\');
        /* A borrow marks bytes behind a real one only, so the first mark is right. */
        uint64_t found = ((w - ones * 0x20) | (quote - ones) | (slash - ones) | w) & tops;
        if (found)
            return p + (__builtin_ctzll(found) >> 3);
    }
    while (p < end && json_is_plain(*p))
        p++;
    return p;
}

#endif
