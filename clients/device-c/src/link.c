/* One connection to the broker: libmosquitto driven from our epoll set.
 *
 * What is worth knowing of libmosquitto 2.0.11:
 *   - A publish inside a callback only queues: ask mosquitto_want_write() after each read.
 *   - mosquitto_loop_read() may stop although OpenSSL holds decrypted bytes, of which the socket
 *     knows nothing: ask SSL_pending().
 *   - During a TLS handshake only mosquitto_loop_read() goes on with it, whatever OpenSSL waits
 *     for, and mosquitto_want_write() is of no use; and a connection that breaks in it is reported
 *     as a success, again and again.
 *   - When the broker sends DISCONNECT, it unlocks a mutex that it does not hold. The client is
 *     thrown away right after. */
#include "adapter.h"

#include <errno.h>
#include <mqtt_protocol.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BUDGET = 64 }; /* packets before the timers get their turn */

void link_fail(struct link *l, enum sigdev_error e, const char *text)
{
    if (l->failure.error != SIGDEV_OK)
        return; /* the first reason is the true one */
    l->failure.error = e;
    snprintf(l->failure.text, sizeof l->failure.text, "%s", text);
}

/* With TLS, what breaks off before the login is answered is most often TLS: a port without it, or a
 * certificate of ours that the broker misses. OpenSSL's own words are in the log, if it has any. */
static bool broke_in_tls(const struct sigdev *dev, int rc, int err)
{
    bool broke = rc == MOSQ_ERR_CONN_LOST || (rc == MOSQ_ERR_ERRNO && err == ECONNRESET);
    bool protocol = rc == MOSQ_ERR_TLS || (rc == MOSQ_ERR_ERRNO && err == EPROTO);
    return dev->config.tls && (protocol || (broke && !dev->link.accepted));
}

void link_fail_code(struct sigdev *dev, int rc, int err)
{
    struct link *l = &dev->link;
    bool tls = broke_in_tls(dev, rc, err);
    char text[WHY_SIZE];
    l->unplugged = rc == MOSQ_ERR_ERRNO && (err == ENETUNREACH || err == ENETDOWN ||
                                            err == EHOSTUNREACH || err == EADDRNOTAVAIL);
    l->closed = rc == MOSQ_ERR_CONN_LOST || (rc == MOSQ_ERR_ERRNO && err == ECONNRESET);
    l->silent = rc == MOSQ_ERR_KEEPALIVE || (rc == MOSQ_ERR_ERRNO && err == ETIMEDOUT);
    if (tls && l->log[0])
        snprintf(text, sizeof text, "%s", l->log);
    else if (tls)
        snprintf(text, sizeof text,
                 "the broker broke off the TLS connection: is it a TLS port, does it want a "
                 "certificate of ours?");
    else if (rc == MOSQ_ERR_EAI)
        snprintf(text, sizeof text, "cannot look up %.100s: %s", connect_host(dev),
                 gai_strerror(err));
    else if (rc == MOSQ_ERR_ERRNO)
        snprintf(text, sizeof text, "%s", strerror(err));
    else if (rc == MOSQ_ERR_KEEPALIVE)
        snprintf(text, sizeof text,
                 l->accepted ? "the broker has stopped answering" : "no connection in time");
    else if (rc == MOSQ_ERR_CONN_LOST && !l->accepted)
        snprintf(text, sizeof text,
                 "the broker closed the connection before it had answered the login");
    else if (rc == MOSQ_ERR_CONN_LOST)
        snprintf(text, sizeof text, "the broker closed the connection");
    else
        snprintf(text, sizeof text, "%s", mosquitto_strerror(rc));
    link_fail(l, tls ? SIGDEV_ERR_TLS : SIGDEV_ERR_UNREACHABLE, text);
}

static void drop(struct link *l, enum sigdev_error e, const char *text)
{
    link_fail(l, e, text);
    l->drop = true;
}

/* ---- Callbacks: inside mosquitto_loop_*(), on the driving thread ---------------------------- */

