/* The embedded broker with the real mosquitto; and, for what that never does, with this program in
 * its place: started with mosquitto's arguments it plays the part that SIGBRIDGE_FAKE names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "io/broker_log.h"
#include "io/embedded_broker.h"
#include "proto/names.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <ev.h>
#include <fcntl.h>
#include <ftw.h>
#include <mosquitto.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_SIZE = 1024, PATIENCE_MS = 10000 };

/* ---- what the tests share ---- */

static char dir[PATH_SIZE]; /* each test's own */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int set_up(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/sigbridge-broker-XXXXXX", base ? base : "/tmp");
    unsetenv("SIGBRIDGE_FAKE");
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

struct watcher {
    struct ev_loop *loop;
    struct embedded_broker *broker;
    int went, came;
    bool stop_when_gone;
};

static void on_change(void *arg, bool running)
{
    struct watcher *w = arg;
    w->went += !running;
    w->came += running;
    if (!running && w->stop_when_gone) {
        embedded_broker_stop(w->broker);
        w->broker = NULL;
    }
    ev_break(w->loop, EVBREAK_ALL);
}

static enum status start_at(struct watcher *w, const char *data, const char *host, int port,
                            const char *mosquitto, struct problem *why)
{
    struct embedded_broker_options options = {.data_dir = data,
                                              .listen_host = host,
                                              .listen_port = port,
                                              .mosquitto_path = mosquitto,
                                              .prefix = "sigbridge/v1",
                                              .anonymous = true};
    *w = (struct watcher){.loop = ev_loop_new(EVFLAG_AUTO)};
    return embedded_broker_start(&w->broker, w->loop, &options, on_change, w, why);
}

static void start(struct watcher *w, int port)
{
    struct problem why = {0};
    if (start_at(w, dir, "127.0.0.1", port, NULL, &why) != STATUS_OK)
        fail_msg("%s", why.text);
}

static void stop(struct watcher *w)
{
    embedded_broker_stop(w->broker);
    ev_loop_destroy(w->loop);
}

static void time_is_up(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)events;
    *(bool *)w->data = true;
    ev_break(loop, EVBREAK_ALL);
}

/* Runs the loop until `*counter` is `value`. False: that took too long. */
static bool run(struct watcher *w, const int *counter, int value, double patience_s)
{
    bool late = false;
    ev_timer timer;
    ev_timer_init(&timer, time_is_up, patience_s, 0.);
    timer.data = &late;
    ev_now_update(w->loop);
    ev_timer_start(w->loop, &timer);
    while (*counter < value && !late)
        ev_run(w->loop, 0);
    ev_timer_stop(w->loop, &timer);
    return !late;
}

static void run_until(struct watcher *w, const int *counter, int value)
{
    assert_true(run(w, counter, value, PATIENCE_MS / 1000.));
}

static bool connects(int family, const char *host, int port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    inet_pton(family, host, family == AF_INET ? (void *)&v4.sin_addr : (void *)&v6.sin6_addr);
    bool yes = connect(fd, family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
                       family == AF_INET ? sizeof v4 : sizeof v6) == 0;
    close(fd);
    return yes;
}

static bool connects_unix(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "%.107s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool yes = connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
    close(fd);
    return yes;
}

static bool ends(int pidfd)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    return poll(&p, 1, PATIENCE_MS) == 1;
}

static void count_published(struct mosquitto *m, void *arg, int id)
{
    (void)m;
    (void)id;
    ++*(int *)arg;
}

/* Publishes `count` retained messages r/0, r/1, … with QoS 1. */
static void publish_retained(int port, int count)
{
    int published = 0;
    struct mosquitto *m = mosquitto_new(NULL, true, &published);
    assert_non_null(m);
    mosquitto_publish_callback_set(m, count_published);
    assert_int_equal(mosquitto_connect(m, "127.0.0.1", port, 30), MOSQ_ERR_SUCCESS);
    for (int i = 0; i < count; i++) {
        char topic[32];
        snprintf(topic, sizeof topic, "r/%d", i);
        assert_int_equal(mosquitto_publish(m, NULL, topic, 2, "{}", 1, true), MOSQ_ERR_SUCCESS);
        while (i - published > 100)
            assert_int_equal(mosquitto_loop(m, 1000, 1), MOSQ_ERR_SUCCESS);
    }
    while (published < count)
        assert_int_equal(mosquitto_loop(m, 1000, 1), MOSQ_ERR_SUCCESS);
    mosquitto_disconnect(m);
    mosquitto_destroy(m);
}

