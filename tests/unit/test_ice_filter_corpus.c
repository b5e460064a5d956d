/* Every description of the corpus through policies of all kinds: the result is sound, holds nothing
 * that the policy drops, and relay-only leaves no host's address anywhere in it. */
#include "ice_rules.h"
#include "proto/candidate.h"
#include "test.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { LINE_MAX_BYTES = 4 << 20, RELAY_ONLY = 0 };

struct counts {
    unsigned descriptions, changed, candidates, left;
};

/* True where `word` stands in `in` as a word of its own. */
static bool stands_in(struct text in, struct text word)
{
    size_t len = text_len(&word);
    for (const char *p = in.p; p + len <= in.end; p++) {
        p = memmem(p, (size_t)(in.end - p), word.p, len);
        if (!p)
            return false;
        bool begins = p == in.p || strchr(" :\r\n", p[-1]);
        bool ends = p + len == in.end || strchr(" /\r\n", p[len]);
        if (begins && ends)
            return true;
    }
    return false;
}

static bool is_placeholder(struct text address)
{
    return text_equals(address, "0.0.0.0") || text_equals(address, "::");
}

/* Is it a relay's, too? Then it shows for that. */
static bool is_relays(struct text sdp, struct text address)
{
    struct text line;
    struct candidate c;
    while (text_line(&sdp, &line))
        if (text_literal(&line, "a=candidate:") &&
            candidate_parse_value(line, &c, NULL) == STATUS_OK && c.type == CANDIDATE_RELAY &&
            text_same(c.address.text, address))
            return true;
    return false;
}

static void check_hidden(const char *name, struct text sdp, struct text result, struct text address)
{
    if (!is_placeholder(address) && !is_relays(sdp, address) && stands_in(result, address))
        fail_msg("%s: %.*s is still there", name, (int)text_len(&address), address.p);
}

/* The address of every candidate that is not a relay, and every related one. */
static void check_relay_only(const char *name, struct text sdp, struct text result,
                             struct counts *n)
{
    struct text rest = sdp, line;
    struct candidate c;
    while (text_line(&rest, &line)) {
        if (!text_literal(&line, "a=candidate:") ||
            candidate_parse_value(line, &c, NULL) != STATUS_OK)
            continue;
        n->candidates++;
        n->left += c.type == CANDIDATE_RELAY;
        check_hidden(name, sdp, result, c.address.text);
        if (c.has_raddr)
            check_hidden(name, sdp, result, c.raddr.text);
    }
    /* Those that stand in no candidate: any address there is, is a relay's or a placeholder. */
    for (rest = result; text_line(&rest, &line);) {
        struct text word;
        while (text_until(&line, ' ', SIZE_MAX, &word)) {
            struct address a;
            if (address_parse(word, &a) && a.kind != ADDRESS_NAME && !is_placeholder(word) &&
                !is_relays(result, word))
                fail_msg("%s: %.*s is there", name, (int)text_len(&word), word.p);
            text_char(&line, ' ');
        }
    }
}

static void check_sdp(const struct ice_policies *all, const char *name, const char *sdp,
                      struct counts *n)
{
    struct text text = text_of_str(sdp);
    enum sdp_kind kind = SDP_ANSWER;
    if (sdp_check(kind, text.p, text_len(&text), NULL) != STATUS_OK)
        kind = SDP_OFFER;
    if (sdp_check(kind, text.p, text_len(&text), NULL) != STATUS_OK)
        return;
    n->descriptions++;
    for (unsigned i = 0; i < ICE_RULES_POLICIES; i++) {
        const char *broken = ice_rules_broken(ice_rules_policy(all, i), kind, text);
        if (broken)
            fail_msg("%s, policy %u: %s", name, i, broken);
    }
    struct ice_count count = {0};
    struct buf out;
    buf_init(&out, 2 * SDP_MAX_BYTES);
    n->changed += ice_filter_sdp(ice_rules_policy(all, RELAY_ONLY), text, &out, &count);
    check_relay_only(name, text, text_of(out.data, out.len), n);
    buf_release(&out);
}

static void check_file(const struct ice_policies *all, const char *path, struct counts *n)
{
    gzFile f = gzopen(path, "rb"); /* reads plain files too */
    char *line = malloc(LINE_MAX_BYTES);
    assert_non_null(f);
    assert_non_null(line);
    while (gzgets(f, line, LINE_MAX_BYTES)) {
        cJSON *entry = strstr(line, "\\u0000") ? NULL : cJSON_Parse(line);
        const cJSON *payload = cJSON_GetObjectItemCaseSensitive(entry, "payload");
        const cJSON *sdp = cJSON_GetObjectItemCaseSensitive(payload, "sdp");
        if (cJSON_IsString(sdp))
            check_sdp(all, cJSON_GetObjectItemCaseSensitive(entry, "name")->valuestring,
                      sdp->valuestring, n);
        cJSON_Delete(entry);
    }
    free(line);
    gzclose(f);
}

static void report(const char *what, const struct counts *n)
{
    printf("%s: %u descriptions, relay-only changed %u; %u candidates, %u of them relays\n", what,
           n->descriptions, n->changed, n->candidates, n->left);
    assert_true(n->descriptions > 1000 && n->changed > 500 && n->candidates > 1000 && n->left > 50);
}

static void test_pack(void **state)
{
    struct counts n = {0};
    check_file(*state, CORPUS_PACK, &n);
    report("packed corpus", &n);
}

static void test_directory(void **state)
{
    struct counts n = {0};
    DIR *dir = opendir(CORPUS_DIRECTORY);
    if (!dir)
        return; /* it is not everywhere */
    for (struct dirent *e; (e = readdir(dir));) {
        const char *dot = strrchr(e->d_name, '.');
        char path[1024];
        if (!dot || strcmp(dot, ".jsonl") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", CORPUS_DIRECTORY, e->d_name);
        check_file(*state, path, &n);
    }
    closedir(dir);
    report("whole corpus", &n);
}

static int set_up(void **state)
{
    *state = ice_rules_policies();
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    ice_policies_destroy(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pack),
                                       cmocka_unit_test(test_directory)};
    return cmocka_run_group_tests_name("ICE filter, corpus", tests, set_up, tear_down);
}
