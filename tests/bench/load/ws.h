/* WebSocket frames, the client's side of RFC 6455: what is sent is masked, what comes is not. Bytes
 * in, bytes out; no socket. */
#ifndef LOAD_WS_H
#define LOAD_WS_H

#include "base/buf.h"
#include "json.h"

enum {
    WS_TEXT = 1,
    WS_BINARY = 2,
    WS_CLOSE = 8,
    WS_PING = 9,
    WS_PONG = 10,
};

struct ws_frame {
    int opcode;
    struct span payload; /* within the bytes that were read */
    size_t size;         /* of the whole frame */
};

enum ws_found { WS_NOT_YET, WS_FRAME, WS_BROKEN };

/* The frame that begins at `bytes`. Masked and fragmented ones are broken: no server that is
 * measured sends fragments. */
enum ws_found ws_read(const unsigned char *bytes, size_t len, struct ws_frame *frame);

/* Adds one frame whose payload is these pieces together. */
void ws_write(struct buf *out, int opcode, const struct span *pieces, size_t count);

/* Adds the request that opens the connection; `subprotocol` may be NULL. */
void ws_write_request(struct buf *out, const char *host, const char *target,
                      const char *subprotocol);

/* Length of the answer to it, 0 while it is not complete, -1 when it is no welcome. */
long ws_read_answer(const unsigned char *bytes, size_t len);

#endif
