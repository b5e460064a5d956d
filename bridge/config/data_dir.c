#include "config/data_dir.h"

#include "base/clock.h"
#include "config/file.h"
#include "config/value.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RANDOM_CHARS = 8 };

/* Paths are shown as they are: the configuration refuses control characters in them. */
static enum status refuse(struct problem *why, const char *what, const char *path,
                          const char *remedy)
{
    return problem_set(why, STATUS_IO, 0, "data", "%s %.90s: %s%s", what, path, strerror(errno),
                       remedy);
}

static bool make_directories(char *path)
{
    for (char *slash = path + 1;; slash++) {
        slash = strchrnul(slash, '/');
        char kept = *slash;
        *slash = '\0';
        bool made = mkdir(path, 0750) == 0 || errno == EEXIST;
        *slash = kept;
        if (!made || !kept)
            return made;
    }
}

enum status data_dir_open(const char *dir, int *lock, struct problem *why)
{
    enum status status = STATUS_OK;
    char *copy = strdup(dir), *path = value_path(dir, "lock");
    int fd = -1;
    if (!copy || !path) {
        status = problem_set(why, STATUS_NO_MEMORY, 0, "data", "out of memory");
        goto out;
    }
    if (!make_directories(copy)) {
        status = refuse(why, "cannot make the data directory", dir, "; name another with --data");
        goto out;
    }
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0) {
        status = refuse(why, "cannot write to the data directory", dir,
                        "; make it writable, or name another with --data");
        goto out;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        status = problem_set(why, STATUS_IO, 0, "data",
                             "another bridge runs with the data directory %.90s; end it, or give "
                             "this one its own with --data",
                             dir);
        goto out;
    }
    *lock = fd;
    fd = -1;
out:
    if (fd >= 0)
        close(fd);
    free(copy);
    free(path);
    return status;
}

/* Written beside and renamed, so that a crash leaves the old name or the new one. */
static bool keep(const char *dir, const char *path, const char *id)
{
    char line[NAME_MAX_BYTES + 2];
    char *beside = value_path(dir, "bridge-id.new");
    int len = snprintf(line, sizeof line, "%s\n", id);
    int fd =
        beside ? open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640) : -1;
    bool done = fd >= 0 && write(fd, line, (size_t)len) == len && fsync(fd) == 0;
    if (fd >= 0)
        done = close(fd) == 0 && done;
    done = done && rename(beside, path) == 0;
    free(beside);
    return done;
}

enum status data_dir_bridge_id(const char *dir, char id[NAME_MAX_BYTES + 1], struct problem *why)
{
    enum status status = STATUS_OK;
    size_t len = 0;
    char *path = value_path(dir, "bridge-id");
    char *text = path ? file_read(path, NAME_MAX_BYTES + 2, &len) : NULL;
    if (text) {
        len = strcspn(text, "\r\n");
        if (name_ok(text, len)) {
            memcpy(id, text, len);
            id[len] = '\0';
        } else {
            status = problem_set(why, STATUS_IO, 0, "data",
                                 "%.120s holds no valid name: write one, or remove the file", path);
        }
    } else if (path && errno == ENOENT) {
        char random[RANDOM_CHARS + 1];
        clock_random_name(random, RANDOM_CHARS);
        snprintf(id, NAME_MAX_BYTES + 1, "bridge-%s", random);
        if (!keep(dir, path, id))
            status = refuse(why, "cannot keep this bridge's name in", path,
                            "; make its directory writable, or set --bridge-id");
    } else {
        status = refuse(why, "cannot read this bridge's name from", path ? path : dir,
                        "; make it readable, or set --bridge-id");
    }
    free(text);
    free(path);
    return status;
}
