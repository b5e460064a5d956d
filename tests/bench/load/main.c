/* load: puts a signaling server under load, and checks every message that it delivers.
 *
 * 1. The command line says which mode and which candidate.
 * 2. The mode lets sessions come, has them talk, and measures.
 * 3. One JSON object on standard output; 0 when every message was right, 1 when not, 2 for wrong
 * use. */
#include "modes.h"
#include "selftest.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const struct {
    const char *name;
    bool (*run)(const struct options *options, const struct candidate *candidate);
    unsigned
        needs; /* what the candidate may not lack; targets only where a room has more than two */
} modes[] = {
    {"latency", mode_latency, LACKS_TARGETS},
    {"saturation", mode_saturation, LACKS_TARGETS},
    {"burst", mode_burst, LACKS_TARGETS},
    {"soak", mode_soak, LACKS_TARGETS},
    {"idle", mode_idle, 0},
    {"join", mode_join, LACKS_PRESENCE},
    {"fanout", mode_fanout, LACKS_BROADCAST},
};

static _Noreturn void wrong(const char *what, const char *name)
{
    fprintf(stderr, "load: %s: %s\ntry: load --help\n", what, name);
    exit(2);
}

/* As many sockets as the system lets us have. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int self_test(void)
{
    bool work = selftest_work(), codecs = selftest_codecs(), drivers = selftest_drivers(),
         figures = selftest_figures();
    bool all = work && codecs && drivers && figures;
    printf("self-test: %s\n", all ? "all holds" : "FAILED");
    return all ? 0 : 1;
}

static const struct candidate *find_candidate(const struct options *options)
{
    if (!options->candidate)
        wrong("--candidate", "is missing");
    const struct candidate *candidate = driver_find(options->candidate);
    if (!candidate)
        wrong("--candidate", options->candidate);
    if (options->port == 0 && !candidate->callers_on_mqtt)
        wrong("--port", "is missing");
    if (options->mqtt_port == 0 && (candidate->callers_on_mqtt || candidate->callees_on_mqtt))
        wrong("--mqtt-port", "is missing");
    if (options->second_port != 0 && !candidate->shares_broker)
        wrong("--second-port is not for", candidate->kind);
    return candidate;
}

/* What options.c cannot know. */
static void check(const struct options *options, unsigned needs)
{
    struct in_addr address;
    if (inet_pton(AF_INET, options->host, &address) != 1)
        wrong("--host is no IPv4 address", options->host);
    if (options->pid_count == 0)
        wrong("--pids", "is missing");
    if (needs & LACKS_TARGETS && options->room_size % 2 == 1)
        wrong("--room-size", "a pair must not be in two rooms: take an even number");
}

static bool can(const struct options *options, const struct candidate *candidate, unsigned needs)
{
    unsigned lacks = needs & candidate->lacks;
    if (options->room_size <= 2)
        lacks &= ~(unsigned)LACKS_TARGETS;
    return lacks == 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "self-test") == 0)
        return self_test();
    struct options options = options_read(argc, argv);
    const struct candidate *candidate = find_candidate(&options);
    raise_descriptors();
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(modes[i].name, options.mode) != 0)
            continue;
        check(&options, modes[i].needs);
        if (!can(&options, candidate, modes[i].needs))
            wrong("this candidate does not have what the mode needs", options.mode);
        return modes[i].run(&options, candidate) ? 0 : 1;
    }
    wrong("unknown mode", options.mode);
}
