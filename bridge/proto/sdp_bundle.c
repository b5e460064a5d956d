/* Media sections as a whole: their names, the BUNDLE groups, and what each must have. */
#include "proto/sdp_parse.h"

static uint32_t hash_of(struct text t)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *c = t.p; c < t.end; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    return hash;
}

/* The slot of the section with this mid, or the free one where it belongs. The table is twice as
 * large as there are sections, so a free one always exists. */
static uint16_t *find_slot(struct sdp_parser *p, struct text mid, uint32_t hash)
{
    const uint32_t slots = sizeof p->mid_slots / sizeof p->mid_slots[0];
    uint32_t i = hash % slots;
    while (p->mid_slots[i]) {
        const struct sdp_section *s = &p->section[p->mid_slots[i] - 1];
        if (s->mid_hash == hash && text_same(s->mid, mid))
            break;
        i = (i + 1) % slots;
    }
    return &p->mid_slots[i];
}

/* RFC 5888 section 4: a mid names one section, and only one. */
enum status sdp_add_mid(struct sdp_parser *p, struct text mid)
{
    uint32_t hash = hash_of(mid);
    uint16_t *slot = find_slot(p, mid, hash);
    if (*slot)
        return sdp_refuse(p, "sdp-mid-twice", "give each media section a mid of its own");
    *slot = (uint16_t)p->sections;
    p->at->mid = mid;
    p->at->mid_hash = hash;
    return STATUS_OK;
}

/* Sections come after their group, so the tags wait until the end. */
enum status sdp_add_group(struct sdp_parser *p, struct text tags)
{
    struct text all = tags, tag;
    if (p->bundles == SDP_MAX_BUNDLES)
        return sdp_too_large(p, "sdp-bundles", "use fewer BUNDLE groups: 16 are the most");
    while (!text_end(&tags)) {
        if (!text_char(&tags, ' ') || !text_run(&tags, text_is_token, SDP_MAX_LINE, &tag))
            return sdp_refuse(p, "sdp-bundle", "list the mids of the group with one space between");
        if (++p->tags > SDP_MAX_TAGS)
            return sdp_too_large(p, "sdp-tags", "list fewer mids in BUNDLE groups");
    }
    p->bundle[p->bundles].tags = all;
    p->bundle[p->bundles++].line = p->line;
    return STATUS_OK;
}

/* RFC 3264 section 6: port zero means refused. RFC 9143 section 6: except with a=bundle-only. */
static bool in_use(const struct sdp_section *s)
{
    return !s->zero_port || (s->has & SDP_HAS_BUNDLE_ONLY);
}

/* Marks the members of group `number`, counted from 1. *tagged: what its first section in use has;
 * the others may leave it out (RFC 9143 section 7.1.3). A tag that names no section is passed over:
 * there are publishers that always write "BUNDLE 0 1". */
static enum status mark_bundle(struct sdp_parser *p, unsigned number, uint8_t *tagged)
{
    struct text tags = p->bundle[number - 1].tags, tag;
    bool first = true;
    *tagged = 0;
    while (text_char(&tags, ' ') && text_run(&tags, text_is_token, SDP_MAX_LINE, &tag)) {
        uint16_t slot = *find_slot(p, tag, hash_of(tag));
        if (!slot)
            continue;
        struct sdp_section *s = &p->section[slot - 1];
        if (s->bundle) {
            p->line = p->bundle[number - 1].line;
            return sdp_refuse(p, "sdp-bundle-twice", "list each mid in one BUNDLE group, once");
        }
        s->bundle = (uint8_t)number;
        if (first && in_use(s)) {
            *tagged = s->has;
            first = false;
        }
    }
    return STATUS_OK;
}

static enum status check_section(struct sdp_parser *p, const struct sdp_section *s,
                                 uint8_t inherited)
{
    unsigned missing = SDP_NEEDS & ~((unsigned)s->has | inherited);
    p->line = s->line;
    if (missing & (SDP_HAS_UFRAG | SDP_HAS_PWD))
        return sdp_refuse(
            p, "sdp-ice-missing",
            "add a=ice-ufrag and a=ice-pwd to this media section or before the first");
    if (missing & SDP_HAS_FINGERPRINT)
        return sdp_refuse(p, "sdp-fingerprint-missing",
                          "add a=fingerprint to this media section or before the first: WebRTC "
                          "media needs DTLS");
    /* An offer without it has a role by default (RFC 4145 section 4), and libwebrtc takes it. An
     * answer must choose (RFC 8842 section 5.3). */
    if ((missing & SDP_HAS_SETUP) && p->kind == SDP_ANSWER)
        return sdp_refuse(p, "sdp-setup-missing",
                          "add a=setup:active or a=setup:passive to this media section or before "
                          "the first");
    return STATUS_OK;
}

enum status sdp_check_sections(struct sdp_parser *p)
{
    uint8_t tagged[SDP_MAX_BUNDLES + 1] = {0};
    enum status status = STATUS_OK;
    for (unsigned i = 1; i <= p->bundles && status == STATUS_OK; i++)
        status = mark_bundle(p, i, &tagged[i]);
    for (unsigned i = 0; i < p->sections && status == STATUS_OK; i++) {
        const struct sdp_section *s = &p->section[i];
        if (in_use(s))
            status = check_section(p, s, (uint8_t)(p->session.has | tagged[s->bundle]));
    }
    return status;
}
