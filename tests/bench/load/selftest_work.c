#include "selftest.h"

#include "work.h"

#include <stdio.h>
#include <stdlib.h>

enum { LANE = 6, OTHER_LANE = 8, SENT = 12, TEXT_MAX = 8192 };

/* What happens to a message on its way, by a letter behind its number. */
enum harm {
    NONE = '\0',
    REESCAPED = 'e',   /* written in another way; means the same */
    OTHER_ORDER = 'o', /* members in another order; means the same */
    WITH_SPACE = 's',  /* the same */
    ONE_BYTE = 'b',
    CUT = 'c',
    ONE_MORE = 'm', /* another member */
    OTHER_CALL = 'l',
    NO_ID = 'n', /* unrecognizable */
    AS_ANSWER = 'a',
    FOREIGN = 'f', /* the same number, of another lane */
};

struct expected {
    unsigned delivered, lost, reordered, doubled, misrouted, differing;
};

/* Of twelve messages, what comes. */
static const struct {
    const char *name, *comes;
    struct expected expected;
} rows[] = {
    {"all right", "0 1 2 3 4 5 6 7 8 9 10 11", {.delivered = 12}},
    {"written in another way", "0e 1e 2o 3s 4 5 6 7 8 9e 10 11", {.delivered = 12}},
    {"the last one is lost", "0 1 2 3 4 5 6 7 8 9 10", {.delivered = 11, .lost = 1}},
    {"one in the middle is lost", "0 1 2 4 5 6 7 8 9 10 11", {.delivered = 11, .lost = 1}},
    {"the first ones are lost", "9 10 11", {.delivered = 3, .lost = 9}},
    {"nothing comes", "", {.lost = 12}},
    {"one is doubled", "0 0 1 2 3 4 5 6 7 8 9 10 11", {.delivered = 12, .doubled = 1}},
    {"the last one is doubled", "0 1 2 3 4 5 6 7 8 9 10 11 11", {.delivered = 12, .doubled = 1}},
    {"one is doubled later", "0 1 2 3 4 5 6 2 7 8 9 10 11", {.delivered = 12, .doubled = 1}},
    {"two change places", "0 1 3 2 4 5 6 7 8 9 10 11", {.delivered = 11, .reordered = 1}},
    {"the first comes last", "1 2 3 4 5 6 7 8 9 10 11 0", {.delivered = 11, .reordered = 1}},
    {"one comes late, and twice",
     "0 1 3 2 2 4 5 6 7 8 9 10 11",
     {.delivered = 11, .reordered = 1, .doubled = 1}},
    {"one of somebody else", "0 1 2f 2 3 4 5 6 7 8 9 10 11", {.delivered = 12, .misrouted = 1}},
    {"one of somebody else in place of ours",
     "0 1 2f 3 4 5 6 7 8 9 10 11",
     {.delivered = 11, .lost = 1, .misrouted = 1}},
    {"a byte of the description differs",
     "0b 1 2 3 4 5 6 7 8 9 10 11",
     {.delivered = 11, .differing = 1}},
    {"a byte of a candidate differs",
     "0 1b 2 3 4 5 6 7 8 9 10 11",
     {.delivered = 11, .differing = 1}},
    {"a description is cut", "0c 1 2 3 4 5 6 7 8 9 10 11", {.delivered = 11, .differing = 1}},
    {"a candidate has a member more",
     "0 1m 2 3 4 5 6 7 8 9 10 11",
     {.delivered = 11, .differing = 1}},
    {"of another call", "0 1l 2 3 4 5 6 7 8 9 10 11", {.delivered = 11, .differing = 1}},
    {"unrecognizable", "0 1n 2 3 4 5 6 7 8 9 10 11", {.delivered = 11, .lost = 1, .differing = 1}},
    {"an offer became an answer", "0a 1 2 3 4 5 6 7 8 9 10 11", {.delivered = 11, .differing = 1}},
    {"more than was sent", "0 1 2 3 4 5 6 7 8 9 10 11 12", {.delivered = 12, .differing = 1}},
};

