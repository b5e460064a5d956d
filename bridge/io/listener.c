#include "io/listener.h"

#include "base/clock.h"
#include "base/log.h"
#include "policy/log_budget.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BACKLOG = 1024,
    ACCEPT_BUDGET = 64,      /* connections in one turn of the loop */
    SEND_BUFFER = 64 * 1024, /* the kernel's default lets a stopped reader park 2.8 MB */
};

#define PAUSE_S 0.1 /* without descriptors: a readable listener would spin */

struct listener {
    struct ev_loop *loop;
    ev_io readable;
    ev_timer resume;
    int fd;
    int port;
    bool shared;
    uint64_t pauses;
    struct log_budget log;
    listener_accepted *accepted;
    void *arg;
};

static void pause_for_descriptors(struct listener *l)
{
    uint64_t unsaid;
    l->pauses++;
    if (log_budget_take(&l->log, clock_mono_us(), &unsaid))
        log_line(LOG_WARN, "no-descriptors", LOG_S("why", strerror(errno)),
                 LOG_S("remedy", "raise the hard limit of open files or lower limits.sessions"),
                 LOG_I("unsaid", unsaid), LOG_END);
    ev_io_stop(l->loop, &l->readable);
    ev_timer_set(&l->resume, PAUSE_S, 0.);
    ev_timer_start(l->loop, &l->resume);
}

static void on_resume(struct ev_loop *loop, ev_timer *w, int events)
{
    struct listener *l = w->data;
    (void)events;
    ev_io_start(loop, &l->readable);
}

static void read_ip(const struct sockaddr_storage *from, uint8_t ip[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (from->ss_family == AF_INET6) {
        memcpy(ip, &((const struct sockaddr_in6 *)from)->sin6_addr, 16);
        return;
    }
    memcpy(ip, mapped, sizeof mapped);
    memcpy(ip + sizeof mapped, &((const struct sockaddr_in *)from)->sin_addr, 4);
}

static void accept_up_to(struct listener *l, int most)
{
    uint8_t ip[16];
    int on = 1, size = SEND_BUFFER;
    for (int i = 0; i < most; i++) {
        struct sockaddr_storage from = {0};
        socklen_t from_len = sizeof from;
        int fd = accept4(l->fd, (struct sockaddr *)&from, &from_len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                pause_for_descriptors(l);
            return;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        read_ip(&from, ip);
        l->accepted(l->arg, fd, ip);
    }
}

static void on_readable(struct ev_loop *loop, ev_io *w, int events)
{
    (void)loop;
    (void)events;
    accept_up_to(w->data, ACCEPT_BUDGET);
}

static socklen_t make_address(const char *host, bool ipv6, int port, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (ipv6) {
        struct sockaddr_in6 *a = (struct sockaddr_in6 *)out;
        a->sin6_family = AF_INET6;
        a->sin6_port = htons((uint16_t)port);
        return inet_pton(AF_INET6, host, &a->sin6_addr) == 1 ? sizeof *a : 0;
    }
    struct sockaddr_in *a = (struct sockaddr_in *)out;
    a->sin_family = AF_INET;
    a->sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, host, &a->sin_addr) == 1 ? sizeof *a : 0;
}

static int read_port(int fd)
{
    struct sockaddr_storage a;
    socklen_t len = sizeof a;
    if (getsockname(fd, (struct sockaddr *)&a, &len) < 0)
        return 0;
    return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
                                         : ((struct sockaddr_in *)&a)->sin_port);
}

static enum status explain(struct problem *why, const struct listener_options *o)
{
    const char *host = o->host;
    int port = o->port;
    if (errno == EADDRINUSE && o->shared)
        return problem_set(why, STATUS_IO, 0, "listen",
                           "%s port %d is in use by another program that does not share it: it "
                           "needs --listen-shared, too, and to be the same user's",
                           host, port);
    if (errno == EADDRINUSE)
        return problem_set(why, STATUS_IO, 0, "listen",
                           "%s port %d is in use by another program: stop it, or choose another "
                           "port with --listen; bridges share one with --listen-shared each",
                           host, port);
    if (errno == EADDRNOTAVAIL)
        return problem_set(why, STATUS_IO, 0, "listen",
                           "%s is no address of this machine: choose another one with --listen",
                           host);
    return problem_set(why, STATUS_IO, 0, "listen", "cannot listen on %s port %d: %s", host, port,
                       strerror(errno));
}

/* What must be said before the port is taken. */
static bool set_options(int fd, const struct listener_options *o)
{
    int on = 1;
    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
           (!o->shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
           (!o->ipv6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0);
}

enum status listener_start(struct listener **out, struct ev_loop *loop,
                           const struct listener_options *o, listener_accepted *accepted, void *arg,
                           struct problem *why)
{
    struct sockaddr_storage address;
    struct listener *l = calloc(1, sizeof *l);
    if (!l)
        return problem_set(why, STATUS_NO_MEMORY, 0, NULL, "out of memory");
    socklen_t len = make_address(o->host, o->ipv6, o->port, &address);
    l->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0 || len == 0 || !set_options(l->fd, o) ||
        bind(l->fd, (struct sockaddr *)&address, len) < 0 || listen(l->fd, BACKLOG) < 0) {
        enum status s = explain(why, o);
        if (l->fd >= 0)
            close(l->fd);
        free(l);
        return s;
    }
    l->loop = loop;
    l->port = read_port(l->fd);
    l->shared = o->shared;
    l->accepted = accepted;
    log_budget_init(&l->log, clock_mono_us());
    l->arg = arg;
    ev_io_init(&l->readable, on_readable, l->fd, EV_READ);
    ev_timer_init(&l->resume, on_resume, 0., 0.);
    l->readable.data = l->resume.data = l;
    ev_io_start(loop, &l->readable);
    *out = l;
    return STATUS_OK;
}

int listener_port(const struct listener *l)
{
    return l->port;
}

uint64_t listener_pauses(const struct listener *l)
{
    return l->pauses;
}

/* A filter of the socket needs no rights, and sees each segment that comes for it from the TCP
 * header on. There is no other way to say that a listener shall get no more. */
void listener_yield(struct listener *l)
{
    enum { FLAGS_BYTE = 13, SYN = 0x02, SYN_ACK = 0x12 }; /* of a TCP header, RFC 9293 */
    struct sock_filter keep_no_syn[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FLAGS_BYTE),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SYN_ACK),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    struct sock_fprog filter = {sizeof keep_no_syn / sizeof *keep_no_syn, keep_no_syn};
    if (l->shared && setsockopt(l->fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) < 0)
        log_line(LOG_WARN, "port-not-yielded", LOG_S("why", strerror(errno)), LOG_END);
}

void listener_stop(struct listener *l)
{
    if (!l)
        return;
    if (l->shared)
        accept_up_to(l, BACKLOG);
    ev_io_stop(l->loop, &l->readable);
    ev_timer_stop(l->loop, &l->resume);
    close(l->fd);
    free(l);
}
