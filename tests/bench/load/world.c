#include "world.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    JOIN_SECONDS_MAX = 60,
    LEAVE_SECONDS_MAX = 1,
    PORTS_EACH = 4000, /* of one source address, well below what the system has */
};

static const uint64_t SECOND = 1000000000;

/* ---- names ---- */

static void make_run_name(char out[RUN_LENGTH + 1])
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    uint64_t n = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000 + (uint64_t)getpid();
    for (int i = 0; i < RUN_LENGTH; i++, n /= 36)
        out[i] = "0123456789abcdefghijklmnopqrstuvwxyz"[n % 36];
    out[RUN_LENGTH] = '\0';
}

static void make_name(char out[NAME_LENGTH + 1], char first, uint32_t n, const char *run)
{
    snprintf(out, NAME_LENGTH + 1, "%c%05x.%s", first, n & 0xfffff, run);
}

/* ---- sockets ---- */

static void on_opened(struct loop *loop, struct conn *conn)
{
    (void)loop;
    struct session *s = (struct session *)conn;
    s->protocol->opened(s);
}

static size_t on_bytes(struct loop *loop, struct conn *conn, unsigned char *bytes, size_t len)
{
    (void)loop;
    struct session *s = (struct session *)conn;
    return s->world->leaving ? len : s->protocol->bytes(s, bytes, len);
}

static void on_closed(struct loop *loop, struct conn *conn, const char *why)
{
    (void)loop;
    struct session *s = (struct session *)conn;
    if (!s->world->leaving)
        world_fail(s, "its connection is over: %s", why);
    else if (s->state == SESSION_JOINED)
        s->world->joined--;
    s->state = SESSION_GONE;
}

static const struct loop_events events = {on_opened, on_bytes, on_closed};

static uint16_t port_of(const struct session *s)
{
    const struct options *options = s->world->options;
    if (s->on_mqtt)
        return options->mqtt_port;
    return s->index % 2 == 1 && options->second_port ? options->second_port : options->port;
}

static void come(struct session *s)
{
    struct world *world = s->world;
    struct sockaddr_in to = {.sin_family = AF_INET}, from = {.sin_family = AF_INET};
    to.sin_port = htons(port_of(s));
    inet_pton(AF_INET, world->options->host, &to.sin_addr);
    if ((ntohl(to.sin_addr.s_addr) >> 24) == 127)
        from.sin_addr.s_addr = htonl(0x7f000001 + s->index / PORTS_EACH);
    s->state = SESSION_OPENING;
    world->opening++;
    loop_connect(&world->loop, &s->conn, &from, &to);
}

/* ---- life ---- */

void world_init(struct world *world, const struct options *options,
                const struct candidate *candidate, uint32_t sessions, uint32_t room_size)
{
    *world = (struct world){
        .options = options, .candidate = candidate, .count = sessions, .room_size = room_size};
    loop_init(&world->loop, &events, world);
    make_run_name(world->run);
    world->sessions = calloc(sessions, sizeof *world->sessions);
    if (!world->sessions) {
        fprintf(stderr, "load: no memory for %u sessions\n", sessions);
        exit(2);
    }
    for (uint32_t i = 0; i < sessions; i++) {
        struct session *s = &world->sessions[i];
        bool callee = i % 2 == 1;
        s->world = world;
        s->protocol = callee ? candidate->callee : candidate->caller;
        s->on_mqtt = callee ? candidate->callees_on_mqtt : candidate->callers_on_mqtt;
        s->index = i;
        s->room = i / room_size;
        s->conn.fd = -1;
        s->lane.id = (i ^ 1) < sessions ? i ^ 1 : i; /* the last one may be alone */
        make_name(s->name, 's', i, world->run);
        make_name(s->room_name, 'r', s->room, world->run);
    }
    world->next_beat_ns = loop_now_ns() + BEAT_SECONDS * SECOND;
    /* Who has joined at one bridge is not known to the other yet. */
    if (options->second_port)
        world_count_presence(world);
}

static uint64_t all_that_is_to_hear(const struct world *world)
{
    uint64_t heard = 0;
    for (uint32_t from = 0; from < world->count; from += world->room_size) {
        uint64_t rest = world->count - from;
        uint64_t members = rest < world->room_size ? rest : world->room_size;
        heard += members * (members - 1);
    }
    return heard;
}

