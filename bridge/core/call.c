#include "core/call.h"

#include <stdlib.h>
#include <string.h>

struct call {
    struct call *next;
    unsigned waiting; /* enum call_direction, or-ed */
    unsigned char peer_len;
    unsigned char call_len;
    char names[]; /* peer, then call */
};

void calls_init(struct calls *c)
{
    *c = (struct calls){0};
}

void calls_release(struct calls *c)
{
    while (c->newest) {
        struct call *call = c->newest;
        c->newest = call->next;
        free(call);
    }
    c->count = 0;
}

static bool is(const struct call *call, struct text peer, struct text name)
{
    return text_same(peer, text_of(call->names, call->peer_len)) &&
           text_same(name, text_of(call->names + call->peer_len, call->call_len));
}

/* The place that points to the call, or to NULL at the end. */
static struct call **find(struct calls *c, struct text peer, struct text name)
{
    struct call **at = &c->newest;
    while (*at && !is(*at, peer, name))
        at = &(*at)->next;
    return at;
}

static void drop(struct calls *c, struct call **at)
{
    struct call *call = *at;
    *at = call->next;
    free(call);
    c->count--;
}

static void drop_oldest(struct calls *c)
{
    struct call **at = &c->newest;
    while ((*at)->next)
        at = &(*at)->next;
    drop(c, at);
}

enum status calls_offer(struct calls *c, struct text peer, struct text name,
                        enum call_direction made)
{
    struct call **at = find(c, peer, name);
    if (*at) {
        (*at)->waiting |= made;
        return STATUS_OK;
    }
    size_t peer_len = text_len(&peer), call_len = text_len(&name);
    struct call *call = malloc(sizeof *call + peer_len + call_len);
    if (!call)
        return STATUS_NO_MEMORY;
    call->waiting = made;
    call->peer_len = (unsigned char)peer_len;
    call->call_len = (unsigned char)call_len;
    memcpy(call->names, peer.p, peer_len);
    if (call_len)
        memcpy(call->names + peer_len, name.p, call_len);
    call->next = c->newest;
    c->newest = call;
    if (++c->count > CALL_MAX)
        drop_oldest(c);
    return STATUS_OK;
}

bool calls_waiting(const struct calls *c, struct text peer, struct text name,
                   enum call_direction made)
{
    for (const struct call *call = c->newest; call; call = call->next)
        if (is(call, peer, name))
            return call->waiting & made;
    return false;
}

void calls_clear(struct calls *c, struct text peer, struct text name)
{
    struct call **at = find(c, peer, name);
    if (*at)
        drop(c, at);
}

void calls_withdraw(struct calls *c, struct text peer, struct text name, enum call_direction made)
{
    struct call **at = find(c, peer, name);
    if (!*at)
        return;
    (*at)->waiting &= ~(unsigned)made;
    if (!(*at)->waiting)
        drop(c, at);
}

void calls_each(const struct calls *c,
                void (*each)(void *arg, struct text peer, struct text call, unsigned waiting),
                void *arg)
{
    for (const struct call *call = c->newest; call; call = call->next)
        each(arg, text_of(call->names, call->peer_len),
             text_of(call->names + call->peer_len, call->call_len), call->waiting);
}