/* Blocks until that many retained messages came; ctest's time limit is the judge of never. */
static void expect_retained(int port, int count)
{
    struct mosquitto_message *messages = NULL;
    assert_int_equal(mosquitto_subscribe_simple(&messages, count, true, "r/#", 1, "127.0.0.1", port,
                                                NULL, 30, true, NULL, NULL, NULL, NULL),
                     MOSQ_ERR_SUCCESS);
    for (int i = 0; i < count; i++)
        mosquitto_message_free_contents(&messages[i]);
    free(messages);
}

/* ---- life ---- */

static void test_start_stop(void **state)
{
    (void)state;
    struct watcher w;
    char path[PATH_SIZE + 64];
    int64_t start_us = clock_mono_us();
    start(&w, 0);
    int64_t started_us = clock_mono_us();
    int port = embedded_broker_port(w.broker);
    int pidfd = pidfd_open(embedded_broker_pid(w.broker), 0);
    assert_true(pidfd >= 0);
    assert_true(embedded_broker_running(w.broker));
    assert_in_range(port, 1024, 65535);
    assert_true(connects(AF_INET, "127.0.0.1", port));
    assert_true(connects_unix(embedded_broker_socket(w.broker)));
    snprintf(path, sizeof path, "%s/broker/bridge.sock", dir);
    assert_string_equal(embedded_broker_socket(w.broker), path);
    int64_t stop_us = clock_mono_us();
    stop(&w);
    print_message("  ready after %d ms, stopped after %d ms\n",
                  (int)((started_us - start_us) / 1000), (int)((clock_mono_us() - stop_us) / 1000));
    assert_true(ends(pidfd));
    assert_false(connects(AF_INET, "127.0.0.1", port));
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(w.went + w.came, 0); /* start and stop call nothing back */
    close(pidfd);
}

