#include "policy/budget.h"
#include "proto/sdp.h"
#include "test.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define HEAD       "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
#define AUDIO      "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\n"
#define VIDEO      "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\n"
#define REFUSED    "m=video 0 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\n"
#define DATA       "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n"
#define A(x)       "a=" x "\r\n"
#define UDP(n, a)  A("candidate:" n " 1 udp 2122260223 " a " 50000 typ host")
#define UDP2(n, a) A("candidate:" n " 2 udp 2122260222 " a " 50001 typ host")
#define ACTIVE(a)  A("candidate:9 1 tcp 1518280447 " a " 9 typ host tcptype active")
#define EXT(id, x) A("extmap:" id " " x)
#define RID        "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
#define RRID       "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
#define MID        "urn:ietf:params:rtp-hdrext:sdes:mid"

/* What each rule takes away, alone: `want` is what is left when nothing more may be taken than is
 * asked for, so the bound is the length of `want`. NULL: nothing, even when nothing fits. */
static const struct row {
    const char *name, *sdp, *want;
} rows[] = {
    {"the same candidate again", HEAD AUDIO UDP("1", "10.0.0.1") UDP("1", "10.0.0.1"),
     HEAD AUDIO UDP("1", "10.0.0.1")},
    {"again with spaces behind",
     HEAD AUDIO UDP("1", "10.0.0.1") A("candidate:1 1 udp 2122260223 10.0.0.1 50000 typ host "),
     HEAD AUDIO UDP("1", "10.0.0.1")},
    {"the first of the same stays in its place",
     HEAD AUDIO UDP("1", "10.0.0.1") UDP("2", "10.0.0.2") UDP("1", "10.0.0.1") A("mid:0"),
     HEAD AUDIO UDP("1", "10.0.0.1") UDP("2", "10.0.0.2") A("mid:0")},
    {"the same in another section is another",
     HEAD AUDIO UDP("1", "10.0.0.1") VIDEO UDP("1", "10.0.0.1"), NULL},
    {"not quite the same", HEAD AUDIO UDP("1", "10.0.0.1") UDP("2", "10.0.0.1"), NULL},
    {"component 2 of RTP may be needed", HEAD AUDIO UDP("1", "10.0.0.1") UDP2("1", "10.0.0.1"),
     NULL},
    {"component 2 although rtcp-mux is offered",
     HEAD AUDIO A("rtcp-mux") UDP("1", "10.0.0.1") UDP2("1", "10.0.0.1"), NULL},
    {"component 2 with rtcp-mux-only",
     HEAD AUDIO A("rtcp-mux-only") UDP("1", "10.0.0.1") UDP2("1", "10.0.0.1"),
     HEAD AUDIO A("rtcp-mux-only") UDP("1", "10.0.0.1")},
    {"component 2 of a data channel", HEAD DATA UDP("1", "10.0.0.1") UDP2("1", "10.0.0.1"),
     HEAD DATA UDP("1", "10.0.0.1")},
    {"component 3 of RTP", HEAD AUDIO A("candidate:1 3 udp 1 10.0.0.1 5 typ host") A("mid:0"),
     HEAD AUDIO A("mid:0")},
    {"UDP to port 0", HEAD AUDIO A("candidate:1 1 udp 1 10.0.0.1 0 typ host") A("mid:0"),
     HEAD AUDIO A("mid:0")},
    {"the unspecified address", HEAD AUDIO UDP("1", "0.0.0.0") UDP("1", "::") A("mid:0"),
     HEAD AUDIO A("mid:0")},
    {"unless it is the default destination",
     HEAD "m=audio 50000 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\n" UDP("1", "0.0.0.0"), NULL},
    {"also when c= stands for all",
     HEAD "c=IN IP4 0.0.0.0\r\nm=audio 50000 UDP/TLS/RTP/SAVPF 111\r\n" UDP("1", "0.0.0.0"), NULL},
    {"active TCP of a known address", HEAD AUDIO UDP("1", "10.0.0.1") ACTIVE("10.0.0.1"),
     HEAD AUDIO UDP("1", "10.0.0.1")},
    {"active TCP of a known name", HEAD AUDIO UDP("1", "a.local") ACTIVE("a.local"),
     HEAD AUDIO UDP("1", "a.local")},
    {"active TCP of another address", HEAD AUDIO UDP("1", "10.0.0.1") ACTIVE("10.0.0.2"), NULL},
    {"active TCP known of another section",
     HEAD VIDEO UDP("1", "10.0.0.1") AUDIO ACTIVE("10.0.0.1"), NULL},
    {"passive TCP",
     HEAD AUDIO UDP("1", "10.0.0.1")
         A("candidate:9 1 tcp 1518280447 10.0.0.1 443 typ host tcptype passive"),
     NULL},
    {"TCP that does not say",
     HEAD AUDIO UDP("1", "10.0.0.1") A("candidate:9 1 tcp 1518280447 10.0.0.1 443 typ host"), NULL},
    {"a refused section",
     HEAD REFUSED A("mid:v") A("rtpmap:96 VP8/90000") A("rtcp-fb:96 nack") A("fmtp:97 apt=96")
         EXT("4", MID) A("inactive") UDP("1", "10.0.0.1") A("ssrc:1 cname:x") A("msid:s t"),
     HEAD REFUSED A("mid:v") A("rtpmap:96 VP8/90000") A("inactive")},
    {"a bundled section is not refused",
     HEAD REFUSED A("mid:v") A("bundle-only") A("rtcp-fb:96 nack") EXT("4", MID), NULL},
    {"an extension that is inactive", HEAD VIDEO EXT("4", MID) EXT("5/inactive", "urn:x"),
     HEAD VIDEO EXT("4", MID)},
    {"extensions with other directions stay",
     HEAD VIDEO EXT("4", MID) EXT("5/sendonly", "urn:x") EXT("4096", "urn:y"), NULL},
    {"an extension without RTP", HEAD DATA EXT("4", MID) A("mid:d"), HEAD DATA A("mid:d")},
    {"stream identifiers without streams", HEAD VIDEO EXT("4", MID) EXT("10", RID) EXT("11", RRID),
     HEAD VIDEO EXT("4", MID)},
    {"with a direction", HEAD VIDEO EXT("4", MID) EXT("10/recvonly", RID),
     HEAD VIDEO EXT("4", MID)},
    {"stream identifiers with streams", HEAD VIDEO EXT("10", RID) EXT("11", RRID) A("rid:h send"),
     NULL},
    {"extensions of the whole description stay",
     HEAD EXT("5/inactive", "urn:x") EXT("6", RID) VIDEO, NULL},
    {"spaces and empty lines",
     HEAD "m=audio 9 UDP/TLS/RTP/SAVPF 111 \r\n\r\n\r\n" A("mid:0  ") A("rtpmap:111 opus/48000/2 "),
     HEAD "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" A("mid:0") A("rtpmap:111 opus/48000/2")},
    {"spaces in free text stay", HEAD AUDIO A("fmtp:111 x=1; ") A("x-own:1 "), NULL},
    {"the same setting again",
     HEAD VIDEO A("rtcp-fb:96 nack") A("rtcp-fb:97 nack") A("rtcp-fb:96 nack") EXT("4", MID)
         EXT("4", MID) A("x-own:1") A("x-own:1"),
     HEAD VIDEO A("rtcp-fb:96 nack") A("rtcp-fb:97 nack") EXT("4", MID) A("x-own:1") A("x-own:1")},
    {"names of sources that a=msid says",
     HEAD AUDIO A("msid:stream track") A("ssrc:1 cname:x") A("ssrc:1 msid:stream track")
         A("ssrc:1 mslabel:stream") A("ssrc:1 label:track"),
     HEAD AUDIO A("msid:stream track") A("ssrc:1 cname:x")},
    {"names of sources behind", HEAD AUDIO A("ssrc:1 msid:- track") A("msid:- track"),
     HEAD AUDIO A("msid:- track")},
    {"names of sources that say something else",
     HEAD AUDIO A("msid:stream track") A("ssrc:1 msid:stream other") A("ssrc:1 label:other")
         A("ssrc:1 mslabel:other"),
     NULL},
    {"names of sources without a=msid", HEAD AUDIO A("ssrc:1 msid:stream track"), NULL},
    {"names of sources of several streams",
     HEAD AUDIO A("msid:s t") A("msid:u t") A("ssrc:1 msid:s t"), NULL},
    {"LF alone stays",
     "v=0\no=- 1 2 IN IP4 0.0.0.0\ns=-\nt=0 0\nm=video 0 RTP/SAVPF 96\na=fmtp:96 x\n",
     "v=0\no=- 1 2 IN IP4 0.0.0.0\ns=-\nt=0 0\nm=video 0 RTP/SAVPF 96\n"},
    {"an open last line",
     HEAD AUDIO UDP("1", "10.0.0.1") "a=candidate:1 1 udp 2122260223 10.0.0.1 50000 typ host",
     HEAD AUDIO UDP("1", "10.0.0.1")},
};

