/* The files by which a broker knows its users, in one directory: ACL and password file, of devices
 * or of bridges. Changed under a lock, each replaced in one step, so that mosquitto never reads
 * half of one.
 *
 *     struct device_store s;
 *     if (device_store_open(&s, &place, prefix, true, why) == STATUS_OK) {
 *         ... device_list_add(&s.list, name), device_store_set_password(&s, name, hash) ...
 *         status = device_store_save(&s, why);
 *     }
 *     device_store_close(&s);
 *
 * Who owns the files: whoever owned them before. New ones belong to the owner of the directory and
 * have mode 0640; where that is root, their group is mosquitto, which gives up root's rights before
 * it reads them.
 *
 * Threads: blocks on files. */
#ifndef SIGBRIDGE_IO_DEVICE_STORE_H
#define SIGBRIDGE_IO_DEVICE_STORE_H

#include "base/buf.h"
#include "base/problem.h"
#include "io/device_acl.h"

#include <stdbool.h>
#include <sys/types.h>

enum { DEVICE_LOCK_WAIT_MS = 5000 };

struct device_place {
    const char *dir;
    const char *acl, *passwd, *lock; /* names in dir */
    enum device_kind kind;
};

/* Of the embedded broker, below its directory DATA/broker; and of a mosquitto of one's own. */
#define DEVICE_ACL    "devices.acl"
#define DEVICE_PASSWD "devices.passwd"
#define DEVICE_LOCK   "devices.lock"

struct device_store {
    const struct device_place *place;
    const char *prefix;
    int dir_fd, lock_fd;
    struct device_list list;
    struct buf passwd; /* the password file's bytes */
};

/* Reads what there is; files that are missing are empty ones. `change`: takes the lock too, waiting
 * at most DEVICE_LOCK_WAIT_MS for another command. After an error it needs device_store_close()
 * all the same. STATUS_IO, STATUS_INVALID_MESSAGE (a line is not ours), STATUS_NO_MEMORY. */
enum status device_store_open(struct device_store *s, const struct device_place *place,
                              const char *prefix, bool change, struct problem *why);

bool device_store_has_password(const struct device_store *s, const char *name);
/* hash NULL: takes it away. False: out of memory, or the file would become too large. */
bool device_store_set_password(struct device_store *s, const char *name, const char *hash);

/* Writes both. Who is taken away loses the password first, who is added gets it last: in between
 * nobody may do more than before. */
enum status device_store_save(struct device_store *s, bool removing, struct problem *why);

void device_store_close(struct device_store *s);

/* A file's whole content in one step: written beside, synced, renamed. `like`: owner and mode of
 * that file if there is one of that name already, else 0640 and the rule above. errno says why not.
 */
bool device_file_replace(int dir_fd, const char *name, const char *bytes, size_t len);

/* The lock, for the broker's start: a change waits until the broker can be told of it. -1: it is
 * taken, or cannot be made. Closing it gives it back. */
int device_lock_take(int dir_fd, const char *name, int wait_ms);

#endif
