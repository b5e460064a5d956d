/* Every offer, answer and candidate of the corpus gets its verdict from the SDP and candidate
 * checks: the packed corpus of the project and, where it lies beside the checkout, the whole one.
 */
#include "proto/candidate.h"
#include "proto/sdp.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

enum { LINE_MAX_BYTES = 4 << 20 };

struct counts {
    unsigned accepted, rejected, not_ours, either_accepted, either_refused, wrong;
};

/* What the entry is refused for is not in SDP or candidate text: the envelope has to see it. */
static bool is_not_ours(const char *name)
{
    static const char *const prefixes[] = {"bad-json-", "bad-field-type-", "bad-field-cand-index-",
                                           "bad-field-cand-mid-null-index-null"};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

/* cJSON ends a string at \u0000. So that it survives, it is read as U+E000, which the corpus does
 * not use, and turned back by text_of_json(). */
static cJSON *parse_json(char *json, size_t len)
{
    for (char *p = json; p + 6 <= json + len; p++)
        if (memcmp(p, "\\u0000", 6) == 0)
            p[2] = 'e';
    return cJSON_ParseWithLength(json, len);
}

/* The bytes of a JSON string; the string itself is overwritten. */
static struct text text_of_json(const cJSON *string)
{
    char *from = string->valuestring, *to = from;
    while (*from) {
        if (memcmp(from, "\xee", 1) == 0 && memcmp(from, "\xee\x80\x80", 3) == 0) {
            *to++ = '\0';
            from += 3;
        } else {
            *to++ = *from++;
        }
    }
    return text_of(string->valuestring, (size_t)(to - string->valuestring));
}

static size_t decode_base64(const char *in, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = 0;
    unsigned bits = 0, value = 0;
    for (; *in && *in != '='; in++) {
        const char *at = strchr(digits, *in);
        assert_non_null(at);
        value = value << 6 | (unsigned)(at - digits);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[len++] = (char)(value >> bits & 0xff);
        }
    }
    return len;
}

static enum status check_candidate(cJSON *init, struct problem *why, bool *ours)
{
    const cJSON *line = cJSON_GetObjectItemCaseSensitive(init, "candidate");
    const cJSON *mid = cJSON_GetObjectItemCaseSensitive(init, "sdpMid");
    const cJSON *ufrag = cJSON_GetObjectItemCaseSensitive(init, "usernameFragment");
    enum status status = STATUS_OK;
    *ours = cJSON_IsString(line) && !(ufrag && cJSON_IsNumber(ufrag));
    if (!*ours)
        return STATUS_OK;
    struct text text = text_of_json(line);
    struct candidate c;
    if (!text_end(&text)) /* empty: end of candidates */
        status = candidate_parse(text.p, text_len(&text), &c, why);
    if (status == STATUS_OK &&
        ((cJSON_IsString(mid) && !candidate_mid_ok(text_of_json(mid))) ||
         (cJSON_IsString(ufrag) && !candidate_ufrag_ok(text_of_json(ufrag)))))
        status = problem_set(why, STATUS_INVALID_CANDIDATE, 0, "candidate-member", "%s", "member");
    return status;
}

static enum status check_payload(cJSON *payload, const char *kind, struct problem *why, bool *ours)
{
    *ours = false;
    if (!payload)
        return STATUS_OK;
    if (strcmp(kind, "candidate") == 0)
        return check_candidate(payload, why, ours);
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(payload, "type");
    const cJSON *sdp = cJSON_GetObjectItemCaseSensitive(payload, "sdp");
    *ours = cJSON_IsString(sdp) &&
            !(cJSON_IsString(type) && strcmp(type->valuestring, "rollback") == 0);
    if (!*ours)
        return STATUS_OK;
    struct text text = text_of_json(sdp);
    return sdp_check(strcmp(kind, "answer") == 0 ? SDP_ANSWER : SDP_OFFER, text.p, text_len(&text),
                     why);
}

static enum status check_raw(const cJSON *entry, const char *kind, struct problem *why, bool *ours)
{
    const char *raw = cJSON_GetObjectItemCaseSensitive(entry, "payload_b64")->valuestring;
    const char *is = cJSON_GetObjectItemCaseSensitive(entry, "b64_is")->valuestring;
    char *bytes = malloc(strlen(raw) + 1);
    assert_non_null(bytes);
    size_t len = decode_base64(raw, bytes);
    enum status status;
    if (strcmp(is, "sdp") == 0) {
        *ours = true;
        status = sdp_check(strcmp(kind, "answer") == 0 ? SDP_ANSWER : SDP_OFFER, bytes, len, why);
    } else {
        cJSON *payload = parse_json(bytes, len);
        status = check_payload(payload, kind, why, ours);
        cJSON_Delete(payload);
    }
    free(bytes);
    return status;
}

