#include "measure.h"

#include <stdio.h>
#include <stdlib.h>

static _Noreturn void gone(pid_t pid)
{
    fprintf(stderr, "load: there is no process %d, or it may not be looked at\n", (int)pid);
    exit(2);
}

static uint64_t time_of(pid_t pid)
{
    uint64_t ns;
    if (!cpu_time_ns(pid, &ns))
        gone(pid);
    return ns;
}

struct measure measure_begin(const struct world *world)
{
    struct measure m = {.delivered = world->work.delivered,
                        .bytes_in = world->loop.bytes_in,
                        .bytes_out = world->loop.bytes_out};
    for (unsigned i = 0; i < world->options->pid_count; i++)
        m.pid_ns[i] = time_of(world->options->pids[i]);
    m.waited_ns = cpu_own_wait_ns();
    m.stolen_ns = cpu_stolen_ns();
    m.own_ns = cpu_own_ns();
    m.began_ns = loop_now_ns();
    return m;
}

struct window measure_end(const struct world *world, const struct measure *begin)
{
    struct window w = {.seconds = (double)(loop_now_ns() - begin->began_ns) / 1e9,
                       .own_us = (double)(cpu_own_ns() - begin->own_ns) / 1e3,
                       .waited_us = (double)(cpu_own_wait_ns() - begin->waited_ns) / 1e3,
                       .stolen_us = (double)(cpu_stolen_ns() - begin->stolen_ns) / 1e3,
                       .messages = world->work.delivered - begin->delivered,
                       .bytes_in = world->loop.bytes_in - begin->bytes_in,
                       .bytes_out = world->loop.bytes_out - begin->bytes_out};
    for (unsigned i = 0; i < world->options->pid_count; i++) {
        uint64_t ns;
        if (!cpu_time_ns(world->options->pids[i], &ns)) /* it died, and its sessions tell */
            continue;
        w.pid_us[i] = (double)(ns - begin->pid_ns[i]) / 1e3;
        w.all_us += w.pid_us[i];
    }
    return w;
}

void window_add(struct window *sum, const struct window *window)
{
    sum->seconds += window->seconds;
    sum->messages += window->messages;
    sum->bytes_in += window->bytes_in;
    sum->bytes_out += window->bytes_out;
    sum->own_us += window->own_us;
    sum->all_us += window->all_us;
    sum->waited_us += window->waited_us;
    sum->stolen_us += window->stolen_us;
    for (unsigned i = 0; i < PIDS_MAX; i++)
        sum->pid_us[i] += window->pid_us[i];
}

struct memory measure_memory(const struct options *options)
{
    struct memory all = {0};
    for (unsigned i = 0; i < options->pid_count; i++) {
        struct memory one = {0};
        memory_read(options->pids[i], &one);
        all.pss_kib += one.pss_kib;
        all.rss_kib += one.rss_kib;
    }
    return all;
}

uint64_t measure_fds(const struct options *options)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < options->pid_count; i++) {
        uint64_t one = 0;
        memory_count_fds(options->pids[i], &one);
        all += one;
    }
    return all;
}
