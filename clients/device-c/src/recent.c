/* Which messages came lately: digests in a ring of the caller's. FNV-1a with a start that the
 * caller may choose: short code, no tables, and bytes are taken one by one from any address. */
#include <sigdev/core.h>

#include <string.h>

static uint64_t mix(uint64_t h, const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

uint64_t sigdev_digest(const struct sigdev_recent *recent, const struct sigdev_topic *topic,
                       const char *payload, size_t len)
{
    uint64_t h = mix(recent->seed ^ 0xcbf29ce484222325u, topic->from, strlen(topic->from));
    h = mix(h, topic->kind == SIGDEV_TOPIC_ROOM ? "/r" : "/i", 2); /* no name holds a slash */
    h = mix(h, payload, len);
    return h ? h : 1; /* 0 is an empty place */
}

bool sigdev_is_repeated(struct sigdev_recent *recent, const struct sigdev_message *m,
                        uint64_t digest)
{
    if ((!m->sent_ms && !m->id.p) || recent->size == 0)
        return false;
    for (size_t i = 0; i < recent->size; i++)
        if (recent->digests[i] == digest)
            return true;
    recent->digests[recent->next] = digest;
    recent->next = (recent->next + 1) % recent->size;
    return false;
}
