#include "io/mqtt_client.h"

#include "base/clock.h"
#include "base/log.h"

#include <mqtt_protocol.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* Otherwise retained floods are cut off: mosquitto queues 1000. */
    BROKER_RECEIVE_MAX = MQTT_AGAIN_MAX,
    SESSION_PRESENT = 0x01, /* MQTT 5 3.2.2.1.1 */
    REFUSED = 0x80          /* MQTT 5 3.9.3: reason codes from here on */
};

/* Of connections that broke earlier than this, the first few are forgiven; then each counts as a
 * failed attempt. */
#define STEADY_US INT64_C(1000000)
enum { BRIEF_FREE = 5 };

static enum status outcome_of(int reason)
{
    switch (reason) {
    case MQTT_RC_SUCCESS:
    case MQTT_RC_NO_MATCHING_SUBSCRIBERS:
        return STATUS_OK;
    case MQTT_RC_NOT_AUTHORIZED:
        return STATUS_FORBIDDEN;
    case MQTT_RC_PACKET_TOO_LARGE:
        return STATUS_TOO_LARGE;
    default:
        return STATUS_UNAVAILABLE;
    }
}

static void say_session_lost(struct mqtt_link *l)
{
    l->stats.sessions_lost++;
    log_line(LOG_WARN, "broker-session-lost",
             LOG_S("why", "the broker forgot the bridge: it was away for longer than it keeps"
                          " sessions, or was started again without what it had saved"),
             LOG_S("consequence", "what was sent to the bridge meanwhile is lost"),
             LOG_I("kept_s", MQTT_LINK_SESSION_EXPIRY), LOG_END);
}

static void on_connect(struct mosquitto *mosq, void *arg, int rc, int flags,
                       const mosquitto_property *props)
{
    struct mqtt_link *l = arg;
    bool kept = flags & SESSION_PRESENT;
    (void)mosq;
    (void)props;
    l->attempt_us = -1;
    if (rc != 0) {
        char trouble[sizeof l->trouble];
        l->refused = true;
        snprintf(trouble, sizeof trouble, "the broker refused the bridge: %s",
                 mosquitto_reason_string(rc));
        if (strcmp(trouble, l->trouble) != 0) /* once, not at each try */
            log_line(
                LOG_ERROR, "broker-refused", LOG_S("why", mosquitto_reason_string(rc)),
                LOG_S("remedy", "check mqtt.username, mqtt.password_file and the broker's ACL"),
                LOG_END);
        memcpy(l->trouble, trouble, sizeof l->trouble);
        return;
    }
    l->connected = true;
    l->gave_up = false;
    l->attempts = 0;
    l->connected_us = clock_mono_us();
    l->refused_wait_s = MQTT_LINK_REFUSED_MIN_S;
    mqtt_alive_begin(&l->alive, l->connected_us);
    mqtt_again_up(&l->again, kept);
    l->stats.connects++;
    l->trouble[0] = '\0';
    log_line(LOG_INFO, "broker-connected", LOG_S("host", l->o.host), LOG_I("port", l->o.port),
             LOG_I("session_kept", kept), LOG_END);
    if (l->had_session && !kept)
        say_session_lost(l);
    l->had_session = true;
    l->events.up(l->events.arg, kept);
}

static void on_disconnect(struct mosquitto *mosq, void *arg, int rc,
                          const mosquitto_property *props)
{
    struct mqtt_link *l = arg;
    bool was = l->connected;
    (void)mosq;
    (void)props;
    mqtt_link_unwatch(l);
    l->connected = false;
    l->attempt_us = -1;
    mqtt_subs_release(&l->subs);
    if (was) {
        bool held = clock_mono_us() - l->connected_us >= STEADY_US;
        l->brief = held ? 0 : l->brief + 1;
        if (l->brief > BRIEF_FREE)
            l->attempts = l->brief - BRIEF_FREE;
        mqtt_queue_return(&l->queue);
        l->renew = true;
        const char *why = l->gave_up ? "it does not answer" : mosquitto_strerror(rc);
        snprintf(l->trouble, sizeof l->trouble, "the connection to the broker broke: %s", why);
        log_line(LOG_WARN, "broker-lost", LOG_S("why", why), LOG_END);
        l->events.down(l->events.arg);
    } else if (rc != MOSQ_ERR_SUCCESS && !l->refused) {
        mqtt_link_say_unreachable(l, "ended the connection before it let the bridge in",
                                  mosquitto_strerror(rc));
    }
    mqtt_link_retry_later(l);
}

static void on_message(struct mosquitto *mosq, void *arg, const struct mosquitto_message *m,
                       const mosquitto_property *props)
{
    struct mqtt_link *l = arg;
    char *name = NULL, *value = NULL;
    struct text reason = text_of_str("");
    struct text payload = text_of(m->payloadlen ? m->payload : "", (size_t)m->payloadlen);
    (void)mosq;
    mqtt_alive_seen(&l->alive, clock_mono_us());
    if (m->qos > 0 && mqtt_again_had(&l->again, (uint16_t)m->mid, m->topic, payload, m->retain)) {
        l->stats.repeated++;
        return;
    }
    if (m->payloadlen == 0 &&
        mosquitto_property_read_string_pair(props, MQTT_PROP_USER_PROPERTY, &name, &value, false)) {
        if (strcmp(name, "reason") == 0)
            reason = text_of_str(value);
    }
    l->events.message(l->events.arg, m->topic, payload, m->retain, reason);
    free(name);
    free(value);
}

