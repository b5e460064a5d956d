#include "test_device_fake.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct packet {
    uint8_t head;
    uint8_t body[8192];
    size_t len;
};

static bool read_exact(const struct fake *f, uint8_t *to, size_t len)
{
    while (len) {
        ssize_t n = f->ssl ? SSL_read(f->ssl, to, (int)len) : read(f->fd, to, len);
        if (n <= 0)
            return false;
        to += n;
        len -= (size_t)n;
    }
    return true;
}

static bool read_packet(const struct fake *f, struct packet *p)
{
    uint8_t byte;
    unsigned shift = 0;
    if (!read_exact(f, &p->head, 1))
        return false;
    p->len = 0;
    do {
        if (!read_exact(f, &byte, 1))
            return false;
        p->len |= (size_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    return p->len <= sizeof p->body && read_exact(f, p->body, p->len);
}

static bool say(const struct fake *f, const void *bytes, size_t len)
{
    if (f->ssl)
        return SSL_write(f->ssl, bytes, (int)len) == (int)len;
    return send(f->fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool connack(const struct fake *f)
{
    static const uint8_t v4[] = {0x20, 2, 0, 0}, v5[] = {0x20, 3, 0, 0, 0};
    /* property 0x27: maximum packet size, 600 */
    static const uint8_t small[] = {0x20, 8, 0, 0, 5, 0x27, 0, 0, 2, 0x58};
    if (f->fault == FAULT_SMALL_PACKETS)
        return say(f, small, sizeof small);
    return f->v5 ? say(f, v5, sizeof v5) : say(f, v4, sizeof v4);
}

/* Grants both filters but for the fault. */
static bool suback(const struct fake *f, const struct packet *p)
{
    uint8_t refused = f->v5 ? 0x87 : 0x80;
    uint8_t codes[3] = {1, 1, 1}, out[8] = {0x90, 0, p->body[0], p->body[1]};
    size_t at = 4, filters = 0;
    for (size_t i = f->v5 ? 3 : 2; i + 2 < p->len; filters++)
        i += 3 + (size_t)(p->body[i] << 8 | p->body[i + 1]);
    if (f->fault == FAULT_REFUSES_INBOX)
        codes[0] = refused;
    else if (f->fault == FAULT_REFUSES_SECOND)
        codes[1] = refused;
    else if (f->fault == FAULT_REFUSES_OWN && memmem(p->body, p->len, "cam/presence", 12))
        codes[0] = refused;
    if (f->v5)
        out[at++] = 0; /* no properties */
    memcpy(out + at, codes, filters);
    at += filters;
    out[1] = (uint8_t)(at - 2);
    return say(f, out, at);
}

static bool puback(const struct fake *f, const struct packet *p)
{
    size_t at = 2 + (size_t)(p->body[0] << 8 | p->body[1]);
    uint8_t out[] = {0x40, 2, p->body[at], p->body[at + 1]};
    return say(f, out, sizeof out);
}

/* Many packets in as few TLS records as there can be. */
static bool burst(const struct fake *f)
{
    static const char topic[] = "p/rooms/r/peers/cam/in/tab";
    static uint8_t out[FAKE_BURST * 100];
    size_t at = 0;
    for (int i = 0; i < FAKE_BURST; i++) {
        char json[64];
        int len =
            snprintf(json, sizeof json, "{\"type\":\"offer\",\"sdp\":\"v=0\",\"call\":\"%d\"}", i);
        out[at++] = 0x32; /* QoS 1 */
        out[at++] = (uint8_t)(2 + sizeof topic - 1 + 2 + 1 + (size_t)len);
        out[at++] = 0;
        out[at++] = sizeof topic - 1;
        memcpy(out + at, topic, sizeof topic - 1);
        at += sizeof topic - 1;
        out[at++] = (uint8_t)((i + 1) >> 8);
        out[at++] = (uint8_t)(i + 1);
        out[at++] = 0; /* no properties */
        memcpy(out + at, json, (size_t)len);
        at += (size_t)len;
    }
    return say(f, out, at);
}

/* What a broker does whose PUBACKs are lost. */
static bool repeat(const struct fake *f)
{
    static const char rest[] = "\0\032p/rooms/r/peers/cam/in/tab\0\001\0"
                               "{\"type\":\"message\",\"data\":1,\"id\":\"x\"}";
    static const uint8_t heads[] = {0x32, 0x3a, 0x3a};
    for (size_t i = 0; i < sizeof heads; i++) {
        const uint8_t head[] = {heads[i], sizeof rest - 1};
        if (!say(f, head, sizeof head) || !say(f, rest, sizeof rest - 1))
            return false;
    }
    return true;
}

static bool answer(struct fake *f, const struct packet *p, unsigned *published)
{
    static const char garbage[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    static const uint8_t taken_over[] = {0xe0, 2, 0x8e, 0};
    switch (p->head >> 4) {
    case 1:
        if (f->fault == FAULT_GARBAGE)
            return say(f, garbage, sizeof garbage - 1);
        return f->fault == FAULT_SILENT || (f->fault != FAULT_CLOSES && connack(f));
    case 8:
        return f->fault == FAULT_NO_SUBACK || suback(f, p);
    case 3:
        ++*published;
        if (f->fault == FAULT_LOSES_ONE && *published == 2 && !f->lost) {
            f->lost = true;
            return false;
        }
        if (f->fault == FAULT_NO_PUBACK || (f->fault == FAULT_NO_GOODBYE && *published > 1))
            return true;
        return puback(f, p) && (f->fault != FAULT_ONE_RECORD || *published > 1 || burst(f)) &&
               (f->fault != FAULT_REPEATS || *published > 1 || repeat(f)) &&
               (f->fault != FAULT_DISCONNECTS || say(f, taken_over, sizeof taken_over));
    default:
        return p->head != 0xe0;
    }
}

static void reset(const struct fake *f)
{
    struct linger now = {.l_onoff = 1};
    uint8_t byte;
    if (read(f->fd, &byte, 1) == 1)
        setsockopt(f->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static void serve_one(struct fake *f)
{
    static struct packet p; /* one fake at a time */
    unsigned published = 0;
    if (f->fault == FAULT_RESETS) {
        reset(f);
        return;
    }
    if (f->tls) {
        f->ssl = SSL_new(f->tls);
        SSL_set_fd(f->ssl, f->fd);
        if (SSL_accept(f->ssl) != 1)
            return;
    }
    while (read_packet(f, &p) && answer(f, &p, &published))
        continue;
}

static void *serve(void *arg)
{
    struct fake *f = arg;
    while ((f->fd = accept(f->listener, NULL, NULL)) >= 0) {
        serve_one(f);
        SSL_free(f->ssl);
        f->ssl = NULL;
        close(f->fd);
    }
    return NULL;
}

static void fill_queue(struct fake *f, const struct sockaddr_in *a)
{
    for (size_t i = 0; i < sizeof f->fill / sizeof *f->fill; i++) {
        f->fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(f->fill[i], (const struct sockaddr *)a, sizeof *a);
    }
}

static void set_tls(struct fake *f, const char *cert, const char *key)
{
    signal(SIGPIPE, SIG_IGN); /* SSL_write() has no MSG_NOSIGNAL */
    f->tls = SSL_CTX_new(TLS_server_method());
    if (!f->tls || SSL_CTX_use_certificate_chain_file(f->tls, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(f->tls, key, SSL_FILETYPE_PEM) != 1)
        abort();
}

void fake_make_room(struct fake *f)
{
    fcntl(f->listener, F_SETFL, O_NONBLOCK);
    for (size_t i = 0; i < sizeof f->taken / sizeof *f->taken; i++)
        f->taken[i] = accept(f->listener, NULL, NULL);
}

void fake_start(struct fake *f, enum fault fault, bool v5, const char *cert, const char *key)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    *f = (struct fake){.fault = fault, .v5 = v5};
    memset(f->taken, -1, sizeof f->taken);
    if (cert)
        set_tls(f, cert, key);
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (f->listener < 0 || bind(f->listener, (struct sockaddr *)&a, sizeof a) != 0 ||
        listen(f->listener, fault == FAULT_FULL ? 0 : 8) != 0 ||
        getsockname(f->listener, (struct sockaddr *)&a, &len) != 0) {
        perror("fake broker");
        abort();
    }
    f->port = ntohs(a.sin_port);
    if (fault == FAULT_FULL)
        fill_queue(f, &a);
    else if (pthread_create(&f->thread, NULL, serve, f) != 0)
        abort();
}

/* Its devices are gone before it, so that it waits in accept(). */
void fake_stop(struct fake *f)
{
    shutdown(f->listener, SHUT_RDWR);
    if (f->fault == FAULT_FULL) {
        for (size_t i = 0; i < sizeof f->fill / sizeof *f->fill; i++) {
            close(f->fill[i]);
            if (f->taken[i] >= 0)
                close(f->taken[i]);
        }
    } else {
        pthread_join(f->thread, NULL);
    }
    close(f->listener);
    SSL_CTX_free(f->tls);
}
