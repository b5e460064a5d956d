#include "adapter.h"

#include <signal.h>

static void *run(void *arg)
{
    struct sigdev *dev = arg;
    do
        device_service(dev, -1);
    while (sigdev_get_state(dev) != SIGDEV_STATE_STOPPED);
    return NULL;
}

/* The thread takes no signals: they are the application's. */
enum sigdev_error sigdev_start(struct sigdev *dev)
{
    sigset_t all, before;
    enum sigdev_error e = device_begin(dev, DRIVE_THREAD);
    if (e != SIGDEV_OK)
        return e;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&dev->thread, NULL, run, dev);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        device_end(dev);
        return SIGDEV_ERR_SYSTEM;
    }
    dev->has_thread = true;
    return SIGDEV_OK;
}

enum sigdev_error sigdev_stop(struct sigdev *dev, int64_t wait_ms)
{
    if (!dev->has_thread || pthread_equal(pthread_self(), dev->thread))
        return SIGDEV_ERR_STATE;
    sigdev_leave(dev, wait_ms);
    pthread_join(dev->thread, NULL);
    dev->has_thread = false;
    device_end(dev);
    return dev->leave_error;
}
