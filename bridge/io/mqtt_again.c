#include "io/mqtt_again.h"

#include "base/map.h"

#include <stdlib.h>
#include <string.h>

bool mqtt_again_init(struct mqtt_again *a)
{
    *a = (struct mqtt_again){.ring = calloc(MQTT_AGAIN_MAX, sizeof *a->ring)};
    return a->ring;
}

void mqtt_again_release(struct mqtt_again *a)
{
    free(a->ring);
    *a = (struct mqtt_again){0};
}

void mqtt_again_up(struct mqtt_again *a, bool kept)
{
    if (!kept)
        a->count = 0;
    a->comparing = a->count > 0;
    a->found = false;
}

void mqtt_again_over(struct mqtt_again *a)
{
    a->comparing = false;
}

/* The hash is keyed: nobody can make a message that is taken for another one. */
static uint64_t digest(uint16_t id, const char *topic, struct text payload, bool retain)
{
    struct {
        uint64_t topic, payload, rest;
    } parts = {
        map_hash(topic, strlen(topic)),
        map_hash(payload.p, text_len(&payload)),
        (uint64_t)id << 1 | retain,
    };
    return map_hash(&parts, sizeof parts);
}

/* The one that has `back` newer ones or is the newest itself: 1 is the newest. */
static uint64_t at(const struct mqtt_again *a, size_t back)
{
    return a->ring[(a->end + MQTT_AGAIN_MAX - back) % MQTT_AGAIN_MAX];
}

static bool repeats(struct mqtt_again *a, uint64_t d)
{
    size_t left = a->left;
    if (a->found) {
        while (left > 0 && at(a, left) != d) /* what expired meanwhile is left out */
            left--;
    } else {
        left = 1;
        while (left <= a->count && at(a, left) != d)
            left++;
        a->found = left <= a->count;
    }
    if (!a->found || left == 0)
        return false;
    a->left = left - 1;
    return true;
}

bool mqtt_again_had(struct mqtt_again *a, uint16_t id, const char *topic, struct text payload,
                    bool retain)
{
    uint64_t d = digest(id, topic, payload, retain);
    if (a->comparing && repeats(a, d))
        return true;
    a->comparing = false;
    a->ring[a->end] = d;
    a->end = (a->end + 1) % MQTT_AGAIN_MAX;
    if (a->count < MQTT_AGAIN_MAX)
        a->count++;
    return false;
}
