#include "io/mqtt_link.h"

#include "base/clock.h"
#include "base/log.h"
#include "io/mqtt_client.h"

#include <errno.h>
#include <linux/sockios.h>
#include <mqtt_protocol.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { READ_BUDGET = 512 }; /* packets in one turn of the loop */
static const double RESOLVE_POLL_S = 0.02;

bool mqtt_link_connected(const struct mqtt_link *l)
{
    return l->connected;
}

const char *mqtt_link_trouble(const struct mqtt_link *l)
{
    return l->trouble;
}

bool mqtt_link_idle(const struct mqtt_link *l)
{
    return l->queue.waiting_count == 0 && l->queue.in_flight_count == 0;
}

void mqtt_link_stats(const struct mqtt_link *l, struct mqtt_link_stats *out)
{
    *out = l->stats;
    out->queued = l->queue.waiting_count;
    out->queued_bytes = l->queue.bytes;
    out->in_flight = l->queue.in_flight_count;
    out->subscriptions_refused = l->subs.refused_count;
}

void mqtt_link_unwatch(struct mqtt_link *l)
{
    ev_io_stop(l->loop, &l->readable);
    ev_io_stop(l->loop, &l->writable);
}

/* libmosquitto publishes from within its callbacks by queueing only; somebody has to look. */
static void watch_writes(struct mqtt_link *l)
{
    if (mosquitto_socket(l->mosq) >= 0 && mosquitto_want_write(l->mosq))
        ev_io_start(l->loop, &l->writable);
    else
        ev_io_stop(l->loop, &l->writable);
}

static void watch(struct mqtt_link *l)
{
    int fd = mosquitto_socket(l->mosq);
    mqtt_link_unwatch(l);
    if (fd < 0)
        return;
    ev_io_set(&l->readable, fd, EV_READ);
    ev_io_set(&l->writable, fd, EV_WRITE);
    ev_io_start(l->loop, &l->readable);
    watch_writes(l);
}

void mqtt_link_retry_later(struct mqtt_link *l)
{
    int64_t ms = MQTT_LINK_BACKOFF_MIN_MS;
    l->attempt_us = -1;
    for (int i = 0; i < l->attempts && ms < MQTT_LINK_BACKOFF_MAX_MS; i++)
        ms *= 2;
    if (ms > MQTT_LINK_BACKOFF_MAX_MS)
        ms = MQTT_LINK_BACKOFF_MAX_MS;
    l->attempts++;
    ms = ms / 2 + (int64_t)(clock_random() % (uint64_t)(ms / 2 + 1));
    ev_timer_stop(l->loop, &l->retry);
    ev_timer_set(&l->retry, (double)ms / 1000.0, 0.);
    ev_timer_start(l->loop, &l->retry);
}

void mqtt_link_say_unreachable(struct mqtt_link *l, const char *what, const char *why)
{
    const char *tls = l->tls_trouble[0] ? l->tls_trouble : NULL;
    snprintf(l->trouble, sizeof l->trouble, "the broker at %.100s %s: %s%s%s", l->o.host, what, why,
             tls ? " " : "", tls ? tls : "");
    if (l->attempts == 0)
        log_line(LOG_WARN, "broker-unreachable", LOG_S("host", l->o.host), LOG_I("port", l->o.port),
                 LOG_S("why", why), LOG_S("tls", tls),
                 LOG_S("remedy", tls ? "check mqtt.ca, mqtt.cert and mqtt.key, and the broker's"
                                       " certificate"
                                     : NULL),
                 LOG_END);
}

static void failed_to_connect(struct mqtt_link *l, int rc)
{
    const char *why = rc == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(rc);
    mqtt_link_say_unreachable(l, "cannot be reached", why);
    mqtt_link_retry_later(l);
}

/* Of a call that read or wrote. Failures arrive in on_disconnect(), but for that of a TLS
 * handshake: then libmosquitto closes the socket and says so here only. */
static void after_io(struct mqtt_link *l, int rc)
{
    if (rc == MOSQ_ERR_SUCCESS || mosquitto_socket(l->mosq) >= 0 || ev_is_active(&l->retry))
        return;
    mqtt_link_unwatch(l);
    failed_to_connect(l, rc);
}