static void rules_by_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        const struct row *row = &rows[i];
        struct text sdp = text_of_str(row->sdp);
        struct problem why = {0};
        struct buf out;
        bool changed = true;
        buf_init(&out, 4096);

        /* Nothing is touched where it fits. */
        struct budget b = {.sdp = text_len(&sdp)};
        ROW(row->name, budget_fit_sdp(&b, sdp, &out, &changed, &why) == STATUS_OK);
        ROW(row->name, !changed && out.len == 0);

        b.sdp = row->want ? strlen(row->want) : text_len(&sdp) - 1;
        enum status status = budget_fit_sdp(&b, sdp, &out, &changed, &why);
        if (row->want && (status != STATUS_OK || strcmp(buf_cstr(&out), row->want) != 0))
            fail_msg("row \"%s\": %s\n%s", row->name, status_name(status), buf_cstr(&out));
        ROW(row->name, row->want ? changed : status == STATUS_TOO_LARGE && out.len == 0);

        /* One byte less, and it is refused. */
        buf_clear(&out);
        b.sdp--;
        ROW(row->name, budget_fit_sdp(&b, sdp, &out, &changed, &why) == STATUS_TOO_LARGE);
        ROW(row->name, out.len == 0 && !changed);
        buf_release(&out);
    }
}

