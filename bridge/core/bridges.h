/* The other bridges on the broker, as their status tells: which one acts where one must act for
 * all, and whose sessions are nobody's any more.
 *
 * Not by shared subscriptions: mosquitto hands every second message to a bridge that has died,
 * until its session expires. Of the bridges that run, the one whose name sorts first by bytes acts;
 * it clears what dead ones left. One that watches only some rooms clears what it sees there.
 *
 * A bridge is dead when its will fires, when it does not renew its status, or when no status of it
 * comes with the presence that names it. The first is nearly certain: only a broker that goes down
 * sends wills of those who live, and BRIDGES_WILL_US later we know that. The others wait
 * BRIDGES_GRACE_US, in which a bridge that lost its broker like us comes back. Threads: the loop's.
 */
#ifndef SIGBRIDGE_CORE_BRIDGES_H
#define SIGBRIDGE_CORE_BRIDGES_H

#include "base/list.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The same for all bridges, whatever their configuration: seconds. */
enum { BRIDGES_MAX = 1024, BRIDGES_RENEW_S = 60, BRIDGES_EXPIRY_S = 180 };

#define BRIDGES_WILL_US INT64_C(2000000)

#define BRIDGES_GRACE_US                                                                           \
    INT64_C(8000000) /* the longest pause between two attempts to connect: 5 s */

struct router;

struct bridges {
    struct link all; /* struct other_bridge */
    size_t count;
    int64_t check_us; /* when there may be something to clear; INT64_MAX: never */
};

void bridges_init(struct bridges *b);
void bridges_release(struct bridges *b);

/* The status of another bridge. retained: replayed, so it may be old. */
void bridges_status(struct router *r, struct text name, struct text run, bool online,
                    bool retained);
/* Connected again: who does not show up meanwhile is dead. */
void bridges_restart(struct router *r);
/* A roster came in: what dead bridges left may be in it. */
void bridges_check(struct router *r);
void bridges_tick(struct router *r);
enum bridge_state { BRIDGE_RUNS, BRIDGE_DOUBTFUL, BRIDGE_GONE };

/* What is known of this run of another bridge. run: empty for any. */
enum bridge_state bridges_state(const struct router *r, struct text name, struct text run);
bool bridges_others_run(const struct router *r);
/* Has every bridge that ran said so since we are connected? */
bool bridges_are_back(const struct router *r);
struct presence_info;
/* Is this the presence of a session that went with its bridge? */
bool bridges_left_behind(struct router *r, const struct presence_info *i);
/* Is it us who act? */
bool bridges_first(const struct router *r);

#endif
