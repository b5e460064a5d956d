/* A handle from create to destroy, and the calls that any thread may make. */
#include "adapter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

void device_wake(struct sigdev *dev)
{
    uint64_t one = 1;
    if (write(dev->wake, &one, sizeof one) < 0) {
        /* Only a full counter can refuse it, and then it is readable already. */
    }
}

enum sigdev_state sigdev_get_state(struct sigdev *dev)
{
    pthread_mutex_lock(&dev->lock);
    enum sigdev_state state = dev->state;
    pthread_mutex_unlock(&dev->lock);
    return state;
}

void sigdev_get_stats(struct sigdev *dev, struct sigdev_stats *out)
{
    pthread_mutex_lock(&dev->lock);
    *out = dev->stats;
    out->queued = dev->queue.count;
    out->queued_bytes = dev->queue.bytes;
    pthread_mutex_unlock(&dev->lock);
}

/* ---- Life ----------------------------------------------------------------------------------- */

static enum sigdev_error watch(struct sigdev *dev, int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    return fd >= 0 && epoll_ctl(dev->epoll, EPOLL_CTL_ADD, fd, &e) == 0 ? SIGDEV_OK
                                                                        : SIGDEV_ERR_SYSTEM;
}

static enum sigdev_error open_descriptors(struct sigdev *dev)
{
    dev->epoll = epoll_create1(EPOLL_CLOEXEC);
    dev->timer = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    dev->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    enum sigdev_error e = watch(dev, dev->timer);
    return e == SIGDEV_OK ? watch(dev, dev->wake) : e;
}

static void set_identity(struct sigdev *dev)
{
    const struct sigdev_config *c = &dev->config;
    dev->self = (struct sigdev_self){c->prefix, c->room, c->peer};
    if (c->client_id)
        snprintf(dev->client_id, sizeof dev->client_id, "%s", c->client_id);
    else
        snprintf(dev->client_id, sizeof dev->client_id, "%s:%s", c->room, c->peer);
}

enum sigdev_error sigdev_create(const struct sigdev_config *config, struct sigdev **out, char *why,
                                size_t why_size)
{
    *out = NULL;
    struct sigdev *dev = calloc(1, sizeof *dev);
    if (!dev) {
        if (why && why_size)
            snprintf(why, why_size, "out of memory");
        return SIGDEV_ERR_NO_MEMORY;
    }
    dev->epoll = dev->timer = dev->wake = -1;
    dev->link.fd = -1;
    dev->retry_at = dev->handshake_at = dev->misc_at = dev->renew_at = NEVER;
    queue_init(&dev->queue);
    own_init(&dev->own);
    pthread_mutex_init(&dev->lock, NULL);
    pthread_mutex_init(&dev->sending, NULL);
    mosquitto_lib_init();
    enum sigdev_error e = config_copy(&dev->config, config, why, why_size);
    if (e != SIGDEV_OK)
        goto fail;
    e = open_descriptors(dev);
    if (e == SIGDEV_OK && getrandom(&dev->random, sizeof dev->random, 0) < 0)
        e = SIGDEV_ERR_SYSTEM;
    if (e != SIGDEV_OK) {
        if (why && why_size)
            snprintf(why, why_size, "descriptors: %s", strerror(errno));
        goto fail;
    }
    dev->recent = (struct sigdev_recent){dev->digests, RECENT, 0, dev->random};
    dev->run = (uint32_t)(dev->random >> 32);
    dev->random |= 1; /* zero would stay zero */
    if (dev->config.meta && !(dev->meta = strdup(dev->config.meta))) {
        e = SIGDEV_ERR_NO_MEMORY;
        goto fail;
    }
    set_identity(dev);
    *out = dev;
    return SIGDEV_OK;
fail:
    sigdev_destroy(dev);
    return e;
}

enum sigdev_error device_begin(struct sigdev *dev, enum drive drive)
{
    if (dev->drive != DRIVE_NONE && sigdev_get_state(dev) != SIGDEV_STATE_STOPPED)
        return SIGDEV_ERR_STATE;
    if (dev->has_thread)
        return SIGDEV_ERR_STATE;
    dev->drive = drive;
    dev->attempts = dev->rivals = dev->cut_off = 0;
    dev->online_at = dev->away_since = dev->wait_ms = dev->settled_at = 0;
    dev->resend_at = NEVER;
    dev->own.rival = false;
    dev->clearing = false;
    dev->retry_at = 0; /* at once */
    dev->leave_error = SIGDEV_OK;
    pthread_mutex_lock(&dev->lock);
    dev->state = SIGDEV_STATE_WAITING;
    dev->leave = false;
    pthread_mutex_unlock(&dev->lock);
    device_wake(dev);
    return SIGDEV_OK;
}

void device_end(struct sigdev *dev)
{
    pthread_mutex_lock(&dev->lock);
    dev->state = SIGDEV_STATE_STOPPED;
    pthread_mutex_unlock(&dev->lock);
    dev->drive = DRIVE_NONE;
}

enum sigdev_error sigdev_open(struct sigdev *dev)
{
    return device_begin(dev, DRIVE_LOOP);
}

int sigdev_fd(const struct sigdev *dev)
{
    return dev->epoll;
}

enum sigdev_error sigdev_service(struct sigdev *dev)
{
    if (dev->drive != DRIVE_LOOP || dev->servicing)
        return SIGDEV_ERR_STATE;
    device_service(dev, 0);
    return SIGDEV_OK;
}

enum sigdev_error sigdev_leave(struct sigdev *dev, int64_t wait_ms)
{
    enum sigdev_error e = SIGDEV_OK;
    pthread_mutex_lock(&dev->lock);
    if (dev->state == SIGDEV_STATE_STOPPED) {
        e = SIGDEV_ERR_STATE;
    } else if (!dev->leave) {
        dev->leave = true;
        dev->leave_at = now_ms() + (wait_ms > 0 ? wait_ms : 0);
    }
    pthread_mutex_unlock(&dev->lock);
    if (e == SIGDEV_OK)
        device_wake(dev);
    return e;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

void sigdev_destroy(struct sigdev *dev)
{
    if (!dev)
        return;
    if (dev->has_thread)
        sigdev_stop(dev, 1000);
    link_close(dev);
    mosquitto_lib_cleanup();
    close_fd(dev->epoll);
    close_fd(dev->timer);
    close_fd(dev->wake);
    queue_release(&dev->queue);
    free(dev->meta);
    config_release(&dev->config);
    pthread_mutex_destroy(&dev->lock);
    pthread_mutex_destroy(&dev->sending);
    free(dev);
}
