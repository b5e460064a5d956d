/* mosquitto's ACL file as the record of who may log in at the broker: devices with their rooms, or
 * bridges. It is read strictly: only what device_acl_put() writes is understood, so that a line
 * that somebody added by hand is complained about and not lost.
 *
 *     # Devices and their rooms, kept by `sigbridge device`: change them with that command.
 *     # Format 1. Prefix: sigbridge/v1
 *
 *     user cam1
 *     topic readwrite sigbridge/v1/rooms/lobby/peers/cam1/presence
 *     topic write sigbridge/v1/rooms/lobby/peers/+/in/cam1
 *     topic write sigbridge/v1/rooms/lobby/all/cam1
 *     topic read sigbridge/v1/rooms/lobby/peers/cam1/in/+
 *     topic read sigbridge/v1/rooms/lobby/all/+
 *     topic read sigbridge/v1/rooms/lobby/peers/+/presence     (only who watches)
 *
 * What no line allows is denied. Room "*" is every room, "+" in the file.
 *
 * Threads: plain data, heap. */
#ifndef SIGBRIDGE_IO_DEVICE_ACL_H
#define SIGBRIDGE_IO_DEVICE_ACL_H

#include "base/buf.h"
#include "base/problem.h"
#include "base/text.h"
#include "proto/names.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    DEVICES_MAX = 10000,       /* of one file */
    DEVICE_ROOMS_MAX = 64,     /* of one device */
    DEVICE_FILE_MAX = 64 << 20 /* bytes */
};

enum device_kind { DEVICE_KIND_DEVICE, DEVICE_KIND_BRIDGE };

struct device {
    char name[NAME_MAX_BYTES + 1];
    bool watch;                        /* also reads the presences of its rooms */
    char (*rooms)[NAME_MAX_BYTES + 1]; /* "*": every room. A bridge has none: it may do all */
    size_t room_count;
};

/* In the order of their names. */
struct device_list {
    enum device_kind kind;
    struct device *items;
    size_t count;
    size_t room; /* for so many */
};

/* Adds what the file says; a file without a byte is an empty list. STATUS_INVALID_MESSAGE names the
 * line; STATUS_NO_MEMORY; STATUS_TOO_LARGE. */
enum status device_acl_parse(struct device_list *l, enum device_kind kind, const char *prefix,
                             struct text file, struct problem *why);

/* The whole file; ask buf_ok(). */
void device_acl_put(struct buf *b, const struct device_list *l, const char *prefix);

struct device *device_list_find(const struct device_list *l, const char *name);
/* The new one, or NULL: out of memory or DEVICES_MAX. Pointers to others become invalid. */
struct device *device_list_add(struct device_list *l, const char *name);
bool device_add_room(struct device *d, const char *room); /* false: no memory, or too many */
void device_list_remove(struct device_list *l, struct device *d);
void device_list_release(struct device_list *l);

#endif
