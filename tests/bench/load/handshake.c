#include "handshake.h"

#include <stdio.h>
#include <stdlib.h>

static struct pair *pair_of(struct handshakes *h, const struct session *s)
{
    return &h->pairs[s->index / 2];
}

static struct session *partner_of(struct session *s)
{
    return &s->world->sessions[s->index ^ 1];
}

static void send_next(struct session *s, enum kind kind)
{
    struct session *to = partner_of(s);
    const struct message message = {kind, to, to->lane.sent++};
    s->protocol->send(s, &message);
}

/* All nine of one side; or the description, and the candidates one after the other. */
static void say(struct handshakes *h, struct session *s, enum kind description)
{
    send_next(s, description);
    if (h->world->options->pace_ms > 0) {
        delay_add(&h->pace, s, loop_now_ns());
        return;
    }
    for (int i = 0; i < CANDIDATES; i++)
        send_next(s, KIND_CANDIDATE);
}

static void send_paced(struct handshakes *h)
{
    struct session *s;
    uint64_t due_ns;
    while ((s = delay_take(&h->pace, loop_now_ns(), &due_ns)) != NULL) {
        send_next(s, KIND_CANDIDATE);
        if (partner_of(s)->lane.sent % EACH_WAY != 0)
            delay_add(&h->pace, s, due_ns);
    }
}

static void end_if_complete(struct handshakes *h, struct pair *pair)
{
    uint32_t a = pair->caller->lane.next / EACH_WAY, b = pair->callee->lane.next / EACH_WAY;
    uint32_t complete = a < b ? a : b;
    while (pair->ended < complete) {
        uint64_t planned = pair->planned_ns[pair->ended++ % UNDER_WAY_MAX];
        h->ended++;
        if (h->recording)
            histogram_add(&h->times, loop_now_ns() - planned);
        if (h->on_end)
            h->on_end(h, pair);
    }
}

static void on_arrival(struct world *world, struct session *to, const struct arrival *arrival)
{
    struct handshakes *h = world->mode;
    if (arrival->kind == KIND_OFFER)
        say(h, to, KIND_ANSWER);
    if (to->lane.next % EACH_WAY == 0)
        end_if_complete(h, pair_of(h, to));
}

void handshakes_init(struct handshakes *h, struct world *world, const struct options *options,
                     const struct candidate *candidate)
{
    uint32_t pairs = options->pairs;
    world_init(world, options, candidate, 2 * pairs + options->idle,
               options->room_size ? options->room_size : 2);
    *h = (struct handshakes){.world = world, .count = pairs};
    h->pairs = calloc(pairs, sizeof *h->pairs);
    delay_init(&h->pace, (uint64_t)world->options->pace_ms * 1000000u, 2 * pairs);
    if (!h->pairs) {
        fprintf(stderr, "load: no memory for %u pairs\n", pairs);
        exit(2);
    }
    for (uint32_t i = 0; i < pairs; i++) {
        h->pairs[i].caller = &world->sessions[2 * i];
        h->pairs[i].callee = &world->sessions[2 * i + 1];
    }
    world->mode = h;
    world->arrived = on_arrival;
}

void handshakes_close(struct handshakes *h)
{
    world_close(h->world);
    delay_release(&h->pace);
    free(h->pairs);
}

bool handshake_start(struct handshakes *h, struct pair *pair, uint64_t planned_ns)
{
    uint32_t most = h->world->options->pace_ms > 0 ? 1 : UNDER_WAY_MAX;
    if (pair->started - pair->ended == most) {
        world_fail(pair->caller,
                   "%u of its handshakes are under way: too slow for this rate, "
                   "take more --pairs",
                   most);
        return false;
    }
    pair->planned_ns[pair->started++ % UNDER_WAY_MAX] = planned_ns;
    h->started++;
    say(h, pair->caller, KIND_OFFER);
    return true;
}

void handshakes_turn(struct handshakes *h, uint64_t until_ns)
{
    world_turn(h->world, delay_until(&h->pace, until_ns));
    send_paced(h);
}

bool handshakes_drain(struct handshakes *h, double seconds)
{
    uint64_t end = loop_now_ns() + (uint64_t)(seconds * 1e9);
    const struct world *world = h->world;
    while ((h->ended < h->started || world->acks < world->acks_due) && !world->failed &&
           loop_now_ns() < end)
        handshakes_turn(h, end);
    return h->ended == h->started;
}
