/* The HTTP request that opens a WebSocket (RFC 6455, 4.2), on the path /ROOM/PEER. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
    UPGRADE_REQUEST_MAX = 4096, /* bytes */
    UPGRADE_ANSWER_MAX = 256,
    UPGRADE_ROOM_MAX = 64,
};

struct upgrade {
    char room[UPGRADE_ROOM_MAX + 1];
    char answer[UPGRADE_ANSWER_MAX];
    size_t answer_len;
    size_t size; /* bytes of the request; what follows them is frames */
};

enum upgrade_found {
    UPGRADE_WHOLE,
    UPGRADE_PART,
    UPGRADE_WRONG,
};

/* `u` is set with UPGRADE_WHOLE only. */
enum upgrade_found upgrade_read(const char *bytes, size_t len, struct upgrade *u);