/* The login's answer, of MQTT 3.1.1 (1 to 5) or MQTT 5 (128 up). */
static void refuse_login(struct link *l, int reason)
{
    switch (reason) {
    case 4:
    case MQTT_RC_BAD_USERNAME_OR_PASSWORD:
        link_fail(l, SIGDEV_ERR_LOGIN, "the broker refuses the user name or password");
        break;
    case 5:
    case MQTT_RC_NOT_AUTHORIZED:
        link_fail(
            l, SIGDEV_ERR_LOGIN,
            "the broker refuses the login: not authorized (user name, password or certificate)");
        break;
    case 2:
    case MQTT_RC_CLIENTID_NOT_VALID:
        link_fail(l, SIGDEV_ERR_LOGIN, "the broker refuses the client id");
        break;
    case 1:
    case MQTT_RC_UNSUPPORTED_PROTOCOL_VERSION:
        link_fail(l, SIGDEV_ERR_LOGIN, "the broker does not speak this version of MQTT");
        break;
    case MQTT_RC_BANNED:
    case MQTT_RC_BAD_AUTHENTICATION_METHOD:
        link_fail(l, SIGDEV_ERR_LOGIN, mosquitto_reason_string(reason));
        break;
    default:
        link_fail(l, SIGDEV_ERR_UNREACHABLE,
                  reason < 128 ? mosquitto_connack_string(reason)
                               : mosquitto_reason_string(reason));
    }
}

static enum sigdev_error filters(struct sigdev *dev, char text[FILTERS_MAX][SIGDEV_TOPIC_SIZE],
                                 int *count)
{
    *count = 1;
    enum sigdev_error e = sigdev_topic_inbox(&dev->self, text[0], SIGDEV_TOPIC_SIZE);
    if (e == SIGDEV_OK && dev->config.room_messages)
        e = sigdev_topic_room(&dev->self, text[(*count)++], SIGDEV_TOPIC_SIZE);
    if (e == SIGDEV_OK && dev->config.watch_presence)
        e = sigdev_topic_roster(&dev->self, text[(*count)++], SIGDEV_TOPIC_SIZE);
    return e;
}

/* QoS 0: so that it does not wait in a durable session's queue, where it would be of no use. */
static int subscribe_own(struct sigdev *dev, struct mosquitto *mosq)
{
    char topic[SIGDEV_TOPIC_SIZE];
    if (dev->config.watch_presence || dev->config.no_own_presence) /* the roster contains it */
        return MOSQ_ERR_SUCCESS;
    sigdev_topic_presence(&dev->self, NULL, topic, sizeof topic);
    return mosquitto_subscribe(mosq, &dev->link.own_mid, topic, 0);
}

static void on_connect(struct mosquitto *mosq, void *arg, int reason, int flags,
                       const mosquitto_property *properties)
{
    struct sigdev *dev = arg;
    char text[FILTERS_MAX][SIGDEV_TOPIC_SIZE];
    char *list[FILTERS_MAX];
    int count;
    (void)properties;
    if (reason != 0) {
        refuse_login(&dev->link, reason);
        return;
    }
    dev->link.accepted = true;
    dev->link.kept = flags & 1; /* "session present" */
    filters(dev, text, &count); /* config.c has checked the names */
    for (int i = 0; i < count; i++)
        list[i] = text[i];
    dev->link.filters = count;
    int rc = mosquitto_subscribe_multiple(mosq, &dev->link.subscribe_mid, count, list, 1, 0, NULL);
    if (rc == MOSQ_ERR_SUCCESS)
        rc = subscribe_own(dev, mosq);
    if (rc != MOSQ_ERR_SUCCESS)
        drop(&dev->link, SIGDEV_ERR_UNREACHABLE, mosquitto_strerror(rc));
}

/* The presence may go out only once every subscription stands. */
static void on_subscribe(struct mosquitto *mosq, void *arg, int mid, int count, const int *granted)
{
    static const char *const whats[FILTERS_MAX] = {
        "the broker does not let us subscribe to our inbox",
        "the broker does not let us subscribe to what the room hears",
        "the broker does not let us subscribe to the presence of others",
    };
    struct sigdev *dev = arg;
    (void)mosq;
    if (mid == dev->link.own_mid)
        dev->link.own_refused = count < 1 || granted[0] >= 128;
    if (mid != dev->link.subscribe_mid)
        return;
    dev->link.subscribe_mid = 0;
    if (count != dev->link.filters) {
        drop(&dev->link, SIGDEV_ERR_UNREACHABLE,
             "the broker does not answer each of our subscriptions");
        return;
    }
    for (int i = 0; i < count && i < FILTERS_MAX; i++) {
        if (granted[i] < 128)
            continue;
        const char *what = whats[i == 1 && !dev->config.room_messages ? 2 : i];
        drop(&dev->link, SIGDEV_ERR_FORBIDDEN, what);
        return;
    }
    dev->link.subscribed = true;
}

