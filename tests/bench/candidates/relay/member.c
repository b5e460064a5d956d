#include "member.h"

#include "frame.h"
#include "room.h"
#include "upgrade.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct member *unsent, *dead;
static unsigned char scratch[FRAME_MAX + 262144]; /* one read, behind what was held */

struct member *member_create(int fd)
{
    struct member *m = calloc(1, sizeof *m);
    if (!m) {
        close(fd);
        return NULL;
    }
    m->fd = fd;
    return m;
}

void member_destroy(struct member *m)
{
    room_leave(m);
    close(m->fd);
    free(m->held);
    free(m->out);
    free(m);
}

static void die(struct member *m)
{
    if (m->dead)
        return;
    m->dead = true;
    m->next_dead = dead;
    dead = m;
}

struct member *member_next_dead(void)
{
    struct member *m = dead;
    if (m)
        dead = m->next_dead;
    return m;
}

/* Room for `more` bytes behind what waits. NULL: the member is dead, or dies of it. */
static unsigned char *reserve(struct member *m, size_t more)
{
    size_t need = m->out_len + more;
    if (m->dead)
        return NULL;
    if (need > MEMBER_OUT_MAX) {
        die(m);
        return NULL;
    }
    if (need > m->out_capacity) {
        size_t capacity = need < 4096 ? 4096 : 2 * need;
        unsigned char *out = realloc(m->out, capacity);
        if (!out) {
            die(m);
            return NULL;
        }
        m->out = out;
        m->out_capacity = capacity;
    }
    if (!m->unsent) {
        m->unsent = true;
        m->next_unsent = unsent;
        unsent = m;
    }
    m->out_len = need;
    return m->out + need - more;
}

static void put(struct member *m, const void *bytes, size_t len)
{
    unsigned char *to = reserve(m, len);
    if (to)
        memcpy(to, bytes, len);
}

static void put_frame(struct member *m, const unsigned char *head, size_t head_len,
                      const struct frame *f)
{
    unsigned char *to = reserve(m, head_len + f->len);
    if (!to)
        return;
    memcpy(to, head, head_len);
    memcpy(to + head_len, f->payload, f->len);
}

static void on_frame(struct member *m, const struct frame *f)
{
    unsigned char head[FRAME_HEAD_MAX];
    switch (f->opcode) {
    case FRAME_TEXT: {
        size_t head_len = frame_head(head, FRAME_TEXT, f->len);
        for (size_t i = 0; i < m->room->count; i++)
            if (m->room->members[i] != m)
                put_frame(m->room->members[i], head, head_len, f);
        break;
    }
    case FRAME_PING:
        put_frame(m, head, frame_head(head, FRAME_PONG, f->len), f);
        break;
    case FRAME_PONG:
        break;
    default:
        die(m);
    }
}

/* How many of the bytes were used. */
static size_t take(struct member *m, unsigned char *bytes, size_t len)
{
    size_t at = 0;
    if (!m->room) {
        struct upgrade u;
        enum upgrade_found found = upgrade_read((const char *)bytes, len, &u);
        if (found == UPGRADE_PART)
            return 0;
        if (found == UPGRADE_WRONG || !room_enter(m, u.room)) {
            die(m);
            return len;
        }
        put(m, u.answer, u.answer_len);
        at = u.size;
    }
    while (!m->dead) {
        struct frame f;
        enum frame_found found = frame_read(bytes + at, len - at, &f);
        if (found == FRAME_PART)
            break;
        if (found == FRAME_WRONG) {
            die(m);
            break;
        }
        on_frame(m, &f);
        at += f.size;
    }
    return at;
}

static void hold(struct member *m, const unsigned char *bytes, size_t len)
{
    free(m->held);
    m->held = NULL;
    m->held_len = len;
    if (!len)
        return;
    m->held = malloc(len);
    if (!m->held) {
        m->held_len = 0;
        die(m);
        return;
    }
    memcpy(m->held, bytes, len);
}

bool member_read(struct member *m)
{
    size_t len = m->held_len, space = sizeof scratch - len;
    if (len)
        memcpy(scratch, m->held, len);
    ssize_t n = recv(m->fd, scratch + len, space, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return errno == EINTR;
    if (n <= 0) {
        die(m);
        return false;
    }
    len += (size_t)n;
    size_t used = take(m, scratch, len);
    if (!m->dead && (used < len || m->held_len))
        hold(m, scratch + used, len - used);
    return !m->dead && (size_t)n == space;
}

void member_write(struct member *m)
{
    while (m->out_at < m->out_len) {
        ssize_t n = send(m->fd, m->out + m->out_at, m->out_len - m->out_at, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            m->blocked = true;
            return;
        }
        if (n < 0) {
            die(m);
            return;
        }
        m->out_at += (size_t)n;
    }
    m->out_at = m->out_len = 0;
    m->blocked = false;
}

void member_write_all(void)
{
    while (unsent) {
        struct member *m = unsent;
        unsent = m->next_unsent;
        m->unsent = false;
        if (!m->dead && !m->blocked)
            member_write(m);
    }
}