/* The item is gone before anybody hears of it: what follows may publish. */
void mqtt_link_finish(struct mqtt_link *l, struct mqtt_item *i, enum status status, bool found)
{
    struct delivery *d = i->delivery;
    if (!d && status != STATUS_OK)
        log_line(LOG_WARN, "publish-failed", LOG_S("topic", i->topic),
                 LOG_S("error", status_name(status)), LOG_END);
    mqtt_queue_drop(&l->queue, i);
    if (d)
        l->events.published(l->events.arg, d, status, found);
}

static mosquitto_property *make_properties(const struct mqtt_item *i)
{
    mosquitto_property *props = NULL;
    if (i->expiry_s)
        mosquitto_property_add_int32(&props, MQTT_PROP_MESSAGE_EXPIRY_INTERVAL, i->expiry_s);
    if (i->reason)
        mosquitto_property_add_string_pair(&props, MQTT_PROP_USER_PROPERTY, "reason", i->reason);
    return props;
}

/* Without a connection libmosquitto keeps the message and sends it later: those codes are no
 * failure. */
static enum status hand_over(struct mqtt_link *l, struct mqtt_item *i)
{
    int mid = 0;
    mosquitto_property *props = make_properties(i);
    int rc =
        mosquitto_publish_v5(l->mosq, &mid, i->topic, (int)i->len, i->payload, 1, i->retain, props);
    mosquitto_property_free_all(&props);
    switch (rc) {
    case MOSQ_ERR_SUCCESS:
    case MOSQ_ERR_NO_CONN:
    case MOSQ_ERR_CONN_LOST:
    case MOSQ_ERR_ERRNO:
        mqtt_queue_sent(&l->queue, i, mid, clock_mono_us());
        return STATUS_OK;
    case MOSQ_ERR_OVERSIZE_PACKET:
    case MOSQ_ERR_PAYLOAD_SIZE:
        return STATUS_TOO_LARGE;
    default:
        return STATUS_UNAVAILABLE;
    }
}

static void pump(struct mqtt_link *l)
{
    struct mqtt_item *i;
    while (l->connected && (i = mqtt_queue_next(&l->queue))) {
        enum status s = hand_over(l, i);
        if (s != STATUS_OK)
            mqtt_link_finish(l, i, s, i->handed);
    }
    watch_writes(l);
}

void mqtt_link_hold(void *bus, bool on)
{
    struct mqtt_link *l = bus;
    mqtt_queue_hold(&l->queue, on);
    if (!on) /* what waits goes out from the loop */
        ev_timer_start(l->loop, &l->rest);
}

enum status mqtt_link_publish(void *bus, const struct publication *p)
{
    struct mqtt_link *l = bus;
    enum status why;
    bool at_once = l->connected && mqtt_queue_free(&l->queue, p);
    struct mqtt_item *i = mqtt_queue_add(&l->queue, p, clock_mono_us(), at_once, &why);
    if (!i) {
        uint64_t *refused = p->ours ? &l->stats.refused_ours : &l->stats.refused_full;
        ++*refused;
        return why;
    }
    /* The bridge hears of a failure through `published`, never from within this call: so only what
     * is first in line and taken goes out at once. */
    if (at_once) {
        enum status s = hand_over(l, i);
        if (s != STATUS_OK) {
            mqtt_queue_drop(&l->queue, i);
            return s;
        }
        watch_writes(l);
    }
    return STATUS_OK;
}

/* Drops what could not be sent. */
static int send_subscribe(struct mqtt_link *l, struct mqtt_sub *sub)
{
    int rc = sub ? mosquitto_subscribe_multiple(l->mosq, &sub->mid, (int)sub->count, sub->filters,
                                                1, 0, NULL)
                 : MOSQ_ERR_NOMEM;
    if (rc != MOSQ_ERR_SUCCESS)
        mqtt_subs_drop(sub);
    else
        sub->sent_us = clock_mono_us();
    return rc;
}

void mqtt_link_subscribe(void *bus, const char *const *filters, size_t count)
{
    struct mqtt_link *l = bus;
    if (!l->connected)
        return;
    int rc = send_subscribe(l, mqtt_subs_add(&l->subs, filters, count));
    if (rc == MOSQ_ERR_OVERSIZE_PACKET && count > 1) {
        mqtt_link_subscribe(l, filters, count / 2);
        mqtt_link_subscribe(l, filters + count / 2, count - count / 2);
    } else if (rc != MOSQ_ERR_SUCCESS && rc != MOSQ_ERR_NO_CONN && rc != MOSQ_ERR_CONN_LOST &&
               rc != MOSQ_ERR_ERRNO) { /* those: the connection broke, `up` comes again */
        log_line(LOG_ERROR, "subscribe-failed", LOG_S("filter", filters[0]), LOG_I("count", count),
                 LOG_S("why", mosquitto_strerror(rc)), LOG_END);
    }
    watch_writes(l);
}