/* What holds for every refusal. */
static void check_problem(const char *name, enum status status, const struct problem *why)
{
    bool good = why->status == status && why->rule && why->text[0] &&
                memchr(why->text, '\0', sizeof why->text);
    for (const char *c = why->text; good && *c; c++)
        good = text_is_printable(*c);
    if (!good)
        fail_msg("%s: refused without a clear reason", name);
}

static void check_entry(const cJSON *entry, struct counts *n)
{
    const char *name = cJSON_GetObjectItemCaseSensitive(entry, "name")->valuestring;
    const char *kind = cJSON_GetObjectItemCaseSensitive(entry, "kind")->valuestring;
    const char *expect = cJSON_GetObjectItemCaseSensitive(entry, "expect")->valuestring;
    cJSON *payload = cJSON_GetObjectItemCaseSensitive(entry, "payload");
    struct problem why = {0};
    bool ours;
    if (strcmp(kind, "envelope") == 0)
        return;
    enum status status =
        payload ? check_payload(payload, kind, &why, &ours) : check_raw(entry, kind, &why, &ours);
    if (status != STATUS_OK)
        check_problem(name, status, &why);
    if (strcmp(expect, "either") == 0) {
        n->either_accepted += ours && status == STATUS_OK;
        n->either_refused += status != STATUS_OK;
        n->not_ours += !ours;
        if (getenv("CORPUS_SHOW_EITHER"))
            printf("either %s: %s line %u %s\n", name, ours ? status_name(status) : "not ours",
                   why.line, why.rule ? why.rule : "");
        return;
    }
    bool want = strcmp(expect, "accept") == 0;
    if (!ours || (!want && is_not_ours(name))) {
        n->not_ours++;
    } else if (want == (status == STATUS_OK)) {
        n->accepted += want;
        n->rejected += !want;
    } else {
        n->wrong++;
        print_error("%s (%s): expected %s, got %s, line %u, %s: %s\n", name, kind, expect,
                    status_name(status), why.line, why.rule ? why.rule : "", why.text);
    }
}

static void check_file(const char *path, struct counts *n)
{
    gzFile f = gzopen(path, "rb"); /* reads plain files too */
    char *line = malloc(LINE_MAX_BYTES);
    assert_non_null(f);
    assert_non_null(line);
    while (gzgets(f, line, LINE_MAX_BYTES)) {
        cJSON *entry = parse_json(line, strlen(line));
        assert_non_null(entry);
        check_entry(entry, n);
        cJSON_Delete(entry);
    }
    free(line);
    gzclose(f);
}

static void report(const char *what, const struct counts *n)
{
    printf(
        "%s: %u accepted, %u rejected, either: %u accepted, %u refused, left to the envelope: %u\n",
        what, n->accepted, n->rejected, n->either_accepted, n->either_refused, n->not_ours);
    assert_int_equal(n->wrong, 0);
    assert_true(n->accepted > 1000 && n->rejected > 100);
}

static void test_pack(void **state)
{
    (void)state;
    struct counts n = {0};
    check_file(CORPUS_PACK, &n);
    report("packed corpus", &n);
}

static void test_directory(void **state)
{
    (void)state;
    struct counts n = {0};
    DIR *dir = opendir(CORPUS_DIRECTORY);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        const char *dot = strrchr(e->d_name, '.');
        char path[1024];
        if (!dot || strcmp(dot, ".jsonl") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", CORPUS_DIRECTORY, e->d_name);
        check_file(path, &n);
    }
    closedir(dir);
    report("whole corpus", &n);
}

int main(void)
{
    const struct CMUnitTest pack[] = {cmocka_unit_test(test_pack)};
    const struct CMUnitTest both[] = {cmocka_unit_test(test_pack),
                                      cmocka_unit_test(test_directory)};
    DIR *dir = opendir(CORPUS_DIRECTORY);
    if (!dir)
        return cmocka_run_group_tests_name("corpus, packed", pack, NULL, NULL);
    closedir(dir);
    return cmocka_run_group_tests_name("corpus", both, NULL, NULL);
}
