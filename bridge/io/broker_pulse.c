#include "io/broker_pulse.h"

#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PACKET_MAX = 120 }; /* below 128: its length is one byte (MQTT 3.1.1, 2.2.3) */

void broker_pulse_init(struct broker_pulse *p)
{
    *p = (struct broker_pulse){.fd = -1};
}

void broker_pulse_end(struct broker_pulse *p)
{
    if (p->fd >= 0)
        close(p->fd);
    broker_pulse_init(p);
}

static void put_string(struct buf *b, const char *s)
{
    size_t len = strlen(s);
    buf_char(b, (char)(len >> 8));
    buf_char(b, (char)(len & 0xff));
    buf_str(b, s);
}

/* MQTT 3.1.1, 3.1: a clean session, a name and a password, no keepalive. */
static bool say_connect(const struct broker_pulse *p, const char *user, const char *password)
{
    static const char head[] = {0, 4, 'M', 'Q', 'T', 'T', 4, (char)0xc2, 0, 0};
    char rest_bytes[PACKET_MAX + 1], packet_bytes[PACKET_MAX + 3];
    struct buf rest, packet;
    bool said = false;
    buf_init_fixed(&rest, rest_bytes, sizeof rest_bytes);
    buf_init_fixed(&packet, packet_bytes, sizeof packet_bytes);
    buf_add(&rest, head, sizeof head);
    put_string(&rest, "_pulse"); /* no device can be called that */
    put_string(&rest, user);
    put_string(&rest, password);
    buf_char(&packet, 0x10);
    buf_char(&packet, (char)rest.len);
    buf_add(&packet, rest.data, rest.len);
    if (buf_ok(&rest) && buf_ok(&packet))
        said = send(p->fd, packet.data, packet.len, MSG_NOSIGNAL) == (ssize_t)packet.len;
    explicit_bzero(rest_bytes, sizeof rest_bytes);
    explicit_bzero(packet_bytes, sizeof packet_bytes);
    return said;
}

static bool say_ping(const struct broker_pulse *p)
{
    static const char ping[] = {(char)0xc0, 0};
    return send(p->fd, ping, sizeof ping, MSG_NOSIGNAL) == (ssize_t)sizeof ping;
}

static void begin(struct broker_pulse *p, const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "%.107s", path);
    p->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (p->fd >= 0 && connect(p->fd, (struct sockaddr *)&a, sizeof a) != 0) {
        close(p->fd);
        p->fd = -1;
    }
}

/* Whatever it says, it is alive; whether it lets us in is not looked at. */
static void listen_for_it(struct broker_pulse *p)
{
    char bytes[64];
    ssize_t n;
    if (p->fd < 0)
        return;
    while ((n = recv(p->fd, bytes, sizeof bytes, 0)) > 0) {
        p->asked = false;
        p->missed = 0;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) { /* it closed: nobody frozen does that */
        close(p->fd);
        broker_pulse_init(p);
    }
}

bool broker_pulse_beat(struct broker_pulse *p, const char *socket, const char *user,
                       const char *password)
{
    listen_for_it(p);
    if (p->asked && ++p->missed >= BROKER_PULSE_MISSED)
        return false;
    bool fresh = p->fd < 0;
    if (p->asked && !fresh)
        return true; /* one question at a time */
    if (fresh)
        begin(p, socket);
    p->asked = true; /* a socket that takes nobody any more is no answer either */
    if (p->fd >= 0)
        (void)(fresh ? say_connect(p, user, password) : say_ping(p));
    return true;
}