/* What an operator finds, and who may enter. */
static void test_directory(void **state)
{
    (void)state;
    struct watcher w;
    char path[PATH_SIZE + 64], config[4096], listener[64];
    struct stat st;
    start(&w, 0);
    snprintf(path, sizeof path, "%s/broker", dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    snprintf(path, sizeof path, "/proc/%d", (int)embedded_broker_pid(w.broker));
    struct stat proc;
    assert_int_equal(stat(path, &proc), 0);
    assert_int_equal(st.st_uid, proc.st_uid); /* whoever the broker runs as */
    if (geteuid() == 0)
        assert_int_not_equal(proc.st_uid, 0);
    snprintf(path, sizeof path, "%s/broker/mosquitto.conf", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = read(fd, config, sizeof config - 1);
    assert_true(len > 0);
    config[len] = '\0';
    close(fd);
    snprintf(listener, sizeof listener, "listener %d 127.0.0.1\n", embedded_broker_port(w.broker));
    assert_non_null(strstr(config, listener));
    stop(&w);
}

/* The bridge blocks signals and may have descriptors open that are not CLOEXEC: neither may reach
 * the broker. */
static void test_inherits_nothing(void **state)
{
    (void)state;
    struct watcher w;
    int leak[2];
    char path[64], target[128], ours[128];
    sigset_t all, before;
    assert_int_equal(pipe(leak), 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", leak[0]);
    ssize_t len = readlink(path, ours, sizeof ours - 1);
    ours[len] = '\0';
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    start(&w, 0);
    snprintf(path, sizeof path, "/proc/%d/fd", (int)embedded_broker_pid(w.broker));
    DIR *fds = opendir(path);
    assert_non_null(fds);
    for (struct dirent *e; (e = readdir(fds)) != NULL;) {
        len = readlinkat(dirfd(fds), e->d_name, target, sizeof target - 1);
        target[len > 0 ? len : 0] = '\0';
        assert_string_not_equal(target, ours);
    }
    closedir(fds);
    int64_t stop_us = clock_mono_us();
    stop(&w);
    assert_true(clock_mono_us() - stop_us < 1500000); /* SIGTERM was enough */
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(leak[0]);
    close(leak[1]);
}

static void test_retained_survives(void **state)
{
    (void)state;
    struct watcher w;
    start(&w, 0);
    int port = embedded_broker_port(w.broker);
    publish_retained(port, 3);
    stop(&w);
    start(&w, port); /* the same port, at once */
    assert_int_equal(embedded_broker_port(w.broker), port);
    expect_retained(port, 3);
    stop(&w);
}

/* More than mosquitto's default queue holds must reach a new subscriber. */
static void test_retained_flood(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    struct watcher w;
    start(&w, 0);
    publish_retained(embedded_broker_port(w.broker), COUNT);
    expect_retained(embedded_broker_port(w.broker), COUNT);
    stop(&w);
}

static void test_restarts(void **state)
{
    (void)state;
    struct watcher w;
    start(&w, 0);
    int port = embedded_broker_port(w.broker);
    for (int round = 1; round <= 3; round++) {
        pid_t pid = embedded_broker_pid(w.broker);
        int64_t start_us = clock_mono_us();
        assert_int_equal(kill(pid, SIGKILL), 0);
        run_until(&w, &w.went, round);
        assert_false(embedded_broker_running(w.broker));
        assert_int_equal(embedded_broker_pid(w.broker), -1);
        run_until(&w, &w.came, round);
        print_message("  again after %d ms\n", (int)((clock_mono_us() - start_us) / 1000));
        assert_true(embedded_broker_running(w.broker));
        assert_int_not_equal(embedded_broker_pid(w.broker), pid);
        assert_int_equal(embedded_broker_port(w.broker), port);
        assert_true(connects(AF_INET, "127.0.0.1", port));
        assert_true(connects_unix(embedded_broker_socket(w.broker)));
    }
    assert_int_equal(w.went, 3);
    assert_int_equal(w.came, 3);
    stop(&w);
}

static int listen_on(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0); /* not CLOEXEC: see the part "taken" */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 1) == 0 ? fd : -1;
}

/* While it is down somebody else takes the port: it comes back when the port is free again. */
static void test_restart_waits_for_port(void **state)
{
    (void)state;
    struct watcher w;
    start(&w, 0);
    assert_int_equal(kill(embedded_broker_pid(w.broker), SIGKILL), 0);
    run_until(&w, &w.went, 1);
    int fd = listen_on(embedded_broker_port(w.broker));
    assert_true(fd >= 0);
    assert_false(run(&w, &w.came, 1, 0.4)); /* three tries */
    assert_int_equal(w.came, 0);
    close(fd);
    run_until(&w, &w.came, 1);
    assert_int_equal(w.went, 1); /* said once */
    stop(&w);
}

static void test_stop_from_callback(void **state)
{
    (void)state;
    struct watcher w;
    start(&w, 0);
    w.stop_when_gone = true;
    assert_int_equal(kill(embedded_broker_pid(w.broker), SIGKILL), 0);
    run_until(&w, &w.went, 1);
    assert_null(w.broker);
    assert_int_equal(ev_run(w.loop, EVRUN_NOWAIT), 0); /* nothing is watched any more */
    ev_loop_destroy(w.loop);
}

static void test_stop_while_down(void **state)
{
    (void)state;
    struct watcher w;
    start(&w, 0);
    assert_int_equal(kill(embedded_broker_pid(w.broker), SIGKILL), 0);
    run_until(&w, &w.went, 1);
    stop(&w);
    assert_int_equal(w.came, 0);
}

static const struct place {
    const char *name;
    int family;
    const char *host;
    const char *reach;
} places[] = {
    {"IPv4 loopback", AF_INET, "127.0.0.1", "127.0.0.1"},
    {"another loopback address", AF_INET, "127.0.0.9", "127.0.0.9"},
    {"all IPv4", AF_INET, "0.0.0.0", "127.0.0.1"},
    {"IPv6 loopback", AF_INET6, "::1", "::1"},
    {"all IPv6", AF_INET6, "::", "::1"},
};

static void test_places(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const struct place *t = &places[i];
        struct watcher w;
        struct problem why = {0};
        if (start_at(&w, dir, t->host, 0, NULL, &why) != STATUS_OK)
            fail_msg("%s: %s", t->name, why.text);
        if (!connects(t->family, t->reach, embedded_broker_port(w.broker)))
            fail_msg("%s: does not connect", t->name);
        if (strcmp(t->host, "127.0.0.1") == 0) /* and nowhere else */
            assert_false(connects(AF_INET, "127.0.0.2", embedded_broker_port(w.broker)));
        stop(&w);
    }
}

