/* A router among simulated sockets, a simulated broker and a clock that stands still: for tests of
 * core, which does no I/O of its own. The broker knows subscriptions, retained messages and order;
 * what is published waits until world_settle() lets it happen. The real broker is met in
 * tests/integration. */
#ifndef SIGBRIDGE_FAKE_WORLD_H
#define SIGBRIDGE_FAKE_WORLD_H

#include "core/router.h"

enum { WORLD_FRAMES = 512, WORLD_FILTERS = 256, WORLD_RETAINED = 256, WORLD_RECORDS = 256 };

struct world_socket {
    struct session *session;
    char *frames[WORLD_FRAMES]; /* what was sent to it, NUL-terminated */
    size_t count, read;
    int close_code; /* 0: open */
    uint64_t mark;  /* of what it was sent last */
    bool asked;     /* for a sign of life */
};

struct world_message {
    char topic[TOPIC_MAX];
    char *payload;
    size_t len;
    bool retain;
    struct delivery *delivery;
    char reason[32];
};

struct world {
    struct router router;
    struct now now;
    char *filters[WORLD_FILTERS];
    struct world_message retained[WORLD_RETAINED];
    struct world_message queue[1024]; /* published or to be replayed, not delivered yet */
    size_t queued;
    bool held;           /* clients' messages, says the router */
    bool kept;           /* the broker says that it kept the session */
    size_t publish_room; /* how many more publications the outage buffer takes */
    enum record_what records[WORLD_RECORDS];
    char record_texts[WORLD_RECORDS][96]; /* "room/peer kind transport reason" */
    size_t record_count;
};

/* The router is ready: connected, its first roster complete. */
void world_init(struct world *w, bool watch_all);
void world_release(struct world *w);

void world_open(struct world *w, struct world_socket *s);
void world_open_with(struct world *w, struct world_socket *s, const char *token);
void world_say(struct world *w, struct world_socket *s, const char *json);
void world_shut(struct world *w, struct world_socket *s);
void world_lose(struct world *w, struct world_socket *s);   /* it breaks; what it got stays */
void world_answer(struct world *w, struct world_socket *s); /* the client has read all of it */
/* Opens, joins and waits for `joined`, which is taken. */
void world_join(struct world *w, struct world_socket *s, const char *room, const char *peer);

/* Another client publishes. */
void world_publish(struct world *w, const char *topic, const char *payload, bool retain);
/* Delivers everything, PUBACKs included, until nothing moves; then flushes. */
void world_settle(struct world *w);
void world_later(struct world *w, int64_t ms); /* time passes, router_tick() runs */
void world_drop_link(struct world *w);         /* the connection breaks; the broker goes on */
void world_restore_link(struct world *w);
bool world_subscribed(const struct world *w, const char *filter);
const char *world_retained(const struct world *w, const char *topic); /* or NULL */

/* The next frame that was not read yet; "" when there is none. */
const char *world_read(struct world_socket *s);

#endif
