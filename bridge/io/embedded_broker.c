#include "io/embedded_broker.h"

#include "base/clock.h"
#include "base/log.h"
#include "io/broker_child.h"
#include "io/broker_config.h"
#include "io/broker_dir.h"
#include "io/broker_log.h"
#include "io/broker_login.h"
#include "io/broker_port.h"
#include "io/broker_pulse.h"
#include "io/device_secret.h"
#include "io/device_store.h"
#include "proto/names.h"
#include "proto/topic.h"

#include <ev.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY_US = 5000000 };            /* how long a start may take [us] */
enum { STOP_MS = 2000 };                /* how long an end may take before it is enforced [ms] */
enum { PORT_TRIES = 5 };                /* how often a free port may turn out to be taken */
enum { FILES_WAIT_MS = 1000 };          /* for a command that changes the devices' files [ms] */
enum { STABLE_US = 10000000 };          /* who lived so long is started again at once [us] */
static const double POLL_S = 0.005;     /* how often a restart is asked whether it is ready [s] */
static const double RETRY_MIN_S = 0.05; /* pause before a restart, doubled each time [s] */
static const double RETRY_MAX_S = 5.0;

/* DOWN: waits for the next start. STARTING: runs, does not accept yet. RUNNING: accepts. */
enum state { DOWN, STARTING, RUNNING };

struct embedded_broker {
    struct ev_loop *loop;
    void (*on_change)(void *arg, bool running);
    void *arg;
    enum state state;
    struct broker_dir dir;
    struct broker_child child;
    struct broker_log log;
    int port;
    int files; /* held while it starts: a change of the files waits until it can be told; -1 */
    bool anonymous;
    int64_t started_us;
    double retry_s;
    ev_io on_end;    /* the child's pidfd */
    ev_io on_output; /* its log */
    ev_timer timer;  /* DOWN: the next start; STARTING: the next look */
    ev_timer beat;   /* RUNNING */
    struct broker_pulse pulse;
    bool ready_once; /* its files have been written, and were found good */
    char program[PATH_MAX];
    char host[64];
    char prefix[TOPIC_PREFIX_MAX + 1];
    char password[DEVICE_SECRET_CHARS + 1];
};

static void release_files(struct embedded_broker *b)
{
    if (b->files >= 0)
        close(b->files);
    b->files = -1;
}

static bool accepts(const struct embedded_broker *b)
{
    /* The broker opens the socket after the port: so it is our broker that listens there. */
    return broker_socket_accepts(b->dir.socket) && broker_port_accepts(b->host, b->port);
}

/* On a full disk a broker that ran can run again: each file is as it was, or already new. */
static enum status write_files(struct embedded_broker *b, struct problem *why)
{
    enum status status = broker_login_write(&b->dir, b->prefix, b->password, why);
    if (status == STATUS_OK)
        status = broker_config_write(b->dir.fd, b->host, b->port, b->anonymous,
                                     log_enabled(LOG_DEBUG), why);
    if (status != STATUS_IO || !b->ready_once)
        return status;
    log_line(LOG_WARN, "broker-files-kept", LOG_S("why", why->text), LOG_END);
    return STATUS_OK;
}

static enum status launch(struct embedded_broker *b, struct problem *why)
{
    release_files(b);
    b->files = device_lock_take(b->dir.fd, DEVICE_LOCK, FILES_WAIT_MS);
    enum status status = write_files(b, why);
    if (status != STATUS_OK) {
        release_files(b);
        return status;
    }
    unlinkat(b->dir.fd, BROKER_SOCKET, 0); /* of a broker that was killed */
    if (b->log.says_damaged)
        broker_dir_set_aside(&b->dir);
    broker_log_init(&b->log);
    status = broker_child_start(&b->child, b->program, &b->dir, why);
    if (status == STATUS_OK) {
        b->state = STARTING;
        b->started_us = clock_mono_us();
    } else {
        release_files(b);
    }
    return status;
}

/* It accepts, and what it was given is good. */
static void running(struct embedded_broker *b)
{
    b->state = RUNNING;
    b->ready_once = true;
    ev_now_update(b->loop);
    ev_timer_again(b->loop, &b->beat);
}

/* A broker that runs and does not answer is of no use to anybody, and holds the port: its end leads
 * to the next start. */
static void on_beat(struct ev_loop *loop, ev_timer *w, int events)
{
    struct embedded_broker *b = w->data;
    (void)events;
    if (broker_pulse_beat(&b->pulse, b->dir.socket, NAME_BRIDGE, b->password))
        return;
    log_line(LOG_ERROR, "broker-frozen", LOG_I("pid", b->child.pid),
             LOG_I("silent_s", BROKER_PULSE_S * BROKER_PULSE_MISSED),
             LOG_S("why", "it does not answer, and is ended and started again"), LOG_END);
    ev_timer_stop(loop, &b->beat);
    broker_child_signal(&b->child, SIGKILL);
}

