#include "report.h"

#include <math.h>
#include <stdio.h>

void report_whole(const char *name, uint64_t n)
{
    printf(",\"%s\":%llu", name, (unsigned long long)n);
}

void report_real(const char *name, double x)
{
    if (isfinite(x))
        printf(",\"%s\":%.3f", name, x);
    else
        printf(",\"%s\":null", name);
}

void report_begin(const struct world *world, bool ok)
{
    const struct work *work = &world->work;
    printf("{\"mode\":\"%s\",\"candidate\":\"%s\",\"ok\":%s", world->options->mode,
           world->candidate->kind, ok ? "true" : "false");
    report_whole("sessions", world->count);
    report_whole("roomSize", world->room_size);
    printf(",\"crossing\":%s", world->options->second_port ? "true" : "false");
    report_whole("lost", work->lost);
    for (int i = WORK_REORDERED; i < WORK_VERDICTS; i++)
        report_whole(work_verdict_names[i], work->counts[i]);
}

void report_window(const struct world *world, const struct window *w)
{
    double messages = (double)w->messages;
    report_whole("messages", w->messages);
    report_real("seconds", w->seconds);
    report_real("messagesPerSecond", messages / w->seconds);
    report_real("cpuUsPerMessage", w->all_us / messages);
    printf(",\"cpuByPid\":{");
    for (unsigned i = 0; i < world->options->pid_count; i++)
        printf("%s\"%d\":%.3f", i ? "," : "", (int)world->options->pids[i],
               messages > 0 ? w->pid_us[i] / messages : 0.0);
    printf("}");
    report_real("generatorCpuUsPerMessage", w->own_us / messages);
    report_real("serverCpuShare", w->all_us / 1e6 / w->seconds);
    report_real("generatorCpuShare", w->own_us / 1e6 / w->seconds);
    report_real("generatorWaitShare", w->waited_us / 1e6 / w->seconds);
    report_real("stolenShare", w->stolen_us / 1e6 / w->seconds);
}

void report_times(const struct histogram *h)
{
    report_whole("handshakes", h->count);
    report_real("p50", histogram_ms(h, 0.5));
    report_real("p90", histogram_ms(h, 0.9));
    report_real("p99", histogram_ms(h, 0.99));
    report_real("max", histogram_max_ms(h));
}

void report_end(void)
{
    printf("}\n");
}