void mqtt_link_unsubscribe(void *bus, const char *filter)
{
    struct mqtt_link *l = bus;
    if (!l->connected)
        return;
    mqtt_subs_forget(&l->subs, filter);
    mosquitto_unsubscribe(l->mosq, NULL, filter);
    watch_writes(l);
}

static bool more_to_read(struct mqtt_link *l, int fd)
{
    int bytes = 0;
    if (mosquitto_socket(l->mosq) != fd || !ev_is_active(&l->readable))
        return false; /* it broke meanwhile */
    SSL *ssl = mosquitto_ssl_get(l->mosq);
    if (ssl && SSL_pending(ssl) > 0)
        return true;
    return ioctl(fd, FIONREAD, &bytes) == 0 && bytes > 0;
}

/* libmosquitto takes a connection that ends before the TLS handshake does, or that was never made,
 * for one that needs more time: it would be asked again and again, until the keepalive is over. */
static bool handshake_broke(struct mqtt_link *l, int fd)
{
    SSL *ssl = mosquitto_ssl_get(l->mosq);
    char byte;
    if (!ssl || SSL_is_init_finished(ssl))
        return false;
    ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
        return false;
    int reason = n < 0 ? errno : 0;
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer;
    if (n == 0 && getpeername(fd, (struct sockaddr *)&peer, &len) != 0)
        reason = ECONNREFUSED; /* the reason itself was given to the handshake, which dropped it */
    const char *why = reason ? strerror(reason) : "it ended the connection in the TLS handshake";
    mqtt_link_unwatch(l); /* the next attempt closes the socket */
    mqtt_link_say_unreachable(l, "cannot be reached", why);
    mqtt_link_retry_later(l);
    return true;
}

static void on_readable(struct ev_loop *loop, ev_io *w, int events)
{
    struct mqtt_link *l = w->data;
    int fd = w->fd;
    (void)loop;
    (void)events;
    bool more = true;
    if (handshake_broke(l, fd))
        return;
    for (int i = 0; more && i < READ_BUDGET; i++) {
        after_io(l, mosquitto_loop_read(l->mosq, 1));
        more = more_to_read(l, fd);
    }
    if (more) /* what TLS has decrypted already makes no socket readable */
        ev_timer_start(loop, &l->rest);
    pump(l);
}

static void on_rest(struct ev_loop *loop, ev_timer *w, int events)
{
    struct mqtt_link *l = w->data;
    if (ev_is_active(&l->readable))
        on_readable(loop, &l->readable, events);
}

static void on_writable(struct ev_loop *loop, ev_io *w, int events)
{
    struct mqtt_link *l = w->data;
    (void)loop;
    (void)events;
    after_io(l, mosquitto_loop_write(l->mosq, 1));
    pump(l);
}

/* What waits and is too old, whether the broker is away or only slow. What is with the broker has
 * its end when it answers, or when the connection is given up and it waits again. */
static void expire(struct mqtt_link *l)
{
    struct mqtt_item *i;
    int64_t then = clock_mono_us() - l->o.outage_age_us;
    while ((i = mqtt_queue_older(&l->queue, then))) {
        l->stats.expired++;
        mqtt_link_finish(l, i, STATUS_UNAVAILABLE, i->handed);
    }
}

/* Lets libmosquitto find the end of a connection that leads nowhere. What the kernel still has of
 * it is thrown away: it would try for 100 s, and what it got through then goes out again anyway. */
static void give_up(struct mqtt_link *l)
{
    int fd = mosquitto_socket(l->mosq);
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    l->gave_up = true;
    l->stats.given_up++;
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    shutdown(fd, SHUT_RDWR);
}

static void check_alive(struct mqtt_link *l, int64_t now)
{
    int unsent = 0;
    if (ioctl(mosquitto_socket(l->mosq), SIOCOUTQ, &unsent) != 0)
        unsent = 0;
    mqtt_alive_tick(&l->alive, unsent, now);
    if (!l->gave_up && mqtt_alive_lost(&l->alive, mqtt_queue_oldest_us(&l->queue),
                                       mqtt_subs_oldest_us(&l->subs), now))
        give_up(l);
}

