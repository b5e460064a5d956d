#include "base/status.h"

#include <stddef.h>

struct status_info {
    const char *name;
    const char *word;
    int code;
    int close_code;
};

static const struct status_info infos[STATUS_COUNT] = {
    [STATUS_OK] = {"ok", "ok", 0, 0},
    [STATUS_INVALID_JSON] = {"invalid-json", "invalid-json", 400, 1003},
    [STATUS_INVALID_MESSAGE] = {"invalid-message", "invalid-message", 400, 0},
    [STATUS_INVALID_SDP] = {"invalid-sdp", "invalid-sdp", 400, 0},
    [STATUS_INVALID_CANDIDATE] = {"invalid-candidate", "invalid-candidate", 400, 0},
    [STATUS_UNAUTHORIZED] = {"unauthorized", "unauthorized", 401, 4401},
    [STATUS_FORBIDDEN] = {"forbidden", "forbidden", 403, 0},
    [STATUS_PEER_NOT_FOUND] = {"peer-not-found", "peer-not-found", 404, 0},
    [STATUS_PEER_TAKEN] = {"peer-taken", "peer-taken", 409, 0},
    [STATUS_UNEXPECTED_ANSWER] = {"unexpected-answer", "unexpected-answer", 409, 0},
    [STATUS_NOT_JOINED] = {"not-joined", "not-joined", 409, 0},
    [STATUS_ALREADY_JOINED] = {"already-joined", "already-joined", 409, 0},
    [STATUS_SESSION_EXPIRED] = {"session-expired", "session-expired", 410, 0},
    [STATUS_TOO_LARGE] = {"too-large", "too-large", 413, 0},
    [STATUS_RATE_LIMITED] = {"rate-limited", "rate-limited", 429, 0},
    [STATUS_UNAVAILABLE] = {"unavailable", "unavailable", 503, 0},
    [STATUS_NO_MEMORY] = {"no-memory", "unavailable", 503, 1011},
    [STATUS_IO] = {"io", "unavailable", 503, 0},
    [STATUS_BAD_CONFIG] = {"bad-config", "unavailable", 503, 0},
};

static const struct status_info *info(enum status s)
{
    return &infos[(unsigned)s < STATUS_COUNT ? s : STATUS_IO];
}

const char *status_name(enum status s)
{
    return info(s)->name;
}

const char *status_word(enum status s)
{
    return info(s)->word;
}

int status_code(enum status s)
{
    return info(s)->code;
}

int status_close_code(enum status s)
{
    return info(s)->close_code;
}
