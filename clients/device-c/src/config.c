#include "adapter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const size_t string_fields[] = {
    offsetof(struct sigdev_config, prefix),    offsetof(struct sigdev_config, room),
    offsetof(struct sigdev_config, peer),      offsetof(struct sigdev_config, unix_path),
    offsetof(struct sigdev_config, host),      offsetof(struct sigdev_config, user),
    offsetof(struct sigdev_config, password),  offsetof(struct sigdev_config, client_id),
    offsetof(struct sigdev_config, ca_file),   offsetof(struct sigdev_config, ca_dir),
    offsetof(struct sigdev_config, cert_file), offsetof(struct sigdev_config, key_file),
    offsetof(struct sigdev_config, meta),
};
enum { STRING_FIELDS = sizeof string_fields / sizeof *string_fields };

static const char **string_at(struct sigdev_config *c, size_t offset)
{
    return (const char **)(void *)((char *)c + offset);
}

struct check {
    const struct sigdev_config *c;
    char *why;
    size_t why_size;
};

static enum sigdev_error refuse(struct check *k, enum sigdev_error e, const char *field,
                                const char *what)
{
    if (k->why && k->why_size)
        snprintf(k->why, k->why_size, "%s: %s", field, what);
    return e;
}

static enum sigdev_error check_names(struct check *k)
{
    const struct sigdev_config *c = k->c;
    char topic[SIGDEV_TOPIC_SIZE];
    if (!sigdev_name_ok(c->room))
        return refuse(k, SIGDEV_ERR_ARGUMENT, "room", "must be a name of 1 to 64 characters");
    if (!sigdev_name_ok(c->peer))
        return refuse(k, SIGDEV_ERR_ARGUMENT, "peer", "must be a name of 1 to 64 characters");
    struct sigdev_self self = {c->prefix, c->room, c->peer};
    if (sigdev_topic_inbox(&self, topic, sizeof topic) != SIGDEV_OK)
        return refuse(k, SIGDEV_ERR_ARGUMENT, "prefix",
                      "must be 1 to 100 characters of a topic without wildcards");
    if (c->client_id && (strlen(c->client_id) == 0 || strlen(c->client_id) >= CLIENT_ID_SIZE))
        return refuse(k, SIGDEV_ERR_ARGUMENT, "client_id", "must have 1 to 129 characters");
    return SIGDEV_OK;
}

static enum sigdev_error check_broker(struct check *k)
{
    const struct sigdev_config *c = k->c;
    if (c->unix_path && (c->host || c->port || c->tls))
        return refuse(k, SIGDEV_ERR_ARGUMENT, "unix_path", "excludes host, port and tls");
    if (c->unix_path && (strlen(c->unix_path) == 0 || strlen(c->unix_path) > 107))
        return refuse(k, SIGDEV_ERR_ARGUMENT, "unix_path", "must have 1 to 107 characters");
    if (c->host && strlen(c->host) == 0)
        return refuse(k, SIGDEV_ERR_ARGUMENT, "host", "must not be empty");
    if (c->password && !c->user)
        return refuse(k, SIGDEV_ERR_ARGUMENT, "password", "needs a user");
    if (c->mqtt != SIGDEV_MQTT_5 && c->mqtt != SIGDEV_MQTT_311)
        return refuse(k, SIGDEV_ERR_ARGUMENT, "mqtt", "must be one of enum sigdev_mqtt");
    if (c->keepalive_s && (c->keepalive_s < 5 || c->keepalive_s > 3600))
        return refuse(k, SIGDEV_ERR_ARGUMENT, "keepalive_s", "must be 5 to 3600");
    return SIGDEV_OK;
}

static enum sigdev_error check_file(struct check *k, const char *field, const char *path)
{
    if (!path || access(path, R_OK) == 0)
        return SIGDEV_OK;
    return refuse(k, SIGDEV_ERR_TLS, field, "cannot be read");
}

static enum sigdev_error check_tls(struct check *k)
{
    const struct sigdev_config *c = k->c;
    bool any = c->ca_file || c->ca_dir || c->cert_file || c->key_file || c->tls_any_host_name;
    if (any && !c->tls)
        return refuse(k, SIGDEV_ERR_ARGUMENT, "tls", "must be set for the other TLS settings");
    if (!c->cert_file != !c->key_file)
        return refuse(k, SIGDEV_ERR_ARGUMENT, "cert_file", "and key_file need each other");
    enum sigdev_error e = check_file(k, "ca_file", c->ca_file);
    if (e == SIGDEV_OK)
        e = check_file(k, "ca_dir", c->ca_dir);
    if (e == SIGDEV_OK)
        e = check_file(k, "cert_file", c->cert_file);
    if (e == SIGDEV_OK)
        e = check_file(k, "key_file", c->key_file);
    return e;
}

