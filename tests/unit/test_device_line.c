#include "test_device_line.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                .sin_port = htons((uint16_t)port)};
}

static void give_up(const char *what)
{
    perror(what);
    abort();
}

static void take(struct line *l)
{
    struct sockaddr_in a = loopback(l->target);
    int near = accept(l->listener, NULL, NULL), i = 0;
    while (i < LINE_PAIRS && l->pairs[i].near >= 0)
        i++;
    if (near < 0 || i == LINE_PAIRS)
        give_up("line: accept");
    int far = -1;
    bool out = atomic_load(&l->out);
    if (!out) {
        far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(far, (struct sockaddr *)&a, sizeof a) != 0) {
            close(far); /* the broker is away: say so */
            close(near);
            return;
        }
    }
    l->pairs[i].near = near;
    l->pairs[i].far = far;
    l->pairs[i].dead = out;
}

static void drop(struct line *l, int i)
{
    close(l->pairs[i].near);
    if (l->pairs[i].far >= 0)
        close(l->pairs[i].far);
    l->pairs[i].near = l->pairs[i].far = -1;
}

static void forward(struct line *l, int i, int from, int to)
{
    char bytes[16384];
    ssize_t n = recv(from, bytes, sizeof bytes, MSG_DONTWAIT);
    for (ssize_t at = 0; at < n;) {
        ssize_t sent = send(to, bytes + at, (size_t)(n - at), MSG_NOSIGNAL);
        if (sent <= 0)
            break;
        at += sent;
    }
    if (n == 0)
        drop(l, i);
}

static void *run(void *arg)
{
    struct line *l = arg;
    struct pollfd p[2 + 2 * LINE_PAIRS];
    while (!atomic_load(&l->end)) {
        nfds_t n = 0;
        uint64_t count;
        p[n++] = (struct pollfd){.fd = l->wake, .events = POLLIN};
        p[n++] = (struct pollfd){.fd = l->listener, .events = POLLIN};
        for (int i = 0; i < LINE_PAIRS; i++) {
            bool live = l->pairs[i].near >= 0 && !l->pairs[i].dead;
            p[n++] = (struct pollfd){.fd = live ? l->pairs[i].near : -1, .events = POLLIN};
            p[n++] = (struct pollfd){.fd = live ? l->pairs[i].far : -1, .events = POLLIN};
        }
        if (poll(p, n, -1) < 0)
            give_up("line: poll");
        if (p[0].revents && read(l->wake, &count, sizeof count) < 0)
            give_up("line: eventfd");
        for (int i = 0; i < LINE_PAIRS; i++) {
            if (atomic_load(&l->out))
                l->pairs[i].dead |= l->pairs[i].near >= 0;
            bool live = l->pairs[i].near >= 0 && !l->pairs[i].dead;
            if (live && p[2 + 2 * i].revents)
                forward(l, i, l->pairs[i].near, l->pairs[i].far);
            live = l->pairs[i].near >= 0 && !l->pairs[i].dead;
            if (live && p[3 + 2 * i].revents)
                forward(l, i, l->pairs[i].far, l->pairs[i].near);
        }
        if (p[1].revents)
            take(l);
    }
    return NULL;
}

void line_start(struct line *l, int target)
{
    struct sockaddr_in a = loopback(0);
    socklen_t len = sizeof a;
    *l = (struct line){.target = target};
    for (int i = 0; i < LINE_PAIRS; i++)
        l->pairs[i].near = l->pairs[i].far = -1;
    l->wake = eventfd(0, EFD_CLOEXEC);
    l->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l->wake < 0 || l->listener < 0 || bind(l->listener, (struct sockaddr *)&a, sizeof a) != 0 ||
        listen(l->listener, 8) != 0 || getsockname(l->listener, (struct sockaddr *)&a, &len) != 0)
        give_up("line");
    l->port = ntohs(a.sin_port);
    if (pthread_create(&l->thread, NULL, run, l) != 0)
        give_up("line: thread");
}

static void wake(struct line *l)
{
    uint64_t one = 1;
    if (write(l->wake, &one, sizeof one) < 0)
        give_up("line: eventfd");
}

void line_pull(struct line *l, bool out)
{
    atomic_store(&l->out, out);
    wake(l);
}

void line_stop(struct line *l)
{
    atomic_store(&l->end, true);
    wake(l);
    pthread_join(l->thread, NULL);
    for (int i = 0; i < LINE_PAIRS; i++)
        if (l->pairs[i].near >= 0)
            drop(l, i);
    close(l->listener);
    close(l->wake);
}