static void retry_refused(struct mqtt_link *l, int64_t now)
{
    if (l->subs.refused_count == 0 || now < l->refused_again_us)
        return;
    l->refused_wait_s = l->refused_wait_s * 2 < MQTT_LINK_REFUSED_MAX_S ? l->refused_wait_s * 2
                                                                        : MQTT_LINK_REFUSED_MAX_S;
    struct mqtt_sub *sub;
    while ((sub = mqtt_subs_retry(&l->subs)))
        (void)send_subscribe(l, sub);
}

/* A broker that takes the connection and stays silent: frozen, or not a broker. */
static void check_attempt(struct mqtt_link *l, int64_t now)
{
    if (l->connected || l->attempt_us < 0 ||
        now - l->attempt_us < (int64_t)MQTT_LINK_CONNECT_S * 1000000)
        return;
    mqtt_link_unwatch(l); /* the next attempt closes the socket */
    mqtt_link_say_unreachable(l, "cannot be reached", "it does not answer");
    mqtt_link_retry_later(l);
}

static void on_second(struct ev_loop *loop, ev_timer *w, int events)
{
    struct mqtt_link *l = w->data;
    int64_t now = clock_mono_us();
    (void)loop;
    (void)events;
    check_attempt(l, now);
    if (l->connected)
        check_alive(l, now); /* before a ping goes out, whose way is no sign of life */
    if (mosquitto_socket(l->mosq) >= 0 && !ev_is_active(&l->retry))
        mosquitto_loop_misc(l->mosq);
    if (l->connected)
        retry_refused(l, now);
    expire(l);
    pump(l);
}

/* libmosquitto takes properties only with the connect that blocks, for minutes when a broker's host
 * says nothing. So that one goes to a Unix socket that cannot be, fails at once and leaves the
 * properties behind for the connects that follow. */
static void leave_properties(struct mqtt_link *l)
{
    mosquitto_property *props = NULL;
    mosquitto_property_add_int32(&props, MQTT_PROP_SESSION_EXPIRY_INTERVAL,
                                 MQTT_LINK_SESSION_EXPIRY);
    (void)mosquitto_connect_bind_v5(l->mosq, "/dev/null/none", 0, l->o.keepalive_s, NULL, props);
    mosquitto_property_free_all(&props);
    l->tried = true;
}

/* libmosquitto sends again whatever had no PUBACK, however old. What waits is our queue's to
 * decide, so a connection that broke is begun anew; the broker's session goes on under the same id.
 */
static enum status renew(struct mqtt_link *l, struct problem *why)
{
    l->tried = false;
    if (mosquitto_reinitialise(l->mosq, l->o.client_id, false, l) != MOSQ_ERR_SUCCESS)
        return problem_set(why, STATUS_NO_MEMORY, 0, NULL, "out of memory");
    enum status s = mqtt_client_set_up(l, why);
    l->renew = s != STATUS_OK;
    return s;
}

/* Where to connect to. NULL: not known yet, and on_retry() will be called again; the first time
 * that this takes too long it is said. */
static const char *find_host(struct mqtt_link *l)
{
    int64_t now = clock_mono_us();
    if (!mqtt_resolve_needed(l->o.host))
        return l->o.host;
    if (l->asked_us < 0)
        l->asked_us = now;
    switch (mqtt_resolve(&l->resolve, l->o.host)) {
    case MQTT_RESOLVE_DONE:
        l->asked_us = -1;
        return l->o.tls ? l->o.host : l->resolve.address;
    case MQTT_RESOLVE_FAILED:
        l->asked_us = -1;
        mqtt_link_say_unreachable(l, "cannot be found", l->resolve.why);
        mqtt_link_retry_later(l);
        return NULL;
    case MQTT_RESOLVE_WAIT:
    default:
        if (now - l->asked_us >= (int64_t)MQTT_LINK_CONNECT_S * 1000000) {
            l->asked_us = now;
            mqtt_link_say_unreachable(l, "cannot be found", "no name server answers");
            l->attempts++;
        }
        ev_timer_stop(l->loop, &l->retry);
        ev_timer_set(&l->retry, RESOLVE_POLL_S, 0.);
        ev_timer_start(l->loop, &l->retry);
        return NULL;
    }
}

