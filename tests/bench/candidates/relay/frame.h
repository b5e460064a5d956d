/* WebSocket frames (RFC 6455, 5.2) as a server reads and writes them. Pure: bytes in, bytes out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_TEXT = 1,
    FRAME_CLOSE = 8,
    FRAME_PING = 9,
    FRAME_PONG = 10,
};

enum {
    FRAME_PAYLOAD_MAX = 262144, /* bytes; what is longer is refused */
    FRAME_HEAD_MAX = 10,        /* bytes of a head without a mask */
    FRAME_MAX = FRAME_PAYLOAD_MAX + FRAME_HEAD_MAX + 4,
};

enum frame_found {
    FRAME_WHOLE,
    FRAME_PART, /* more has to be read first */
    FRAME_WRONG,
};

struct frame {
    int opcode;
    unsigned char *payload; /* in the bytes that were given, unmasked in place */
    size_t len;
    size_t size; /* bytes of the whole frame */
};

/* The first frame of `bytes`. Masked and in one piece is all that is understood: a client in this
 * benchmark sends nothing else. `f` is set with FRAME_WHOLE only. */
enum frame_found frame_read(unsigned char *bytes, size_t len, struct frame *f);

/* Writes the head of an unmasked frame with `len` bytes of payload. The head's size in bytes. */
size_t frame_head(unsigned char head[FRAME_HEAD_MAX], int opcode, size_t len);
