/* What sessions hear, and what is wrong with it: the part of world.h that judges. */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    COMPLAINTS_MAX = 10, /* that are printed */
    SHOWN_MAX = 200,     /* bytes of a message */
};

__attribute__((format(printf, 2, 0))) static void complain_v(struct session *s, const char *format,
                                                             va_list list)
{
    if (s->world->complaints++ >= COMPLAINTS_MAX)
        return;
    fprintf(stderr, "load: %s: ", s->name);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
}

__attribute__((format(printf, 2, 3))) static void complain(struct session *s, const char *format,
                                                           ...)
{
    va_list list;
    va_start(list, format);
    complain_v(s, format, list);
    va_end(list);
}

static struct session *find(struct world *world, struct span name)
{
    if (name.n != NAME_LENGTH || name.p[0] != 's')
        return NULL;
    uint32_t n = 0;
    for (int i = 1; i < 6; i++) {
        char c = name.p[i];
        n = n << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    if (n >= world->count || !span_same(name, (struct span){world->sessions[n].name, NAME_LENGTH}))
        return NULL;
    return &world->sessions[n];
}

void world_heard(struct session *s, struct span name)
{
    struct world *world = s->world;
    struct session *other = find(world, name);
    if (!other || other->room != s->room || other == s) {
        world_fail(s, "it heard of %.*s, who is not in its room", (int)name.n, name.p);
        return;
    }
    if (!s->heard)
        return;
    uint32_t place = other->index % world->room_size;
    uint8_t bit = (uint8_t)(1u << place % 8);
    if (s->heard[place / 8] & bit) {
        world->heard_twice++;
        return;
    }
    s->heard[place / 8] |= bit;
    s->heard_count++;
    world->heard++;
}

void world_message(struct session *s, struct span from, struct span to,
                   const struct arrival *arrival)
{
    struct world *world = s->world;
    const struct session *sender = &world->sessions[s->lane.id];
    if ((from.n > 0 && !span_same(from, (struct span){sender->name, NAME_LENGTH})) ||
        (to.n > 0 && !span_same(to, (struct span){s->name, NAME_LENGTH}))) {
        world->work.counts[WORK_MISROUTED]++;
        complain(s, "misrouted: a message from %.*s to %.*s", (int)from.n, from.p, (int)to.n, to.p);
        return;
    }
    uint32_t due = s->lane.next;
    enum verdict verdict = work_judge(&world->work, &s->lane, arrival);
    if (verdict != WORK_RIGHT)
        complain(s, "%s: message %u of %u from %s was due, and %.*s came",
                 work_verdict_names[verdict], due, s->lane.sent, sender->name,
                 (int)(arrival->value.n < SHOWN_MAX ? arrival->value.n : SHOWN_MAX),
                 arrival->value.p);
    if (verdict <= WORK_GAP && world->arrived)
        world->arrived(world, s, arrival);
}

void world_fail(struct session *s, const char *format, ...)
{
    s->world->failed = true;
    va_list list;
    va_start(list, format);
    complain_v(s, format, list);
    va_end(list);
}

void world_unexpected(struct session *s, struct span bytes)
{
    world_fail(s, "this should not come: %.*s", (int)(bytes.n < SHOWN_MAX ? bytes.n : SHOWN_MAX),
               bytes.p);
}

bool world_settle(struct world *world)
{
    for (uint32_t i = 0; i < world->count; i++) {
        const struct lane *lane = &world->sessions[i].lane;
        if (lane->next < lane->sent)
            complain(&world->sessions[i], "it got %u of %u messages", lane->next, lane->sent);
        work_close_lane(&world->work, lane);
    }
    work_close_gaps(&world->work);
    if (world->acks < world->acks_due) {
        world->failed = true;
        fprintf(stderr, "load: %llu of %llu messages were acknowledged\n",
                (unsigned long long)world->acks, (unsigned long long)world->acks_due);
    }
    if (world->work.lost > 0)
        fprintf(stderr, "load: %llu messages were lost\n", (unsigned long long)world->work.lost);
    return work_is_right(&world->work) && !world->failed;
}
