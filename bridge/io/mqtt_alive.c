#include "io/mqtt_alive.h"

/* Between two ticks: more means that it was us who stood still. */
#define ASLEEP_US INT64_C(4000000)

void mqtt_alive_begin(struct mqtt_alive *a, int64_t now_us)
{
    *a = (struct mqtt_alive){now_us, now_us, 0};
}

void mqtt_alive_seen(struct mqtt_alive *a, int64_t now_us)
{
    a->seen_us = now_us;
}

void mqtt_alive_tick(struct mqtt_alive *a, int unsent, int64_t now_us)
{
    if (now_us - a->tick_us > ASLEEP_US || unsent < a->unsent)
        a->seen_us = now_us;
    a->tick_us = now_us;
    a->unsent = unsent;
}

bool mqtt_alive_lost(const struct mqtt_alive *a, int64_t puback_us, int64_t suback_us,
                     int64_t now_us)
{
    bool quiet = now_us - a->seen_us >= MQTT_ALIVE_US;
    if (suback_us >= 0 && now_us - suback_us >= (quiet ? MQTT_ALIVE_US : MQTT_SUBACK_US))
        return true;
    return quiet && puback_us >= 0 && now_us - puback_us >= MQTT_ALIVE_US;
}
