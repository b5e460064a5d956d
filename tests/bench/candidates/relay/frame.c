#include "frame.h"

#include <string.h>

/* Eight bytes at a time: a compiler makes vectors of this, and the floor should have no needless
 * cost. */
static void unmask(unsigned char *payload, size_t len, const unsigned char mask[4])
{
    uint64_t wide, key;
    unsigned char twice[8];
    size_t i = 0;
    memcpy(twice, mask, 4);
    memcpy(twice + 4, mask, 4);
    memcpy(&key, twice, sizeof key);
    for (; i + sizeof wide <= len; i += sizeof wide) {
        memcpy(&wide, payload + i, sizeof wide);
        wide ^= key;
        memcpy(payload + i, &wide, sizeof wide);
    }
    for (; i < len; i++)
        payload[i] ^= mask[i % 4];
}

enum frame_found frame_read(unsigned char *bytes, size_t len, struct frame *f)
{
    enum { FIN = 0x80, MASKED = 0x80 };
    size_t at = 2, extra = 0;
    uint64_t payload;
    if (len < at)
        return FRAME_PART;
    if (!(bytes[0] & FIN) || (bytes[0] & 0x70) || !(bytes[1] & MASKED))
        return FRAME_WRONG;
    payload = bytes[1] & 0x7f;
    if (payload == 126)
        extra = 2;
    else if (payload == 127)
        extra = 8;
    if (len < at + extra)
        return FRAME_PART;
    if (extra) {
        payload = 0;
        for (size_t i = 0; i < extra; i++)
            payload = payload << 8 | bytes[at++];
    }
    if (payload > FRAME_PAYLOAD_MAX)
        return FRAME_WRONG;
    if (len < at + 4 + payload)
        return FRAME_PART;
    *f = (struct frame){.opcode = bytes[0] & 0x0f,
                        .payload = bytes + at + 4,
                        .len = payload,
                        .size = at + 4 + payload};
    unmask(f->payload, f->len, bytes + at);
    return FRAME_WHOLE;
}

size_t frame_head(unsigned char head[FRAME_HEAD_MAX], int opcode, size_t len)
{
    size_t extra = len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8;
    head[0] = (unsigned char)(0x80 | opcode);
    head[1] = (unsigned char)(extra == 0 ? len : extra == 2 ? 126 : 127);
    for (size_t i = 0; i < extra; i++)
        head[2 + i] = (unsigned char)(len >> 8 * (extra - 1 - i));
    return 2 + extra;
}
