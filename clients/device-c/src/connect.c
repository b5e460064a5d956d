/* Makes a connection: the options of a libmosquitto client and the first steps to the broker.
 *
 * What is worth knowing of libmosquitto 2.0.11:
 *   - Connecting without blocking takes the resolver's first address and never the second one. So
 *     after a failure the next attempt is held to the other family, by the address to bind to.
 *   - Only the blocking connect call takes MQTT 5 properties. It stores them before it looks at the
 *     address, so it is called with one that cannot be meant, and then the other one. */
#include "adapter.h"

#include <errno.h>
#include <fcntl.h>
#include <mqtt_protocol.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *connect_host(const struct sigdev *dev)
{
    return dev->config.host ? dev->config.host : "localhost";
}

/* Instead of a question on the terminal. */
static int no_password(char *buf, int size, int rwflag, void *arg)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)arg;
    return 0;
}

/* They are read at each attempt. One that is not there at that moment, as while somebody renews it,
 * is named; libmosquitto would only say "invalid arguments". */
static bool files_readable(struct link *l, const struct sigdev_config *c)
{
    const struct {
        const char *field, *path;
    } files[] = {{"ca_file", c->ca_file},
                 {"ca_dir", c->ca_dir},
                 {"cert_file", c->cert_file},
                 {"key_file", c->key_file}};
    char text[WHY_SIZE];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (!files[i].path || access(files[i].path, R_OK) == 0)
            continue;
        snprintf(text, sizeof text, "%s: cannot be read: %s", files[i].field, strerror(errno));
        link_fail(l, SIGDEV_ERR_TLS, text);
        return false;
    }
    return true;
}

static int set_tls(struct link *l, struct mosquitto *mosq, const struct sigdev_config *c)
{
    const char *ca_dir = c->ca_dir;
    int rc = MOSQ_ERR_SUCCESS;
    if (!c->tls)
        return rc;
    if (!files_readable(l, c))
        return MOSQ_ERR_TLS;
    if (!c->ca_file && !c->ca_dir) {
        rc = mosquitto_int_option(mosq, MOSQ_OPT_TLS_USE_OS_CERTS, 1);
        ca_dir = X509_get_default_cert_dir(); /* mosquitto_tls_set() wants one */
    }
    if (rc == MOSQ_ERR_SUCCESS)
        rc = mosquitto_tls_set(mosq, c->ca_file, ca_dir, c->cert_file, c->key_file, no_password);
    if (rc == MOSQ_ERR_SUCCESS && c->tls_any_host_name)
        rc = mosquitto_tls_insecure_set(mosq, true);
    return rc;
}

static int set_options(struct sigdev *dev, struct mosquitto *mosq)
{
    const struct sigdev_config *c = &dev->config;
    char topic[SIGDEV_TOPIC_SIZE];
    sigdev_topic_presence(&dev->self, NULL, topic, sizeof topic);
    int version = c->mqtt == SIGDEV_MQTT_311 ? MQTT_PROTOCOL_V311 : MQTT_PROTOCOL_V5;
    int rc = mosquitto_int_option(mosq, MOSQ_OPT_PROTOCOL_VERSION, version);
    if (rc == MOSQ_ERR_SUCCESS)
        rc = mosquitto_int_option(mosq, MOSQ_OPT_TCP_NODELAY, 1); /* Nagle costs up to 40 ms */
    if (rc == MOSQ_ERR_SUCCESS)
        rc = mosquitto_username_pw_set(mosq, c->user, c->password);
    if (rc == MOSQ_ERR_SUCCESS)
        rc = mosquitto_will_set_v5(mosq, topic, 0, NULL, 1, true, NULL);
    if (rc == MOSQ_ERR_SUCCESS)
        rc = set_tls(&dev->link, mosq, c);
    return rc;
}

/* Leaves the session expiry with libmosquitto for the CONNECT to come. */
static int store_expiry(const struct sigdev_config *c, struct mosquitto *mosq)
{
    mosquitto_property *properties = NULL;
    if (!c->durable || c->mqtt == SIGDEV_MQTT_311)
        return MOSQ_ERR_SUCCESS;
    int rc =
        mosquitto_property_add_int32(&properties, MQTT_PROP_SESSION_EXPIRY_INTERVAL, c->durable_s);
    if (rc == MOSQ_ERR_SUCCESS) {
        mosquitto_connect_bind_v5(mosq, "", 0, (int)c->keepalive_s, NULL, properties);
        mosquitto_property_free_all(&properties);
    }
    return rc;
}

static int connect_once(struct sigdev *dev, int family)
{
    const struct sigdev_config *c = &dev->config;
    static const char *const binds[] = {NULL, "0.0.0.0", "::"};
    if (c->unix_path)
        return mosquitto_connect_bind_async(dev->link.mosq, c->unix_path, 0, (int)c->keepalive_s,
                                            NULL);
    return mosquitto_connect_bind_async(dev->link.mosq, connect_host(dev), c->port,
                                        (int)c->keepalive_s, binds[family]);
}

/* Held to one family of addresses, and if the host has none of that, to the other one: then bind()
 * has refused. */
static int connect_any(struct sigdev *dev)
{
    int rc = connect_once(dev, dev->family);
    if (dev->family && rc == MOSQ_ERR_ERRNO && (errno == EAFNOSUPPORT || errno == EINVAL)) {
        dev->family = dev->family == 1 ? 2 : 1;
        rc = connect_once(dev, dev->family);
    }
    return rc;
}

bool link_open(struct sigdev *dev)
{
    struct link *l = &dev->link;
    *l = (struct link){.fd = -1};
    l->mosq = mosquitto_new(dev->client_id, !dev->config.durable, dev);
    if (!l->mosq) {
        link_fail(l, errno == ENOMEM ? SIGDEV_ERR_NO_MEMORY : SIGDEV_ERR_SYSTEM, strerror(errno));
        return false;
    }
    link_set_callbacks(l->mosq);
    int rc = set_options(dev, l->mosq);
    if (rc == MOSQ_ERR_SUCCESS)
        rc = store_expiry(&dev->config, l->mosq);
    if (rc == MOSQ_ERR_SUCCESS)
        rc = connect_any(dev);
    int fd = mosquitto_socket(l->mosq);
    if (rc > 0 || fd < 0) {
        link_fail_code(dev, rc > 0 ? rc : MOSQ_ERR_CONN_LOST, errno);
        return false;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    l->tcp_pending = true;
    return true;
}
