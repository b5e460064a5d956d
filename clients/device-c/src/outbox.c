/* From the queue to the broker, and back to the caller what did not arrive. */
#include "adapter.h"

/* Takes *o over. */
static void undelivered(struct sigdev *dev, struct outgoing *o, enum sigdev_error e,
                        const char *text)
{
    const struct sigdev_handlers *on = &dev->config.on;
    struct sigdev_failure failure = {o->to[0] ? o->to : NULL, o->type, o->id, e,
                                     text ? text : sigdev_error_text(e)};
    pthread_mutex_lock(&dev->lock);
    dev->stats.undelivered++;
    pthread_mutex_unlock(&dev->lock);
    if (on->undelivered)
        on->undelivered(dev, &failure, dev->config.user_data);
    outgoing_free(o);
}

void outbox_acknowledged(struct sigdev *dev, int mid, int reason)
{
    enum { NO_MATCHING_SUBSCRIBERS = 0x10, NOT_AUTHORIZED = 0x87, TOO_LARGE = 0x95 };
    int64_t now = now_ms();
    bool settling = reason == NO_MATCHING_SUBSCRIBERS && now < dev->settled_at;
    pthread_mutex_lock(&dev->lock);
    bool again = settling && queue_retry_mid(&dev->queue, mid, now + RESEND_MS);
    struct outgoing *o = again ? NULL : queue_take_mid(&dev->queue, mid);
    bool taken = o && (reason == 0 || (reason == NO_MATCHING_SUBSCRIBERS && !o->to[0]));
    dev->stats.sent += taken;
    pthread_mutex_unlock(&dev->lock);
    if (!o)
        return;
    if (taken)
        outgoing_free(o);
    else if (reason == NO_MATCHING_SUBSCRIBERS)
        undelivered(dev, o, SIGDEV_ERR_NO_PEER, NULL);
    else if (reason == NOT_AUTHORIZED)
        undelivered(dev, o, SIGDEV_ERR_FORBIDDEN, NULL);
    else if (reason == TOO_LARGE)
        undelivered(dev, o, SIGDEV_ERR_TOO_LARGE, NULL);
    else
        undelivered(dev, o, SIGDEV_ERR_UNREACHABLE, mosquitto_reason_string(reason));
}

/* Shortly after a reconnect the broker may have restarted, and those we talk to may not have come
 * back to it as fast as we have. What nobody listens to is then kept, and goes out a little later;
 * in order, so one message at a time. */
static struct outgoing *next_to_send(struct sigdev *dev)
{
    int64_t now = now_ms();
    dev->resend_at = NEVER;
    if (now >= dev->settled_at)
        return queue_next(&dev->queue);
    return queue_next_settling(&dev->queue, now, &dev->resend_at);
}

/* Only the driver takes messages out of the queue, so one that it found stays while it is
 * published without the lock: libmosquitto may call back into outbox_acknowledged(). */
void outbox_flush(struct sigdev *dev)
{
    for (;;) {
        pthread_mutex_lock(&dev->lock);
        struct outgoing *o = next_to_send(dev);
        pthread_mutex_unlock(&dev->lock);
        if (!o || dev->link.drop)
            return;
        enum sigdev_error e = link_publish(dev, o);
        if (e == SIGDEV_OK)
            continue; /* acknowledged later, or already and freed */
        pthread_mutex_lock(&dev->lock);
        queue_take(&dev->queue, o);
        pthread_mutex_unlock(&dev->lock);
        undelivered(dev, o, e, NULL);
    }
}

/* Everything, or only what is older than the configuration allows. */
void outbox_drop_old(struct sigdev *dev, int64_t before_ms, enum sigdev_error e)
{
    for (;;) {
        pthread_mutex_lock(&dev->lock);
        struct outgoing *o = queue_take_old(&dev->queue, before_ms);
        pthread_mutex_unlock(&dev->lock);
        if (!o)
            return;
        undelivered(dev, o, e, NULL);
    }
}
