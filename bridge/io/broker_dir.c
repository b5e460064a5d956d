#include "io/broker_dir.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOCK_WAIT_US = 5000000, LOCK_STEP_MS = 10 };

static enum status refuse(struct problem *why, const char *what, const char *data_dir)
{
    return problem_set(why, STATUS_IO, 0, "broker-directory",
                       "%s %.80s/broker for the embedded broker (%s): make the directory writable"
                       " or choose another with --data",
                       what, data_dir, strerrordesc_np(errno));
}

/* Whom the broker runs as. mosquitto would change its user by itself, but that makes the kernel
 * forget that it is to end with its parent; therefore we do it before. */
static void choose_user(struct broker_dir *d)
{
    struct passwd *user = NULL;
    d->change_user = geteuid() == 0;
    if (d->change_user && !(user = getpwnam("mosquitto")))
        user = getpwnam("nobody");
    d->uid = user ? user->pw_uid : geteuid();
    d->gid = user ? user->pw_gid : getegid();
    if (!user)
        d->change_user = false;
}

static bool give_to_user(const struct broker_dir *d)
{
    struct stat st;
    if (fstat(d->fd, &st) != 0)
        return false;
    if (d->change_user && st.st_uid != d->uid && fchown(d->fd, d->uid, d->gid) != 0)
        return false;
    return (st.st_mode & 0777) == 0700 || fchmod(d->fd, 0700) == 0;
}

/* The broker holds the lock too: when a bridge was killed, its broker still needs some time to save
 * what it has, and a second one must not read that file meanwhile nor want the same port. */
static bool wait_for_lock(int fd)
{
    int64_t deadline_us = clock_mono_us() + LOCK_WAIT_US;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return false;
        if (clock_mono_us() >= deadline_us) {
            errno = EWOULDBLOCK;
            return false;
        }
        poll(NULL, 0, LOCK_STEP_MS);
    }
    return true;
}

/* A path that is too long for a socket address is reached through our descriptor of its directory.
 * That leaves nothing behind, unlike a short directory elsewhere. */
static void name_socket(struct broker_dir *d, const char *data_dir)
{
    int len = snprintf(d->socket, sizeof d->socket, "%s/broker/" BROKER_SOCKET, data_dir);
    if (len < 0 || (size_t)len >= sizeof d->socket)
        snprintf(d->socket, sizeof d->socket, "/proc/self/fd/%d/" BROKER_SOCKET, d->fd);
}

enum status broker_dir_open(struct broker_dir *d, const char *data_dir, struct problem *why)
{
    enum status status = STATUS_OK;
    *d = (struct broker_dir){.fd = -1, .lock = -1};
    if (mkdir(data_dir, 0750) != 0 && errno != EEXIST)
        return refuse(why, "cannot make", data_dir);
    int parent = open(data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0)
        return refuse(why, "cannot open", data_dir);
    choose_user(d);
    if (mkdirat(parent, "broker", 0700) != 0 && errno != EEXIST) {
        status = refuse(why, "cannot make", data_dir);
        goto out;
    }
    d->fd = openat(parent, "broker", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (d->fd < 0 || !give_to_user(d)) {
        status = refuse(why, "cannot use", data_dir);
        goto out;
    }
    d->lock = openat(d->fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (d->lock < 0) {
        status = refuse(why, "cannot write in", data_dir);
        goto out;
    }
    if (!wait_for_lock(d->lock)) {
        status = problem_set(why, STATUS_IO, 0, "broker-directory",
                             "another broker still runs in %.80s/broker: end the bridge that it"
                             " belongs to or choose another directory with --data",
                             data_dir);
        goto out;
    }
    name_socket(d, data_dir);
out:
    close(parent);
    if (status != STATUS_OK)
        broker_dir_close(d);
    return status;
}

void broker_dir_close(struct broker_dir *d)
{
    if (d->lock > 0)
        close(d->lock);
    if (d->fd > 0)
        close(d->fd);
    d->lock = d->fd = -1;
}

void broker_dir_set_aside(const struct broker_dir *d)
{
    char name[64];
    snprintf(name, sizeof name, "%s.damaged-%lld", BROKER_DATABASE,
             (long long)(clock_wall_ms() / 1000));
    bool done = renameat(d->fd, BROKER_DATABASE, d->fd, name) == 0;
    log_line(LOG_ERROR, "broker-database-damaged", LOG_S("kept_as", done ? name : NULL),
             LOG_S("error", done ? NULL : strerrordesc_np(errno)),
             LOG_S("consequence", "the broker starts without the retained messages and the sleeping"
                                  " devices' messages of that file"),
             LOG_END);
}