/* A value as another program might have written it: / and CR escaped differently. */
static struct span reescape(struct span value, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        if (c == '/') {
            memcpy(out + n, "\\/", 2);
            n += 2;
        } else if (c == '\\' && value.p[i + 1] == 'r') {
            memcpy(out + n, "\\u000D", 6);
            n += 6;
            i++;
        } else if (c == '-') {
            memcpy(out + n, "\\u002d", 6);
            n += 6;
        } else {
            out[n++] = c;
        }
    }
    return (struct span){out, n};
}

static struct span members_backwards(struct span object, char *out, const char *colon)
{
    struct json_walk walk = json_enter(object);
    struct span keys[8], values[8];
    int count = 0;
    while (count < 8 && json_next(&walk, &keys[count], &values[count]))
        count++;
    size_t n = 0;
    out[n++] = '{';
    for (int i = count - 1; i >= 0; i--)
        n += (size_t)snprintf(out + n, TEXT_MAX - n, "\"%.*s\"%s%.*s%s", (int)keys[i].n, keys[i].p,
                              colon, (int)values[i].n, values[i].p, i > 0 ? "," : "}");
    return (struct span){out, n};
}

/* `value` with something done to it, in `out`. */
static struct span do_harm(struct span value, enum harm harm, char *out)
{
    memcpy(out, value.p, value.n);
    struct span same = {out, value.n};
    switch (harm) {
    case REESCAPED:
        return reescape(value, out);
    case OTHER_ORDER:
        return members_backwards(value, out, ":");
    case WITH_SPACE:
        return members_backwards(value, out, " : ");
    case ONE_BYTE:
        out[value.n - 20] ^= 1;
        return same;
    case CUT:
        out[value.n - 5] = '"';
        return (struct span){out, value.n - 4};
    case ONE_MORE:
        memcpy(out + value.n - 1, ",\"x\":1}", 7);
        return (struct span){out, value.n + 6};
    case NO_ID:
        memset(out + 1, '?', value.n - 2);
        return same;
    default:
        return same;
    }
}

static void arrive(struct work *work, struct lane *lane, uint32_t number, enum harm harm)
{
    char text[TEXT_MAX], call[CALL_LENGTH];
    enum kind kind = number % EACH_WAY == 0 ? KIND_OFFER : KIND_CANDIDATE;
    struct payload_id id = {harm == FOREIGN ? OTHER_LANE : LANE, number};
    work_call(call, number / EACH_WAY + (harm == OTHER_CALL));
    const struct arrival arrival = {
        .kind = harm == AS_ANSWER ? KIND_ANSWER : kind,
        .value = do_harm(payload_json(kind, id), harm, text),
        .call = {call, CALL_LENGTH},
    };
    work_judge(work, lane, &arrival);
}

static void play(struct work *work, struct lane *lane, const char *comes)
{
    while (*comes) {
        char *end;
        uint32_t number = (uint32_t)strtoul(comes, &end, 10);
        enum harm harm = *end && *end != ' ' ? (enum harm) * end++ : NONE;
        arrive(work, lane, number, harm);
        comes = end + (*end == ' ');
    }
}

static bool as_expected(const struct work *work, const struct expected *e)
{
    bool right = e->lost + e->reordered + e->doubled + e->misrouted + e->differing == 0;
    return work->delivered == e->delivered && work->lost == e->lost &&
           work->counts[WORK_REORDERED] == e->reordered &&
           work->counts[WORK_DOUBLED] == e->doubled &&
           work->counts[WORK_MISROUTED] == e->misrouted &&
           work->counts[WORK_DIFFERING] == e->differing && work_is_right(work) == right;
}

bool selftest_work(void)
{
    bool all = true;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static struct work work;
        work = (struct work){0};
        struct lane lane = {.id = LANE, .sent = SENT};
        play(&work, &lane, rows[i].comes);
        work_close_lane(&work, &lane);
        work_close_gaps(&work);
        all &= selftest_row("work", rows[i].name, as_expected(&work, &rows[i].expected));
    }
    return all;
}
