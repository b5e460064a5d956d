#include "adapter.h"

#include <string.h>

static void count(struct sigdev *dev, uint64_t *counter)
{
    pthread_mutex_lock(&dev->lock);
    ++*counter;
    pthread_mutex_unlock(&dev->lock);
}

static void refuse(struct sigdev *dev, const char *from, enum sigdev_error e, const char *why)
{
    const struct sigdev_handlers *on = &dev->config.on;
    count(dev, e == SIGDEV_ERR_TOO_OLD ? &dev->stats.too_old : &dev->stats.refused);
    if (on->refused)
        on->refused(dev, from, e, why, dev->config.user_data);
}

static void each_candidate(struct sigdev *dev, const char *from, struct sigdev_message *m)
{
    const struct sigdev_handlers *on = &dev->config.on;
    struct sigdev_list list = m->candidates;
    if (!on->candidate)
        return;
    m->type = SIGDEV_CANDIDATE;
    while (sigdev_next_candidate(&list, &m->candidate) == SIGDEV_OK)
        on->candidate(dev, from, m, dev->config.user_data);
}

typedef void peer_handler(struct sigdev *dev, const char *from, const struct sigdev_message *m,
                          void *user);

static void dispatch(struct sigdev *dev, const struct sigdev_topic *topic, struct sigdev_message *m)
{
    const struct sigdev_handlers *on = &dev->config.on;
    void *user = dev->config.user_data;
    peer_handler *handler = NULL;
    switch (m->type) {
    case SIGDEV_OFFER:
        handler = on->offer;
        break;
    case SIGDEV_ANSWER:
        handler = on->answer;
        break;
    case SIGDEV_CANDIDATE:
        handler = on->candidate;
        break;
    case SIGDEV_CANDIDATES:
        each_candidate(dev, topic->from, m);
        break;
    case SIGDEV_BYE:
        handler = on->bye;
        break;
    case SIGDEV_INVITE:
        handler = on->invite;
        break;
    case SIGDEV_SEALED:
        handler = on->sealed;
        break;
    case SIGDEV_MESSAGE:
        if (on->message)
            on->message(dev, topic->from, m, topic->kind == SIGDEV_TOPIC_ROOM, user);
        break;
    case SIGDEV_ERROR:
        if (on->error)
            on->error(dev, m, user);
        break;
    case SIGDEV_ICE_SERVERS:
        if (on->ice_servers)
            on->ice_servers(dev, m, user);
        break;
    }
    if (handler)
        handler(dev, topic->from, m, user);
}

/* Our own: the retained one that stood there, the echo of what we publish, or somebody else's. */
static void receive_own(struct sigdev *dev, char *payload, size_t len, bool retained)
{
    struct sigdev_presence p;
    if (sigdev_parse_presence(payload, len, &p, NULL, 0) == SIGDEV_OK)
        own_received(dev, &p, retained);
}

static void receive_presence(struct sigdev *dev, const struct sigdev_topic *topic, char *payload,
                             size_t len)
{
    const struct sigdev_handlers *on = &dev->config.on;
    struct sigdev_presence p;
    char why[WHY_SIZE] = "";
    enum sigdev_error e = sigdev_parse_presence(payload, len, &p, why, sizeof why);
    if (e != SIGDEV_OK)
        refuse(dev, topic->from, e, why);
    else if (on->presence)
        on->presence(dev, topic->from, &p, dev->config.user_data);
}

static void receive_message(struct sigdev *dev, const struct sigdev_topic *topic, char *payload,
                            size_t len)
{
    struct sigdev_message m;
    char why[WHY_SIZE] = "";
    int64_t max_age = dev->config.max_age_ms;
    uint64_t digest = sigdev_digest(&dev->recent, topic, payload, len);
    enum sigdev_error e = sigdev_parse(&dev->self, topic, payload, len, &m, why, sizeof why);
    if (e == SIGDEV_ERR_UNKNOWN_TYPE) {
        count(dev, &dev->stats.ignored);
    } else if (e != SIGDEV_OK) {
        refuse(dev, topic->from, e, why);
    } else if (sigdev_is_repeated(&dev->recent, &m, digest)) {
        count(dev, &dev->stats.repeated);
    } else if (max_age && sigdev_is_old(&m, wall_ms(), max_age)) {
        refuse(dev, topic->from, SIGDEV_ERR_TOO_OLD, "sent longer ago than max_age_ms");
    } else {
        count(dev, &dev->stats.received);
        dispatch(dev, topic, &m);
    }
}

/* The payload is libmosquitto's own copy, freed after the callback: it may be decoded in place. */
void receive(struct sigdev *dev, const struct mosquitto_message *message)
{
    struct sigdev_topic topic;
    char nothing[1] = "";
    char *payload = message->payload ? message->payload : nothing;
    size_t len = message->payload ? (size_t)message->payloadlen : 0;
    if (sigdev_topic_parse(&dev->self, message->topic, strlen(message->topic), &topic)) {
        refuse(dev, NULL, SIGDEV_ERR_TOPIC, "a topic that was not subscribed to");
        return;
    }
    bool own = topic.kind != SIGDEV_TOPIC_INBOX && strcmp(topic.from, dev->self.peer) == 0;
    if (own && topic.kind == SIGDEV_TOPIC_ROOM)
        return; /* what we told the room ourselves */
    if (own)
        receive_own(dev, payload, len, message->retain);
    else if (topic.kind == SIGDEV_TOPIC_PRESENCE)
        receive_presence(dev, &topic, payload, len);
    else if (message->retain)
        refuse(dev, topic.from, SIGDEV_ERR_MESSAGE, "a retained message would come back for ever");
    else
        receive_message(dev, &topic, payload, len);
}