/* Paths: too long for a socket address, with spaces, below a directory that only we may enter. */
static void test_paths(void **state)
{
    (void)state;
    static const char *const tails[] = {
        "/a directory with spaces  and #signs",
        "/0123456789012345678901234567890123456789012345678901234567890123456789"
        "/0123456789012345678901234567890123456789012345678901234567890123456789",
    };
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        char path[PATH_SIZE + 256];
        struct watcher w;
        struct problem why = {0};
        snprintf(path, sizeof path, "%s%.71s", dir, tails[i]);
        assert_int_equal(mkdir(path, 0700), 0);
        snprintf(path, sizeof path, "%s%s", dir, tails[i]);
        if (start_at(&w, path, "127.0.0.1", 0, NULL, &why) != STATUS_OK)
            fail_msg("%s: %s", tails[i], why.text);
        assert_true(strlen(embedded_broker_socket(w.broker)) < 108);
        assert_true(connects_unix(embedded_broker_socket(w.broker)));
        int port = embedded_broker_port(w.broker);
        publish_retained(port, 1);
        assert_int_equal(kill(embedded_broker_pid(w.broker), SIGKILL), 0);
        run_until(&w, &w.came, 1);
        assert_true(connects_unix(embedded_broker_socket(w.broker)));
        publish_retained(port, 1);
        stop(&w);
        assert_int_equal(start_at(&w, path, "127.0.0.1", port, NULL, &why), STATUS_OK);
        expect_retained(port, 1);
        stop(&w);
    }
}

/* ---- who is let in ---- */

static void keep_answer(struct mosquitto *m, void *arg, int code)
{
    (void)m;
    *(int *)arg = code;
}

/* What CONNACK says: 0 welcome, 5 not authorized. Port 0: `host` is a socket. */
static int login(const char *host, int port, const char *user, const char *password)
{
    int answer = -1;
    struct mosquitto *m = mosquitto_new(NULL, true, &answer);
    assert_non_null(m);
    mosquitto_connect_callback_set(m, keep_answer);
    mosquitto_username_pw_set(m, user, password);
    assert_int_equal(mosquitto_connect(m, host, port, 30), MOSQ_ERR_SUCCESS);
    while (answer < 0 && mosquitto_loop(m, PATIENCE_MS, 1) == MOSQ_ERR_SUCCESS)
        ;
    mosquitto_disconnect(m);
    mosquitto_destroy(m);
    return answer;
}

enum { WELCOME = 0, STRANGER = 5 };

static const struct login_case {
    const char *name;
    bool anonymous, by_socket;
    const char *user, *password; /* "!": the bridge's own */
    int answer;
} login_cases[] = {
    {"the bridge", false, true, NAME_BRIDGE, "!", WELCOME},
    {"nobody at the socket", false, true, NULL, NULL, STRANGER},
    {"the bridge's name without a password", false, true, NAME_BRIDGE, NULL, STRANGER},
    {"a wrong password", false, true, NAME_BRIDGE, "00000000000000000000000000000000", STRANGER},
    {"another name with the bridge's password", false, true, "cam1", "!", STRANGER},
    {"the bridge at the devices' port", false, false, NAME_BRIDGE, "!", STRANGER},
    {"nobody at the devices' port", false, false, NULL, NULL, STRANGER},
    {"development: the bridge", true, true, NAME_BRIDGE, "!", WELCOME},
    {"development: nobody at the socket", true, true, NULL, NULL, STRANGER},
    {"development: nobody at the devices' port", true, false, NULL, NULL, WELCOME},
};

static void test_logins(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof login_cases / sizeof *login_cases; i++) {
        const struct login_case *t = &login_cases[i];
        struct embedded_broker_options options = {.data_dir = dir,
                                                  .listen_host = "127.0.0.1",
                                                  .prefix = "sigbridge/v1",
                                                  .anonymous = t->anonymous};
        struct watcher w = {.loop = ev_loop_new(EVFLAG_AUTO)};
        struct problem why = {0};
        if (embedded_broker_start(&w.broker, w.loop, &options, on_change, &w, &why) != STATUS_OK)
            fail_msg("%s: %s", t->name, why.text);
        bool own = t->password && strcmp(t->password, "!") == 0;
        const char *password = own ? embedded_broker_password(w.broker) : t->password;
        int answer = t->by_socket
                         ? login(embedded_broker_socket(w.broker), 0, t->user, password)
                         : login("127.0.0.1", embedded_broker_port(w.broker), t->user, password);
        if (answer != t->answer)
            fail_msg("%s: CONNACK %d", t->name, answer);
        stop(&w);
    }
}

/* Each start has a password of its own, and a broker that comes back within one knows it still. */
static void test_password_changes(void **state)
{
    (void)state;
    struct watcher w;
    char before[64];
    start(&w, 0);
    snprintf(before, sizeof before, "%s", embedded_broker_password(w.broker));
    assert_int_equal(strlen(before), 32);
    assert_int_equal(kill(embedded_broker_pid(w.broker), SIGKILL), 0);
    run_until(&w, &w.came, 1);
    assert_string_equal(embedded_broker_password(w.broker), before);
    assert_int_equal(login(embedded_broker_socket(w.broker), 0, NAME_BRIDGE, before), WELCOME);
    stop(&w);
    start(&w, 0);
    assert_string_not_equal(embedded_broker_password(w.broker), before);
    assert_int_equal(login(embedded_broker_socket(w.broker), 0, NAME_BRIDGE, before), STRANGER);
    stop(&w);
}

