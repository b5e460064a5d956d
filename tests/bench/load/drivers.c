#include "drivers.h"

static const struct candidate candidates[] = {
    {.kind = "sigbridge",
     .caller = &driver_json,
     .callee = &driver_json,
     .subprotocol = "sigbridge.v1"},
    {.kind = "room-server", .caller = &driver_json, .callee = &driver_json},
    {.kind = "node-bridge", .caller = &driver_json, .callee = &driver_json},
    {.kind = "relay",
     .caller = &driver_relay,
     .callee = &driver_relay,
     .lacks = LACKS_PRESENCE | LACKS_TARGETS},
};

const struct candidate *driver_find(const char *kind)
{
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++)
        if (strcmp(candidates[i].kind, kind) == 0)
            return &candidates[i];
    return NULL;
}
