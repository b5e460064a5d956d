/* Rooms and the peers in them: the roster as the broker's presence topics tell it, and which of the
 * peers are sessions of this bridge. Data only; roster.h changes it, watch.h says how complete it
 * is.
 *
 * Ownership: the registry owns rooms and peers; a peer points to its session and does not own it. A
 * room exists while it has peers, sessions or a watch; registry_tidy() frees what nobody needs, so
 * call it after removing anything. Threads: the loop's. */
#ifndef SIGBRIDGE_CORE_REGISTRY_H
#define SIGBRIDGE_CORE_REGISTRY_H

#include "base/list.h"
#include "base/map.h"
#include "base/status.h"
#include "base/text.h"
#include "core/seen.h"
#include "policy/budget.h"

#include <stdbool.h>
#include <stdint.h>

struct session;

/* One presence, as the last message about it said. One allocation. */
struct presence_info {
    uint32_t json_len; /* {"peer":…,"kind":…,"meta":…,"since":…}: what members get to see */
    uint16_t via_len;  /* the bridge that holds the session; 0: a device on MQTT itself */
    uint16_t sid_len;
    uint16_t kind_len;
    bool bundle;          /* takes `candidates` */
    bool together;        /* takes messages that travel together */
    struct budget budget; /* what its buffers hold */
    int64_t since_ms;     /* what it said; 0: nothing */
    uint32_t ttl_s;
    char bytes[]; /* json, via, sid, kind */
};

struct text info_json(const struct presence_info *i);
struct text info_via(const struct presence_info *i);
struct text info_sid(const struct presence_info *i);
struct text info_kind(const struct presence_info *i);

struct peer {
    struct room *room;
    struct session *session;    /* NULL: somebody else's */
    struct presence_info *info; /* NULL: not present */
    struct link changed;        /* in room->changed: members are still to be told */
    struct link expiring;       /* in registry->expiring, when it promised to come back (ttl) */
    int64_t expires_us;
    int64_t restored_us;         /* when we last published our session's presence again */
    const char *left_reason;     /* static; why it went, or will go */
    const char *replaced_reason; /* static; why the one went that was told before `replaced` */
    uint32_t generation;         /* of the roster in which it was last seen */
    uint32_t spoke;              /* and of that in which it last published itself, live */
    bool told;                   /* members know that it is here */
    bool replaced;               /* another one under the same name since members were told */
    uint8_t name_len;
    char name[];
};

/* How far the roster of a room, or of all rooms, can be believed. */
struct watch {
    struct link waiting; /* in router->fences, until the fence comes back */
    uint64_t fence;
    bool wanted;
    bool complete;
};

struct room {
    struct map peers;
    struct link sessions; /* struct session, in_room */
    struct link changed;  /* struct peer, changed */
    struct link dirty;    /* in registry->dirty: there is something to tell */
    struct seen seen;     /* what came for all of it */
    struct watch watch;   /* used when rooms are watched one by one */
    unsigned session_count;
    unsigned waiting_count; /* sessions that wait for the roster to join */
    uint8_t name_len;
    char name[];
};

struct registry {
    struct map rooms;
    struct link dirty;
    struct link expiring;
    size_t peer_count; /* struct peer, present or not */
    size_t present_count;
};

void registry_init(struct registry *r);
void registry_release(struct registry *r);

struct room *registry_room(const struct registry *r, struct text name); /* or NULL */
struct room *registry_make_room(struct registry *r, struct text name);  /* NULL: no memory */
struct peer *registry_peer(const struct room *room, struct text name);  /* or NULL */
struct peer *registry_make_peer(struct registry *r, struct room *room, struct text name);

/* Frees the peer when it is neither present nor a session's nor still to be told about. */
void registry_tidy_peer(struct registry *r, struct peer *p);
/* Frees the room when it is empty. */
void registry_tidy_room(struct registry *r, struct room *room);

static inline struct text peer_name(const struct peer *p)
{
    return text_of(p->name, p->name_len);
}

static inline struct text room_name(const struct room *room)
{
    return text_of(room->name, room->name_len);
}

#endif