static void set_timer(struct embedded_broker *b, double after_s)
{
    ev_now_update(b->loop);
    ev_timer_stop(b->loop, &b->timer);
    ev_timer_set(&b->timer, after_s, 0.);
    ev_timer_start(b->loop, &b->timer);
}

static void on_output(struct ev_loop *loop, ev_io *w, int events)
{
    struct embedded_broker *b = w->data;
    (void)events;
    if (!broker_log_read(&b->log, b->child.output))
        ev_io_stop(loop, w);
}

/* The child has ended: takes its last words and its status, stops watching it. */
static int bury(struct embedded_broker *b)
{
    broker_log_read(&b->log, b->child.output);
    release_files(b);
    ev_timer_stop(b->loop, &b->beat);
    broker_pulse_end(&b->pulse);
    ev_io_stop(b->loop, &b->on_end);
    ev_io_stop(b->loop, &b->on_output);
    return broker_child_reap(&b->child);
}

static void say_died(const struct embedded_broker *b, int status)
{
    char how[48] = "unknown";
    if (status != -1 && WIFSIGNALED(status))
        snprintf(how, sizeof how, "signal %d", WTERMSIG(status));
    else if (status != -1)
        snprintf(how, sizeof how, "exit code %d", WEXITSTATUS(status));
    log_line(LOG_WARN, "broker-exit", LOG_S("how", how),
             LOG_S("error", b->log.last_is_error ? b->log.last : NULL),
             LOG_I("retry_ms", b->retry_s * 1000), LOG_END);
}

/* The next start, after a pause that grows as long as it does not help. */
static void start_later(struct embedded_broker *b)
{
    b->state = DOWN;
    set_timer(b, b->retry_s);
    b->retry_s = b->retry_s * 2 < RETRY_MAX_S ? b->retry_s * 2 : RETRY_MAX_S;
}

static void on_end(struct ev_loop *loop, ev_io *w, int events)
{
    struct embedded_broker *b = w->data;
    bool ran = b->state == RUNNING;
    (void)loop;
    (void)events;
    if (ran && clock_mono_us() - b->started_us >= STABLE_US)
        b->retry_s = RETRY_MIN_S;
    say_died(b, bury(b));
    start_later(b);
    if (ran && b->on_change)
        b->on_change(b->arg, false); /* may free b */
}

static void watch(struct embedded_broker *b)
{
    ev_io_set(&b->on_end, b->child.pidfd, EV_READ);
    ev_io_set(&b->on_output, b->child.output, EV_READ);
    ev_io_start(b->loop, &b->on_end);
    ev_io_start(b->loop, &b->on_output);
}

static void start_again(struct embedded_broker *b)
{
    struct problem why = {0};
    if (launch(b, &why) != STATUS_OK) {
        log_line(LOG_WARN, "broker-start-failed", LOG_S("why", why.text), LOG_END);
        start_later(b);
        return;
    }
    watch(b);
    set_timer(b, POLL_S);
}

/* The timer: time for the next start, or to see whether the one that is under way is ready. */
static void look(struct ev_loop *loop, ev_timer *w, int events)
{
    struct embedded_broker *b = w->data;
    (void)loop;
    (void)events;
    if (b->state == DOWN) {
        start_again(b);
    } else if (accepts(b)) {
        running(b);
        release_files(b);
        log_line(LOG_DEBUG, "broker-ready", LOG_I("pid", b->child.pid),
                 LOG_I("ms", (clock_mono_us() - b->started_us) / 1000), LOG_END);
        if (b->on_change)
            b->on_change(b->arg, true); /* may free b */
    } else {
        if (clock_mono_us() - b->started_us > READY_US) /* its end leads to the next start */
            broker_child_signal(&b->child, SIGKILL);
        set_timer(b, POLL_S);
    }
}

/* PORT_TAKEN: between our look at the port and the broker's own bind(). */
enum readiness { READY, PORT_TAKEN, ENDED, TOO_SLOW };

static enum readiness await_ready(struct embedded_broker *b)
{
    while (clock_mono_us() - b->started_us < READY_US) {
        if (accepts(b))
            return READY;
        struct pollfd fds[] = {{.fd = b->child.pidfd, .events = POLLIN},
                               {.fd = b->child.output, .events = POLLIN}};
        poll(fds, 2, 1);
        broker_log_read(&b->log, b->child.output);
        if (fds[0].revents)
            return strcasestr(b->log.last, "address already in use") ? PORT_TAKEN : ENDED;
    }
    return TOO_SLOW;
}

