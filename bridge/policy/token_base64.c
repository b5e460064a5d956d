#include "policy/token_base64.h"

#include <stdint.h>

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool token_base64_decode(struct text in, void *out, size_t cap, size_t *len)
{
    unsigned char *to = out;
    size_t at = 0;
    uint32_t bits = 0;
    unsigned have = 0;
    if (text_len(&in) % 4 == 1 || text_len(&in) / 4 * 3 + text_len(&in) % 4 * 3 / 4 > cap)
        return false;
    for (const char *p = in.p; p < in.end; p++) {
        int v = value_of(*p);
        if (v < 0)
            return false;
        bits = bits << 6 | (uint32_t)v;
        have += 6;
        if (have >= 8) {
            have -= 8;
            to[at++] = (unsigned char)(bits >> have);
            bits &= (1u << have) - 1;
        }
    }
    *len = at;
    return bits == 0;
}

void token_base64_put(struct buf *out, const void *bytes, size_t len)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const unsigned char *p = bytes;
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < len; i++) {
        bits = (bits << 8 | p[i]) & 0xffff;
        for (have += 8; have >= 6; have -= 6)
            buf_char(out, letters[bits >> (have - 6) & 63]);
    }
    if (have > 0)
        buf_char(out, letters[bits << (6 - have) & 63]);
}