static void on_publish(struct mosquitto *mosq, void *arg, int mid, int reason,
                       const mosquitto_property *properties)
{
    struct sigdev *dev = arg;
    (void)mosq;
    (void)properties;
    if (mid == dev->link.presence_mid) {
        dev->link.presence_mid = 0;
        dev->link.present = true;
        if (reason >= 128)
            drop(&dev->link,
                 reason == MQTT_RC_NOT_AUTHORIZED ? SIGDEV_ERR_FORBIDDEN : SIGDEV_ERR_UNREACHABLE,
                 "the broker does not let us publish our presence");
    } else if (mid == dev->link.clear_mid) {
        dev->link.clear_mid = 0;
        dev->link.cleared = true;
    } else {
        outbox_acknowledged(dev, mid, reason);
    }
}

static void on_message(struct mosquitto *mosq, void *arg, const struct mosquitto_message *message,
                       const mosquitto_property *properties)
{
    (void)mosq;
    (void)properties;
    receive(arg, message);
}

/* reason: of MQTT 5 from the broker (128 up), or a code of libmosquitto. The latter is taken from
 * what its call returns, with errno still fresh. */
static void on_disconnect(struct mosquitto *mosq, void *arg, int reason,
                          const mosquitto_property *properties)
{
    struct sigdev *dev = arg;
    (void)mosq;
    (void)properties;
    if (reason == MQTT_RC_SESSION_TAKEN_OVER)
        link_fail(&dev->link, SIGDEV_ERR_TAKEN_OVER,
                  "another connection has taken over our client id");
    else if (reason >= 128)
        link_fail(&dev->link, SIGDEV_ERR_UNREACHABLE, mosquitto_reason_string(reason));
}

static void on_log(struct mosquitto *mosq, void *arg, int level, const char *line)
{
    struct sigdev *dev = arg;
    (void)mosq;
    if (level == MOSQ_LOG_ERR && !dev->link.log[0])
        snprintf(dev->link.log, sizeof dev->link.log, "%s", line);
}

void link_set_callbacks(struct mosquitto *mosq)
{
    mosquitto_connect_v5_callback_set(mosq, on_connect);
    mosquitto_subscribe_callback_set(mosq, on_subscribe);
    mosquitto_publish_v5_callback_set(mosq, on_publish);
    mosquitto_message_v5_callback_set(mosq, on_message);
    mosquitto_disconnect_v5_callback_set(mosq, on_disconnect);
    mosquitto_log_callback_set(mosq, on_log);
}

void link_close(struct sigdev *dev)
{
    struct link *l = &dev->link;
    if (!l->mosq)
        return;
    int fd = mosquitto_socket(l->mosq);
    if (l->fd >= 0 && fd == l->fd)
        epoll_ctl(dev->epoll, EPOLL_CTL_DEL, fd, NULL);
    l->fd = -1;
    mosquitto_destroy(l->mosq);
    l->mosq = NULL;
}

/* ---- Reading and writing -------------------------------------------------------------------- */

static bool handshaking(struct link *l)
{
    SSL *ssl = mosquitto_ssl_get(l->mosq);
    return ssl && !SSL_is_init_finished(ssl);
}

static bool wants_write(struct link *l)
{
    if (l->tcp_pending)
        return true;
    if (handshaking(l))
        return SSL_want_write((SSL *)mosquitto_ssl_get(l->mosq));
    return mosquitto_want_write(l->mosq);
}

static bool bytes_wait(struct link *l, bool *decrypted)
{
    int plain = 0;
    SSL *ssl = mosquitto_ssl_get(l->mosq);
    *decrypted = ssl && SSL_pending(ssl) > 0;
    return *decrypted || (ioctl(mosquitto_socket(l->mosq), FIONREAD, &plain) == 0 && plain > 0);
}

/* True while the connection stands. */
static bool check(struct sigdev *dev, int rc, int err)
{
    struct link *l = &dev->link;
    if (l->drop)
        return false;
    if (rc != MOSQ_ERR_SUCCESS) {
        link_fail_code(dev, rc, err);
        return false;
    }
    if (mosquitto_socket(l->mosq) < 0) {
        if (!l->closing)
            link_fail_code(dev, MOSQ_ERR_CONN_LOST, 0);
        return false;
    }
    return true;
}

