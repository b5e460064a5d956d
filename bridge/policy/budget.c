#include "policy/budget.h"

#include "policy/budget_slim.h"

#include <inttypes.h>

struct size {
    uint64_t sdp, line, candidates;
};

static struct size measure(struct text sdp)
{
    struct size size = {.sdp = text_len(&sdp)};
    struct text line;
    while (text_line(&sdp, &line)) {
        size.line = text_len(&line) > size.line ? text_len(&line) : size.line;
        size.candidates += text_literal(&line, "a=candidate:");
    }
    return size;
}

static bool within(uint64_t value, uint64_t bound)
{
    return bound == 0 || value <= bound;
}

static bool fits(const struct size *size, const struct budget *b)
{
    return within(size->sdp, b->sdp) && within(size->line, b->line) &&
           within(size->candidates, b->candidates);
}

/* The first bound that is exceeded, with what came, what was left and what to do. */
static enum status refuse(const struct budget *b, const struct size *came, const struct size *left,
                          struct problem *why)
{
    const struct {
        const char *rule, *what, *remedy;
        uint64_t bound, came, left;
    } rows[] = {
        {"limits-sdp", "bytes of SDP", "offer fewer codecs or media sections", b->sdp, came->sdp,
         left->sdp},
        {"limits-candidates", "candidates in an SDP", "send the others one by one", b->candidates,
         came->candidates, left->candidates},
        {"limits-line", "bytes of one SDP line", "shorten the longest", b->line, came->line,
         left->line},
    };
    size_t i = 0;
    while (i < 2 && within(rows[i].left, rows[i].bound))
        i++;
    return problem_set(why, STATUS_TOO_LARGE, 0, rows[i].rule,
                       "the target's buffers hold %" PRIu64 " %s; this one has %" PRIu64
                       ", %" PRIu64 " without what can be left out: %s",
                       rows[i].bound, rows[i].what, rows[i].came, rows[i].left, rows[i].remedy);
}

enum status budget_fit_sdp(const struct budget *budget, struct text sdp, struct buf *out,
                           bool *changed, struct problem *why)
{
    struct size came = measure(sdp), left = came;
    size_t start = out->len;
    *changed = false;
    if (fits(&came, budget))
        return STATUS_OK;
    buf_add(out, sdp.p, text_len(&sdp));
    if (!buf_ok(out))
        return problem_set(why, STATUS_NO_MEMORY, 0, NULL,
                           "the bridge is out of memory: try again later");
    for (int rule = 0; rule < SLIM_RULES && !fits(&left, budget); rule++) {
        char *data = out->data + start;
        out->len = start + slim_sdp(data, out->len - start, (enum slim_rule)rule);
        left = measure(text_of(data, out->len - start));
    }
    if (!fits(&left, budget)) {
        out->len = start;
        return refuse(budget, &came, &left, why);
    }
    *changed = true;
    return STATUS_OK;
}

enum status budget_fit_candidate(const struct budget *budget, struct text value,
                                 struct problem *why)
{
    size_t len = text_len(&value);
    if (within(len, budget->line))
        return STATUS_OK;
    return problem_set(why, STATUS_TOO_LARGE, 0, "limits-line",
                       "the target's buffers hold lines of %" PRIu64
                       " bytes; this candidate has %zu: send it without extensions",
                       budget->line, len);
}