static void only_what_is_needed_goes(void **state)
{
    (void)state;
    /* One candidate for each of the first two rules, then an extension. */
    static const char sdp[] = HEAD AUDIO UDP("1", "10.0.0.1") UDP("1", "10.0.0.1")
        ACTIVE("10.0.0.1") EXT("5/inactive", "urn:x");
    static const char first[] =
        HEAD AUDIO UDP("1", "10.0.0.1") ACTIVE("10.0.0.1") EXT("5/inactive", "urn:x");
    static const char second[] = HEAD AUDIO UDP("1", "10.0.0.1") EXT("5/inactive", "urn:x");
    static const char third[] = HEAD AUDIO UDP("1", "10.0.0.1");
    static const struct {
        const char *name;
        struct budget b;
        const char *want;
    } steps[] = {
        {"no bound", {0, 0, 0}, NULL},
        {"it fits", {sizeof sdp, 100, 3}, NULL},
        {"one byte", {sizeof sdp - 2, 0, 0}, first},
        {"two candidates", {0, 0, 2}, first},
        {"one candidate", {0, 0, 1}, second},
        {"no room for the extension", {sizeof second - 2, 0, 0}, third},
        {"a line that goes anyway", {0, sizeof UDP("1", "10.0.0.1") - 3, 0}, second},
    };
    for (size_t i = 0; i < ROWS(steps); i++) {
        struct buf out;
        bool changed;
        buf_init(&out, 4096);
        ROW(steps[i].name,
            budget_fit_sdp(&steps[i].b, text_of_str(sdp), &out, &changed, NULL) == STATUS_OK);
        ROW(steps[i].name, changed == (steps[i].want != NULL));
        ROW(steps[i].name, strcmp(buf_cstr(&out), steps[i].want ? steps[i].want : "") == 0);
        buf_release(&out);
    }
}

static void refusals_have_the_numbers(void **state)
{
    (void)state;
    static const char sdp[] =
        HEAD AUDIO UDP("1", "10.0.0.1") UDP("1", "10.0.0.1") UDP("2", "10.0.0.2");
    static const char left[] = HEAD AUDIO UDP("1", "10.0.0.1") UDP("2", "10.0.0.2");
    char bytes[128], line[128];
    snprintf(bytes, sizeof bytes,
             "hold 100 bytes of SDP; this one has %zu, %zu without what can be left out",
             sizeof sdp - 1, sizeof left - 1);
    snprintf(line, sizeof line, "hold 20 bytes of one SDP line; this one has %zu, %zu without",
             sizeof UDP("1", "10.0.0.1") - 3, sizeof UDP("1", "10.0.0.1") - 3);
    const struct {
        const char *name, *rule;
        struct budget b;
        const char *says;
    } table[] = {
        {"bytes", "limits-sdp", {100, 0, 0}, bytes},
        {"candidates",
         "limits-candidates",
         {0, 0, 1},
         "hold 1 candidates in an SDP; this one has 3, 2 without what can be left out"},
        {"line", "limits-line", {0, 20, 0}, line},
        {"the worst numbers fit the sentence", "limits-sdp", {1, 1, 1}, "hold 1 bytes"},
    };
    for (size_t i = 0; i < ROWS(table); i++) {
        struct problem why = {0};
        struct buf out;
        bool changed;
        buf_init(&out, 4096);
        ROW(table[i].name, budget_fit_sdp(&table[i].b, text_of_str(sdp), &out, &changed, &why) ==
                               STATUS_TOO_LARGE);
        ROW(table[i].name, why.status == STATUS_TOO_LARGE && strcmp(why.rule, table[i].rule) == 0);
        ROW(table[i].name, strstr(why.text, table[i].says) != NULL);
        ROW(table[i].name, strlen(why.text) < PROBLEM_TEXT_MAX - 30);
        buf_release(&out);
    }
}

