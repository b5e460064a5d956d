#include "work.h"

const char *const work_verdict_names[WORK_VERDICTS] = {
    [WORK_RIGHT] = "right",         [WORK_GAP] = "gap",
    [WORK_REORDERED] = "reordered", [WORK_DOUBLED] = "doubled",
    [WORK_MISROUTED] = "misrouted", [WORK_DIFFERING] = "differing",
};

void work_call(char out[CALL_LENGTH], uint32_t handshake)
{
    for (int i = CALL_LENGTH - 1; i >= 0; i--, handshake >>= 4)
        out[i] = "0123456789abcdef"[handshake & 15];
}

static bool is_message(const struct arrival *arrival, struct payload_id id)
{
    bool description = arrival->kind == KIND_OFFER || arrival->kind == KIND_ANSWER;
    if (arrival->kind != KIND_DATA && description != (id.number % EACH_WAY == 0))
        return false;
    char call[CALL_LENGTH];
    work_call(call, id.number / EACH_WAY);
    if (arrival->call.n > 0 && !span_same(arrival->call, (struct span){call, CALL_LENGTH}))
        return false;
    return json_same(payload_json(arrival->kind, id), arrival->value);
}

static void add_gap(struct work *work, struct payload_id id)
{
    if (work->gap_count < WORK_GAPS_MAX)
        work->gaps[work->gap_count++] = id;
    else
        work->lost++;
}

static bool fill_gap(struct work *work, struct payload_id id)
{
    for (size_t i = 0; i < work->gap_count; i++)
        if (work->gaps[i].lane == id.lane && work->gaps[i].number == id.number) {
            work->gaps[i] = work->gaps[--work->gap_count];
            return true;
        }
    return false;
}

/* What came in place of the one that was due. */
static enum verdict name_it(struct work *work, struct lane *lane, const struct arrival *arrival)
{
    struct payload_id id;
    if (!payload_read_id(arrival->value, &id))
        return WORK_DIFFERING;
    if (id.lane != lane->id)
        return WORK_MISROUTED;
    if (id.number >= lane->sent || !is_message(arrival, id)) {
        if (id.number == lane->next && lane->next < lane->sent)
            lane->next++; /* it is there, if damaged */
        return WORK_DIFFERING;
    }
    if (id.number < lane->next)
        return fill_gap(work, id) ? WORK_REORDERED : WORK_DOUBLED;
    for (; lane->next < id.number; lane->next++)
        add_gap(work, (struct payload_id){lane->id, lane->next});
    lane->next = id.number + 1;
    return WORK_GAP;
}

enum verdict work_judge(struct work *work, struct lane *lane, const struct arrival *arrival)
{
    enum verdict verdict = WORK_RIGHT;
    if (lane->next < lane->sent && is_message(arrival, (struct payload_id){lane->id, lane->next}))
        lane->next++;
    else
        verdict = name_it(work, lane, arrival);
    work->counts[verdict]++;
    if (verdict <= WORK_GAP)
        work->delivered++;
    return verdict;
}

void work_close_lane(struct work *work, const struct lane *lane)
{
    work->lost += lane->sent - lane->next;
}

void work_close_gaps(struct work *work)
{
    work->lost += work->gap_count;
    work->gap_count = 0;
}

bool work_is_right(const struct work *work)
{
    return work->lost == 0 && work->delivered == work->counts[WORK_RIGHT] &&
           work->counts[WORK_REORDERED] + work->counts[WORK_DOUBLED] +
                   work->counts[WORK_MISROUTED] + work->counts[WORK_DIFFERING] ==
               0;
}
