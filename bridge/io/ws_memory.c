#include "io/ws_memory.h"

#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>

/* libwebsockets 4.1.6 keeps for each WebSocket a buffer as large as one read. It reads into one of
 * the process's and hands out payload from there; without extensions the buffer of the socket gets
 * the payload of control frames only, 125 bytes at most (RFC 6455 section 5.5), checked in front of
 * it, with LWS_PRE bytes before and a NUL behind. A page for each session that stays untouched. */
static const char version[] = "4.1.6";
static const char purpose[] = "rx_ubuf";
enum { CONTROL_BUFFER = LWS_PRE + 125 + 1 };

static void *allocate(void *old, size_t size, const char *reason)
{
    if (size == 0) {
        free(old);
        return NULL;
    }
    if (!old && size > CONTROL_BUFFER && reason && strcmp(reason, purpose) == 0)
        size = CONTROL_BUFFER;
    return realloc(old, size);
}

void ws_memory_save(void)
{
    if (strncmp(lws_get_library_version(), version, sizeof version - 1) == 0)
        lws_set_allocator(allocate);
}
