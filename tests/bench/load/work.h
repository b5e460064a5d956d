/* Judges every message that arrives against the one that had to come next on its way.
 *
 * A lane is the way from one sender to one receiver; its messages are numbered from 0 and their
 * payloads follow from lane and number, so nothing has to be kept of what is under way. */
#ifndef LOAD_WORK_H
#define LOAD_WORK_H

#include "payload.h"

enum verdict {
    WORK_RIGHT,
    WORK_GAP,       /* right in itself, but others had to come first: they are lost, or reordered */
    WORK_REORDERED, /* one of those, late */
    WORK_DOUBLED,
    WORK_MISROUTED, /* of another lane, or by somebody else's name */
    WORK_DIFFERING,
    WORK_VERDICTS
};

extern const char *const work_verdict_names[WORK_VERDICTS];

struct lane {
    uint32_t id;   /* the sender, as its messages say it */
    uint32_t sent; /* how many messages have been sent on it */
    uint32_t next; /* number of the one that has to come next */
};

enum { WORK_GAPS_MAX = 4096 };

struct work {
    uint64_t delivered; /* right ones, and those in front of which others are missing */
    uint64_t counts[WORK_VERDICTS];
    uint64_t lost;
    struct payload_id gaps[WORK_GAPS_MAX]; /* missing ones; more than fit are counted as lost */
    size_t gap_count;
};

/* A message as a driver has read it. */
struct arrival {
    enum kind kind;
    struct span value; /* the payload, raw */
    struct span call;  /* the handshake as the envelope says it; empty where there is none */
};

/* `lane->next` moves on with what is right. */
enum verdict work_judge(struct work *work, struct lane *lane, const struct arrival *arrival);

/* At the end: what of this lane never came. Call it once for each lane. */
void work_close_lane(struct work *work, const struct lane *lane);
void work_close_gaps(struct work *work);

bool work_is_right(const struct work *work);

/* How a call is named: 8 hexadecimal digits, not terminated. */
enum { CALL_LENGTH = 8 };
void work_call(char out[CALL_LENGTH], uint32_t handshake);

#endif