/* ---- death of the bridge ---- */

struct held {
    pid_t bridge;
    pid_t broker;
    int port;
};

/* Starts this program as a bridge that holds a broker until it is killed. */
static struct held hold(const char *user)
{
    char self[] = "/proc/self/exe", word[] = "hold", data[PATH_SIZE], who[16], line[64] = "";
    char *argv[] = {self, word, data, who, NULL};
    struct held h;
    int out[2];
    posix_spawn_file_actions_t actions;
    snprintf(data, sizeof data, "%s", dir);
    snprintf(who, sizeof who, "%s", user);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    assert_int_equal(posix_spawn(&h.bridge, self, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    assert_true(read(out[0], line, sizeof line - 1) > 0);
    close(out[0]);
    char *end;
    h.broker = (pid_t)strtol(line, &end, 10);
    h.port = (int)strtol(end, &end, 10);
    assert_true(h.broker > 0 && h.port > 0);
    return h;
}

static int hold_until_killed(const char *data, const char *user)
{
    struct watcher w;
    struct problem why = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* the test's end is ours too */
    if (strcmp(user, "other") == 0 && geteuid() == 0 && (setgid(65534) || setuid(65534)))
        return 1;
    snprintf(dir, sizeof dir, "%s", data);
    if (start_at(&w, dir, "127.0.0.1", 0, NULL, &why) != STATUS_OK) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    dprintf(STDOUT_FILENO, "%d %d\n", (int)embedded_broker_pid(w.broker),
            embedded_broker_port(w.broker));
    return ev_run(w.loop, 0);
}

static void bridge_killed(const char *user)
{
    struct watcher w;
    struct problem why = {0};
    struct held h = hold(user);
    int status, pidfd = pidfd_open(h.broker, 0);
    assert_true(pidfd >= 0);
    publish_retained(h.port, 2);
    assert_int_equal(kill(h.bridge, SIGKILL), 0);
    assert_int_equal(waitpid(h.bridge, &status, 0), h.bridge);
    /* A supervisor starts the next one at once, on the same port: it waits for the old broker,
     * which saves its state first. */
    if (strcmp(user, "other") != 0 || geteuid() != 0) {
        int64_t start_us = clock_mono_us();
        if (start_at(&w, dir, "127.0.0.1", h.port, NULL, &why) != STATUS_OK)
            fail_msg("%s", why.text);
        print_message("  the next one is ready after %d ms\n",
                      (int)((clock_mono_us() - start_us) / 1000));
        expect_retained(h.port, 2);
        stop(&w);
    }
    assert_true(ends(pidfd));
    assert_false(connects(AF_INET, "127.0.0.1", h.port));
    close(pidfd);
}

static void test_bridge_killed(void **state)
{
    (void)state;
    bridge_killed("same");
}

/* The same for a bridge that does not run as root. */
static void test_bridge_killed_as_user(void **state)
{
    (void)state;
    if (geteuid() == 0)
        assert_int_equal(chown(dir, 65534, 65534), 0);
    bridge_killed("other");
}

/* ---- refusals ---- */

static void make_nothing(void)
{
}

static void make_file(void)
{
    char path[PATH_SIZE + 8];
    snprintf(path, sizeof path, "%s/file", dir);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static void make_broker_file(void)
{
    char path[PATH_SIZE + 8];
    snprintf(path, sizeof path, "%s/broker", dir);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static void make_config_directory(void)
{
    char path[PATH_SIZE + 32];
    snprintf(path, sizeof path, "%s/broker", dir);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/broker/mosquitto.conf", dir);
    mkdir(path, 0700);
}

static const struct refusal {
    const char *name;
    const char *fake; /* part that this program plays as mosquitto; NULL: the real one */
    const char *mosquitto;
    void (*make)(void);
    const char *data; /* below the test's directory, or absolute */
    const char *host;
    int port;
    enum status status;
    const char *rule;
    const char *words[3]; /* what the sentence must say */
} refusals[] = {
    {"not installed",
     NULL,
     "/nowhere/mosquitto",
     make_nothing,
     "",
     "127.0.0.1",
     0,
     STATUS_BAD_CONFIG,
     "broker-missing",
     {"apt-get install mosquitto", "--broker mqtt://HOST:PORT", "/nowhere/mosquitto"}},
    {"not a program",
     NULL,
     "/etc/passwd",
     make_nothing,
     "",
     "127.0.0.1",
     0,
     STATUS_BAD_CONFIG,
     "broker-missing",
     {"apt-get install mosquitto"}},
    {"data under a file",
     NULL,
     NULL,
     make_file,
     "file/data",
     "127.0.0.1",
     0,
     STATUS_IO,
     "broker-directory",
     {"file/data", "--data"}},
    {"data is a file",
     NULL,
     NULL,
     make_file,
     "file",
     "127.0.0.1",
     0,
     STATUS_IO,
     "broker-directory",
     {"/file", "--data"}},
    {"data where nothing can be made",
     NULL,
     NULL,
     make_nothing,
     "/proc/sigbridge",
     "127.0.0.1",
     0,
     STATUS_IO,
     "broker-directory",
     {"/proc/sigbridge", "--data"}},
    {"the broker's directory is a file",
     NULL,
     NULL,
     make_broker_file,
     "",
     "127.0.0.1",
     0,
     STATUS_IO,
     "broker-directory",
     {"--data"}},
    {"the configuration cannot be replaced",
     NULL,
     NULL,
     make_config_directory,
     "",
     "127.0.0.1",
     0,
     STATUS_IO,
     "broker-directory",
     {"mosquitto.conf", "--data"}},
    {"an address of somebody else",
     NULL,
     NULL,
     make_nothing,
     "",
     "192.0.2.1",
     0,
     STATUS_UNAVAILABLE,
     "broker-port",
     {"192.0.2.1", "--mqtt-listen"}},
    {"no address",
     NULL,
     NULL,
     make_nothing,
     "",
     "example.invalid",
     0,
     STATUS_BAD_CONFIG,
     "broker-port",
     {"numeric", "--mqtt-listen"}},
    {"an address with a line end",
     NULL,
     NULL,
     make_nothing,
     "",
     "127.0.0.1\nallow",
     0,
     STATUS_BAD_CONFIG,
     "broker-port",
     {"--mqtt-listen"}},
    {"it ends at once, with words",
     "broken",
     "/proc/self/exe",
     make_nothing,
     "",
     "127.0.0.1",
     0,
     STATUS_IO,
     "broker-start",
     {"did not start: Error: no such luck", "--broker"}},
    {"it ends at once, silently",
     "silent",
     "/proc/self/exe",
     make_nothing,
     "",
     "127.0.0.1",
     0,
     STATUS_IO,
     "broker-start",
     {"did not start: look at", "--broker"}},
    {"it never listens",
     "idle",
     "/proc/self/exe",
     make_nothing,
     "",
     "127.0.0.1",
     0,
     STATUS_IO,
     "broker-start",
     {"did not get ready within 5 s"}},
    {"every port is taken",
     "taken-9",
     "/proc/self/exe",
     make_nothing,
     "",
     "127.0.0.1",
     0,
     STATUS_UNAVAILABLE,
     "broker-port",
     {"127.0.0.1 port", "taken", "--mqtt-listen"}},
};

static int count_children(void)
{
    int count = 0;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    for (int c; (c = fgetc(f)) != EOF;)
        count += c == ' ';
    fclose(f);
    return count;
}

static int count_fds(void)
{
    int count = 0;
    DIR *fds = opendir("/proc/self/fd");
    while (readdir(fds))
        count++;
    closedir(fds);
    return count;
}

/* Whatever goes wrong: a sentence with the remedy, and nothing is left behind. */
static void test_refusals(void **state)
{
    assert_int_equal(tear_down(state), 0); /* each row has a directory of its own */
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const struct refusal *t = &refusals[i];
        char data[PATH_SIZE + 64];
        struct watcher w;
        struct problem why = {0};
        assert_int_equal(set_up(state), 0);
        if (t->fake)
            setenv("SIGBRIDGE_FAKE", t->fake, 1);
        t->make();
        snprintf(data, sizeof data, "%s/%s", dir, t->data);
        int fds = count_fds();
        enum status status =
            start_at(&w, t->data[0] == '/' ? t->data : data, t->host, t->port, t->mosquitto, &why);
        ev_loop_destroy(w.loop);
        if (status != t->status || !why.rule || strcmp(why.rule, t->rule) != 0)
            fail_msg("%s: %s, %s: %s", t->name, status_name(status), why.rule ? why.rule : "-",
                     why.text);
        for (size_t k = 0; k < 3 && t->words[k]; k++)
            if (!strstr(why.text, t->words[k]))
                fail_msg("%s: does not say %s: %s", t->name, t->words[k], why.text);
        if (count_children() != 0 || count_fds() != fds)
            fail_msg("%s: leaves something behind", t->name);
        assert_int_equal(tear_down(state), 0);
    }
    assert_int_equal(set_up(state), 0);
}

static void test_port_taken(void **state)
{
    (void)state;
    struct watcher w;
    struct problem why = {0};
    char words[64];
    int fd = listen_on(0);
    struct sockaddr_in a;
    socklen_t len = sizeof a;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    int port = ntohs(a.sin_port);
    int64_t start_us = clock_mono_us();
    assert_int_equal(start_at(&w, dir, "127.0.0.1", port, NULL, &why), STATUS_UNAVAILABLE);
    assert_true(clock_mono_us() - start_us < 1000000);
    snprintf(words, sizeof words, "127.0.0.1 port %d (the port is taken)", port);
    assert_non_null(strstr(why.text, words));
    assert_non_null(strstr(why.text, "--mqtt-listen"));
    close(fd);
    ev_loop_destroy(w.loop);
}

/* Somebody takes the free port before the broker does: another one is tried. */
static void test_port_race(void **state)
{
    (void)state;
    struct watcher w;
    struct problem why = {0};
    setenv("SIGBRIDGE_FAKE", "taken-2", 1);
    if (start_at(&w, dir, "127.0.0.1", 0, "/proc/self/exe", &why) != STATUS_OK)
        fail_msg("%s", why.text);
    assert_true(connects(AF_INET, "127.0.0.1", embedded_broker_port(w.broker)));
    stop(&w);
}

/* Two brokers never share a directory: the second waits, then says so. */
static void test_directory_taken(void **state)
{
    (void)state;
    struct watcher one, two;
    struct problem why = {0};
    start(&one, 0);
    assert_int_equal(start_at(&two, dir, "127.0.0.1", 0, NULL, &why), STATUS_IO);
    assert_non_null(strstr(why.text, "another broker still runs"));
    assert_non_null(strstr(why.text, "--data"));
    ev_loop_destroy(two.loop);
    assert_true(connects(AF_INET, "127.0.0.1", embedded_broker_port(one.broker)));
    stop(&one);
}

/* One that does not listen to SIGTERM is ended by force, in bounded time. */
static void test_stubborn(void **state)
{
    (void)state;
    struct watcher w;
    struct problem why = {0};
    setenv("SIGBRIDGE_FAKE", "stubborn", 1);
    if (start_at(&w, dir, "127.0.0.1", 0, "/proc/self/exe", &why) != STATUS_OK)
        fail_msg("%s", why.text);
    int pidfd = pidfd_open(embedded_broker_pid(w.broker), 0);
    int64_t stop_us = clock_mono_us();
    stop(&w);
    assert_true(clock_mono_us() - stop_us >= 1900000);
    assert_true(ends(pidfd));
    close(pidfd);
}

/* ---- log ---- */

static const struct log_case {
    const char *name;
    const char *pieces[4];
    const char *lines[3]; /* what each line of ours must contain, in order */
    const char *last;
} log_cases[] = {
    {"a line", {"New connection from 192.0.2.1\n"}, {"debug broker text=\"New conn"}, "New conn"},
    {"in pieces",
     {"Err", "or: ", "port\nhalf"},
     {"warn broker text=\"Error: port\""},
     "Error: port"},
    {"no trouble",
     {"Warning: Unable to set TCP_NODELAY.\n"},
     {"debug broker text=\"Warning: Unable"},
     "Warning: Unable"},
    {"a warning", {"Warning: old\n"}, {"warn broker text=\"Warning: old\""}, "Warning: old"},
    {"terminal codes", {"x\x1b[31m\n"}, {"text=\"x\\u001b[31m\""}, "x\x1b[31m"},
    {"empty lines", {"\n\n", "a\n\n"}, {"text=a"}, "a"},
    {"the error is what counts at the end",
     {"Error: a\nb\nc\n"},
     {"warn", "debug", "debug"},
     "Error: a"},
};

static int capture_begin(int *before)
{
    int file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    *before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    log_setup(LOG_DEBUG, false);
    dup2(file, STDERR_FILENO);
    return file;
}

static void capture_end(int file, int before, char *text, size_t size)
{
    dup2(before, STDERR_FILENO);
    log_setup(LOG_INFO, false);
    ssize_t len = pread(file, text, size - 1, 0);
    text[len > 0 ? len : 0] = '\0';
    close(before);
    close(file);
}

static void test_log(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof log_cases / sizeof *log_cases; i++) {
        const struct log_case *t = &log_cases[i];
        struct broker_log l;
        char text[4096];
        int before, file = capture_begin(&before);
        broker_log_init(&l);
        for (size_t k = 0; k < 4 && t->pieces[k]; k++)
            broker_log_add(&l, t->pieces[k], strlen(t->pieces[k]));
        capture_end(file, before, text, sizeof text);
        const char *at = text;
        for (size_t k = 0; k < 3 && t->lines[k]; k++) {
            const char *end = strchr(at, '\n'), *found = strstr(at, t->lines[k]);
            if (!end || !found || found > end)
                fail_msg("%s: line %zu: %s", t->name, k, text);
            at = end + 1;
        }
        if (*at || strncmp(l.last, t->last, strlen(t->last)) != 0)
            fail_msg("%s: %s / %s", t->name, text, l.last);
    }
}

/* At debug level the broker says who comes and goes. */
static void test_log_debug(void **state)
{
    (void)state;
    struct watcher w;
    struct problem why = {0};
    char text[65536];
    int before, file = capture_begin(&before);
    enum status status = start_at(&w, dir, "127.0.0.1", 0, NULL, &why);
    if (status == STATUS_OK) {
        publish_retained(embedded_broker_port(w.broker), 1);
        stop(&w);
    }
    capture_end(file, before, text, sizeof text);
    assert_int_equal(status, STATUS_OK);
    assert_non_null(strstr(text, "debug broker text=\"New client connected from 127.0.0.1"));
    assert_non_null(strstr(text, "debug broker text=\"Saving in-memory database"));
}

/* An endless line is cut, what follows it is not lost. */
static void test_log_endless(void **state)
{
    (void)state;
    struct broker_log l;
    broker_log_init(&l);
    for (int i = 0; i < 100000; i++)
        broker_log_add(&l, "x", 1);
    broker_log_add(&l, "\n", 1);
    assert_int_equal(strlen(l.last), BROKER_LOG_LINE_MAX - 1);
    broker_log_add(&l, "next\n", 5);
    assert_string_equal(l.last, "next");
}

/* ---- in mosquitto's place ---- */

static int own_port(void)
{
    char config[4096];
    int fd = open("mosquitto.conf", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, config, sizeof config - 1) : -1;
    close(fd);
    if (len <= 0)
        return -1;
    config[len] = '\0';
    const char *line = strstr(config, "\nlistener ");
    return line ? (int)strtol(line + 10, NULL, 10) : -1;
}

/* How often this was called in this directory before. */
static long count_calls(void)
{
    int fd = open("calls", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, ".", 1) != 1)
        return 1000;
    long calls = (long)lseek(fd, 0, SEEK_CUR);
    close(fd);
    return calls - 1;
}

static int stubborn(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "bridge.sock"};
    int tcp = listen_on(own_port());
    int local = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    signal(SIGTERM, SIG_IGN);
    if (tcp < 0 || bind(local, (struct sockaddr *)&a, sizeof a) != 0 || listen(local, 9) != 0)
        return 1;
    for (;;)
        pause();
}