static void candidates_have_a_line(void **state)
{
    (void)state;
    static const char value[] = "candidate:1 1 udp 1 10.0.0.1 5 typ host"; /* 39 bytes */
    struct problem why = {0};
    const struct budget none = {4, 0, 1}, fits = {4, 39, 1}, small = {4, 38, 1};
    assert_int_equal(budget_fit_candidate(&none, text_of_str(value), &why), STATUS_OK);
    assert_int_equal(budget_fit_candidate(&fits, text_of_str(value), &why), STATUS_OK);
    assert_int_equal(budget_fit_candidate(&small, text_of_str(value), &why), STATUS_TOO_LARGE);
    assert_non_null(strstr(why.text, "38 bytes; this candidate has 39"));
    assert_false(budget_bounds(&(struct budget){0}));
    assert_true(budget_bounds(&none));
}

static void no_memory_is_said(void **state)
{
    (void)state;
    static const char sdp[] = HEAD AUDIO UDP("1", "10.0.0.1") UDP("1", "10.0.0.1");
    char bytes[64];
    bool changed;
    struct buf out;
    buf_init_fixed(&out, bytes, sizeof bytes);
    assert_int_equal(
        budget_fit_sdp(&(struct budget){.candidates = 1}, text_of_str(sdp), &out, &changed, NULL),
        STATUS_NO_MEMORY);
}

/* Whatever the bound: what comes out is within it and sound, and refusals have a reason. */
static void fit_everywhere(const char *name, enum sdp_kind kind, struct text sdp, unsigned *slimmed)
{
    for (unsigned percent = 100; percent >= 40; percent -= 6) {
        struct budget b = {.sdp = text_len(&sdp) * percent / 100,
                           .candidates = percent % 4 ? 0 : percent / 8,
                           .line = percent % 3 ? 0 : 60 + percent};
        struct problem why = {0};
        struct buf out;
        bool changed;
        buf_init(&out, SDP_MAX_BYTES);
        enum status status = budget_fit_sdp(&b, sdp, &out, &changed, &why);
        ROW(name, status == STATUS_OK || (status == STATUS_TOO_LARGE && why.rule && out.len == 0));
        if (status == STATUS_OK && changed) {
            struct text rest = text_of(out.data, out.len), line;
            uint64_t candidates = 0;
            ROW(name, out.len <= b.sdp && out.len < text_len(&sdp));
            ROW(name, sdp_check(kind, out.data, out.len, &why) == STATUS_OK);
            while (text_line(&rest, &line)) {
                ROW(name, b.line == 0 || text_len(&line) <= b.line);
                candidates += text_literal(&line, "a=candidate:");
            }
            ROW(name, b.candidates == 0 || candidates <= b.candidates);
            ++*slimmed;
        }
        buf_release(&out);
    }
}

static void the_corpus(void **state)
{
    (void)state;
    enum { LINE_MAX_BYTES = 4 << 20 };
    unsigned descriptions = 0, slimmed = 0;
    gzFile f = gzopen(CORPUS_PACK, "rb");
    char *line = malloc(LINE_MAX_BYTES);
    assert_non_null(f);
    assert_non_null(line);
    while (gzgets(f, line, LINE_MAX_BYTES)) {
        cJSON *entry = strstr(line, "\\u0000") ? NULL : cJSON_Parse(line);
        const cJSON *payload = cJSON_GetObjectItemCaseSensitive(entry, "payload");
        const cJSON *sdp = cJSON_GetObjectItemCaseSensitive(payload, "sdp");
        struct text text = cJSON_IsString(sdp) ? text_of_str(sdp->valuestring) : text_of_str("");
        enum sdp_kind kind = SDP_ANSWER;
        if (sdp_check(kind, text.p, text_len(&text), NULL) != STATUS_OK)
            kind = SDP_OFFER;
        if (sdp_check(kind, text.p, text_len(&text), NULL) == STATUS_OK) {
            fit_everywhere(cJSON_GetObjectItemCaseSensitive(entry, "name")->valuestring, kind, text,
                           &slimmed);
            descriptions++;
        }
        cJSON_Delete(entry);
    }
    free(line);
    gzclose(f);
    printf("%u descriptions, slimmed %u times\n", descriptions, slimmed);
    assert_true(descriptions > 1000 && slimmed > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_by_table),
        cmocka_unit_test(only_what_is_needed_goes),
        cmocka_unit_test(refusals_have_the_numbers),
        cmocka_unit_test(candidates_have_a_line),
        cmocka_unit_test(no_memory_is_said),
        cmocka_unit_test(the_corpus),
    };
    return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