static enum sigdev_error check_presence(struct check *k)
{
    const struct sigdev_config *c = k->c;
    char out[PRESENCE_SIZE];
    struct sigdev_presence p = {.meta = sigdev_str(c->meta)};
    if (sigdev_write_presence(&p, out, sizeof out, NULL) != SIGDEV_OK)
        return refuse(k, SIGDEV_ERR_ARGUMENT, "meta", "must be a JSON object of up to 4096 bytes");
    if (c->ttl_s && (c->ttl_s < 2 || c->ttl_s > 86400))
        return refuse(k, SIGDEV_ERR_ARGUMENT, "ttl_s", "must be 0 or 2 to 86400");
    if (c->ttl_s && c->no_ttl)
        return refuse(k, SIGDEV_ERR_ARGUMENT, "ttl_s", "and no_ttl exclude each other");
    return SIGDEV_OK;
}

static enum sigdev_error check_bounds(struct check *k)
{
    const struct sigdev_config *c = k->c;
    if (c->queue_age_ms < 0 || c->max_age_ms < 0 || c->retry_min_ms < 0 || c->retry_max_ms < 0 ||
        c->handshake_ms < 0)
        return refuse(k, SIGDEV_ERR_ARGUMENT, "times", "must not be negative");
    if (c->retry_min_ms && c->retry_max_ms && c->retry_min_ms > c->retry_max_ms)
        return refuse(k, SIGDEV_ERR_ARGUMENT, "retry_min_ms", "must not exceed retry_max_ms");
    return SIGDEV_OK;
}

static void set_defaults(struct sigdev_config *c)
{
    if (!c->port && !c->unix_path)
        c->port = c->tls ? 8883 : 1883;
    if (!c->keepalive_s)
        c->keepalive_s = 30;
    if (!c->durable_s)
        c->durable_s = 3600;
    if (!c->queue_messages)
        c->queue_messages = 64;
    if (!c->queue_bytes)
        c->queue_bytes = 1 << 20;
    if (!c->queue_age_ms)
        c->queue_age_ms = 30000;
    if (!c->retry_min_ms)
        c->retry_min_ms = c->retry_max_ms && c->retry_max_ms < 1000 ? c->retry_max_ms : 1000;
    if (!c->retry_max_ms)
        c->retry_max_ms = c->retry_min_ms > 30000 ? c->retry_min_ms : 30000;
    if (!c->handshake_ms)
        c->handshake_ms = 20000;
    if (!c->ttl_s && !c->no_ttl)
        c->ttl_s = 120;
}

enum sigdev_error config_copy(struct sigdev_config *to, const struct sigdev_config *from, char *why,
                              size_t why_size)
{
    static enum sigdev_error (*const checks[])(struct check *) = {
        check_names, check_broker, check_tls, check_presence, check_bounds};
    struct check k = {from, why, why_size};
    memset(to, 0, sizeof *to);
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        enum sigdev_error e = checks[i](&k);
        if (e != SIGDEV_OK)
            return e;
    }
    *to = *from;
    for (size_t i = 0; i < STRING_FIELDS; i++)
        *string_at(to, string_fields[i]) = NULL;
    struct sigdev_config source = *from;
    for (size_t i = 0; i < STRING_FIELDS; i++) {
        const char *s = *string_at(&source, string_fields[i]);
        if (!s)
            continue;
        char *copy = strdup(s);
        if (!copy) {
            config_release(to);
            return refuse(&k, SIGDEV_ERR_NO_MEMORY, "config", "out of memory");
        }
        *string_at(to, string_fields[i]) = copy;
    }
    set_defaults(to);
    return SIGDEV_OK;
}

static void free_string(const char **at)
{
    void *p;
    memcpy(&p, at, sizeof p); /* ours, although the public field is const */
    free(p);
    *at = NULL;
}

void config_release(struct sigdev_config *config)
{
    if (config->password)
        explicit_bzero(
            *(void **)(void *)string_at(config, offsetof(struct sigdev_config, password)),
            strlen(config->password));
    for (size_t i = 0; i < STRING_FIELDS; i++)
        free_string(string_at(config, string_fields[i]));
}
