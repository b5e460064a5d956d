/* What arrives at a device: a topic's kind chosen by the first byte, the payload behind it. What
 * was understood is walked to its end, written anew and read again: it must be the same. */
#include <sigdev/core.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct sigdev_self self = {"p", "r", "me"};

static void check_text(struct sigdev_text t)
{
    assert(!t.p || strlen(t.p) == t.len);
}

static void same(struct sigdev_text a, struct sigdev_text b)
{
    assert(a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0));
}

static void check_candidate(const struct sigdev_candidate *c)
{
    check_text(c->candidate);
    check_text(c->mid);
    check_text(c->ufrag);
}

static void same_candidate(const struct sigdev_candidate *a, const struct sigdev_candidate *b)
{
    assert(a->end == b->end);
    if (a->end)
        return; /* written as null: what else stood there does not count */
    same(a->candidate, b->candidate);
    same(a->mid, b->mid);
    same(a->ufrag, b->ufrag);
    assert(a->has_mline == b->has_mline && a->mline == b->mline);
}

static size_t walk_candidates(struct sigdev_list list, struct sigdev_candidate *out)
{
    size_t n = 0;
    struct sigdev_candidate c;
    enum sigdev_error e;
    while ((e = sigdev_next_candidate(&list, &c)) == SIGDEV_OK) {
        assert(n < SIGDEV_BUNDLE_MAX);
        check_candidate(&c);
        out[n++] = c;
    }
    assert(e == SIGDEV_END);
    return n;
}

static void walk_ice_servers(struct sigdev_list list)
{
    struct sigdev_ice_walk walk = {.servers = list};
    struct sigdev_ice_server s;
    enum sigdev_error e;
    while ((e = sigdev_next_ice_server(&walk, &s)) == SIGDEV_OK) {
        check_text(s.url);
        check_text(s.username);
        check_text(s.credential);
    }
    assert(e == SIGDEV_END);
}

static void check_message(const struct sigdev_message *m)
{
    assert(m->call.p);
    check_text(m->call);
    check_text(m->id);
    check_text(m->ext);
    check_text(m->sdp);
    check_text(m->reason);
    check_text(m->data);
    check_text(m->sealed);
    check_text(m->error.word);
    check_text(m->error.text);
    check_text(m->error.to);
    check_candidate(&m->candidate);
}

static void write_again(struct sigdev_message *m, const struct sigdev_topic *topic)
{
    static char out[2 * SIGDEV_PAYLOAD_MAX];
    static struct sigdev_candidate before[SIGDEV_BUNDLE_MAX], after[SIGDEV_BUNDLE_MAX];
    struct sigdev_message again;
    size_t len;
    m->bundle = before;
    m->bundle_len = walk_candidates(m->candidates, before);
    enum sigdev_error e = sigdev_write(m, out, sizeof out, &len);
    if (e == SIGDEV_ERR_TOO_LARGE)
        return; /* what was written with many escapes less may be longer than the limit for SDP */
    assert(e == SIGDEV_OK);
    assert(sigdev_parse(&self, topic, out, len, &again, NULL, 0) == SIGDEV_OK);
    assert(again.type == m->type && again.sent_ms == m->sent_ms);
    same(again.call, m->call);
    same(again.id, m->id);
    same(again.sdp, m->sdp);
    same(again.reason, m->reason);
    same(again.data, m->data);
    same(again.sealed, m->sealed);
    same(again.ext, m->ext);
    same_candidate(&again.candidate, &m->candidate);
    assert(walk_candidates(again.candidates, after) == m->bundle_len);
    for (size_t i = 0; i < m->bundle_len; i++)
        same_candidate(&after[i], &before[i]);
}

static void fuzz_message(const struct sigdev_topic *topic, char *payload, size_t len)
{
    static uint64_t digests[4];
    static struct sigdev_recent recent = {digests, 4, 0, 0};
    struct sigdev_message m;
    char why[100];
    uint64_t digest = sigdev_digest(&recent, topic, payload, len);
    enum sigdev_error e = sigdev_parse(&self, topic, payload, len, &m, why, sizeof why);
    if (e != SIGDEV_OK) {
        assert(strlen(why) > 0);
        return;
    }
    check_message(&m);
    (void)sigdev_is_repeated(&recent, &m, digest);
    assert(sigdev_is_repeated(&recent, &m, digest) == (m.sent_ms || m.id.p));
    if (m.type == SIGDEV_ICE_SERVERS)
        walk_ice_servers(m.ice_servers);
    else if (m.type != SIGDEV_ERROR)
        write_again(&m, topic);
}

static void fuzz_presence(char *payload, size_t len)
{
    static char out[SIGDEV_META_MAX + 1024];
    struct sigdev_presence p, again;
    if (sigdev_parse_presence(payload, len, &p, NULL, 0) != SIGDEV_OK || p.gone)
        return;
    check_text(p.kind);
    check_text(p.meta);
    check_text(p.via);
    check_text(p.sid);
    size_t out_len;
    assert(sigdev_write_presence(&p, out, sizeof out, &out_len) == SIGDEV_OK);
    assert(sigdev_parse_presence(out, out_len, &again, NULL, 0) == SIGDEV_OK);
    same(again.kind, p.kind);
    same(again.meta, p.meta);
    assert(again.since_ms == p.since_ms && again.ttl_s == p.ttl_s && again.bundle == p.bundle);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sigdev_topic topic = {.from = "tab"};
    if (size == 0)
        return 0;
    char *payload = malloc(size); /* exact: the first byte is not part of it */
    if (!payload)
        return 0;
    size_t len = size - 1;
    memcpy(payload + 1, data + 1, len);
    switch (data[0] % 5) {
    case 0:
        (void)sigdev_topic_parse(&self, payload + 1, len, &topic);
        break;
    case 1:
        fuzz_presence(payload + 1, len);
        break;
    case 2:
        topic.kind = SIGDEV_TOPIC_ROOM;
        fuzz_message(&topic, payload + 1, len);
        break;
    case 3:
        strcpy(topic.from, SIGDEV_BRIDGE);
        fuzz_message(&topic, payload + 1, len);
        break;
    default:
        fuzz_message(&topic, payload + 1, len);
    }
    free(payload);
    return 0;
}
