#include "core.h"

#include "proto/names.h"
#include "proto/topic.h"

#include <string.h>

_Static_assert(SIGDEV_NAME_MAX == NAME_MAX_BYTES, "names");
_Static_assert(SIGDEV_PREFIX_MAX == TOPIC_PREFIX_MAX, "prefix");

static const char *prefix_of(const struct sigdev_self *self)
{
    return self->prefix ? self->prefix : SIGDEV_PREFIX;
}

/* One or more topic levels, none of them a wildcard. */
static bool prefix_ok(const char *prefix)
{
    size_t len = strlen(prefix);
    if (len == 0 || len > SIGDEV_PREFIX_MAX || prefix[0] == '/' || prefix[len - 1] == '/')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!text_is_printable(prefix[i]) || prefix[i] == '+' || prefix[i] == '#')
            return false;
    return true;
}

bool sigdev_name_ok(const char *name)
{
    return name && name_ok(name, strlen(name));
}

static bool self_ok(const struct sigdev_self *self)
{
    return prefix_ok(prefix_of(self)) && sigdev_name_ok(self->room) && sigdev_name_ok(self->peer);
}

/* Who stands in the topic: a peer, the bridge, or everyone (the wildcard of a filter). */
static enum sigdev_error write_inbox(const struct sigdev_self *self, const char *to,
                                     const char *from, char *out, size_t size)
{
    struct buf b;
    if (!self_ok(self) || !core_begin(&b, out, size))
        return SIGDEV_ERR_ARGUMENT;
    topic_inbox(&b, prefix_of(self), text_of_str(self->room), text_of_str(to), text_of_str(from));
    return core_finish(&b, NULL);
}

static enum sigdev_error write_presence(const struct sigdev_self *self, const char *peer, char *out,
                                        size_t size)
{
    struct buf b;
    if (!self_ok(self) || !core_begin(&b, out, size))
        return SIGDEV_ERR_ARGUMENT;
    topic_presence(&b, prefix_of(self), text_of_str(self->room), text_of_str(peer));
    return core_finish(&b, NULL);
}

static enum sigdev_error write_all(const struct sigdev_self *self, const char *from, char *out,
                                   size_t size)
{
    struct buf b;
    if (!self_ok(self) || !core_begin(&b, out, size))
        return SIGDEV_ERR_ARGUMENT;
    topic_all(&b, prefix_of(self), text_of_str(self->room), text_of_str(from));
    return core_finish(&b, NULL);
}

enum sigdev_error sigdev_topic_presence(const struct sigdev_self *self, const char *peer, char *out,
                                        size_t size)
{
    if (peer && !sigdev_name_ok(peer))
        return SIGDEV_ERR_ARGUMENT;
    return write_presence(self, peer ? peer : self->peer, out, size);
}

enum sigdev_error sigdev_topic_inbox(const struct sigdev_self *self, char *out, size_t size)
{
    return write_inbox(self, self->peer, "+", out, size);
}

enum sigdev_error sigdev_topic_room(const struct sigdev_self *self, char *out, size_t size)
{
    return write_all(self, "+", out, size);
}

enum sigdev_error sigdev_topic_roster(const struct sigdev_self *self, char *out, size_t size)
{
    return write_presence(self, "+", out, size);
}

enum sigdev_error sigdev_topic_to(const struct sigdev_self *self, const char *to, char *out,
                                  size_t size)
{
    if (!to || (!sigdev_name_ok(to) && strcmp(to, SIGDEV_BRIDGE) != 0))
        return SIGDEV_ERR_ARGUMENT;
    return write_inbox(self, to, self->peer, out, size);
}

enum sigdev_error sigdev_topic_all(const struct sigdev_self *self, char *out, size_t size)
{
    return write_all(self, self->peer, out, size);
}

enum sigdev_error sigdev_topic_parse(const struct sigdev_self *self, const char *topic, size_t len,
                                     struct sigdev_topic *out)
{
    struct topic t;
    if (!topic_parse(prefix_of(self), topic, len, &t) || !text_equals(t.room, self->room))
        return SIGDEV_ERR_TOPIC;
    struct text from = t.from;
    switch (t.kind) {
    case TOPIC_INBOX:
        if (!text_equals(t.peer, self->peer))
            return SIGDEV_ERR_TOPIC;
        out->kind = SIGDEV_TOPIC_INBOX;
        break;
    case TOPIC_ALL:
        out->kind = SIGDEV_TOPIC_ROOM;
        break;
    case TOPIC_PRESENCE:
        out->kind = SIGDEV_TOPIC_PRESENCE;
        from = t.peer;
        break;
    default:
        return SIGDEV_ERR_TOPIC;
    }
    memcpy(out->from, from.p, text_len(&from));
    out->from[text_len(&from)] = '\0';
    return SIGDEV_OK;
}
