#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: load MODE --candidate KIND --port PORT --pids PID[,PID...] [options]\n"
    "       load self-test\n"
    "\n"
    "modes\n"
    "  latency     handshakes at their planned times, whatever becomes of those before\n"
    "  burst       one handshake of each pair at the same instant, several rounds\n"
    "  saturation  each pair starts its next handshake when the last one has ended\n"
    "  idle        memory of sessions that only are there\n"
    "  join        all sessions come, until everyone has heard of everyone\n"
    "  fanout      broadcasts in a room\n"
    "  soak        as saturation with a pause; memory and descriptors at both ends\n"
    "\n"
    "KIND: sigbridge, sigbridge-device, mosquitto-ws-0, mosquitto-ws-1, mosquitto-tcp-0,\n"
    "      mosquitto-tcp-1, room-server, node-bridge, relay, peerjs, socketio\n"
    "\n"
    "options, with what they are by default\n"
    "  --host ADDR       127.0.0.1   IPv4 address of the server\n"
    "  --port N                      its port for WebSocket\n"
    "  --mqtt-port N                 its port for MQTT, where the candidate has one\n"
    "  --second-port N               sigbridge: another bridge on the same broker; every second\n"
    "                                session of a room, each callee, is there\n"
    "  --path PATH       /ws         of the WebSocket, where the protocol leaves it open\n"
    "  --pids N,N                    all processes whose CPU time and memory count\n"
    "  --pairs N         64          pairs that make handshakes\n"
    "  --idle N          0           further sessions that only are there\n"
    "  --room-size N     2           sessions in a room (join: 10, fanout: 100)\n"
    "  --seconds S       5           measured time\n"
    "  --warmup S        1           the same before it, not measured\n"
    "  --rate N          100         latency: handshakes a second\n"
    "  --pace MS         0           time between a description and its candidates, each\n"
    "  --rounds N        5           burst: measured bursts, after one that is not\n"
    "  --window N        8           fanout: broadcasts that are under way\n"
    "  --sessions N      2000        idle, join: how many\n"
    "  --parallel N      100         sockets that open at the same time\n"
    "  --connected 0|1   0           join: whether the sockets are open before it begins\n"
    "  --ids 0|1         0           sigbridge: messages ask for an acknowledgement each\n"
    "  --bundle 0|1      0           sigbridge-device: devices understand several candidates\n"
    "                                in a message\n"
    "  --settle S        3           idle: quiet time before memory is read\n"
    "  --pause MS        20          soak: between two handshakes of a pair\n";

static _Noreturn void wrong(const char *what, const char *value)
{
    fprintf(stderr, "load: %s%s%s\ntry: load --help\n", what, value ? ": " : "",
            value ? value : "");
    exit(2);
}

static double number(const char *name, const char *text, double least, double most)
{
    char *end;
    errno = 0;
    double n = strtod(text, &end);
    if (errno || end == text || *end || !(n >= least && n <= most))
        wrong(name, text);
    return n;
}

static void read_pids(struct options *o, const char *text)
{
    while (*text) {
        char *end;
        long pid = strtol(text, &end, 10);
        if (end == text || pid <= 0 || (*end && *end != ',') || o->pid_count == PIDS_MAX)
            wrong("--pids", text);
        o->pids[o->pid_count++] = (pid_t)pid;
        text = *end ? end + 1 : end;
    }
}

struct number {
    const char *name;
    double least, most;
    double *real; /* one of the three says where it goes */
    uint32_t *whole;
    uint16_t *port;
};

static bool read_number(const struct number *numbers, size_t count, const char *name,
                        const char *value)
{
    for (size_t i = 0; i < count; i++) {
        const struct number *n = &numbers[i];
        if (strcmp(n->name, name) != 0)
            continue;
        double x = number(name, value, n->least, n->most);
        if (!n->real && x != floor(x))
            wrong(name, value);
        if (n->real)
            *n->real = x;
        else if (n->whole)
            *n->whole = (uint32_t)x;
        else
            *n->port = (uint16_t)x;
        return true;
    }
    return false;
}

static void read_option(struct options *o, const char *name, const char *value)
{
    const struct number numbers[] = {
        {"--port", 1, 65535, NULL, NULL, &o->port},
        {"--mqtt-port", 1, 65535, NULL, NULL, &o->mqtt_port},
        {"--second-port", 1, 65535, NULL, NULL, &o->second_port},
        {"--pairs", 1, SESSIONS_MAX / 2, NULL, &o->pairs, NULL},
        {"--idle", 0, SESSIONS_MAX / 2, NULL, &o->idle, NULL},
        {"--room-size", 2, SESSIONS_MAX, NULL, &o->room_size, NULL},
        {"--seconds", 0.1, 1e6, &o->seconds, NULL, NULL},
        {"--warmup", 0, 3600, &o->warmup, NULL, NULL},
        {"--rate", 0.1, 1e6, &o->rate, NULL, NULL},
        {"--pace", 0, 10000, NULL, &o->pace_ms, NULL},
        {"--rounds", 1, 1000, NULL, &o->rounds, NULL},
        {"--window", 1, 1024, NULL, &o->window, NULL},
        {"--sessions", 2, SESSIONS_MAX, NULL, &o->sessions, NULL},
        {"--parallel", 1, SESSIONS_MAX, NULL, &o->parallel, NULL},
        {"--settle", 0.1, 60, &o->settle, NULL, NULL},
        {"--pause", 0, 60000, NULL, &o->pause_ms, NULL},
        {"--ids", 0, 1, NULL, &o->ids, NULL},
        {"--bundle", 0, 1, NULL, &o->bundle, NULL},
        {"--connected", 0, 1, NULL, &o->connected, NULL},
    };
    if (strcmp(name, "--candidate") == 0)
        o->candidate = value;
    else if (strcmp(name, "--host") == 0)
        o->host = value;
    else if (strcmp(name, "--path") == 0)
        o->path = value;
    else if (strcmp(name, "--pids") == 0)
        read_pids(o, value);
    else if (!read_number(numbers, sizeof numbers / sizeof *numbers, name, value))
        wrong("unknown option", name);
}

struct options options_read(int argc, char **argv)
{
    struct options o = {.host = "127.0.0.1",
                        .path = "/ws",
                        .pairs = 64,
                        .sessions = 2000,
                        .parallel = 100,
                        .window = 8,
                        .rounds = 5,
                        .rate = 100,
                        .seconds = 5,
                        .warmup = 1,
                        .settle = 3,
                        .pause_ms = 20};
    if (argc < 2)
        wrong("which mode?", NULL);
    o.mode = argv[1];
    if (strcmp(o.mode, "--help") == 0) {
        fputs(usage, stdout);
        exit(0);
    }
    for (int i = 2; i < argc; i += 2) {
        if (i + 1 == argc)
            wrong("a value is missing", argv[i]);
        read_option(&o, argv[i], argv[i + 1]);
    }
    return o;
}
