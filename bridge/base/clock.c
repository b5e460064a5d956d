#include "base/clock.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

int64_t clock_mono_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

uint64_t clock_random(void)
{
    uint64_t value;
    if (getrandom(&value, sizeof value, 0) != (ssize_t)sizeof value)
        abort();
    return value;
}

void clock_random_name(char *out, size_t chars)
{
    static const char alphabet[36] = "abcdefghijklmnopqrstuvwxyz0123456789";
    uint64_t bits = 0;
    for (size_t i = 0; i < chars; i++) {
        if (i % 8 == 0)
            bits = clock_random();
        out[i] = alphabet[bits % 36];
        bits /= 36;
    }
    out[chars] = '\0';
}
