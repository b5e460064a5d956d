#include "test_device_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mosquitto.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };

/* libmosquitto 2.0.11 unlocks a mutex that it does not hold when a broker sends DISCONNECT. The
 * adapter throws that client away at once, so nothing comes of it. Unused without the sanitizer. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "mutex:libmosquitto.so\n";
}

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- Logs ----------------------------------------------------------------------------------- */

void log_init(struct log *log)
{
    memset(log, 0, sizeof *log);
    pthread_mutex_init(&log->lock, NULL);
    log->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_true(log->wake >= 0);
}

void log_release(struct log *log)
{
    close(log->wake);
    pthread_mutex_destroy(&log->lock);
}

void log_add(struct log *log, const char *format, ...)
{
    const unsigned max = sizeof log->lines / sizeof *log->lines;
    uint64_t one = 1;
    va_list args;
    va_start(args, format);
    pthread_mutex_lock(&log->lock);
    if (log->count < max)
        vsnprintf(log->lines[log->count++], sizeof *log->lines, format, args);
    pthread_mutex_unlock(&log->lock);
    va_end(args);
    if (write(log->wake, &one, sizeof one) < 0)
        perror("eventfd");
}

unsigned log_count(struct log *log, const char *part)
{
    unsigned n = 0;
    pthread_mutex_lock(&log->lock);
    for (unsigned i = 0; i < log->count; i++)
        n += strstr(log->lines[i], part) != NULL;
    pthread_mutex_unlock(&log->lock);
    return n;
}

static bool log_find(struct log *log, const char *part)
{
    bool found = false;
    pthread_mutex_lock(&log->lock);
    for (unsigned i = log->cursor; i < log->count && !found; i++) {
        found = strstr(log->lines[i], part) != NULL;
        if (found)
            log->cursor = i + 1;
    }
    pthread_mutex_unlock(&log->lock);
    return found;
}

static void log_print(struct log *log)
{
    pthread_mutex_lock(&log->lock);
    for (unsigned i = 0; i < log->count; i++)
        print_message("%s %s\n", i < log->cursor ? "  " : "->", log->lines[i]);
    pthread_mutex_unlock(&log->lock);
}

/* ---- The broker ----------------------------------------------------------------------------- */

static int free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    close(fd);
    return ntohs(a.sin_port);
}

const char *broker_path(const struct broker *b, const char *file)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", b->dir, file);
    return path;
}

static void put_line(FILE *f, const struct broker *b, const char *text)
{
    while (*text) {
        if (strncmp(text, "@DIR@", 5) == 0) {
            fputs(b->dir, f);
            text += 5;
        } else if (strncmp(text, "@PORT@", 6) == 0) {
            fprintf(f, "%d", b->port);
            text += 6;
        } else {
            fputc(*text++, f);
        }
    }
}

