/* The floor: what a WebSocket server costs on this kernel that passes text frames on unread. A
 * frame of one member of a room goes to all others of it as it came, without its mask.
 *
 *     relay      prints `ready ws=PORT`, and serves ws://127.0.0.1:PORT/ROOM/PEER until it is ended
 *
 * One thread, epoll; what came in one turn of the loop goes out with one write for each socket. */
#include "member.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EVENTS_AT_ONCE = 256,
    BACKLOG = 4096,
};

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int listen_anywhere(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, BACKLOG) ||
        getsockname(fd, (struct sockaddr *)&at, &len))
        fail("relay: listen");
    printf("ready ws=%d\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

/* Edge-triggered: a socket that gets full later needs no further call. */
static void watch(int epoll, int fd, struct member *m)
{
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = m};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e))
        fail("relay: epoll_ctl");
}

static void accept_all(int epoll, int listener)
{
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct member *m = member_create(fd);
        if (!m)
            continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(epoll, fd, m);
    }
    if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
        fail("relay: accept");
}

static void on_event(struct member *m, uint32_t events)
{
    bool ends = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    if (m->dead)
        return;
    if ((events & EPOLLOUT) && m->blocked)
        member_write(m);
    /* After its last bytes no other edge comes: then read up to the end. */
    while (!m->dead && (member_read(m) || ends))
        ;
}

int main(void)
{
    static struct epoll_event events[EVENTS_AT_ONCE];
    int listener = listen_anywhere();
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        fail("relay: epoll");
    watch(epoll, listener, NULL);
    for (;;) {
        struct member *m;
        int count = epoll_wait(epoll, events, EVENTS_AT_ONCE, -1);
        if (count < 0 && errno != EINTR)
            fail("relay: epoll_wait");
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr)
                on_event(events[i].data.ptr, events[i].events);
            else
                accept_all(epoll, listener);
        }
        member_write_all();
        while ((m = member_next_dead()))
            member_destroy(m);
    }
}
