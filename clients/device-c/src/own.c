/* Our own presence, as the broker shows it to us: does it stand, is it ours?
 *
 * The broker shows changes in its order, and what we publish comes back to us as well. So the last
 * one seen is what is retained, and there is something to do only when that is not ours. Presences
 * of ours are known by their `since`, which is another one for each connection. */
#include "adapter.h"

void own_init(struct own *o)
{
    *o = (struct own){.restore_at = NEVER};
    for (int i = 0; i < OWN_SINCES; i++)
        o->since[i] = -1;
}

static bool is_ours(const struct own *o, int64_t since_ms)
{
    for (int i = 0; i < OWN_SINCES; i++)
        if (o->since[i] == since_ms)
            return true;
    return false;
}

void own_published(struct sigdev *dev)
{
    struct own *o = &dev->own;
    if (!is_ours(o, dev->since_wall_ms)) {
        o->since[o->next] = dev->since_wall_ms;
        o->next = (o->next + 1) % OWN_SINCES;
    }
    o->published_at = now_ms();
    o->restore_at = NEVER;
}

static void tell(struct sigdev *dev, const struct sigdev_presence *p, int64_t *told_at)
{
    const struct sigdev_handlers *on = &dev->config.on;
    int64_t now = now_ms();
    if (!on->contested || (*told_at && now - *told_at < TELL_MS))
        return;
    *told_at = now;
    on->contested(dev, p, dev->config.user_data);
}

/* Not at once: it may have come before ours, whose echo is still on the way. */
static void cleared(struct sigdev *dev)
{
    struct own *o = &dev->own;
    unsigned doublings = o->restores < RESTORE_DOUBLINGS ? o->restores : RESTORE_DOUBLINGS;
    if (o->restore_at == NEVER)
        o->restore_at = o->published_at + ((int64_t)RESTORE_MS << doublings);
}

static void rival(struct sigdev *dev, const struct sigdev_presence *p)
{
    dev->own.rival = true;
    pthread_mutex_lock(&dev->lock);
    dev->stats.contested++;
    pthread_mutex_unlock(&dev->lock);
    tell(dev, p, &dev->own.rival_told_at);
}

void own_received(struct sigdev *dev, struct sigdev_presence *p, bool retained)
{
    struct own *o = &dev->own;
    pthread_mutex_lock(&dev->lock);
    dev->stats.watched = true;
    pthread_mutex_unlock(&dev->lock);
    if (p->gone) {
        if (dev->link.announced && !dev->clearing)
            cleared(dev);
    } else if (is_ours(o, p->since_ms)) {
        if (dev->link.announced)
            o->restore_at = NEVER;
    } else if (!retained || dev->away_since) { /* else it may be of our own last run */
        o->restore_at = NEVER; /* somebody of this name is seen: no fight about the place */
        rival(dev, p);
    }
}

void own_restored(struct sigdev *dev)
{
    static const struct sigdev_presence gone = {.gone = true};
    struct own *o = &dev->own;
    int64_t now = now_ms();
    if (now - o->restored_at >= RESTORE_CALM_MS)
        o->restores = 0;
    o->restores++;
    o->restored_at = now;
    pthread_mutex_lock(&dev->lock);
    dev->stats.restored++;
    pthread_mutex_unlock(&dev->lock);
    tell(dev, &gone, &o->cleared_told_at);
}
