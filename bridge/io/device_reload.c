#include "io/device_reload.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t read_small(int dir_fd, const char *path, char *out, size_t size)
{
    int fd = openat(dir_fd, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, out, size) : -1;
    if (fd >= 0)
        close(fd);
    return len > 0 ? (size_t)len : 0;
}

static pid_t read_pid(int dir_fd, const char *path)
{
    char bytes[32];
    struct text t = text_of(bytes, read_small(dir_fd, path, bytes, sizeof bytes));
    uint64_t pid;
    return text_uint(&t, INT_MAX, &pid) && (text_end(&t) || *t.p == '\n') ? (pid_t)pid : 0;
}

static bool is_mosquitto(pid_t pid)
{
    char path[64], name[32];
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    size_t len = read_small(AT_FDCWD, path, name, sizeof name);
    return text_equals(text_of(name, len), "mosquitto\n");
}

static bool works_in(pid_t pid, int dir_fd)
{
    char path[64];
    struct stat at, dir;
    snprintf(path, sizeof path, "/proc/%d/cwd", (int)pid);
    return stat(path, &at) == 0 && fstat(dir_fd, &dir) == 0 && at.st_dev == dir.st_dev &&
           at.st_ino == dir.st_ino;
}

enum device_told device_reload(int dir_fd, const char *pid_file, bool own_dir, pid_t *pid)
{
    enum device_told told = DEVICE_NOBODY;
    *pid = read_pid(dir_fd, pid_file);
    int fd = *pid > 0 ? pidfd_open(*pid, 0) : -1;
    if (fd < 0)
        return told;
    /* What is looked at now is the process that the descriptor stands for, or it has ended, and
     * then the signal reaches nobody. */
    if (is_mosquitto(*pid)) {
        if (own_dir && !works_in(*pid, dir_fd))
            told = errno == EACCES ? DEVICE_DEAF : DEVICE_NOBODY;
        else if (pidfd_send_signal(fd, SIGHUP, NULL, 0) == 0)
            told = DEVICE_TOLD;
        else
            told = errno == ESRCH ? DEVICE_NOBODY : DEVICE_DEAF;
    }
    int reason = errno;
    close(fd);
    errno = reason;
    return told;
}
