#include "drivers.h"

#define MOSQUITTO(name, level, tcp)                                                                \
    {                                                                                              \
        .kind = name, .caller = &driver_mqtt, .callee = &driver_mqtt, .subprotocol = "mqtt",       \
        .qos = level, .no_bridge = true, .callers_on_mqtt = tcp, .callees_on_mqtt = tcp            \
    }

static const struct candidate candidates[] = {
    {.kind = "sigbridge",
     .caller = &driver_json,
     .callee = &driver_json,
     .subprotocol = "sigbridge.v1",
     .acknowledges = true,
     .numbers = true,
     .shares_broker = true},
    {.kind = "sigbridge-device",
     .caller = &driver_json,
     .callee = &driver_mqtt,
     .subprotocol = "sigbridge.v1",
     .acknowledges = true,
     .numbers = true,
     .qos = 1,
     .callees_first = true,
     .callees_on_mqtt = true},
    MOSQUITTO("mosquitto-ws-0", 0, false),
    MOSQUITTO("mosquitto-ws-1", 1, false),
    MOSQUITTO("mosquitto-tcp-0", 0, true),
    MOSQUITTO("mosquitto-tcp-1", 1, true),
    {.kind = "room-server", .caller = &driver_json, .callee = &driver_json},
    {.kind = "node-bridge", .caller = &driver_json, .callee = &driver_json},
    {.kind = "peerjs",
     .caller = &driver_peerjs,
     .callee = &driver_peerjs,
     .lacks = LACKS_PRESENCE | LACKS_BROADCAST},
    {.kind = "socketio", .caller = &driver_socketio, .callee = &driver_socketio},
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
