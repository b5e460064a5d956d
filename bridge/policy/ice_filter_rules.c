/* One candidate, and what may be shown of it. */
#include "policy/ice_filter_rules.h"

#include <string.h>

static bool has_bit(unsigned bits, unsigned bit)
{
    return bits >> bit & 1;
}

static bool passes_address(const struct ice_policy *p, const struct address *a)
{
    enum ice_class is = ice_class_of(a);
    if (is == ICE_CLASS_UNSPECIFIED || is == ICE_CLASS_UNUSABLE)
        return false;
    for (size_t i = 0; i < p->network_count; i++)
        if (ice_network_has(&p->networks[i], a))
            return true;
    return is < ICE_CLASSES && (p->any_address || has_bit(p->classes, is));
}

bool ice_rules_host(const struct ice_policy *p, const struct address *a)
{
    return has_bit(p->types, CANDIDATE_HOST) && passes_address(p, a);
}

/* A related address is the host's own behind a reflexive candidate, and behind a relayed one the
 * reflexive address, which is the host's own where no NAT is between (RFC 8445 section 5.3). */
static bool passes_related(const struct ice_policy *p, enum candidate_type of,
                           const struct address *a)
{
    return (of != CANDIDATE_RELAY || has_bit(p->types, CANDIDATE_SRFLX)) && ice_rules_host(p, a);
}

bool ice_rules_any_type(const struct ice_policy *p, const struct address *a)
{
    return has_bit(p->types, CANDIDATE_SRFLX) && has_bit(p->types, CANDIDATE_RELAY) &&
           ice_rules_host(p, a);
}

static bool must_hide(const struct ice_policy *p, const struct candidate *c)
{
    return c->has_raddr && ice_class_of(&c->raddr) != ICE_CLASS_UNSPECIFIED &&
           !passes_related(p, c->type, &c->raddr);
}

/* RFC 8839 section 5.1. */
static const char *placeholder(const struct candidate *c)
{
    return c->raddr.kind == ADDRESS_IP6 ? "::" : "0.0.0.0";
}

/* Nobody takes a longer one: see candidate_parse(). */
static bool fits_hidden(struct text all, const struct candidate *c)
{
    size_t out = text_len(&c->raddr.text) + (c->has_rport ? text_len(&c->rport_text) : 0);
    size_t in = strlen(placeholder(c)) + c->has_rport;
    return text_len(&all) - out + in <= CANDIDATE_MAX_BYTES;
}

bool ice_rules_candidate(const struct ice_policy *p, struct text all, const struct candidate *c,
                         enum ice_reason *reason)
{
    if (!has_bit(p->types, c->type))
        *reason = ICE_TYPE;
    else if (!has_bit(p->transports, c->transport))
        *reason = ICE_TRANSPORT;
    else if (!passes_address(p, &c->address) || (must_hide(p, c) && !fits_hidden(all, c)))
        *reason = ICE_ADDRESS;
    else
        return true;
    return false;
}

static void put_hidden(struct text all, const struct candidate *c, struct buf *out)
{
    struct text raddr = c->raddr.text, rport = c->rport_text;
    bool port_first = c->has_rport && rport.p < raddr.p;
    struct text first = port_first ? rport : raddr, second = port_first ? raddr : rport;
    const char *put_first = port_first ? "9" : placeholder(c);
    const char *put_second = port_first ? placeholder(c) : "9";

    buf_add(out, all.p, (size_t)(first.p - all.p));
    buf_str(out, put_first);
    if (c->has_rport) {
        buf_add(out, first.end, (size_t)(second.p - first.end));
        buf_str(out, put_second);
        first = second;
    }
    buf_add(out, first.end, (size_t)(all.end - first.end));
}

bool ice_put_candidate(const struct ice_policy *p, struct text all, const struct candidate *c,
                       struct buf *out, struct ice_count *count)
{
    enum ice_reason reason;
    if (!ice_rules_candidate(p, all, c, &reason)) {
        count->dropped[reason]++;
        return false;
    }
    if (must_hide(p, c)) {
        put_hidden(all, c, out);
        count->hidden++;
    } else {
        buf_add(out, all.p, text_len(&all));
    }
    return true;
}

bool ice_filter_candidate(const struct ice_policy *policy, struct text value, struct buf *out,
                          struct ice_count *count)
{
    struct candidate c;
    if (candidate_parse(value.p, text_len(&value), &c, NULL) != STATUS_OK) {
        count->dropped[ICE_TYPE]++; /* the caller checked it; what we cannot judge does not pass */
        return false;
    }
    return ice_put_candidate(policy, value, &c, out, count);
}

const char *ice_reason_name(enum ice_reason reason)
{
    static const char *const names[ICE_REASONS] = {"type", "transport", "address"};
    return names[reason];
}
