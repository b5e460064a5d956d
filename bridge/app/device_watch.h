/* Clears the presence of devices that may not be there. mosquitto sends no last will of a device
 * that it cuts off, so what a removed device said of itself would stay on the embedded broker for
 * ever.
 *
 * Looked at when the roster is complete and whenever the devices' file changes. Threads: the
 * loop's. */
#ifndef SIGBRIDGE_APP_DEVICE_WATCH_H
#define SIGBRIDGE_APP_DEVICE_WATCH_H

#include <ev.h>

struct parts;

struct device_watch {
    ev_stat file;
    struct parts *parts; /* NULL: nothing is watched */
    char dir[4096];
    char path[4096 + 16];
};

/* Does nothing where devices need no password, or the broker is somebody else's. */
void device_watch_start(struct device_watch *w, struct parts *p);
void device_watch_stop(struct device_watch *w); /* one that is zeroed is fine */

#endif
