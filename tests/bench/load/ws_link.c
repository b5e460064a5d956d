#include "ws_link.h"

void ws_link_open(struct session *s, const char *target)
{
    ws_write_request(session_out(s), "127.0.0.1", target, s->world->candidate->subprotocol);
}

void ws_link_leave(struct session *s)
{
    const struct span code = {"\x03\xe8", 2};
    ws_write(session_out(s), WS_CLOSE, &code, 1);
}

static void on_frame(struct session *s, const struct ws_frame *frame,
                     const struct ws_link_handlers *handlers)
{
    const unsigned char *p = (const unsigned char *)frame->payload.p;
    switch (frame->opcode) {
    case WS_TEXT:
    case WS_BINARY:
        s->world->frames++;
        handlers->payload(s, frame->payload, handlers->context);
        break;
    case WS_PING:
        ws_write(session_out(s), WS_PONG, &frame->payload, 1);
        break;
    case WS_CLOSE:
        world_fail(s, "the server closes with %d", frame->payload.n >= 2 ? p[0] << 8 | p[1] : 1005);
        break;
    default:
        break; /* a pong */
    }
}

size_t ws_link_bytes(struct session *s, unsigned char *bytes, size_t len,
                     const struct ws_link_handlers *handlers)
{
    size_t used = 0;
    if (!s->upgraded) {
        long answer = ws_read_answer(bytes, len);
        if (answer < 0)
            world_fail(s, "the server does not open a WebSocket: %.*s",
                       (int)(len < 200 ? len : 200), (const char *)bytes);
        if (answer <= 0)
            return 0;
        s->upgraded = true;
        used = (size_t)answer;
        handlers->up(s, handlers->context);
    }
    struct ws_frame frame;
    enum ws_found found;
    while ((found = ws_read(bytes + used, len - used, &frame)) == WS_FRAME) {
        on_frame(s, &frame, handlers);
        used += frame.size;
    }
    if (found == WS_BROKEN) {
        world_fail(s, "a frame that is masked, fragmented or compressed");
        return len;
    }
    return used;
}