static void on_retry(struct ev_loop *loop, ev_timer *w, int events)
{
    struct mqtt_link *l = w->data;
    (void)loop;
    (void)events;
    l->refused = false;
    l->tls_trouble[0] = '\0';
    struct problem why;
    if (l->renew && renew(l, &why) != STATUS_OK) {
        mqtt_link_say_unreachable(l, "cannot be reached", why.text);
        mqtt_link_retry_later(l);
        return;
    }
    const char *host = find_host(l);
    if (!host)
        return;
    l->attempt_us = clock_mono_us();
    if (!l->tried)
        leave_properties(l);
    int rc = mosquitto_connect_bind_async(l->mosq, host, l->o.port, l->o.keepalive_s, NULL);
    if (rc == MOSQ_ERR_SUCCESS)
        watch(l);
    else
        failed_to_connect(l, rc);
}

void mqtt_link_hurry(struct mqtt_link *l)
{
    if (l->connected || !ev_is_active(&l->retry))
        return;
    l->attempts = 0;
    ev_timer_stop(l->loop, &l->retry);
    on_retry(l->loop, &l->retry, 0);
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

void mqtt_link_change(struct mqtt_link *l, const struct mqtt_link_options *o)
{
    bool same = same_text(l->o.username, o->username) && same_text(l->o.password, o->password);
    l->o.username = o->username;
    l->o.password = o->password;
    l->o.outage_bytes = l->queue.bytes_max = o->outage_bytes;
    l->o.outage_age_us = o->outage_age_us;
    if (same)
        return;
    l->renew = true; /* libmosquitto has copies */
    mqtt_link_hurry(l);
}

enum status mqtt_link_start(struct mqtt_link **out, struct ev_loop *loop,
                            const struct mqtt_link_options *o, const struct mqtt_link_events *e,
                            struct problem *why)
{
    struct mqtt_link *l = calloc(1, sizeof *l);
    if (!l)
        return problem_set(why, STATUS_NO_MEMORY, 0, NULL, "out of memory");
    mosquitto_lib_init();
    l->o = *o;
    l->events = *e;
    l->loop = loop;
    mqtt_queue_init(&l->queue, o->outage_bytes);
    mqtt_subs_init(&l->subs);
    l->attempt_us = l->asked_us = -1;
    snprintf(l->trouble, sizeof l->trouble, "the broker has not answered yet");
    ev_init(&l->readable, on_readable);
    ev_init(&l->writable, on_writable);
    ev_timer_init(&l->second, on_second, 1., 1.);
    ev_timer_init(&l->rest, on_rest, 0., 0.);
    ev_timer_init(&l->retry, on_retry, 0., 0.);
    l->readable.data = l->writable.data = l->second.data = l->rest.data = l->retry.data = l;
    if (mqtt_again_init(&l->again))
        l->mosq = mosquitto_new(o->client_id, false, l);
    enum status s = l->mosq ? mqtt_client_set_up(l, why)
                            : problem_set(why, STATUS_NO_MEMORY, 0, NULL, "out of memory");
    if (s != STATUS_OK) {
        mqtt_link_stop(l);
        return s;
    }
    ev_timer_start(loop, &l->second);
    ev_timer_start(loop, &l->retry);
    *out = l;
    return STATUS_OK;
}

static void say_goodbye(struct mqtt_link *l)
{
    mosquitto_property *props = NULL;
    mosquitto_property_add_int32(&props, MQTT_PROP_SESSION_EXPIRY_INTERVAL, 0);
    mosquitto_disconnect_v5(l->mosq, 0, props);
    mosquitto_property_free_all(&props);
}

void mqtt_link_stop(struct mqtt_link *l)
{
    if (!l)
        return;
    mqtt_link_unwatch(l);
    ev_timer_stop(l->loop, &l->second);
    ev_timer_stop(l->loop, &l->rest);
    ev_timer_stop(l->loop, &l->retry);
    if (l->connected) {
        l->connected = false; /* so that nobody hears of it */
        say_goodbye(l);
        mqtt_link_unwatch(l);
        ev_timer_stop(l->loop, &l->retry);
    }
    if (l->mosq)
        mosquitto_destroy(l->mosq);
    mqtt_subs_release(&l->subs);
    mqtt_again_release(&l->again);
    mqtt_resolve_release(&l->resolve);
    struct link *at;
    mqtt_queue_hold(&l->queue, false);
    while ((at = list_first(&l->queue.in_flight)) || (at = list_first(&l->queue.waiting))) {
        struct mqtt_item *i = LIST_ITEM(at, struct mqtt_item, at);
        mqtt_link_finish(l, i, STATUS_UNAVAILABLE, i->handed);
    }
    mqtt_queue_release(&l->queue);
    mosquitto_lib_cleanup();
    free(l);
}
