#include "io/device_store.h"

#include "base/clock.h"
#include "io/device_passwd.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOCK_STEP_MS = 10, NEW_MODE = 0640, BESIDE_MAX = 64 };

/* ---- files ---- */

/* Whose a new file in this directory is to be. */
static bool give_new(int dir_fd, int fd)
{
    struct stat dir;
    if (fchmod(fd, NEW_MODE) != 0 || fstat(dir_fd, &dir) != 0)
        return false;
    if (geteuid() != 0)
        return true;
    gid_t gid = dir.st_gid;
    const struct group *g = dir.st_uid == 0 ? getgrnam("mosquitto") : NULL;
    if (g)
        gid = g->gr_gid;
    return fchown(fd, dir.st_uid, gid) == 0;
}

static bool give(int dir_fd, int fd, const char *name)
{
    struct stat old, now;
    if (fstatat(dir_fd, name, &old, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT && give_new(dir_fd, fd);
    if (fstat(fd, &now) != 0)
        return false;
    if ((now.st_uid != old.st_uid || now.st_gid != old.st_gid) &&
        fchown(fd, old.st_uid, old.st_gid) != 0)
        return false;
    return fchmod(fd, old.st_mode & 0777) == 0;
}

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

bool device_file_replace(int dir_fd, const char *name, const char *bytes, size_t len)
{
    char beside[BESIDE_MAX];
    snprintf(beside, sizeof beside, "%s.new", name);
    unlinkat(dir_fd, beside, 0); /* of a command that was killed */
    int fd = openat(dir_fd, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool done = write_all(fd, bytes, len) && give(dir_fd, fd, name) && fsync(fd) == 0;
    int reason = errno;
    if (close(fd) != 0 && done) {
        reason = errno;
        done = false;
    }
    if (done && renameat(dir_fd, beside, dir_fd, name) == 0) {
        fsync(dir_fd); /* what cannot be done about its failure was done */
        return true;
    }
    if (done)
        reason = errno;
    unlinkat(dir_fd, beside, 0);
    errno = reason;
    return false;
}

int device_lock_take(int dir_fd, const char *name, int wait_ms)
{
    int fd = openat(dir_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, NEW_MODE);
        if (fd >= 0 && !give_new(dir_fd, fd))
            goto fail;
    }
    if (fd < 0)
        return -1;
    int64_t deadline_us = clock_mono_us() + (int64_t)wait_ms * 1000;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || clock_mono_us() >= deadline_us)
            goto fail;
        poll(NULL, 0, LOCK_STEP_MS);
    }
    return fd;
fail:;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

/* A file that is missing is empty. */
static bool read_file(int dir_fd, const char *name, struct buf *b)
{
    struct stat st;
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT;
    bool done = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    if (!done)
        errno = EINVAL;
    while (done) {
        char *room = buf_room(b, 65536);
        if (!room) {
            errno = EFBIG;
            done = false;
            break;
        }
        ssize_t n = read(fd, room, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            done = n == 0;
            break;
        }
        buf_added(b, (size_t)n);
    }
    int reason = errno;
    close(fd);
    errno = reason;
    return done;
}

/* ---- the store ---- */

static enum status refuse(const struct device_store *s, struct problem *why, const char *what,
                          const char *name)
{
    return problem_set(why, STATUS_IO, 0, "device-files", "%s %.100s%s%s: %s", what, s->place->dir,
                       name[0] ? "/" : "", name, strerrordesc_np(errno));
}

static enum status read_list(struct device_store *s, struct problem *why)
{
    struct buf file;
    struct problem line = {0};
    enum status status = STATUS_OK;
    buf_init(&file, DEVICE_FILE_MAX);
    if (!read_file(s->dir_fd, s->place->acl, &file)) {
        status = refuse(s, why, "cannot read", s->place->acl);
    } else {
        struct text text = file.len ? text_of(file.data, file.len) : text_of_str("");
        status = device_acl_parse(&s->list, s->place->kind, s->prefix, text, &line);
        if (status != STATUS_OK)
            problem_set(why, status, line.line, line.rule, "%.80s/%s: %.110s", s->place->dir,
                        s->place->acl, line.text);
    }
    buf_release(&file);
    return status;
}

enum status device_store_open(struct device_store *s, const struct device_place *place,
                              const char *prefix, bool change, struct problem *why)
{
    *s = (struct device_store){.place = place, .prefix = prefix, .dir_fd = -1, .lock_fd = -1};
    s->list.kind = place->kind;
    buf_init(&s->passwd, DEVICE_FILE_MAX);
    s->dir_fd = open(place->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dir_fd < 0)
        return refuse(s, why, "cannot open", "");
    if (change)
        s->lock_fd = device_lock_take(s->dir_fd, place->lock, DEVICE_LOCK_WAIT_MS);
    if (change && s->lock_fd < 0) {
        if (errno == EWOULDBLOCK)
            return problem_set(why, STATUS_IO, 0, "device-files",
                               "another command changes the users in %.100s: try again when it has"
                               " ended",
                               place->dir);
        return refuse(s, why, "cannot write", place->lock);
    }
    if (!read_file(s->dir_fd, place->passwd, &s->passwd))
        return refuse(s, why, "cannot read", place->passwd);
    return read_list(s, why);
}

static struct text passwords(const struct device_store *s)
{
    return s->passwd.len ? text_of(s->passwd.data, s->passwd.len) : text_of_str("");
}

bool device_store_has_password(const struct device_store *s, const char *name)
{
    return device_passwd_has(passwords(s), name);
}

bool device_store_set_password(struct device_store *s, const char *name, const char *hash)
{
    struct buf changed;
    buf_init(&changed, DEVICE_FILE_MAX);
    device_passwd_put(&changed, passwords(s), name, hash);
    if (!buf_ok(&changed)) {
        buf_release(&changed);
        return false;
    }
    buf_release(&s->passwd);
    s->passwd = changed;
    return true;
}

static enum status save_passwords(struct device_store *s, struct problem *why)
{
    if (device_file_replace(s->dir_fd, s->place->passwd, s->passwd.data, s->passwd.len))
        return STATUS_OK;
    return refuse(s, why, "cannot write", s->place->passwd);
}

static enum status save_list(struct device_store *s, struct problem *why)
{
    struct buf b;
    enum status status = STATUS_OK;
    buf_init(&b, DEVICE_FILE_MAX);
    device_acl_put(&b, &s->list, s->prefix);
    if (!buf_ok(&b))
        status = problem_set(why, STATUS_TOO_LARGE, 0, "device-files",
                             "%s would be larger than %d bytes, or there is no memory for it",
                             s->place->acl, DEVICE_FILE_MAX);
    else if (!device_file_replace(s->dir_fd, s->place->acl, b.data, b.len))
        status = refuse(s, why, "cannot write", s->place->acl);
    buf_release(&b);
    return status;
}

enum status device_store_save(struct device_store *s, bool removing, struct problem *why)
{
    enum status status = removing ? save_passwords(s, why) : save_list(s, why);
    if (status == STATUS_OK)
        status = removing ? save_list(s, why) : save_passwords(s, why);
    return status;
}

void device_store_close(struct device_store *s)
{
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    if (s->dir_fd >= 0)
        close(s->dir_fd);
    s->lock_fd = s->dir_fd = -1;
    device_list_release(&s->list);
    buf_release(&s->passwd);
}
