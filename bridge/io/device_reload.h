/* Tells a running mosquitto to read its files again (SIGHUP). It is found by its pid file, and only
 * signalled when that process is a mosquitto: a stale file must not hit somebody else.
 *
 * Why a signal and not a request to the bridge: it works the same for a broker of one's own, and
 * while no bridge runs.
 *
 * Threads: any. */
#ifndef SIGBRIDGE_IO_DEVICE_RELOAD_H
#define SIGBRIDGE_IO_DEVICE_RELOAD_H

#include <stdbool.h>
#include <sys/types.h>

enum device_told {
    DEVICE_TOLD,   /* it reads them now */
    DEVICE_NOBODY, /* no mosquitto runs by that file */
    DEVICE_DEAF    /* it runs, and may not be signalled: errno says why */
};

/* pid_file: absolute, or in dir_fd. own_dir: the process must work in that directory, as the
 * embedded broker does. */
enum device_told device_reload(int dir_fd, const char *pid_file, bool own_dir, pid_t *pid);

#endif
