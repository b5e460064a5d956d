/* Things to do after a delay that is always the same, so that a ring in order of time is enough. */
#ifndef LOAD_DELAY_H
#define LOAD_DELAY_H

#include <stdbool.h>
#include <stdint.h>

struct delay {
    uint64_t delay_ns;
    struct delayed *items;
    uint32_t first, count, most;
};

/* Room for `most` things; ends the program when there is no memory. */
void delay_init(struct delay *d, uint64_t delay_ns, uint32_t most);
void delay_release(struct delay *d);

/* `thing` is due delay_ns after `now_ns`; there must be room for it. */
void delay_add(struct delay *d, void *thing, uint64_t now_ns);

/* The next thing that is due by `now_ns`, with the moment at which it was; NULL: none. */
void *delay_take(struct delay *d, uint64_t now_ns, uint64_t *due_ns);

/* `until_ns`, or the moment at which the next thing is due, if that is earlier. */
uint64_t delay_until(const struct delay *d, uint64_t until_ns);

#endif
