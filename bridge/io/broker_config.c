#include "io/broker_config.h"

#include "io/broker_dir.h"
#include "io/broker_login.h"
#include "io/device_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* The order of the listeners matters: once the socket accepts, the TCP port is bound. */
static const char template[] =
    "# Written by sigbridge at each start: changes are lost.\n"
    "# Paths are relative to this directory.\n"
    "per_listener_settings true\n"
    "log_dest stderr\n"
    "log_timestamp false\n"
    "%s"
    "\n"
    "# Retained presence and sleeping devices' sessions outlive a restart. A power cut costs what\n"
    "# changed since the last save, whose time is in seconds; a clean end saves too. A save keeps\n"
    "# everybody waiting for 5 ms, with 10000 peers for 25 ms.\n"
    "persistence true\n"
    "persistence_location ./\n"
    "persistence_file " BROKER_DATABASE "\n"
    "autosave_interval 30\n"
    "persistent_client_expiration 30d\n"
    "\n"
    "# The bridge gets the presence of all peers at once when it subscribes: with the default of\n"
    "# 1000 the rest would be dropped. A sleeping device's queue is bounded by bytes as well.\n"
    "max_queued_messages 100000\n"
    "max_inflight_messages 100\n" /* as many as the bridge keeps on the way: MQTT_QUEUE_WINDOW */
    "max_queued_bytes 67108864\n"
    "max_packet_size 524288\n"
    "set_tcp_nodelay true\n"
    "\n"
    "# The process to signal when the files below have changed: `sigbridge device` does.\n"
    "pid_file " BROKER_PID "\n"
    "\n"
    "# Devices.\n"
    "listener %d %s\n"
    "max_connections %d\n"
    "%s"
    "\n"
    "# The bridge. Only the broker's user can enter this directory, and who does needs the\n"
    "# password besides that the bridge made at this start.\n"
    "listener 0 " BROKER_SOCKET "\n"
    "allow_anonymous false\n"
    "password_file " BROKER_LOGIN_PASSWD "\n"
    "acl_file " BROKER_LOGIN_ACL "\n";

/* The client id is the user: otherwise whoever knows another's could throw it out. */
static const char closed[] = "allow_anonymous false\n"
                             "password_file " DEVICE_PASSWD "\n"
                             "acl_file " DEVICE_ACL "\n"
                             "use_username_as_clientid true\n";
static const char open_to_all[] = "# Development mode: whoever reaches this port is let in.\n"
                                  "allow_anonymous true\n";

static const char quiet[] = "log_type error\nlog_type warning\n";
static const char chatty[] = "log_type error\nlog_type warning\nlog_type notice\n"
                             "log_type information\nlog_type subscribe\nlog_type unsubscribe\n";

/* As many as there are descriptors for, with some left for the bridge's socket and the files: who
 * opens connections without end must not keep the bridge out. */
static int max_connections(void)
{
    enum { OTHERS = 64, LEAST = 16 };
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < OTHERS + LEAST)
        return LEAST;
    return limit.rlim_cur - OTHERS < BROKER_CONNECTIONS_MAX ? (int)(limit.rlim_cur - OTHERS)
                                                            : BROKER_CONNECTIONS_MAX;
}

enum status broker_config_write(int dir_fd, const char *host, int port, bool anonymous,
                                bool verbose, struct problem *why)
{
    static const char beside[] = BROKER_CONFIG ".new";
    bool written = false;
    unlinkat(dir_fd, beside, 0);
    int fd = openat(dir_fd, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd >= 0) {
        int len = dprintf(fd, template, verbose ? chatty : quiet, port, host, max_connections(),
                          anonymous ? open_to_all : closed);
        written = fchmod(fd, 0644) == 0 && len > 0; /* whatever the umask: its user must read it */
        written = close(fd) == 0 && written;
    }
    if (written && renameat(dir_fd, beside, dir_fd, BROKER_CONFIG) == 0)
        return STATUS_OK;
    return problem_set(why, STATUS_IO, 0, "broker-directory",
                       "cannot write the embedded broker's " BROKER_CONFIG
                       " (%s): make room or make the directory writable, or choose another with"
                       " --data",
                       strerrordesc_np(errno));
}