static void on_publish(struct mosquitto *mosq, void *arg, int mid, int reason,
                       const mosquitto_property *props)
{
    struct mqtt_link *l = arg;
    struct mqtt_item *i = mqtt_queue_by_mid(&l->queue, mid);
    (void)mosq;
    (void)props;
    mqtt_alive_seen(&l->alive, clock_mono_us());
    if (i)
        mqtt_link_finish(l, i, outcome_of(reason), reason != MQTT_RC_NO_MATCHING_SUBSCRIBERS);
}

static void refused(struct mqtt_link *l, const struct mqtt_sub *sub, const char *filter)
{
    if (l->subs.refused_count == 0)
        l->refused_again_us = clock_mono_us() + (int64_t)l->refused_wait_s * 1000000;
    mqtt_subs_refuse(&l->subs, filter);
    if (!sub->again)
        l->events.refused(l->events.arg, filter);
}

static void on_subscribe(struct mosquitto *mosq, void *arg, int mid, int count, const int *granted,
                         const mosquitto_property *props)
{
    struct mqtt_link *l = arg;
    (void)mosq;
    (void)props;
    mqtt_alive_seen(&l->alive, clock_mono_us());
    mqtt_again_over(&l->again);
    struct mqtt_sub *sub = mqtt_subs_by_mid(&l->subs, mid);
    for (size_t i = 0; sub && i < sub->count; i++) {
        /* One without a result is as good as refused. */
        if (i >= (size_t)count || granted[i] >= REFUSED)
            refused(l, sub, sub->filters[i]);
        else if (sub->again)
            log_line(LOG_INFO, "subscription-granted", LOG_S("filter", sub->filters[i]), LOG_END);
    }
    mqtt_subs_drop(sub);
}

/* Why a handshake fails, libmosquitto tells its log only, and OpenSSL the connection. */
static void on_log(struct mosquitto *mosq, void *arg, int level, const char *text)
{
    struct mqtt_link *l = arg;
    SSL *ssl = mosquitto_ssl_get(mosq);
    if (!(level & (MOSQ_LOG_ERR | MOSQ_LOG_WARNING)))
        return;
    long verdict = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;
    /* The unspecified one is what libmosquitto's own check, that of the name, leaves behind. */
    if (verdict == X509_V_ERR_UNSPECIFIED || strstr(text, "host name verification failed"))
        snprintf(l->tls_trouble, sizeof l->tls_trouble, "its certificate is for another host");
    else if (verdict != X509_V_OK)
        snprintf(l->tls_trouble, sizeof l->tls_trouble, "its certificate is not accepted: %s",
                 X509_verify_cert_error_string(verdict));
    else if (!l->tls_trouble[0])
        snprintf(l->tls_trouble, sizeof l->tls_trouble, "%s", text);
}

static enum status set_tls(struct mqtt_link *l, struct problem *why)
{
    int rc;
    if (l->o.ca) {
        rc = mosquitto_tls_set(l->mosq, l->o.ca, NULL, l->o.cert, l->o.key, NULL);
    } else {
        mosquitto_int_option(l->mosq, MOSQ_OPT_TLS_USE_OS_CERTS, 1);
        rc = mosquitto_tls_set(l->mosq, NULL, "/etc/ssl/certs", l->o.cert, l->o.key, NULL);
    }
    if (rc == MOSQ_ERR_SUCCESS)
        rc = mosquitto_tls_opts_set(l->mosq, 1, "tlsv1.2", NULL);
    if (rc != MOSQ_ERR_SUCCESS)
        return problem_set(why, STATUS_BAD_CONFIG, 0, "mqtt-tls",
                           "mqtt.ca, mqtt.cert or mqtt.key cannot be used: %s",
                           mosquitto_strerror(rc));
    return STATUS_OK;
}

static void set_callbacks(struct mqtt_link *l)
{
    mosquitto_connect_v5_callback_set(l->mosq, on_connect);
    mosquitto_disconnect_v5_callback_set(l->mosq, on_disconnect);
    mosquitto_message_v5_callback_set(l->mosq, on_message);
    mosquitto_publish_v5_callback_set(l->mosq, on_publish);
    mosquitto_subscribe_v5_callback_set(l->mosq, on_subscribe);
}

enum status mqtt_client_set_up(struct mqtt_link *l, struct problem *why)
{
    mosquitto_int_option(l->mosq, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    mosquitto_int_option(l->mosq, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_int_option(l->mosq, MOSQ_OPT_SEND_MAXIMUM, MQTT_QUEUE_WINDOW);
    mosquitto_int_option(l->mosq, MOSQ_OPT_RECEIVE_MAXIMUM, BROKER_RECEIVE_MAX);
    if (mosquitto_will_set_v5(l->mosq, l->o.will_topic, (int)strlen(l->o.will_payload),
                              l->o.will_payload, 1, true, NULL) != MOSQ_ERR_SUCCESS)
        return problem_set(why, STATUS_BAD_CONFIG, 0, "mqtt-will",
                           "the prefix makes no valid topic");
    if (l->o.username)
        mosquitto_username_pw_set(l->mosq, l->o.username, l->o.password);
    set_callbacks(l);
    if (!l->o.tls)
        return STATUS_OK;
    mosquitto_log_callback_set(l->mosq, on_log);
    return set_tls(l, why);
}
