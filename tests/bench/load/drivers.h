/* The protocols, for the table in drivers.c. */
#ifndef LOAD_DRIVERS_H
#define LOAD_DRIVERS_H

#include "driver.h"

extern const struct protocol driver_json, driver_mqtt, driver_peerjs, driver_relay, driver_socketio;

#endif
