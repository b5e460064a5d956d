#include "delay.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

struct delayed {
    uint64_t due_ns;
    void *thing;
};

void delay_init(struct delay *d, uint64_t delay_ns, uint32_t most)
{
    *d = (struct delay){.delay_ns = delay_ns, .most = most};
    d->items = calloc(most, sizeof *d->items);
    if (!d->items) {
        fprintf(stderr, "load: no memory\n");
        exit(2);
    }
}

void delay_release(struct delay *d)
{
    free(d->items);
    *d = (struct delay){0};
}

void delay_add(struct delay *d, void *thing, uint64_t now_ns)
{
    assert(d->count < d->most);
    uint32_t at = (d->first + d->count++) % d->most;
    d->items[at] = (struct delayed){now_ns + d->delay_ns, thing};
}

void *delay_take(struct delay *d, uint64_t now_ns, uint64_t *due_ns)
{
    if (d->count == 0 || d->items[d->first].due_ns > now_ns)
        return NULL;
    struct delayed item = d->items[d->first];
    d->first = (d->first + 1) % d->most;
    d->count--;
    *due_ns = item.due_ns;
    return item.thing;
}

uint64_t delay_until(const struct delay *d, uint64_t until_ns)
{
    return d->count > 0 && d->items[d->first].due_ns < until_ns ? d->items[d->first].due_ns
                                                                : until_ns;
}
