#include "core/replay.h"

void replay_init(struct replay *p, uint64_t seq)
{
    *p = (struct replay){.before = seq};
}

void replay_forget_oldest(struct replay *p)
{
    struct frame *f = p->first;
    if (!f)
        return;
    p->first = f->next_kept;
    if (!p->first)
        p->last = NULL;
    p->before = f->mark - 1;
    p->count--;
    p->bytes -= f->len;
    f->next_kept = NULL;
    frame_release(f);
}

void replay_release(struct replay *p)
{
    while (p->first)
        replay_forget_oldest(p);
}

void replay_keep(struct replay *p, struct frame *f)
{
    if (p->last)
        p->last->next_kept = frame_hold(f);
    else
        p->first = frame_hold(f);
    p->last = f;
    p->count++;
    p->bytes += f->len;
}

void replay_confirm(struct replay *p, uint64_t seq)
{
    while (p->first && p->first->mark - 1 <= seq)
        replay_forget_oldest(p);
}