void world_count_presence(struct world *world)
{
    if (world->heard_bits)
        return;
    size_t bytes = (world->room_size + 7) / 8;
    uint8_t *all = world->heard_bits = calloc(world->count, bytes);
    if (!all) {
        fprintf(stderr, "load: no memory to count presence\n");
        exit(2);
    }
    for (uint32_t i = 0; i < world->count; i++)
        world->sessions[i].heard = all + i * bytes;
    world->heard_due = all_that_is_to_hear(world);
}

static void beat(struct world *world)
{
    for (uint32_t i = 0; i < world->count; i++) {
        struct session *s = &world->sessions[i];
        if (s->state == SESSION_JOINED && s->protocol->beat)
            s->protocol->beat(s);
    }
    world->next_beat_ns += BEAT_SECONDS * SECOND;
}

void world_turn(struct world *world, uint64_t until_ns)
{
    if (loop_now_ns() >= world->next_beat_ns)
        beat(world);
    loop_turn(&world->loop, until_ns < world->next_beat_ns ? until_ns : world->next_beat_ns);
}

static bool wait_for(struct world *world, uint32_t first, uint32_t step,
                     bool (*done)(struct world *world))
{
    uint64_t end = loop_now_ns() + JOIN_SECONDS_MAX * SECOND;
    uint32_t next = first;
    while (!world->failed && (next < world->count || !done(world))) {
        for (; next < world->count && world->opening < world->options->parallel; next += step)
            come(&world->sessions[next]);
        world_turn(world, end);
        if (loop_now_ns() >= end) {
            fprintf(stderr, "load: after %d s %u of %u sessions have joined, %u are opening\n",
                    JOIN_SECONDS_MAX, world->joined, world->count, world->opening);
            if (world->heard < world->heard_due)
                fprintf(stderr, "load: %llu of %llu times somebody has heard of another one\n",
                        (unsigned long long)world->heard, (unsigned long long)world->heard_due);
            world->failed = true;
        }
    }
    return !world->failed;
}

static bool callees_joined(struct world *world)
{
    return world->joined == world->count / 2;
}

static bool all_joined(struct world *world)
{
    return world->joined == world->count && world->heard >= world->heard_due;
}

static bool all_open(struct world *world)
{
    return world->open == world->count;
}

bool world_join_all(struct world *world)
{
    if (!world->candidate->callees_first)
        return wait_for(world, 0, 1, all_joined);
    return wait_for(world, 1, 2, callees_joined) && wait_for(world, 0, 2, all_joined);
}

bool world_open_all(struct world *world)
{
    world->hold_joins = true;
    return wait_for(world, 0, 1, all_open);
}

void world_release(struct world *world)
{
    world->hold_joins = false;
    for (uint32_t i = 0; i < world->count; i++)
        if (world->sessions[i].state == SESSION_OPEN) {
            world->opening++;
            world->sessions[i].protocol->join(&world->sessions[i]);
        }
}

static void leave(struct world *world)
{
    uint64_t end = loop_now_ns() + LEAVE_SECONDS_MAX * SECOND;
    world->leaving = true;
    world->joined = 0; /* from here on: who has not gone yet */
    for (uint32_t i = 0; i < world->count; i++) {
        struct session *s = &world->sessions[i];
        if (s->state != SESSION_JOINED || s->conn.fd < 0)
            continue;
        world->joined++;
        s->protocol->leave(s);
    }
    while (world->joined > 0 && loop_now_ns() < end)
        loop_turn(&world->loop, end);
}

void world_close(struct world *world)
{
    leave(world);
    for (uint32_t i = 0; i < world->count; i++) {
        struct session *s = &world->sessions[i];
        if (s->state != SESSION_AWAY)
            loop_close(&world->loop, &s->conn);
        if (s->protocol->release)
            s->protocol->release(s);
    }
    free(world->heard_bits);
    free(world->sessions);
    loop_release(&world->loop);
}

/* ---- for drivers ---- */

void world_is_open(struct session *s)
{
    s->state = SESSION_OPEN;
    s->world->open++;
    if (s->world->hold_joins)
        s->world->opening--;
    else
        s->protocol->join(s);
}

void world_is_joined(struct session *s)
{
    if (s->state != SESSION_OPEN) {
        world_fail(s, "it joined, but did not ask");
        return;
    }
    s->state = SESSION_JOINED;
    s->world->opening--;
    s->world->joined++;
}
