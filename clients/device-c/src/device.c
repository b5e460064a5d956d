/* What to do when: states, timers and retries of one handle. */
#include "adapter.h"

#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* ---- Clocks and small things ---------------------------------------------------------------- */

static int64_t read_clock_ms(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t now_ms(void)
{
    return read_clock_ms(CLOCK_BOOTTIME);
}

int64_t wall_ms(void)
{
    const int64_t year_2020 = 1577836800000; /* before it nobody has set the clock */
    int64_t now = read_clock_ms(CLOCK_REALTIME);
    return now > year_2020 ? now : 0;
}

const char *sigdev_state_text(enum sigdev_state state)
{
    static const char *const texts[] = {"stopped", "connecting", "online", "waiting", "leaving"};
    return (unsigned)state < sizeof texts / sizeof *texts ? texts[state] : "?";
}

static void enter(struct sigdev *dev, const struct sigdev_status *status)
{
    const struct sigdev_handlers *on = &dev->config.on;
    pthread_mutex_lock(&dev->lock);
    dev->state = status->state;
    if (status->state == SIGDEV_STATE_ONLINE)
        dev->stats.connects++;
    pthread_mutex_unlock(&dev->lock);
    if (on->state)
        on->state(dev, status, dev->config.user_data);
}

static void set_state(struct sigdev *dev, enum sigdev_state state, const struct failure *why,
                      int64_t retry_ms)
{
    struct sigdev_status status = {.state = state,
                                   .error = why ? why->error : SIGDEV_OK,
                                   .text = why ? why->text : "",
                                   .retry_ms = retry_ms};
    enter(dev, &status);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- Messages that go out ------------------------------------------------------------------- */

static void publish_presence(struct sigdev *dev)
{
    const struct sigdev_config *c = &dev->config;
    char out[PRESENCE_SIZE];
    size_t len = 0;
    pthread_mutex_lock(&dev->lock);
    struct sigdev_presence p = {
        .kind = sigdev_str("device"),
        .meta = sigdev_str(dev->meta),
        .since_ms = dev->since_wall_ms,
        .ttl_s = c->ttl_s,
        .bundle = !c->no_bundle,
        .limit_sdp = c->limit_sdp,
        .limit_line = c->limit_line,
        .limit_candidates = c->limit_candidates,
    };
    dev->presence_changed = false;
    enum sigdev_error e = sigdev_write_presence(&p, out, sizeof out, &len);
    pthread_mutex_unlock(&dev->lock);
    if (e == SIGDEV_OK) {   /* config.c and sigdev_set_meta() have checked it */
        own_published(dev); /* before it can come back */
        dev->link.announced = true;
        link_publish_presence(dev, out, len, &dev->link.presence_mid);
    }
    dev->renew_at = c->ttl_s ? now_ms() + (int64_t)c->ttl_s * 500 : NEVER;
}

/* ---- From one state to the next ------------------------------------------------------------- */

static void stopped(struct sigdev *dev, enum sigdev_error e, const char *text)
{
    struct failure why = {.error = e};
    snprintf(why.text, sizeof why.text, "%s", e == SIGDEV_OK ? "" : text);
    link_close(dev);
    dev->retry_at = dev->handshake_at = dev->misc_at = dev->renew_at = NEVER;
    dev->own.restore_at = NEVER;
    dev->leave_error = e;
    pthread_mutex_lock(&dev->lock);
    queue_forget_mids(&dev->queue);
    pthread_mutex_unlock(&dev->lock);
    outbox_drop_old(dev, NEVER, SIGDEV_ERR_UNREACHABLE);
    set_state(dev, SIGDEV_STATE_STOPPED, &why, 0);
}

/* What trying again soon cannot mend: somebody has to change a password or a right. */
static bool is_stubborn(enum sigdev_error e)
{
    return e == SIGDEV_ERR_LOGIN || e == SIGDEV_ERR_FORBIDDEN;
}

/* Half of the backoff is certain, half is chance, so that a fleet does not come back at once. */
static int64_t backoff_ms(struct sigdev *dev, enum sigdev_error why)
{
    const unsigned doublings = 3;
    int64_t base = dev->config.retry_min_ms;
    for (unsigned i = 0; i < dev->attempts && base < dev->config.retry_max_ms; i++)
        base *= 2;
    base = earlier(base, dev->config.retry_max_ms);
    if (dev->link.unplugged)
        base = earlier(base, UNPLUGGED_MS);
    if (is_stubborn(why))
        base = dev->config.retry_max_ms;
    if (dev->rivals) /* each connection of ours ends the other's: let it be */
        base = dev->config.retry_max_ms << (dev->rivals <= doublings ? dev->rivals - 1 : doublings);
    /* xorshift64: enough to spread, seeded by the system */
    dev->random ^= dev->random << 13;
    dev->random ^= dev->random >> 7;
    dev->random ^= dev->random << 17;
    return base - base / 2 + (int64_t)(dev->random % (uint64_t)(base / 2 + 1));
}

/* How long the connection stood decides whether the pauses begin from the shortest again. Two
 * devices with one client id throw each other out, and mosquitto before 2.0.15 does not say why: so
 * a connection has to stand for longer than the other one's pause, which is about as long as ours.
 * The will of the one that is thrown out takes its presence along, so nothing of it is seen. */
static void judge_connection(struct sigdev *dev, struct failure *failure)
{
    enum sigdev_error why = failure->error;
    int64_t stood = dev->online_at ? now_ms() - dev->online_at : 0;
    bool stable = stood >= STABLE_MS + 2 * dev->wait_ms;
    if (stable)
        dev->attempts = dev->cut_off = 0;
    else if (dev->online_at && dev->link.closed && ++dev->cut_off >= SUSPICIOUS)
        snprintf(failure->text, sizeof failure->text,
                 "the broker has closed %u connections shortly after they stood: does another "
                 "device use the client id %.64s?",
                 dev->cut_off, dev->client_id);
    bool long_since = stood >= STABLE_MS + 10 * dev->config.retry_max_ms;
    if (long_since)
        dev->rivals = 0;
    if (why == SIGDEV_ERR_TAKEN_OVER || (dev->online_at && dev->own.rival && !long_since))
        dev->rivals++;
    if (dev->online_at)
        dev->own.rival = false;
    dev->online_at = 0;
}

static void lost(struct sigdev *dev)
{
    struct failure why = dev->link.failure;
    bool was_accepted = dev->link.accepted;
    int64_t now = now_ms();
    if (dev->state == SIGDEV_STATE_LEAVING) {
        if (dev->link.cleared)
            stopped(dev, SIGDEV_OK, "");
        else
            stopped(dev, SIGDEV_ERR_UNREACHABLE, why.text);
        return;
    }
    if (dev->state == SIGDEV_STATE_ONLINE)
        dev->away_since = dev->link.silent ? dev->link.heard_at : now;
    pthread_mutex_lock(&dev->lock);
    queue_forget_mids(&dev->queue);
    pthread_mutex_unlock(&dev->lock);
    if (!was_accepted)
        dev->family = dev->family == 1 ? 2 : 1;
    if (why.error == SIGDEV_OK)
        why.error = SIGDEV_ERR_UNREACHABLE;
    judge_connection(dev, &why);
    link_close(dev);
    dev->wait_ms = backoff_ms(dev, why.error);
    dev->attempts++;
    dev->handshake_at = dev->misc_at = dev->renew_at = dev->own.restore_at = NEVER;
    dev->retry_at = now + dev->wait_ms;
    set_state(dev, SIGDEV_STATE_WAITING, &why, dev->wait_ms);
}

static int64_t misc_interval_ms(const struct sigdev *dev)
{
    int64_t ms = (int64_t)dev->config.keepalive_s * 1000 / 8;
    return ms < 1000 ? 1000 : ms;
}

static void attempt(struct sigdev *dev)
{
    int64_t now = now_ms();
    dev->retry_at = NEVER;
    dev->handshake_at = now + dev->config.handshake_ms;
    dev->misc_at = now + misc_interval_ms(dev);
    set_state(dev, SIGDEV_STATE_CONNECTING, NULL, 0);
    if (!link_open(dev))
        lost(dev);
}

static void begin_leaving(struct sigdev *dev)
{
    bool online = dev->state == SIGDEV_STATE_ONLINE;
    if (!online) {
        stopped(dev, SIGDEV_ERR_UNREACHABLE, "left without a connection");
        return;
    }
    dev->clearing = false;
    dev->settled_at = 0; /* no time to wait for anybody */
    dev->renew_at = dev->own.restore_at = NEVER;
    set_state(dev, SIGDEV_STATE_LEAVING, NULL, 0);
}

/* First what is queued, then the empty presence, then the goodbye: each after the broker has
 * acknowledged the one before. */
static void go_on_leaving(struct sigdev *dev)
{
    struct link *l = &dev->link;
    pthread_mutex_lock(&dev->lock);
    bool empty = dev->queue.count == 0;
    pthread_mutex_unlock(&dev->lock);
    if (l->cleared && !l->closing) {
        link_disconnect(dev);
    } else if (empty && !dev->clearing) {
        dev->clearing = true;
        link_publish_presence(dev, NULL, 0, &l->clear_mid);
    }
}

static void come_online(struct sigdev *dev)
{
    const struct link *l = &dev->link;
    bool again = dev->away_since != 0;
    dev->handshake_at = NEVER;
    dev->online_at = now_ms();
    dev->settled_at = again ? dev->online_at + SETTLE_MS : 0;
    struct sigdev_status status = {
        .state = SIGDEV_STATE_ONLINE,
        .text = l->own_refused ? "the broker does not let us see our own presence" : "",
        .again = again,
        .session_kept = l->kept,
        .away_ms = again ? dev->online_at - dev->away_since : 0,
    };
    enter(dev, &status);
}

static void go_on_connecting(struct sigdev *dev)
{
    struct link *l = &dev->link;
    if (l->present) {
        come_online(dev);
    } else if (l->subscribed && !l->presence_mid) {
        dev->since_wall_ms = wall_ms();
        publish_presence(dev);
    }
}

/* ---- Service -------------------------------------------------------------------------------- */

struct requests {
    bool leave;
    int64_t leave_at;
    bool presence_changed;
};

static struct requests read_requests(struct sigdev *dev)
{
    pthread_mutex_lock(&dev->lock);
    struct requests r = {dev->leave, dev->leave_at, dev->presence_changed};
    pthread_mutex_unlock(&dev->lock);
    return r;
}

static void run_state(struct sigdev *dev, int64_t now)
{
    struct requests r = read_requests(dev);
    if (r.leave && dev->state != SIGDEV_STATE_LEAVING && dev->state != SIGDEV_STATE_STOPPED)
        begin_leaving(dev);
    if (dev->state == SIGDEV_STATE_LEAVING && now >= r.leave_at) {
        stopped(dev, SIGDEV_ERR_UNREACHABLE, "the broker did not acknowledge in time");
        return;
    }
    if (dev->state == SIGDEV_STATE_WAITING && now >= dev->retry_at)
        attempt(dev);
    if (dev->state == SIGDEV_STATE_CONNECTING)
        go_on_connecting(dev);
    if (dev->state == SIGDEV_STATE_ONLINE && now >= dev->own.restore_at) {
        own_restored(dev);
        publish_presence(dev);
    } else if (dev->state == SIGDEV_STATE_ONLINE && (r.presence_changed || now >= dev->renew_at)) {
        publish_presence(dev);
    }
    outbox_drop_old(dev, now - dev->config.queue_age_ms, SIGDEV_ERR_TOO_OLD);
    if (dev->state == SIGDEV_STATE_ONLINE || dev->state == SIGDEV_STATE_LEAVING)
        outbox_flush(dev);
    if (dev->state == SIGDEV_STATE_LEAVING)
        go_on_leaving(dev);
}

static bool handshake_expired(struct sigdev *dev, int64_t now)
{
    if (now < dev->handshake_at)
        return false;
    dev->link.failure.error = SIGDEV_ERR_UNREACHABLE;
    snprintf(dev->link.failure.text, WHY_SIZE, "%s",
             dev->link.accepted ? "the broker did not acknowledge subscription and presence in time"
                                : "no connection in time");
    return true;
}

static void run_link(struct sigdev *dev, uint32_t events, int64_t now)
{
    bool up = true;
    if (events || dev->link.more)
        up = link_io(dev, events);
    if (up && now >= dev->misc_at) {
        dev->misc_at = now + misc_interval_ms(dev);
        up = link_misc(dev);
    }
    if (!up || handshake_expired(dev, now))
        lost(dev);
}

static int64_t next_deadline(struct sigdev *dev)
{
    struct requests r = read_requests(dev);
    int64_t at =
        earlier(earlier(dev->retry_at, dev->handshake_at), earlier(dev->misc_at, dev->renew_at));
    if (dev->state == SIGDEV_STATE_ONLINE)
        at = earlier(at, earlier(dev->own.restore_at, dev->resend_at));
    if (dev->link.mosq && dev->link.more)
        at = 0;
    if (dev->state == SIGDEV_STATE_LEAVING)
        at = earlier(at, r.leave_at);
    pthread_mutex_lock(&dev->lock);
    struct outgoing *o = queue_next(&dev->queue);
    if (o)
        at = earlier(at, o->queued_ms + dev->config.queue_age_ms + 1);
    pthread_mutex_unlock(&dev->lock);
    return at;
}

static void arm_timer(struct sigdev *dev)
{
    int64_t at = next_deadline(dev);
    struct itimerspec t = {0}; /* zero disarms */
    if (at != NEVER) {
        t.it_value.tv_sec = at / 1000;
        t.it_value.tv_nsec = at % 1000 * 1000000 + 1; /* never zero, which would disarm */
    }
    timerfd_settime(dev->timer, TFD_TIMER_ABSTIME, &t, NULL);
}

static void drain(int fd)
{
    uint64_t count;
    if (read(fd, &count, sizeof count) < 0) {
        /* Nothing there: somebody else's edge, no harm. */
    }
}

void device_service(struct sigdev *dev, int timeout_ms)
{
    struct epoll_event ready[4];
    uint32_t events = 0;
    dev->servicing = true;
    int n = epoll_wait(dev->epoll, ready, 4, timeout_ms);
    for (int i = 0; i < n; i++) {
        if (ready[i].data.fd == dev->wake || ready[i].data.fd == dev->timer)
            drain(ready[i].data.fd);
        else if (ready[i].data.fd == dev->link.fd)
            events = ready[i].events;
    }
    if (dev->link.mosq)
        run_link(dev, events, now_ms());
    run_state(dev, now_ms());
    if (dev->link.mosq) {
        link_watch(dev);
        if (dev->link.drop || mosquitto_socket(dev->link.mosq) < 0)
            lost(dev);
    }
    arm_timer(dev);
    dev->servicing = false;
}
