/* Every way in which something can end, in one table: the name for logs and metrics, the word and
 * the number that go over the wire (protocol.md, "Errors"), and the WebSocket close code where the
 * socket ends with it (0: it stays open).
 *
 * Threads: constant data, callable from anywhere. */
#ifndef SIGBRIDGE_BASE_STATUS_H
#define SIGBRIDGE_BASE_STATUS_H

enum status {
    STATUS_OK = 0,
    /* The peer's doing: these have a wire word. */
    STATUS_INVALID_JSON,
    STATUS_INVALID_MESSAGE,
    STATUS_INVALID_SDP,
    STATUS_INVALID_CANDIDATE,
    STATUS_UNAUTHORIZED,
    STATUS_FORBIDDEN,
    STATUS_PEER_NOT_FOUND,
    STATUS_PEER_TAKEN,
    STATUS_UNEXPECTED_ANSWER,
    STATUS_NOT_JOINED,
    STATUS_ALREADY_JOINED,
    STATUS_SESSION_EXPIRED,
    STATUS_TOO_LARGE,
    STATUS_RATE_LIMITED,
    STATUS_UNAVAILABLE,
    /* Ours. On the wire they all read as `unavailable`. */
    STATUS_NO_MEMORY,
    STATUS_IO,
    STATUS_BAD_CONFIG,
    STATUS_COUNT
};

const char *status_name(enum status s); /* "invalid-sdp"; never NULL */
const char *status_word(enum status s); /* the wire's word; "unavailable" for our own failures */
int status_code(enum status s);         /* the wire's number: 400 to 503; 0 for STATUS_OK */
int status_close_code(enum status s);   /* WebSocket close code, or 0: the socket stays open */

#endif
