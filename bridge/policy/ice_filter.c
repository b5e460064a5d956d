/* Policies from the configuration, and which one is a room's. */
#include "policy/ice_filter.h"

#include "policy/ice_filter_rules.h"
#include "proto/names.h"

#include <stdlib.h>
#include <string.h>

struct ice_policies {
    size_t count;
    struct ice_policy rows[];
};

static enum status bad(struct problem *why, size_t row, const char *what)
{
    return problem_set(why, STATUS_BAD_CONFIG, 0, "ice-policy", "ice_policies, entry %zu: %s",
                       row + 1, what);
}

static enum status no_memory(struct problem *why)
{
    return problem_set(why, STATUS_NO_MEMORY, 0, NULL, "out of memory");
}

/* *bits gets one bit for each word, by its place in `known`; all of them when the list is empty. */
static bool take_words(const char *const *words, size_t count, const char *const *known,
                       size_t known_count, unsigned *bits)
{
    *bits = count ? 0 : (1u << known_count) - 1;
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        while (at < known_count && strcmp(words[i], known[at]) != 0)
            at++;
        if (at == known_count)
            return false;
        *bits |= 1u << at;
    }
    return true;
}

static enum status take_networks(struct ice_policy *p, const struct ice_policy_source *s,
                                 size_t row, struct problem *why)
{
    if (s->network_count == 0)
        return STATUS_OK;
    if (s->network_count > ICE_NETWORKS_MAX)
        return bad(why, row, "list at most 64 networks");
    p->networks = calloc(s->network_count, sizeof *p->networks);
    if (!p->networks)
        return no_memory(why);
    for (; p->network_count < s->network_count; p->network_count++) {
        const char *mistake;
        if (!network_parse(s->networks[p->network_count], &p->networks[p->network_count], &mistake))
            return problem_set(why, STATUS_BAD_CONFIG, 0, "ice-policy",
                               "ice_policies, entry %zu: network %zu %s", row + 1,
                               p->network_count + 1, mistake);
    }
    return STATUS_OK;
}

static enum status take_rooms(struct ice_policy *p, const char *rooms, size_t row,
                              struct problem *why)
{
    size_t len = rooms ? strlen(rooms) : 0;
    p->prefix = len > 0 && rooms[len - 1] == '*';
    len -= p->prefix;
    bool sound = len == 0 ? p->prefix : name_ok(rooms, len);
    if (!sound)
        return bad(why, row, "`rooms` must be the name of a room, or the begin of one and *");
    p->rooms = malloc(len + 1);
    if (!p->rooms)
        return no_memory(why);
    memcpy(p->rooms, rooms, len);
    p->rooms[len] = '\0';
    return STATUS_OK;
}

static enum status take_row(struct ice_policy *p, const struct ice_policy_source *s, size_t row,
                            struct problem *why)
{
    /* In the order of the enums whose bits they are. */
    static const char *const types[] = {"host", "srflx", "prflx", "relay"};
    static const char *const transports[] = {"udp", "tcp"};
    static const char *const classes[] = {"public",     "private", "loopback",
                                          "link-local", "mdns",    "name"};
    _Static_assert(CANDIDATE_HOST == 0 && CANDIDATE_RELAY == 3 && CANDIDATE_TCP == 1 &&
                       ICE_CLASS_PUBLIC == 0 && ICE_CLASS_NAME == 5,
                   "words and bits agree");
    if (s->relay_only && s->type_count)
        return bad(why, row, "say either `relay_only` or `types`");
    if (!take_words(s->types, s->type_count, types, 4, &p->types))
        return bad(why, row, "`types` must be out of host, srflx, prflx and relay");
    if (!take_words(s->transports, s->transport_count, transports, 2, &p->transports))
        return bad(why, row, "`transports` must be out of udp and tcp");
    if (!take_words(s->addresses, s->address_count, classes, 6, &p->classes))
        return bad(why, row,
                   "`addresses` must be out of public, private, loopback, link-local, mdns and "
                   "name");
    if (s->relay_only)
        p->types = 1u << CANDIDATE_RELAY;
    p->any_address = s->address_count == 0 && s->network_count == 0;
    if (s->address_count == 0)
        p->classes = 0;
    p->sealed = s->sealed;
    enum status status = take_rooms(p, s->rooms, row, why);
    return status == STATUS_OK ? take_networks(p, s, row, why) : status;
}

enum status ice_policies_create(struct ice_policies **out, const struct ice_policy_source *rows,
                                size_t count, struct problem *why)
{
    enum status status = STATUS_OK;
    *out = NULL;
    if (count == 0)
        return STATUS_OK;
    if (count > ICE_POLICIES_MAX)
        return bad(why, ICE_POLICIES_MAX, "64 entries are the most");
    struct ice_policies *p = calloc(1, sizeof *p + count * sizeof p->rows[0]);
    if (!p)
        return no_memory(why);
    p->count = count;
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = take_row(&p->rows[i], &rows[i], i, why);
    if (status != STATUS_OK) {
        ice_policies_destroy(p);
        return status;
    }
    *out = p;
    return STATUS_OK;
}

void ice_policies_destroy(struct ice_policies *p)
{
    for (size_t i = 0; p && i < p->count; i++) {
        free(p->rows[i].rooms);
        free(p->rows[i].networks);
    }
    free(p);
}

const struct ice_policy *ice_policy_for(const struct ice_policies *policies, struct text room)
{
    for (size_t i = 0; policies && i < policies->count; i++) {
        const struct ice_policy *p = &policies->rows[i];
        struct text rest = room;
        if (text_literal(&rest, p->rooms) && (p->prefix || text_end(&rest)))
            return p;
    }
    return NULL;
}

bool ice_policy_sealed(const struct ice_policy *policy)
{
    return policy->sealed;
}
