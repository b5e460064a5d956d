/* All sessions of a run: who is in which room, how they come, and what they hear.
 *
 * Sessions 2i and 2i+1 are a pair, and rooms are filled in order, so that a pair shares its room.
 * Names are new with each run, so that a server may be measured many times. */
#ifndef LOAD_WORLD_H
#define LOAD_WORLD_H

#include "driver.h"
#include "loop.h"
#include "options.h"
#include "work.h"

enum session_state {
    SESSION_AWAY,
    SESSION_OPENING,
    SESSION_OPEN, /* may join */
    SESSION_JOINED,
    SESSION_GONE, /* its server closed it */
};

enum { RUN_LENGTH = 6, NAME_LENGTH = 7 + RUN_LENGTH };

struct mqtt_session;
struct world;

struct session {
    struct conn conn; /* first: the loop's connection is the session */
    struct world *world;
    const struct protocol *protocol;
    uint32_t index, room;
    enum session_state state;
    bool upgraded;             /* the HTTP request was answered */
    bool on_mqtt;              /* its socket speaks MQTT without WebSocket */
    struct lane lane;          /* of what comes to it */
    struct mqtt_session *mqtt; /* driver_mqtt.c */
    uint64_t seq;              /* of the last numbered frame that came */
    uint8_t *heard;            /* bit per place in the room; NULL: nobody counts */
    uint32_t heard_count;
    char name[NAME_LENGTH + 1], room_name[NAME_LENGTH + 1];
};

struct world {
    const struct options *options;
    const struct candidate *candidate;
    struct loop loop;
    struct work work;
    struct session *sessions;
    uint32_t count, room_size;
    uint32_t opening, open, joined;
    bool hold_joins; /* sessions stay open without joining until world_release() */
    bool leaving;    /* what still comes is of no interest */
    bool broadcasts; /* sessions want to hear what is said to the whole room */
    bool failed;     /* it makes no sense to go on; wrong messages alone are only counted */
    unsigned complaints;
    uint64_t presence_frames, heard, heard_twice;
    uint64_t heard_due; /* `heard` once all have heard of all in their rooms; 0: nobody counts */
    uint64_t frames;    /* that came, all but pings and the like */
    uint64_t acks, acks_due;
    uint64_t next_beat_ns;
    char run[RUN_LENGTH + 1];
    uint8_t *heard_bits; /* of all sessions */
    void *mode;
    /* A message that was right, or in front of which others are missing. */
    void (*arrived)(struct world *world, struct session *to, const struct arrival *arrival);
};

void world_init(struct world *world, const struct options *options,
                const struct candidate *candidate, uint32_t sessions, uint32_t room_size);
void world_count_presence(struct world *world); /* before the sessions come */

/* Lets all sessions come and waits for them, and until they have heard of each other where somebody
 * counts. False, and `failed`, when they do not within a minute. */
bool world_join_all(struct world *world);

/* The same in two steps, for those that want all to join at the same moment. */
bool world_open_all(struct world *world);
void world_release(struct world *world);

void world_turn(struct world *world, uint64_t until_ns);
/* All sessions say that they go, and get a second for that; then frees what the world has. */
void world_close(struct world *world);

/* Closes the books of the lanes; then work_is_right() tells. Prints what is wrong. */
bool world_settle(struct world *world);

/* ---- for drivers ---- */

void world_is_open(struct session *s);
void world_is_joined(struct session *s);
void world_heard(struct session *s, struct span name); /* of one other peer that is there */
/* `from` and `to` are names as the frame has them; empty where the protocol leaves them out. */
void world_message(struct session *s, struct span from, struct span to,
                   const struct arrival *arrival);
/* Something that must not happen; the run has failed. */
__attribute__((format(printf, 2, 3))) void world_fail(struct session *s, const char *format, ...);

void world_unexpected(struct session *s, struct span bytes); /* this should not have come */

static inline struct buf *session_out(struct session *s)
{
    return loop_out(&s->world->loop, &s->conn);
}

#endif
