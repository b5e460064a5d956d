/* Any bytes as a topic. What is accepted must be built to the same bytes again. */
#include "proto/topic.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void build(struct buf *b, const char *prefix, const struct topic *t)
{
    switch (t->kind) {
    case TOPIC_PRESENCE:
        topic_presence(b, prefix, t->room, t->peer);
        break;
    case TOPIC_INBOX:
        topic_inbox(b, prefix, t->room, t->peer, t->from);
        break;
    case TOPIC_ALL:
        topic_all(b, prefix, t->room, t->from);
        break;
    case TOPIC_BRIDGE_STATUS:
        topic_bridge_status(b, prefix, t->peer);
        break;
    case TOPIC_BRIDGE_INBOX:
        topic_bridge_inbox(b, prefix, t->peer, t->from);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct topic t;
    char bytes[TOPIC_MAX];
    struct buf b;
    if (!topic_parse("p", (const char *)data, size, &t))
        return 0;
    buf_init_fixed(&b, bytes, sizeof bytes);
    build(&b, "p", &t);
    require(buf_ok(&b) && b.len == size && memcmp(b.data, data, size) == 0);
    return 0;
}