static int play(const char *part, char **argv)
{
    if (strcmp(part, "broken") == 0) {
        fprintf(stderr, "Error: no such luck\nbye\n");
        return 3;
    }
    if (strcmp(part, "silent") == 0)
        return 0;
    if (strcmp(part, "stubborn") == 0)
        return stubborn();
    if (strncmp(part, "taken-", 6) == 0) {
        /* The first so many times: takes the port, and keeps it while the real broker wants it. */
        if (count_calls() < strtol(part + 6, NULL, 10) && listen_on(own_port()) < 0)
            return 4;
        execv("/usr/sbin/mosquitto", argv);
        return 5;
    }
    for (;;) /* idle */
        pause();
}

int main(int argc, char **argv)
{
    const char *part = getenv("SIGBRIDGE_FAKE");
    if (argc == 3 && strcmp(argv[1], "-c") == 0 && part)
        return play(part, argv);
    if (argc == 4 && strcmp(argv[1], "hold") == 0)
        return hold_until_killed(argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_start_stop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_directory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_inherits_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_retained_survives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_retained_flood, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_restarts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_restart_waits_for_port, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stop_from_callback, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stop_while_down, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_paths, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_logins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_password_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bridge_killed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bridge_killed_as_user, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_port_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_port_race, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_directory_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stubborn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_log_debug, set_up, tear_down),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_log_endless),
    };
    mosquitto_lib_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    mosquitto_lib_cleanup();
    return failed;
}
