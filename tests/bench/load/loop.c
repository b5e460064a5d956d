#include "loop.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_MAX = 1024, OUT_KEEP = 64 * 1024 };

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(2);
}

uint64_t loop_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void loop_init(struct loop *loop, const struct loop_events *events, void *owner)
{
    *loop = (struct loop){.events = events, .owner = owner};
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->space = malloc((size_t)LOOP_FRAME_MAX + LOOP_READ_MAX);
    if (loop->epoll < 0 || !loop->space)
        die("epoll");
}

void loop_release(struct loop *loop)
{
    close(loop->epoll);
    free(loop->space);
}

static void watch(struct loop *loop, struct conn *conn, int how, uint32_t events)
{
    struct epoll_event event = {.events = events, .data = {.ptr = conn}};
    if (epoll_ctl(loop->epoll, how, conn->fd, &event))
        die("epoll_ctl");
}

void loop_connect(struct loop *loop, struct conn *conn, const struct sockaddr_in *from,
                  const struct sockaddr_in *to)
{
    *conn = (struct conn){.connecting = true};
    buf_init(&conn->in, LOOP_FRAME_MAX);
    buf_init(&conn->out, LOOP_OUT_MAX);
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0)
        die("socket");
    int on = 1;
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(conn->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(conn->fd, (const struct sockaddr *)from, sizeof *from))
        die("bind");
    if (connect(conn->fd, (const struct sockaddr *)to, sizeof *to) && errno != EINPROGRESS)
        die("connect");
    watch(loop, conn, EPOLL_CTL_ADD, EPOLLOUT);
}

void loop_close(struct loop *loop, struct conn *conn)
{
    if (conn->fd < 0)
        return;
    close(conn->fd); /* which takes it out of epoll */
    conn->fd = -1;
    buf_release(&conn->in);
    buf_release(&conn->out);
    (void)loop;
}

static void fail(struct loop *loop, struct conn *conn, const char *why)
{
    loop_close(loop, conn);
    loop->events->closed(loop, conn, why);
}

struct buf *loop_out(struct loop *loop, struct conn *conn)
{
    if (!conn->dirty) {
        conn->dirty = true;
        conn->next_dirty = loop->dirty;
        loop->dirty = conn;
    }
    return &conn->out;
}

static void write_out(struct loop *loop, struct conn *conn)
{
    if (!buf_ok(&conn->out)) {
        fail(loop, conn, "it does not read what it is sent");
        return;
    }
    ssize_t n = send(conn->fd, conn->out.data, conn->out.len, MSG_NOSIGNAL);
    loop->writes++;
    if (n < 0 && errno != EAGAIN) {
        fail(loop, conn, strerror(errno));
        return;
    }
    size_t sent = n < 0 ? 0 : (size_t)n;
    loop->bytes_out += sent;
    conn->out.len -= sent;
    if (conn->out.len > 0)
        memmove(conn->out.data, conn->out.data + sent, conn->out.len);
    else if (conn->out.cap > OUT_KEEP)
        buf_release(&conn->out);
    bool blocked = conn->out.len > 0;
    if (blocked != conn->blocked)
        watch(loop, conn, EPOLL_CTL_MOD, EPOLLIN | (blocked ? EPOLLOUT : 0u));
    conn->blocked = blocked;
}

static void flush(struct loop *loop)
{
    while (loop->dirty) {
        struct conn *conn = loop->dirty;
        loop->dirty = conn->next_dirty;
        conn->dirty = false;
        if (conn->fd >= 0 && !conn->connecting && !conn->blocked && conn->out.len > 0)
            write_out(loop, conn);
    }
}

static void read_in(struct loop *loop, struct conn *conn)
{
    size_t before = conn->in.len;
    if (before > 0)
        memcpy(loop->space, conn->in.data, before);
    ssize_t n = recv(conn->fd, loop->space + before, LOOP_READ_MAX, 0);
    loop->reads++;
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        fail(loop, conn, n < 0 ? strerror(errno) : "closed by the server");
        return;
    }
    loop->bytes_in += (uint64_t)n;
    size_t all = before + (size_t)n;
    size_t used = loop->events->bytes(loop, conn, loop->space, all);
    if (conn->fd < 0)
        return;
    buf_clear(&conn->in);
    if (used < all)
        buf_add(&conn->in, loop->space + used, all - used);
    else if (conn->in.cap > 0)
        buf_release(&conn->in);
    if (!buf_ok(&conn->in))
        fail(loop, conn, "a frame is larger than this program reads");
}

static void finish_connect(struct loop *loop, struct conn *conn)
{
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        fail(loop, conn, strerror(error));
        return;
    }
    conn->connecting = false;
    watch(loop, conn, EPOLL_CTL_MOD, EPOLLIN);
    loop->events->opened(loop, conn);
}

static void happen(struct loop *loop, struct conn *conn, uint32_t events)
{
    if (conn->fd < 0)
        return;
    if (conn->connecting) {
        finish_connect(loop, conn);
        return;
    }
    if (events & EPOLLOUT)
        write_out(loop, conn);
    if (conn->fd >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        read_in(loop, conn);
}

void loop_turn(struct loop *loop, uint64_t until_ns)
{
    flush(loop);
    uint64_t now = loop_now_ns();
    uint64_t left = until_ns > now ? until_ns - now : 0;
    struct timespec wait = {(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_pwait2(loop->epoll, events, EVENTS_MAX, &wait, NULL);
    if (n < 0 && errno != EINTR)
        die("epoll_pwait2");
    for (int i = 0; i < n; i++)
        happen(loop, events[i].data.ptr, events[i].events);
    flush(loop);
}
