#include "ws.h"

#include <stdint.h>

/* The example of RFC 6455, 1.3: a key whose answer is known. */
#define KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

enum { HEAD_MAX = 14, ANSWER_MAX = 4096 };

enum ws_found ws_read(const unsigned char *bytes, size_t len, struct ws_frame *frame)
{
    if (len < 2)
        return WS_NOT_YET;
    if ((bytes[0] & 0xf0) != 0x80 || bytes[1] & 0x80)
        return WS_BROKEN;
    uint64_t n = bytes[1];
    size_t head = 2;
    if (n >= 126) {
        size_t more = n == 126 ? 2 : 8;
        if (len < head + more)
            return WS_NOT_YET;
        n = 0;
        for (size_t i = 0; i < more; i++)
            n = n << 8 | bytes[head + i];
        head += more;
    }
    if (n > len - head)
        return WS_NOT_YET;
    frame->opcode = bytes[0] & 0x0f;
    frame->payload = (struct span){(const char *)bytes + head, (size_t)n};
    frame->size = head + (size_t)n;
    return WS_FRAME;
}

static uint32_t next_mask(void)
{
    static uint32_t state = 0x9e3779b9;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

static void mask(char *p, size_t n, uint32_t key)
{
    uint64_t wide = (uint64_t)key << 32 | key;
    for (; n >= sizeof wide; p += sizeof wide, n -= sizeof wide) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        word ^= wide;
        memcpy(p, &word, sizeof word);
    }
    const char *bytes = (const char *)&key;
    for (size_t i = 0; i < n; i++)
        p[i] ^= bytes[i & 3];
}

static size_t write_head(unsigned char *p, int opcode, size_t n, uint32_t key)
{
    size_t more = n < 126 ? 0 : n < 65536 ? 2 : 8;
    *p = (unsigned char)(0x80 | opcode);
    p[1] = (unsigned char)(0x80 | (more == 0 ? n : more == 2 ? 126 : 127));
    for (size_t i = 0; i < more; i++)
        p[2 + i] = (unsigned char)(n >> 8 * (more - 1 - i));
    memcpy(p + 2 + more, &key, sizeof key);
    return 2 + more + sizeof key;
}

void ws_write(struct buf *out, int opcode, const struct span *pieces, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += pieces[i].n;
    char *p = buf_room(out, HEAD_MAX + n);
    if (!p)
        return;
    uint32_t key = next_mask();
    size_t head = write_head((unsigned char *)p, opcode, n, key);
    char *payload = p + head;
    for (size_t i = 0; i < count; i++) {
        memcpy(payload, pieces[i].p, pieces[i].n);
        payload += pieces[i].n;
    }
    mask(p + head, n, key);
    buf_added(out, head + n);
}

void ws_write_request(struct buf *out, const char *host, const char *target,
                      const char *subprotocol)
{
    buf_str(out, "GET ");
    buf_str(out, target);
    buf_str(out, " HTTP/1.1\r\nHost: ");
    buf_str(out, host);
    buf_str(out, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Key: " KEY "\r\n");
    if (subprotocol) {
        buf_str(out, "Sec-WebSocket-Protocol: ");
        buf_str(out, subprotocol);
        buf_str(out, "\r\n");
    }
    buf_str(out, "\r\n");
}

long ws_read_answer(const unsigned char *bytes, size_t len)
{
    static const char begin[] = "HTTP/1.1 101";
    size_t seen = len < sizeof begin - 1 ? len : sizeof begin - 1;
    if (memcmp(bytes, begin, seen) != 0)
        return -1;
    const unsigned char *end = memmem(bytes, len, "\r\n\r\n", 4);
    if (!end)
        return len > ANSWER_MAX ? -1 : 0;
    size_t size = (size_t)(end - bytes) + 4;
    return memmem(bytes, size, ACCEPT, sizeof ACCEPT - 1) ? (long)size : -1;
}
