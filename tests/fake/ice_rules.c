#include "ice_rules.h"

#include <stdio.h>
#include <string.h>

#define LIST(list, name) .list##s = name, .list##_count = sizeof name / sizeof *name

static const char *const outside[] = {"srflx", "relay"};
static const char *const host[] = {"host"};
static const char *const udp[] = {"udp"};
static const char *const tcp[] = {"tcp"};
static const char *const public_only[] = {"public"};
static const char *const inside[] = {"private", "link-local", "mdns"};
static const char *const names[] = {"mdns", "name", "loopback"};
static const char *const yard[] = {"192.168.0.0/16", "fd00::/8", "203.0.113.45"};

struct ice_policies *ice_rules_policies(void)
{
    const struct ice_policy_source rows[ICE_RULES_POLICIES] = {
        {.rooms = "p0", .relay_only = true},
        {.rooms = "p1", LIST(type, outside)},
        {.rooms = "p2", LIST(transport, udp)},
        {.rooms = "p3", .addresses = public_only, .address_count = 1},
        {.rooms = "p4", LIST(transport, udp), .addresses = inside, .address_count = 3},
        {.rooms = "p5", .addresses = names, .address_count = 3, LIST(network, yard)},
        {.rooms = "p6", LIST(type, host), LIST(transport, tcp), LIST(network, yard)},
        {.rooms = "p7"},
    };
    struct ice_policies *all;
    struct problem why;
    if (ice_policies_create(&all, rows, ICE_RULES_POLICIES, &why) == STATUS_OK)
        return all;
    fprintf(stderr, "%s\n", why.text);
    return NULL;
}

const struct ice_policy *ice_rules_policy(const struct ice_policies *all, unsigned number)
{
    char room[] = {'p', (char)('0' + number % ICE_RULES_POLICIES)};
    return ice_policy_for(all, text_of(room, sizeof room));
}

static const char *candidates_broken(const struct ice_policy *policy, struct text sdp)
{
    struct text line;
    while (text_line(&sdp, &line)) {
        struct text value = line;
        struct ice_count count = {0};
        struct buf again;
        char bytes[1024];
        if (!text_literal(&value, "a=candidate:"))
            continue;
        buf_init_fixed(&again, bytes, sizeof bytes);
        if (!ice_filter_candidate(policy, text_of(line.p + 2, text_len(&line) - 2), &again, &count))
            return "a candidate is there that does not pass by itself";
        if (count.hidden)
            return "a related address shows that is hidden by itself";
    }
    return NULL;
}

const char *ice_rules_broken(const struct ice_policy *policy, enum sdp_kind kind, struct text sdp)
{
    const char *broken = NULL;
    struct buf once, twice;
    struct ice_count count = {0}, none = {0};
    buf_init(&once, 4 * SDP_MAX_BYTES);
    buf_init(&twice, 4 * SDP_MAX_BYTES);
    bool changed = ice_filter_sdp(policy, sdp, &once, &count);
    struct text result = text_of(once.data, once.len);
    if (!buf_ok(&once))
        broken = "it grew beyond all bounds";
    else if (changed == text_same(sdp, result))
        broken = "it does not know whether it changed anything";
    else if (!changed && memcmp(&count, &none, sizeof count) != 0)
        broken = "it counts what it did not do";
    else if (once.len <= SDP_MAX_BYTES && sdp_check(kind, once.data, once.len, NULL) != STATUS_OK)
        broken = "the result is not sound";
    else
        broken = candidates_broken(policy, result);
    if (!broken && ice_filter_sdp(policy, result, &twice, &count))
        broken = "a second time changes it again";
    buf_release(&once);
    buf_release(&twice);
    return broken;
}
