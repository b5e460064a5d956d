#include "policy/visitors.h"

#include "base/list.h"
#include "base/map.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MIN_US INT64_C(1000000)
#define WAIT_MAX_US INT64_C(60000000)
#define FORGET_US   INT64_C(600000000)

struct visitor {
    struct visitors *all;
    struct link idle; /* in all->idle while it has no connections */
    size_t sessions;
    size_t away;
    unsigned failures;
    int64_t wait_until_us;
    int64_t forget_us; /* when the failures are too old to count */
    struct address_key key;
};

struct visitors {
    struct visitors_options o;
    struct map map;
    struct link idle; /* by when they left */
};

struct visitors *visitors_create(const struct visitors_options *o)
{
    struct visitors *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->o = *o;
    map_init(&v->map);
    list_init(&v->idle);
    return v;
}

static void forget(struct visitor *visitor)
{
    map_remove(&visitor->all->map, (const char *)visitor->key.bytes, sizeof visitor->key.bytes);
    list_remove(&visitor->idle);
    free(visitor);
}

void visitors_destroy(struct visitors *v)
{
    struct link *l;
    if (!v)
        return;
    while ((l = list_first(&v->idle)))
        forget(LIST_ITEM(l, struct visitor, idle));
    map_release(&v->map);
    free(v);
}

void visitors_change(struct visitors *v, size_t sessions_max, unsigned free_failures)
{
    v->o.sessions_max = sessions_max;
    v->o.free_failures = free_failures;
}

size_t visitors_count(const struct visitors *v)
{
    return v->map.count;
}

/* Those whose failures are too old, and one more when the table is full. */
static void make_room(struct visitors *v, int64_t now_us)
{
    struct link *l;
    while ((l = list_first(&v->idle))) {
        struct visitor *oldest = LIST_ITEM(l, struct visitor, idle);
        if (oldest->forget_us > now_us && v->map.count < v->o.addresses_max)
            return;
        forget(oldest);
    }
}

static struct visitor *make(struct visitors *v, const struct address_key *key, int64_t now_us)
{
    make_room(v, now_us);
    if (v->map.count >= v->o.addresses_max)
        return NULL;
    struct visitor *visitor = calloc(1, sizeof *visitor);
    if (!visitor)
        return NULL;
    visitor->all = v;
    visitor->key = *key;
    list_init(&visitor->idle);
    if (map_put(&v->map, (const char *)visitor->key.bytes, sizeof visitor->key.bytes, visitor) !=
        STATUS_OK) {
        free(visitor);
        return NULL;
    }
    return visitor;
}

struct visitor *visitors_enter(struct visitors *v, const struct address_key *key, int64_t now_us)
{
    struct visitor *visitor = map_get(&v->map, (const char *)key->bytes, sizeof key->bytes);
    if (!visitor)
        visitor = make(v, key, now_us);
    if (!visitor || visitor->sessions >= v->o.sessions_max)
        return NULL;
    list_remove(&visitor->idle);
    visitor->sessions++;
    return visitor;
}

/* It is remembered as long as there is something to remember. */
static void tidy(struct visitor *visitor, int64_t now_us)
{
    if (visitor->sessions || visitor->away)
        return;
    if (visitor->failures && visitor->forget_us > now_us)
        list_add(&visitor->all->idle, &visitor->idle);
    else
        forget(visitor);
}

void visitor_leave(struct visitor *visitor, int64_t now_us)
{
    visitor->sessions--;
    tidy(visitor, now_us);
}

bool visitor_go_away(struct visitor *visitor)
{
    if (visitor->away >= visitor->all->o.sessions_max)
        return false;
    visitor->away++;
    return true;
}

void visitor_return(struct visitor *visitor, int64_t now_us)
{
    visitor->away--;
    tidy(visitor, now_us);
}

bool visitor_may_try(struct visitor *visitor, int64_t now_us, int64_t *retry_ms)
{
    if (visitor->forget_us <= now_us)
        visitor->failures = 0;
    if (!visitor->failures || visitor->wait_until_us <= now_us)
        return true;
    *retry_ms = (visitor->wait_until_us - now_us + 999) / 1000;
    return false;
}

void visitor_failed(struct visitor *visitor, int64_t now_us)
{
    unsigned counted = ++visitor->failures;
    visitor->forget_us = now_us + FORGET_US;
    if (counted <= visitor->all->o.free_failures)
        return;
    counted -= visitor->all->o.free_failures;
    int64_t wait_us = counted > 6 ? WAIT_MAX_US : WAIT_MIN_US << (counted - 1);
    visitor->wait_until_us = now_us + (wait_us < WAIT_MAX_US ? wait_us : WAIT_MAX_US);
}

void visitor_passed(struct visitor *visitor)
{
    visitor->failures = 0;
}

const char *address_format(const struct address_key *key, char out[VISITOR_TEXT_MAX])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char text[INET6_ADDRSTRLEN] = "";
    if (!key) {
        snprintf(out, VISITOR_TEXT_MAX, "-");
    } else if (memcmp(key->bytes, mapped, sizeof mapped) == 0) {
        inet_ntop(AF_INET, key->bytes + sizeof mapped, out, VISITOR_TEXT_MAX);
    } else {
        inet_ntop(AF_INET6, key->bytes, text, sizeof text);
        snprintf(out, VISITOR_TEXT_MAX, "%s/64", text);
    }
    return out;
}

const char *visitor_format(const struct visitor *visitor, char out[VISITOR_TEXT_MAX])
{
    return address_format(visitor ? &visitor->key : NULL, out);
}
