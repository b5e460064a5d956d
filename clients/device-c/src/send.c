#include "adapter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Most often enough; sigdev_write() says when it is not. */
static size_t likely_size(const struct sigdev_message *m)
{
    return 512 + m->sdp.len + m->sdp.len / 8 + m->data.len + m->sealed.len + m->ext.len +
           m->candidate.candidate.len + 320 * m->bundle_len;
}

static enum sigdev_error write_payload(const struct sigdev_message *m, struct outgoing *o)
{
    size_t size = likely_size(m);
    for (;;) {
        o->payload = malloc(size);
        if (!o->payload)
            return SIGDEV_ERR_NO_MEMORY;
        enum sigdev_error e = sigdev_write(m, o->payload, size, &o->len);
        if (e != SIGDEV_ERR_SPACE)
            return e;
        free(o->payload);
        o->payload = NULL;
        if (size > SIGDEV_PAYLOAD_MAX)
            return SIGDEV_ERR_TOO_LARGE;
        size *= 2;
    }
}

static enum sigdev_error enqueue(struct sigdev *dev, struct outgoing *o)
{
    enum sigdev_error e = SIGDEV_OK;
    pthread_mutex_lock(&dev->lock);
    if (dev->state == SIGDEV_STATE_STOPPED || dev->leave)
        e = SIGDEV_ERR_STATE;
    else if (dev->queue.count >= dev->config.queue_messages ||
             o->len > dev->config.queue_bytes - dev->queue.bytes)
        e = SIGDEV_ERR_FULL;
    else
        queue_add(&dev->queue, o);
    pthread_mutex_unlock(&dev->lock);
    return e;
}

static enum sigdev_error check_target(const struct sigdev *dev, const char *to,
                                      const struct sigdev_message *m)
{
    char topic[SIGDEV_TOPIC_SIZE];
    if (!to)
        return m->type == SIGDEV_MESSAGE ? SIGDEV_OK : SIGDEV_ERR_ARGUMENT;
    if (m->type == SIGDEV_ICE_SERVERS && strcmp(to, SIGDEV_BRIDGE) != 0)
        return SIGDEV_ERR_ARGUMENT;
    return sigdev_topic_to(&dev->self, to, topic, sizeof topic);
}

/* No two messages of ours are the same: `sent` rises from one to the next, also when several are
 * sent in one millisecond or the clock is set back. Without a clock an `id` does it. */
static void stamp(struct sigdev *dev, struct sigdev_message *m, char id[SIGDEV_ID_MAX])
{
    int64_t now = wall_ms();
    if (m->sent_ms)
        return;
    if (now || dev->last_sent_ms) {
        dev->last_sent_ms = now > dev->last_sent_ms ? now : dev->last_sent_ms + 1;
        m->sent_ms = dev->last_sent_ms;
    } else if (!m->id.p) {
        snprintf(id, SIGDEV_ID_MAX, "%08" PRIx32 "-%" PRIu64, dev->run, ++dev->last_id);
        m->id = sigdev_str(id);
    }
}

static enum sigdev_error write_and_enqueue(struct sigdev *dev, const struct sigdev_message *m,
                                           struct outgoing *o)
{
    struct sigdev_message stamped = *m;
    char id[SIGDEV_ID_MAX];
    pthread_mutex_lock(&dev->sending);
    stamp(dev, &stamped, id);
    enum sigdev_error e = write_payload(&stamped, o);
    if (e == SIGDEV_OK)
        e = enqueue(dev, o);
    pthread_mutex_unlock(&dev->sending);
    return e;
}

enum sigdev_error sigdev_send(struct sigdev *dev, const char *to, const struct sigdev_message *m)
{
    enum sigdev_error e = check_target(dev, to, m);
    if (e != SIGDEV_OK)
        return e;
    struct outgoing *o = calloc(1, sizeof *o);
    if (!o)
        return SIGDEV_ERR_NO_MEMORY;
    o->type = m->type;
    o->queued_ms = now_ms();
    snprintf(o->to, sizeof o->to, "%s", to ? to : "");
    snprintf(o->id, sizeof o->id, "%.*s", (int)m->id.len, m->id.p ? m->id.p : "");
    e = write_and_enqueue(dev, m, o);
    if (e == SIGDEV_OK)
        device_wake(dev);
    else
        outgoing_free(o);
    return e;
}

static enum sigdev_error send_sdp(struct sigdev *dev, enum sigdev_type type, const char *to,
                                  const char *call, const char *sdp)
{
    struct sigdev_message m = {.type = type, .call = sigdev_str(call), .sdp = sigdev_str(sdp)};
    return to ? sigdev_send(dev, to, &m) : SIGDEV_ERR_ARGUMENT;
}

enum sigdev_error sigdev_send_offer(struct sigdev *dev, const char *to, const char *call,
                                    const char *sdp)
{
    return send_sdp(dev, SIGDEV_OFFER, to, call, sdp);
}

enum sigdev_error sigdev_send_answer(struct sigdev *dev, const char *to, const char *call,
                                     const char *sdp)
{
    return send_sdp(dev, SIGDEV_ANSWER, to, call, sdp);
}

enum sigdev_error sigdev_send_candidate(struct sigdev *dev, const char *to, const char *call,
                                        const struct sigdev_candidate *c)
{
    struct sigdev_message m = {.type = SIGDEV_CANDIDATE, .call = sigdev_str(call)};
    if (c)
        m.candidate = *c;
    else
        m.candidate.end = true;
    return sigdev_send(dev, to, &m);
}

enum sigdev_error sigdev_send_bye(struct sigdev *dev, const char *to, const char *call,
                                  const char *reason)
{
    struct sigdev_message m = {
        .type = SIGDEV_BYE, .call = sigdev_str(call), .reason = sigdev_str(reason)};
    return sigdev_send(dev, to, &m);
}

enum sigdev_error sigdev_send_invite(struct sigdev *dev, const char *to, const char *call,
                                     const struct sigdev_media *media)
{
    struct sigdev_message m = {.type = SIGDEV_INVITE, .call = sigdev_str(call)};
    if (media)
        m.media = *media;
    return sigdev_send(dev, to, &m);
}

enum sigdev_error sigdev_send_message(struct sigdev *dev, const char *to, const char *data)
{
    struct sigdev_message m = {.type = SIGDEV_MESSAGE, .data = sigdev_str(data)};
    return sigdev_send(dev, to, &m);
}

enum sigdev_error sigdev_ask_ice_servers(struct sigdev *dev, const char *id)
{
    struct sigdev_message m = {.type = SIGDEV_ICE_SERVERS, .id = sigdev_str(id)};
    return sigdev_send(dev, SIGDEV_BRIDGE, &m);
}

enum sigdev_error sigdev_set_meta(struct sigdev *dev, const char *meta)
{
    char out[PRESENCE_SIZE];
    struct sigdev_presence p = {.meta = sigdev_str(meta)};
    char *copy = meta ? strdup(meta) : NULL;
    if (meta && !copy)
        return SIGDEV_ERR_NO_MEMORY;
    enum sigdev_error e = sigdev_write_presence(&p, out, sizeof out, NULL);
    if (e != SIGDEV_OK) {
        free(copy);
        return e;
    }
    pthread_mutex_lock(&dev->lock);
    char *old = dev->meta;
    dev->meta = copy;
    dev->presence_changed = true;
    pthread_mutex_unlock(&dev->lock);
    free(old);
    device_wake(dev);
    return SIGDEV_OK;
}