void broker_prepare(struct broker *b, const char *lines)
{
    *b = (struct broker){.out = -1};
    snprintf(b->dir, sizeof b->dir, "/tmp/sigdev-test-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    b->port = free_port();
    FILE *f = fopen(broker_path(b, "mosquitto.conf"), "w");
    assert_non_null(f);
    if (getuid() == 0)
        fprintf(f, "user root\n");
    fprintf(f, "log_dest stderr\nlog_type information\nconnection_messages false\n");
    put_line(f, b, lines ? lines : "listener @PORT@ 127.0.0.1\nallow_anonymous true\n");
    assert_int_equal(fclose(f), 0);
}

static void await_running(struct broker *b)
{
    char text[4096];
    size_t len = 0;
    int64_t until = now() + PATIENCE_MS;
    for (;;) {
        struct pollfd p = {.fd = b->out, .events = POLLIN};
        if (len + 1 >= sizeof text || poll(&p, 1, (int)(until - now())) != 1)
            break;
        ssize_t n = read(b->out, text + len, sizeof text - 1 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
        text[len] = '\0';
        if (strstr(text, " running"))
            return;
    }
    text[len] = '\0';
    fail_msg("mosquitto does not start: %s", text);
}

void broker_start(struct broker *b)
{
    char conf[256];
    int out[2];
    snprintf(conf, sizeof conf, "%s", broker_path(b, "mosquitto.conf"));
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    b->pid = fork();
    assert_true(b->pid >= 0);
    if (b->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(out[1], STDERR_FILENO);
        execl(MOSQUITTO, MOSQUITTO, "-c", conf, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    b->out = out[0];
    await_running(b);
}

static void broker_end(struct broker *b, int signal_number)
{
    if (b->pid > 0) {
        kill(b->pid, signal_number);
        waitpid(b->pid, NULL, 0);
    }
    b->pid = 0;
    if (b->out >= 0)
        close(b->out);
    b->out = -1;
}

void broker_kill(struct broker *b)
{
    broker_end(b, SIGKILL);
}

void broker_stop(struct broker *b)
{
    broker_end(b, SIGTERM);
}

void broker_release(struct broker *b)
{
    broker_kill(b);
    run_in(b, "rm -f *");
    rmdir(b->dir);
}

void run_in(const struct broker *b, const char *command)
{
    char line[1024];
    snprintf(line, sizeof line, "cd %s && { %s; } >/dev/null 2>&1", b->dir, command);
    if (system(line) != 0)
        fail_msg("failed: %s", command);
}

/* ---- The observer --------------------------------------------------------------------------- */

static void on_seen(struct mosquitto *mosq, void *arg, const struct mosquitto_message *m)
{
    struct world *w = arg;
    (void)mosq;
    log_add(&w->seen, "%s %.*s%s", m->topic, m->payloadlen,
            m->payload ? (const char *)m->payload : "", m->payloadlen ? "" : "(empty)");
}

static void on_subscribed(struct mosquitto *mosq, void *arg, int mid, int count, const int *granted)
{
    struct world *w = arg;
    (void)mosq;
    (void)mid;
    log_add(&w->seen, "subscribed %d", count == 1 && granted[0] < 128);
}

void observer_connect(struct world *w, const char *user, const char *password)
{
    w->observer = mosquitto_new(NULL, true, w);
    assert_non_null(w->observer);
    mosquitto_int_option(w->observer, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_username_pw_set(w->observer, user, password);
    mosquitto_message_callback_set(w->observer, on_seen);
    mosquitto_subscribe_callback_set(w->observer, on_subscribed);
    int rc = mosquitto_connect(w->observer, "127.0.0.1", w->broker.port, 60);
    if (rc != MOSQ_ERR_SUCCESS)
        fail_msg("observer: %s", mosquitto_strerror(rc));
    assert_int_equal(mosquitto_subscribe(w->observer, NULL, "#", 0), MOSQ_ERR_SUCCESS);
    expect(w, &w->seen, "subscribed 1");
}

void observer_disconnect(struct world *w)
{
    if (w->observer)
        mosquitto_destroy(w->observer);
    w->observer = NULL;
}

void observer_publish(struct world *w, const char *topic, const char *payload, bool retain)
{
    int rc = mosquitto_publish(w->observer, NULL, topic, (int)strlen(payload), payload, 1, retain);
    assert_int_equal(rc, MOSQ_ERR_SUCCESS);
}

/* ---- Devices -------------------------------------------------------------------------------- */

static struct log *log_of(void *user)
{
    return &((struct device *)user)->log;
}

static void on_offer(struct sigdev *dev, const char *from, const struct sigdev_message *m,
                     void *user)
{
    struct device *d = user;
    log_add(&d->log, "offer from=%s call=%s sdp=%s", from, m->call.p, m->sdp.p);
    errno = EAGAIN; /* as a callback may leave it: libmosquitto then stops reading */
    if (!d->auto_answer)
        return;
    struct sigdev_candidate c = {.candidate = sigdev_str("candidate:1"), .mid = sigdev_str("0")};
    if (sigdev_send_answer(dev, from, m->call.p, "v=0\r\ns=answer\r\n") ||
        sigdev_send_candidate(dev, from, m->call.p, &c) ||
        sigdev_send_candidate(dev, from, m->call.p, NULL))
        log_add(&d->log, "not sent");
}

static void on_answer(struct sigdev *dev, const char *from, const struct sigdev_message *m,
                      void *user)
{
    (void)dev;
    log_add(log_of(user), "answer from=%s call=%s sdp=%s", from, m->call.p, m->sdp.p);
}

static void on_candidate(struct sigdev *dev, const char *from, const struct sigdev_message *m,
                         void *user)
{
    (void)dev;
    log_add(log_of(user), "candidate from=%s call=%s %s", from, m->call.p,
            m->candidate.end ? "end" : m->candidate.candidate.p);
}

static void on_bye(struct sigdev *dev, const char *from, const struct sigdev_message *m, void *user)
{
    struct device *d = user;
    /* What must not be called in here says so. */
    int stop = d->way == OWN_THREAD ? (int)sigdev_stop(dev, 0) : (int)sigdev_service(dev);
    log_add(&d->log, "bye from=%s reason=%s blocked=%d", from, m->reason.p ? m->reason.p : "",
            stop == SIGDEV_ERR_STATE);
    if (d->leave_on_bye && sigdev_leave(dev, 5000) != SIGDEV_OK)
        log_add(&d->log, "not left");
}

static void on_invite(struct sigdev *dev, const char *from, const struct sigdev_message *m,
                      void *user)
{
    (void)dev;
    log_add(log_of(user), "invite from=%s video=%d", from, m->media.video);
}

static void on_message(struct sigdev *dev, const char *from, const struct sigdev_message *m,
                       bool to_room, void *user)
{
    (void)dev;
    log_add(log_of(user), "message from=%s room=%d data=%s", from, to_room, m->data.p);
}

static void on_sealed(struct sigdev *dev, const char *from, const struct sigdev_message *m,
                      void *user)
{
    (void)dev;
    log_add(log_of(user), "sealed from=%s %s", from, m->sealed.p);
}

static void on_error(struct sigdev *dev, const struct sigdev_message *m, void *user)
{
    (void)dev;
    log_add(log_of(user), "error %u %s to=%s", m->error.code, m->error.word.p, m->error.to.p);
}

static void on_ice_servers(struct sigdev *dev, const struct sigdev_message *m, void *user)
{
    struct sigdev_ice_walk walk = {.servers = m->ice_servers};
    struct sigdev_ice_server s;
    (void)dev;
    while (sigdev_next_ice_server(&walk, &s) == SIGDEV_OK)
        log_add(log_of(user), "ice id=%s url=%s", m->id.p, s.url.p);
}

static void on_presence(struct sigdev *dev, const char *peer, const struct sigdev_presence *p,
                        void *user)
{
    (void)dev;
    log_add(log_of(user), "presence %s %s", peer, p->gone ? "gone" : p->meta.p ? p->meta.p : "");
}

static void on_state(struct sigdev *dev, const struct sigdev_status *s, void *user)
{
    struct device *d = user;
    (void)dev;
    log_add(&d->log, "state %s error=%d text=%s%s%s", sigdev_state_text(s->state), s->error,
            s->text, s->again ? " again" : "", s->session_kept ? " kept" : "");
    if (s->again)
        d->away_ms = s->away_ms;
    if (s->state == SIGDEV_STATE_WAITING && d->retries < sizeof d->retry_ms / sizeof *d->retry_ms)
        d->retry_ms[d->retries++] = s->retry_ms;
}

static void on_contested(struct sigdev *dev, const struct sigdev_presence *p, void *user)
{
    (void)dev;
    log_add(log_of(user), "contested %s", p->gone ? "gone" : p->meta.p ? p->meta.p : "");
}

static void on_undelivered(struct sigdev *dev, const struct sigdev_failure *f, void *user)
{
    (void)dev;
    log_add(log_of(user), "undelivered to=%s type=%s id=%s error=%d", f->to ? f->to : "(room)",
            sigdev_type_text(f->type), f->id, f->error);
}

static void on_refused(struct sigdev *dev, const char *from, enum sigdev_error e, const char *why,
                       void *user)
{
    (void)dev;
    log_add(log_of(user), "refused from=%s error=%d %s", from ? from : "?", e, why);
}

void device_config(struct world *w, struct device *d, struct sigdev_config *config)
{
    *config = (struct sigdev_config){
        .prefix = "p",
        .room = "r",
        .peer = "cam",
        .host = "127.0.0.1",
        .port = (uint16_t)w->broker.port,
        .meta = "{\"name\":\"Cam\"}",
        .retry_min_ms = 20,
        .retry_max_ms = 200,
        .user_data = d,
        .on = {.offer = on_offer,
               .answer = on_answer,
               .candidate = on_candidate,
               .bye = on_bye,
               .invite = on_invite,
               .message = on_message,
               .sealed = on_sealed,
               .error = on_error,
               .ice_servers = on_ice_servers,
               .presence = on_presence,
               .state = on_state,
               .contested = on_contested,
               .undelivered = on_undelivered,
               .refused = on_refused},
    };
}

void device_run(struct world *w, struct device *d, enum drive_way way,
                const struct sigdev_config *config)
{
    char why[200] = "";
    d->way = way;
    log_init(&d->log);
    enum sigdev_error e = sigdev_create(config, &d->dev, why, sizeof why);
    if (e != SIGDEV_OK)
        fail_msg("sigdev_create: %s: %s", sigdev_error_text(e), why);
    w->devices[w->device_count++] = d;
    e = way == OWN_THREAD ? sigdev_start(d->dev) : sigdev_open(d->dev);
    assert_int_equal(e, SIGDEV_OK);
}

void device_destroy(struct world *w, struct device *d)
{
    unsigned i = 0;
    while (w->devices[i] != d)
        i++;
    w->devices[i] = w->devices[--w->device_count];
    sigdev_destroy(d->dev);
    d->dev = NULL;
    d->auto_answer = d->leave_on_bye = false;
    d->retries = 0;
    d->away_ms = 0;
    log_release(&d->log);
}

void device_leave(struct world *w, struct device *d)
{
    if (d->way == OWN_THREAD) {
        assert_int_equal(sigdev_stop(d->dev, 10000), SIGDEV_OK);
    } else {
        assert_int_equal(sigdev_leave(d->dev, 10000), SIGDEV_OK);
    }
    expect(w, &d->log, "state stopped error=0");
    device_destroy(w, d);
}

struct sigdev_stats await_acknowledged(struct world *w, struct device *d)
{
    struct sigdev_stats stats;
    int64_t until = now() + PATIENCE_MS;
    do {
        sigdev_get_stats(d->dev, &stats);
        if (stats.queued == 0)
            return stats;
        pump(w, 20);
    } while (now() < until);
    fail_msg("%u messages are still queued", stats.queued);
    return stats;
}

/* ---- Everybody ------------------------------------------------------------------------------ */

static void drain(int fd)
{
    uint64_t n;
    if (read(fd, &n, sizeof n) < 0 && errno != EAGAIN)
        perror("eventfd");
}

static void observer_work(struct world *w)
{
    if (!w->observer)
        return;
    mosquitto_loop_read(w->observer, 1);
    mosquitto_loop_write(w->observer, 1);
    mosquitto_loop_misc(w->observer);
}

void pump(struct world *w, int timeout_ms)
{
    struct pollfd p[12];
    nfds_t n = 0;
    if (w->observer && mosquitto_socket(w->observer) >= 0)
        p[n++] = (struct pollfd){.fd = mosquitto_socket(w->observer), .events = POLLIN};
    for (unsigned i = 0; i < w->device_count; i++) {
        p[n++] = (struct pollfd){.fd = w->devices[i]->log.wake, .events = POLLIN};
        if (w->devices[i]->way == OUR_LOOP)
            p[n++] = (struct pollfd){.fd = sigdev_fd(w->devices[i]->dev), .events = POLLIN};
    }
    if (poll(p, n, timeout_ms) <= 0)
        return;
    observer_work(w);
    for (unsigned i = 0; i < w->device_count; i++)
        drain(w->devices[i]->log.wake);
    for (nfds_t k = 0; k < n; k++) {
        for (unsigned i = 0; i < w->device_count; i++) {
            bool its = w->devices[i]->way == OUR_LOOP && p[k].fd == sigdev_fd(w->devices[i]->dev);
            if (!its || !p[k].revents)
                continue;
            w->services++;
            sigdev_service(w->devices[i]->dev); /* only when its descriptor says so */
        }
    }
}

void expect(struct world *w, struct log *log, const char *part)
{
    int64_t until = now() + PATIENCE_MS;
    while (!log_find(log, part)) {
        if (now() >= until) {
            log_print(log);
            fail_msg("no line with \"%s\"", part);
        }
        pump(w, 100);
    }
}

void world_open(struct world *w, const char *lines)
{
    w->device_count = 0;
    log_init(&w->seen);
    mosquitto_lib_init();
    broker_prepare(&w->broker, lines);
    broker_start(&w->broker);
    if (!lines)
        observer_connect(w, NULL, NULL);
}

void world_close(struct world *w)
{
    while (w->device_count)
        device_destroy(w, w->devices[0]);
    observer_disconnect(w);
    broker_release(&w->broker);
    mosquitto_lib_cleanup();
    log_release(&w->seen);
}