static bool read_all(struct sigdev *dev)
{
    struct link *l = &dev->link;
    l->more = false;
    for (int i = 0; i < READ_BUDGET; i++) {
        errno = 0;
        int rc = mosquitto_loop_read(l->mosq, 1);
        if (!check(dev, rc, errno))
            return false;
        if (!bytes_wait(l, &l->more) || handshaking(l)) {
            l->more = false;
            return true;
        }
    }
    return true;
}

/* A broken socket that libmosquitto has not noticed. */
static bool broken(struct sigdev *dev)
{
    int err = 0;
    socklen_t size = sizeof err;
    getsockopt(mosquitto_socket(dev->link.mosq), SOL_SOCKET, SO_ERROR, &err, &size);
    link_fail_code(dev, err ? MOSQ_ERR_ERRNO : MOSQ_ERR_CONN_LOST, err);
    return false;
}

bool link_io(struct sigdev *dev, uint32_t events)
{
    struct link *l = &dev->link;
    bool dead = events & (EPOLLERR | EPOLLHUP);
    if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
        l->tcp_pending = false;
    if (events & EPOLLIN)
        l->heard_at = now_ms();
    if ((events & EPOLLIN) || dead || l->more || handshaking(l)) {
        if (!read_all(dev))
            return false;
    }
    if (dead)
        return broken(dev);
    if (mosquitto_want_write(l->mosq) && !l->tcp_pending && !handshaking(l)) {
        errno = 0;
        int rc = mosquitto_loop_write(l->mosq, 1);
        return check(dev, rc, errno);
    }
    return true;
}

bool link_misc(struct sigdev *dev)
{
    errno = 0;
    int rc = mosquitto_loop_misc(dev->link.mosq);
    return check(dev, rc, errno);
}

void link_watch(struct sigdev *dev)
{
    struct link *l = &dev->link;
    int fd = l->mosq ? mosquitto_socket(l->mosq) : -1;
    if (fd < 0)
        return;
    uint32_t events = EPOLLIN | (wants_write(l) ? (uint32_t)EPOLLOUT : 0);
    if (fd == l->fd && events == l->events)
        return;
    struct epoll_event e = {.events = events, .data.fd = fd};
    if (epoll_ctl(dev->epoll, fd == l->fd ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e) != 0) {
        drop(l, SIGDEV_ERR_SYSTEM, strerror(errno));
        return;
    }
    l->fd = fd;
    l->events = events;
}

/* ---- Sending -------------------------------------------------------------------------------- */

/* Codes after which libmosquitto has not kept the message. After any other one it has, and what
 * broke shows at the next read. */
static enum sigdev_error not_taken(int rc)
{
    switch (rc) {
    case MOSQ_ERR_PAYLOAD_SIZE:
    case MOSQ_ERR_OVERSIZE_PACKET:
        return SIGDEV_ERR_TOO_LARGE;
    case MOSQ_ERR_NOMEM:
        return SIGDEV_ERR_NO_MEMORY;
    case MOSQ_ERR_INVAL:
    case MOSQ_ERR_MALFORMED_UTF8:
    case MOSQ_ERR_NOT_SUPPORTED:
    case MOSQ_ERR_QOS_NOT_SUPPORTED:
        return SIGDEV_ERR_ARGUMENT;
    default:
        return SIGDEV_OK;
    }
}

enum sigdev_error link_publish(struct sigdev *dev, struct outgoing *o)
{
    char topic[SIGDEV_TOPIC_SIZE];
    if (o->to[0])
        sigdev_topic_to(&dev->self, o->to, topic, sizeof topic);
    else
        sigdev_topic_all(&dev->self, topic, sizeof topic);
    int rc = mosquitto_publish(dev->link.mosq, &o->mid, topic, (int)o->len, o->payload,
                               dev->config.qos0 ? 0 : 1, false);
    return not_taken(rc);
}

bool link_publish_presence(struct sigdev *dev, const char *payload, size_t len, int *mid)
{
    char topic[SIGDEV_TOPIC_SIZE];
    sigdev_topic_presence(&dev->self, NULL, topic, sizeof topic);
    int rc = mosquitto_publish(dev->link.mosq, mid, topic, (int)len, payload, 1, true);
    if (not_taken(rc) == SIGDEV_OK)
        return true;
    drop(&dev->link, not_taken(rc), "the presence cannot be published");
    return false;
}

void link_disconnect(struct sigdev *dev)
{
    dev->link.closing = true;
    mosquitto_disconnect(dev->link.mosq);
}