static enum status not_ready(const struct embedded_broker *b, enum readiness how,
                             struct problem *why)
{
    if (how == PORT_TAKEN)
        return problem_set(why, STATUS_UNAVAILABLE, 0, "broker-port",
                           "the embedded broker cannot listen on %s port %d (the port is taken):"
                           " end the other program or choose another port with --mqtt-listen",
                           b->host, b->port);
    return problem_set(why, STATUS_IO, 0, "broker-start",
                       "the embedded broker %s%s%.80s: look at broker/" BROKER_CONFIG
                       " in the data directory, or use --broker mqtt://HOST:PORT",
                       how == ENDED ? "did not start" : "did not get ready within 5 s",
                       b->log.last[0] ? ": " : "", b->log.last);
}

/* One start on a port that was free a moment ago. */
static enum readiness start_once(struct embedded_broker *b, int port, enum status *status,
                                 struct problem *why)
{
    b->port = port;
    *status = broker_port_probe(b->host, &b->port, why);
    if (*status == STATUS_OK)
        *status = launch(b, why);
    if (*status != STATUS_OK)
        return ENDED;
    enum readiness how = await_ready(b);
    release_files(b);
    if (how != READY) {
        *status = not_ready(b, how, why);
        broker_child_signal(&b->child, SIGKILL);
        bury(b);
        b->state = DOWN;
    }
    return how;
}

enum status embedded_broker_start(struct embedded_broker **out, struct ev_loop *loop,
                                  const struct embedded_broker_options *options,
                                  void (*on_change)(void *arg, bool running), void *arg,
                                  struct problem *why)
{
    enum readiness how = ENDED;
    struct embedded_broker *b = calloc(1, sizeof *b);
    if (!b)
        return problem_set(why, STATUS_NO_MEMORY, 0, "broker-start", "out of memory");
    b->loop = loop;
    b->on_change = on_change;
    b->arg = arg;
    b->retry_s = RETRY_MIN_S;
    b->child = (struct broker_child){-1, -1, -1};
    b->dir.fd = b->dir.lock = b->files = -1;
    b->anonymous = options->anonymous;
    device_secret_make(b->password);
    snprintf(b->prefix, sizeof b->prefix, "%s", options->prefix);
    snprintf(b->host, sizeof b->host, "%s", options->listen_host);
    ev_io_init(&b->on_end, on_end, -1, EV_READ);
    ev_io_init(&b->on_output, on_output, -1, EV_READ);
    ev_init(&b->timer, look);
    ev_init(&b->beat, on_beat);
    b->beat.repeat = BROKER_PULSE_S;
    broker_pulse_init(&b->pulse);
    b->on_end.data = b->on_output.data = b->timer.data = b->beat.data = b;
    enum status status =
        broker_child_find(options->mosquitto_path, b->program, sizeof b->program, why);
    if (status == STATUS_OK)
        status = broker_dir_open(&b->dir, options->data_dir, why);
    for (int tries = 0; status == STATUS_OK && how != READY && tries < PORT_TRIES; tries++) {
        how = start_once(b, options->listen_port, &status, why);
        if (how == PORT_TAKEN && options->listen_port == 0 && tries + 1 < PORT_TRIES)
            status = STATUS_OK; /* somebody was faster: another one */
        if (how == ENDED && b->log.says_damaged && tries == 0)
            status = STATUS_OK; /* once more, without that file */
    }
    if (status != STATUS_OK) {
        broker_dir_close(&b->dir);
        explicit_bzero(b->password, sizeof b->password);
        free(b);
        return status;
    }
    running(b);
    watch(b);
    *out = b;
    return STATUS_OK;
}

const char *embedded_broker_socket(const struct embedded_broker *b)
{
    return b->dir.socket;
}

const char *embedded_broker_user(const struct embedded_broker *b)
{
    (void)b;
    return NAME_BRIDGE;
}

const char *embedded_broker_password(const struct embedded_broker *b)
{
    return b->password;
}

int embedded_broker_port(const struct embedded_broker *b)
{
    return b->port;
}

pid_t embedded_broker_pid(const struct embedded_broker *b)
{
    return b->child.pid;
}

bool embedded_broker_running(const struct embedded_broker *b)
{
    return b->state == RUNNING;
}

void embedded_broker_stop(struct embedded_broker *b)
{
    if (!b)
        return;
    ev_timer_stop(b->loop, &b->timer);
    ev_timer_stop(b->loop, &b->beat);
    broker_pulse_end(&b->pulse);
    if (b->child.pid > 0) {
        broker_child_signal(&b->child, SIGTERM);
        if (!broker_child_ended(&b->child, STOP_MS)) {
            log_line(LOG_WARN, "broker-killed", LOG_I("after_ms", STOP_MS), LOG_END);
            broker_child_signal(&b->child, SIGKILL);
        }
        bury(b);
    }
    release_files(b);
    broker_dir_close(&b->dir);
    explicit_bzero(b->password, sizeof b->password);
    free(b);
}
