#include "io/broker_port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool make_address(const char *host, int port, union address *a, socklen_t *len)
{
    memset(a, 0, sizeof *a);
    if (inet_pton(AF_INET, host, &a->v4.sin_addr) == 1) {
        a->v4.sin_family = AF_INET;
        a->v4.sin_port = htons((uint16_t)port);
        *len = sizeof a->v4;
        return true;
    }
    if (inet_pton(AF_INET6, host, &a->v6.sin6_addr) == 1) {
        a->v6.sin6_family = AF_INET6;
        a->v6.sin6_port = htons((uint16_t)port);
        *len = sizeof a->v6;
        return true;
    }
    return false;
}

static enum status refuse(const char *host, int port, struct problem *why)
{
    const char *reason, *remedy = "choose another with --mqtt-listen";
    switch (errno) {
    case EADDRINUSE:
        reason = "the port is taken";
        remedy = "end the other program or choose another port with --mqtt-listen";
        break;
    case EADDRNOTAVAIL:
        reason = "this machine has no such address";
        break;
    case EACCES:
        reason = "not allowed";
        remedy = "choose a port above 1023 with --mqtt-listen";
        break;
    default:
        reason = strerrordesc_np(errno);
    }
    return problem_set(why, STATUS_UNAVAILABLE, 0, "broker-port",
                       "the embedded broker cannot listen on %.46s port %d (%s): %s", host, port,
                       reason, remedy);
}

enum status broker_port_probe(const char *host, int *port, struct problem *why)
{
    union address a;
    socklen_t len;
    int on = 1;
    if (!make_address(host, *port, &a, &len) || *port < 0 || *port > 65535)
        return problem_set(why, STATUS_BAD_CONFIG, 0, "broker-port",
                           "the embedded broker listens on numeric addresses only: correct"
                           " --mqtt-listen");
    int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return refuse(host, *port, why);
    enum status status = STATUS_OK;
    /* The same options as mosquitto sets, so that the answer is the one it will get. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (a.any.sa_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) ||
        bind(fd, &a.any, len) != 0 || listen(fd, 1) != 0 || getsockname(fd, &a.any, &len) != 0)
        status = refuse(host, *port, why);
    else
        *port = ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
    close(fd);
    return status;
}

static bool accepts(const struct sockaddr *address, socklen_t len)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    int rc = connect(fd, address, len);
    int error = rc == 0 ? 0 : errno;
    close(fd);
    return rc == 0 || error == EINPROGRESS; /* under way: somebody listens */
}

bool broker_port_accepts(const char *host, int port)
{
    union address a;
    socklen_t len;
    if (!make_address(host, port, &a, &len))
        return false;
    if (a.any.sa_family == AF_INET && a.v4.sin_addr.s_addr == htonl(INADDR_ANY))
        a.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (a.any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&a.v6.sin6_addr))
        a.v6.sin6_addr = in6addr_loopback;
    return accepts(&a.any, len);
}

bool broker_socket_accepts(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int len = snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    return len > 0 && (size_t)len < sizeof a.sun_path &&
           accepts((const struct sockaddr *)&a, sizeof a);
}
