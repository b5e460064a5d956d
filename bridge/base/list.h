/* An intrusive, doubly linked ring. The head and each member hold a struct link; a link on its own
 * points to itself, so that removing it twice does no harm. No allocation, no ownership.
 *
 *     struct peer { ...; struct link in_room; };
 *     LIST_EACH(link, &room->peers) { struct peer *p = LIST_ITEM(link, struct peer, in_room); ... }
 *
 * LIST_EACH may not remove the current member; take list_first() in a loop for that. */
#ifndef SIGBRIDGE_BASE_LIST_H
#define SIGBRIDGE_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct link {
    struct link *prev;
    struct link *next;
};

#define LIST_ITEM(at, type, member) ((type *)(void *)((char *)(at)-offsetof(type, member)))
#define LIST_EACH(at, head)         for (struct link *at = (head)->next; at != (head); at = at->next)

static inline void list_init(struct link *l)
{
    l->prev = l->next = l;
}

static inline bool list_empty(const struct link *head)
{
    return head->next == head;
}

static inline void list_add(struct link *head, struct link *l) /* at the end */
{
    l->prev = head->prev;
    l->next = head;
    head->prev->next = l;
    head->prev = l;
}

static inline void list_remove(struct link *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    list_init(l);
}

static inline struct link *list_first(const struct link *head) /* NULL when empty */
{
    return list_empty(head) ? NULL : head->next;
}

#endif
