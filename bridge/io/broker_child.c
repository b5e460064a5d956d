#include "io/broker_child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static bool find_in(const char *dirs, char *path, size_t size)
{
    for (const char *dir = dirs; dir && *dir;) {
        size_t len = strcspn(dir, ":");
        int n = snprintf(path, size, "%.*s/mosquitto", (int)len, dir);
        if (len > 0 && n > 0 && (size_t)n < size && is_program(path))
            return true;
        dir += len + (dir[len] == ':');
    }
    return false;
}

enum status broker_child_find(const char *wanted, char *path, size_t size, struct problem *why)
{
    if (wanted) {
        int n = snprintf(path, size, "%s", wanted);
        if (n > 0 && (size_t)n < size && is_program(path))
            return STATUS_OK;
    } else if (find_in(getenv("PATH"), path, size) ||
               find_in("/usr/sbin:/usr/local/sbin", path, size)) {
        return STATUS_OK;
    }
    return problem_set(why, STATUS_BAD_CONFIG, 0, "broker-missing",
                       "the embedded broker needs mosquitto, which is not installed%s%.60s: install"
                       " it: apt-get install mosquitto, or use --broker mqtt://HOST:PORT",
                       wanted ? " as " : "", wanted ? wanted : "");
}

/* In the child: only what may be called between fork() and exec() of a process with threads. */
_Noreturn static void complain(const char *what)
{
    const char *parts[] = {"Error: ", what, ": ", strerrordesc_np(errno), "\n"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (write(STDERR_FILENO, parts[i], strlen(parts[i])) < 0)
            break;
    _exit(127);
}

/* The system calls themselves: the C library's setuid() would look for other threads. */
static bool become(const struct broker_dir *d)
{
    return syscall(SYS_setgroups, 1, &d->gid) == 0 && syscall(SYS_setgid, d->gid) == 0 &&
           syscall(SYS_setuid, d->uid) == 0;
}

_Noreturn static void run_child(const char *path, const struct broker_dir *d, int output,
                                pid_t parent)
{
    char program[] = "mosquitto", option[] = "-c", config[] = BROKER_CONFIG;
    char *argv[] = {program, option, config, NULL};
    sigset_t none;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (dup2(output, STDERR_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0)
        _exit(127);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0)
        complain("/dev/null");
    /* A terminal's Ctrl-C is for the bridge, which still needs its broker to say good-bye. */
    setpgid(0, 0);
    /* The bridge blocks signals. SIGPIPE stays ignored: nobody may read our output any more when
     * the broker saves its state at the end. */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGHUP, SIG_IGN); /* until it can handle that: it means to read its files again */
    umask(0077);
    if (fchdir(d->fd) != 0)
        complain("broker's directory");
    if (d->change_user && !become(d))
        complain("change of user");
    /* After the change of user, which clears this. */
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0)
        complain("prctl");
    if (getppid() != parent) /* it died before it could be of use */
        _exit(127);
    /* Nothing of the bridge's stays open in the broker, but the lock. */
    close_range(3, UINT_MAX, CLOSE_RANGE_CLOEXEC);
    fcntl(d->lock, F_SETFD, 0);
    execv(path, argv);
    complain(path);
}

enum status broker_child_start(struct broker_child *c, const char *path, const struct broker_dir *d,
                               struct problem *why)
{
    int output[2] = {-1, -1};
    pid_t parent = getpid();
    *c = (struct broker_child){-1, -1, -1};
    /* Both ends non-blocking: when nobody reads for a while, log lines are lost and the broker goes
     * on, instead of standing still with everybody who is connected. */
    if (pipe2(output, O_CLOEXEC | O_NONBLOCK) != 0)
        goto fail;
    c->pid = fork();
    if (c->pid == 0)
        run_child(path, d, output[1], parent);
    if (c->pid > 0)
        c->pidfd = pidfd_open(c->pid, 0); /* CLOEXEC by itself */
    if (c->pidfd < 0)
        goto fail;
    close(output[1]);
    c->output = output[0];
    return STATUS_OK;
fail:
    problem_set(why, STATUS_IO, 0, "broker-start", "cannot start the embedded broker: %s",
                strerrordesc_np(errno));
    if (c->pid > 0) {
        kill(c->pid, SIGKILL); /* not reaped yet: the number is still its own */
        waitpid(c->pid, NULL, 0);
    }
    if (output[0] >= 0) {
        close(output[0]);
        close(output[1]);
    }
    *c = (struct broker_child){-1, -1, -1};
    return STATUS_IO;
}

void broker_child_signal(const struct broker_child *c, int signal)
{
    if (c->pidfd >= 0)
        pidfd_send_signal(c->pidfd, signal, NULL, 0);
}

bool broker_child_ended(const struct broker_child *c, int timeout_ms)
{
    struct pollfd p = {.fd = c->pidfd, .events = POLLIN};
    return poll(&p, 1, timeout_ms) == 1;
}

int broker_child_reap(struct broker_child *c)
{
    int status = -1;
    pid_t pid;
    do
        pid = waitpid(c->pid, &status, 0);
    while (pid < 0 && errno == EINTR);
    if (c->pidfd >= 0)
        close(c->pidfd);
    if (c->output >= 0)
        close(c->output);
    *c = (struct broker_child){-1, -1, -1};
    return pid > 0 ? status : -1;
}
