/* The camera and a viewer's description: what is read in it, what is chosen, and what is written.
 */
#include "choice.h"
#include "remote.h"
#include "rewrite.h"
#include "test.h"

#include "proto/sdp.h"

#include <string.h>

#define HEAD "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
#define PRINT                                                                                      \
    "a=fingerprint:sha-256 8B:9D:A6:58:32:D7:6A:0D:DB:75:2D:8F:1F:B5:49:E1:28:4E:F8:9B:64:70:4C:"  \
    "A6:55:C2:24:32:25:AE:9A:E5\r\n"
#define ICE            "a=ice-ufrag:F7gI\r\na=ice-pwd:x9cml/YzichV2+XlhiMu8g24\r\n"
#define TRANSPORT      "c=IN IP4 0.0.0.0\r\n" ICE PRINT "a=setup:actpass\r\na=rtcp-mux\r\n"
#define VIDEO(formats) "m=video 9 UDP/TLS/RTP/SAVPF " formats "\r\n" TRANSPORT
#define AUDIO          "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" TRANSPORT "a=rtpmap:111 opus/48000/2\r\n"
#define DATA           "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n" TRANSPORT "a=sctp-port:5000\r\n"
#define VP8            "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n"
#define RTX            "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"
#define H264(pt, fmtp) "a=rtpmap:" pt " H264/90000\r\na=fmtp:" pt " " fmtp "\r\n"
#define MODE1(id)      "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=" id
#define MODE0(id)      "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=" id
#define RECVONLY       "a=recvonly\r\n"

/* What a browser offers that wants to watch, shortened. */
#define BROWSER                                                                                    \
    HEAD "a=group:BUNDLE 0\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n" VIDEO(             \
        "96 97 102 104 106 39 45") "a=ice-options:trickle\r\na=mid:0\r\n"                          \
                                   "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n" RECVONLY   \
                                   "a=rtcp-rsize\r\n" VP8                                          \
                                   "a=rtcp-fb:96 goog-remb\r\na=rtcp-fb:96 ccm fir\r\n" RTX H264(  \
                                       "102", MODE1("42001f")) H264("104", MODE0("42001f"))        \
                                       H264("106",                                                 \
                                            MODE1(                                                 \
                                                "42e01f")) "a=rtpmap:39 AV1/90000\r\na=rtpmap:45 " \
                                                           "VP9/90000\r\na=fmtp:45 "               \
                                                           "profile-id=0\r\n"

static enum status read_all(const char *sdp, struct remote *out, struct problem *why)
{
    return remote_read(sdp, strlen(sdp), out, why);
}

/* ---- payload types ---- */

static const struct {
    const char *name, *sdp;
    int vp8, rtx, h264;
} payloads[] = {
    {"a browser", BROWSER, 96, 97, 106},
    {"VP8 under another number", HEAD VIDEO("120") "a=rtpmap:120 VP8/90000\r\n", 120, -1, -1},
    {"VP8 in lower case", HEAD VIDEO("120") "a=rtpmap:120 vp8/90000\r\n", 120, -1, -1},
    {"VP8 at another clock", HEAD VIDEO("120") "a=rtpmap:120 VP8/48000\r\n", -1, -1, -1},
    {"VP8 mapped, but not listed", HEAD VIDEO("120") "a=rtpmap:121 VP8/90000\r\n", -1, -1, -1},
    {"VP8 twice: the first of the m= line",
     HEAD VIDEO("98 97") "a=rtpmap:97 VP8/90000\r\na=rtpmap:98 VP8/90000\r\n", 98, -1, -1},
    {"rtx of another", HEAD VIDEO("96 97") VP8 "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=98\r\n", 96,
     -1, -1},
    {"rtx before its codec", HEAD VIDEO("97 96") RTX VP8, 96, 97, -1},
    {"rtx with a time, spaces",
     HEAD VIDEO("96 97") VP8 "a=rtpmap:97 rtx/90000\r\n"
                             "a=fmtp:97 rtx-time=3000; apt=96\r\n",
     96, 97, -1},
    {"rtx not listed", HEAD VIDEO("96") VP8 RTX, 96, -1, -1},
    {"fmtp before rtpmap",
     HEAD VIDEO("102") "a=fmtp:102 packetization-mode=1\r\na=rtpmap:102 H264/90000\r\n", -1, -1,
     102},
    {"H.264 with single NAL units only", HEAD VIDEO("102") H264("102", MODE0("42e01f")), -1, -1,
     -1},
    {"H.264 that does not say its mode", HEAD VIDEO("102") "a=rtpmap:102 H264/90000\r\n", -1, -1,
     -1},
    {"H.264 mode 10 is not mode 1",
     HEAD VIDEO("102") H264("102", "packetization-mode=10;profile-level-id=42e01f"), -1, -1, -1},
    {"constrained baseline beats baseline",
     HEAD VIDEO("102 106") H264("102", MODE1("42001f")) H264("106", MODE1("42e01f")), -1, -1, 106},
    {"baseline beats main and high",
     HEAD VIDEO("100 101 102") H264("100", MODE1("64001f")) H264("101", MODE1("4d001f"))
         H264("102", MODE1("42001f")),
     -1, -1, 102},
    {"high alone", HEAD VIDEO("100") H264("100", MODE1("64001f")), -1, -1, 100},
    {"upper-case hexadecimal",
     HEAD VIDEO("100 101") H264("100", MODE1("4D001F")) H264("101", MODE1("42E01F")), -1, -1, 101},
    {"constrained baseline written as main with a flag",
     HEAD VIDEO("100 101") H264("100", MODE1("42001f")) H264("101", MODE1("4d801f")), -1, -1, 101},
    {"a profile of another family", HEAD VIDEO("100") H264("100", MODE1("f4001f")), -1, -1, -1},
    {"a static payload type", HEAD VIDEO("34"), -1, -1, -1},
    {"bare line feeds",
     "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nt=0 0\n"
     "m=video 9 UDP/TLS/RTP/SAVPF 96\n"
     "a=ice-ufrag:F7gI\na=ice-pwd:x9cml/YzichV2+XlhiMu8g24\n"
     "a=fingerprint:sha-256 8B:9D:A6:58:32:D7:6A:0D:DB:75:2D:8F:1F:B5:49:E1:28:4E:F8:9B:64:70:4C:"
     "A6:55:C2:24:32:25:AE:9A:E5\na=setup:actpass\na=rtpmap:96 VP8/90000",
     96, -1, -1},
};

static void test_payloads(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(payloads); i++) {
        struct remote r;
        struct problem why;
        const char *name = payloads[i].name;
        ROW(name, read_all(payloads[i].sdp, &r, &why) == STATUS_OK);
        ROW(name, r.count == 1 && r.media[0].kind == KIND_VIDEO);
        ROW(name, r.media[0].codec[CODEC_VP8].payload == payloads[i].vp8);
        ROW(name, r.media[0].codec[CODEC_VP8].rtx == payloads[i].rtx);
        ROW(name, r.media[0].codec[CODEC_H264].payload == payloads[i].h264);
    }
}

static void test_feedback(void **state)
{
    struct remote r;
    (void)state;
    assert_int_equal(read_all(BROWSER, &r, NULL), STATUS_OK);
    const struct remote_codec *c = &r.media[0].codec[CODEC_VP8];
    assert_true(c->nack && c->pli && c->fir);
    c = &r.media[0].codec[CODEC_H264];
    assert_false(c->nack || c->pli || c->fir);
    assert_string_equal(c->profile, "42e01f");
    assert_int_equal(read_all(HEAD VIDEO("96") "a=rtpmap:96 VP8/90000\r\n"
                                               "a=rtcp-fb:* nack pli\r\n",
                              &r, NULL),
                     STATUS_OK);
    assert_true(r.media[0].codec[CODEC_VP8].pli);
    assert_false(r.media[0].codec[CODEC_VP8].nack);
}

/* ---- what is no description ---- */

static const struct {
    const char *name, *sdp, *rule;
} refused[] = {
    {"empty", "", "sdp-media"},
    {"no v=0", "o=- 1 1 IN IP4 127.0.0.1\r\n", "sdp-version"},
    {"no media section", HEAD, "sdp-media"},
    {"an m= line without port", HEAD "m=video UDP/TLS/RTP/SAVPF 96\r\n", "sdp-media"},
    {"an m= line without formats", HEAD "m=video 9 UDP/TLS/RTP/SAVPF\r\n", "sdp-media"},
    {"a port beyond 65535", HEAD "m=video 65536 UDP/TLS/RTP/SAVPF 96\r\n", "sdp-media"},
    {"no ICE user name",
     HEAD "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=ice-pwd:x9cml/YzichV2+XlhiMu8g24\r\n" PRINT
          "a=setup:actpass\r\n",
     "sdp-ice"},
    {"an ICE password that is too short",
     HEAD "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=ice-ufrag:F7gI\r\na=ice-pwd:short\r\n", "sdp-ice"},
    {"an ICE user name with a space",
     HEAD "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=ice-ufrag:F7 gI\r\n", "sdp-ice"},
    {"no fingerprint", HEAD "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" ICE "a=setup:actpass\r\n",
     "sdp-fingerprint"},
    {"only an SHA-1 fingerprint",
     HEAD "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" ICE "a=setup:actpass\r\na=fingerprint:sha-1 "
          "4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB\r\n",
     "sdp-fingerprint"},
    {"no setup", HEAD "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" ICE PRINT, "sdp-setup"},
    {"an unknown setup", HEAD "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=setup:maybe\r\n", "sdp-setup"},
    {"a mid twice", HEAD VIDEO("96") "a=mid:0\r\n" VIDEO("96") "a=mid:0\r\n", "sdp-mid"},
    {"a mid with a space", HEAD VIDEO("96") "a=mid:a b\r\n", "sdp-mid"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(refused); i++) {
        struct remote r;
        struct problem why = {0};
        ROW(refused[i].name, read_all(refused[i].sdp, &r, &why) == STATUS_INVALID_SDP);
        ROW(refused[i].name, why.rule && strcmp(why.rule, refused[i].rule) == 0);
        ROW(refused[i].name, why.text[0] != '\0');
    }
}

static void test_too_many_sections(void **state)
{
    static char sdp[REMOTE_MEDIA_MAX * sizeof VIDEO("96") + 1000];
    struct remote r;
    struct problem why;
    (void)state;
    strcpy(sdp, HEAD);
    for (int i = 0; i < REMOTE_MEDIA_MAX; i++)
        strcat(sdp, VIDEO("96"));
    assert_int_equal(read_all(sdp, &r, &why), STATUS_OK);
    assert_int_equal(r.count, REMOTE_MEDIA_MAX);
    strcat(sdp, VIDEO("96"));
    assert_int_equal(read_all(sdp, &r, &why), STATUS_INVALID_SDP);
    assert_string_equal(why.rule, "sdp-media");
}

/* Attributes of the session count for each section (RFC 8866 section 5.13). */
static void test_session_level(void **state)
{
    struct remote r;
    (void)state;
    assert_int_equal(read_all(HEAD ICE PRINT "a=setup:active\r\na=ice-lite\r\n"
                                             "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:x\r\n" VP8,
                              &r, NULL),
                     STATUS_OK);
    assert_true(r.ice_lite);
    assert_true(text_equals(r.media[0].ufrag, "F7gI"));
    assert_true(text_equals(r.media[0].setup, "active"));
    assert_true(text_equals(r.media[0].hash, "sha-256"));
    assert_true(r.media[0].receives);
    assert_false(r.media[0].rtcp_mux);
}

/* ---- choice ---- */

#define GROUP "a=group:BUNDLE 0 1\r\n"
#define NONE  -1

static const struct {
    const char *name, *sdp;
    enum codec prefer;
    bool audio;
    int video_at, audio_at;
    enum codec codec;
} choices[] = {
    {"both codecs: VP8 is preferred", BROWSER, CODEC_VP8, false, 0, NONE, CODEC_VP8},
    {"both codecs: H.264 is preferred", BROWSER, CODEC_H264, false, 0, NONE, CODEC_H264},
    {"only VP8, H.264 preferred", HEAD VIDEO("96") VP8, CODEC_H264, false, 0, NONE, CODEC_VP8},
    {"only H.264, VP8 preferred", HEAD VIDEO("102") H264("102", MODE1("42e01f")), CODEC_VP8, false,
     0, NONE, CODEC_H264},
    {"no direction is sendrecv", HEAD VIDEO("96") VP8, CODEC_VP8, false, 0, NONE, CODEC_VP8},
    {"the first section that can be served",
     HEAD DATA VIDEO("96") VP8 "a=sendonly\r\n" VIDEO("96") VP8 RECVONLY VIDEO("96") VP8, CODEC_VP8,
     false, 2, NONE, CODEC_VP8},
    {"a section with port 0 is passed over",
     HEAD "m=video 0 UDP/TLS/RTP/SAVPF 96\r\n" VP8 VIDEO("96") VP8, CODEC_VP8, false, 1, NONE,
     CODEC_VP8},
    {"bundle-only with port 0 is live",
     HEAD GROUP AUDIO "a=mid:0\r\nm=video 0 UDP/TLS/RTP/SAVPF 96\r\n" TRANSPORT
                      "a=bundle-only\r\na=mid:1\r\n" VP8,
     CODEC_VP8, false, 1, NONE, CODEC_VP8},
    {"sound when it is wanted", HEAD GROUP AUDIO "a=mid:0\r\n" VIDEO("96") "a=mid:1\r\n" VP8,
     CODEC_VP8, true, 1, 0, CODEC_VP8},
    {"no sound when it is off", HEAD GROUP AUDIO "a=mid:0\r\n" VIDEO("96") "a=mid:1\r\n" VP8,
     CODEC_VP8, false, 1, NONE, CODEC_VP8},
    {"no sound over a transport of its own", HEAD AUDIO "a=mid:0\r\n" VIDEO("96") "a=mid:1\r\n" VP8,
     CODEC_VP8, true, 1, NONE, CODEC_VP8},
    {"sound alone", HEAD AUDIO, CODEC_VP8, true, NONE, 0, CODEC_OPUS},
};

static void test_choice(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(choices); i++) {
        const char *name = choices[i].name;
        const bool send[KIND_COUNT] = {true, choices[i].audio};
        struct remote r;
        struct choice c;
        ROW(name, read_all(choices[i].sdp, &r, NULL) == STATUS_OK);
        ROW(name, choice_make(&r, send, choices[i].prefer, &c, NULL) == STATUS_OK);
        ROW(name, c.mline[KIND_VIDEO] == choices[i].video_at);
        ROW(name, c.mline[KIND_AUDIO] == choices[i].audio_at);
        enum kind k = choices[i].video_at >= 0 ? KIND_VIDEO : KIND_AUDIO;
        ROW(name, c.codec[k] == choices[i].codec);
        ROW(name, choice_index(&c, k) == 0);
        ROW(name, choice_count(&c) == 1u + (choices[i].video_at >= 0 && choices[i].audio_at >= 0));
    }
}

static const struct {
    const char *name, *sdp, *says;
} hopeless[] = {
    {"only data", HEAD DATA, "nothing to send"},
    {"only sound, which is off", HEAD AUDIO, "nothing to send"},
    {"the viewer only sends", HEAD VIDEO("96") VP8 "a=sendonly\r\n", "nothing to send"},
    {"inactive", HEAD VIDEO("96") VP8 "a=inactive\r\n", "nothing to send"},
    {"no codec of ours", HEAD VIDEO("45") "a=rtpmap:45 VP9/90000\r\n", "no common codec"},
    {"RTCP on a port of its own",
     HEAD "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" ICE PRINT "a=setup:actpass\r\n" VP8, "rtcp-mux"},
};

static void test_hopeless(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(hopeless); i++) {
        static const bool send[KIND_COUNT] = {true, false};
        struct remote r;
        struct choice c;
        struct problem why = {0};
        ROW(hopeless[i].name, read_all(hopeless[i].sdp, &r, NULL) == STATUS_OK);
        ROW(hopeless[i].name, choice_make(&r, send, CODEC_VP8, &c, &why) == STATUS_INVALID_SDP);
        ROW(hopeless[i].name, strstr(why.text, hopeless[i].says) != NULL);
    }
}

/* ---- writing ---- */

#define WEBRTCBIN                                                                                  \
    "v=0\r\no=- 9 0 IN IP4 0.0.0.0\r\ns=-\r\n"                                                     \
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\n"                                    \
    "a=ice-ufrag:OwnUserName\r\na=ice-pwd:OwnPasswordOwnPassword\r\na=mid:1\r\na=rtcp-mux\r\n"     \
    "a=setup:active\r\na=rtpmap:96 VP8/90000\r\na=ssrc-group:FID 77 78\r\n"                        \
    "a=ssrc:77 cname:user1\r\na=sendonly\r\n" PRINT "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"          \
    "a=ice-ufrag:OwnUserName\r\na=ice-pwd:OwnPasswordOwnPassword\r\na=mid:0\r\na=setup:active\r\n" \
    "a=ssrc:99 cname:user1\r\n" PRINT

static const unsigned sections[KIND_COUNT] = {0, 1};

static void answer(const char *offer, bool audio, struct buf *out)
{
    const bool send[KIND_COUNT] = {true, audio};
    struct remote r, own;
    struct choice c;
    assert_int_equal(read_all(offer, &r, NULL), STATUS_OK);
    assert_int_equal(choice_make(&r, send, CODEC_VP8, &c, NULL), STATUS_OK);
    assert_int_equal(read_all(WEBRTCBIN, &own, NULL), STATUS_OK);
    struct rewrite_local local = {&own, text_of_str(WEBRTCBIN), sections, 42, 1};
    rewrite_answer(&r, &c, &local, out);
    assert_true(buf_ok(out));
}

static void test_answer(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 10000);
    answer(BROWSER, false, &out);
    assert_string_equal(
        buf_cstr(&out),
        "v=0\r\no=- 42 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-options:trickle\r\n"
        "a=group:BUNDLE 0\r\n"
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=rtcp-mux\r\n"
        "a=ice-ufrag:OwnUserName\r\na=ice-pwd:OwnPasswordOwnPassword\r\n" PRINT
        "a=setup:active\r\na=mid:0\r\na=sendonly\r\na=msid:camera video\r\n"
        "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n"
        "a=rtcp-fb:96 ccm fir\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"
        "a=ssrc-group:FID 77 78\r\na=ssrc:77 cname:user1\r\n");
    buf_release(&out);
}

/* An answer has the sections of its offer, in their order (RFC 3264 section 6). */
static void test_answer_sections(void **state)
{
    static const char offer[] = HEAD "a=group:BUNDLE 0 1 2\r\n" AUDIO "a=mid:0\r\n" RECVONLY VIDEO(
        "96 97") "a=mid:1\r\n" VP8 RTX RECVONLY DATA
                 "a=mid:2\r\n" VIDEO("98") "a=rtpmap:98 VP8/90000\r\na=mid:3\r\n" RECVONLY;
    static const struct {
        const char *name;
        bool audio;
        const char *group;
        bool live[4];
    } rows[] = {
        {"without sound", false, "1", {false, true, false, false}},
        {"with sound", true, "0 1", {true, true, false, false}},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct buf out;
        struct remote r;
        buf_init(&out, 10000);
        answer(offer, rows[i].audio, &out);
        ROW(rows[i].name, sdp_check(SDP_ANSWER, out.data, out.len, NULL) == STATUS_OK);
        ROW(rows[i].name, remote_read(out.data, out.len, &r, NULL) == STATUS_OK);
        ROW(rows[i].name, r.count == 4);
        ROW(rows[i].name, text_equals(r.bundle, rows[i].group));
        for (unsigned m = 0; m < 4; m++) {
            ROW(rows[i].name, r.media[m].rejected != rows[i].live[m]);
            ROW(rows[i].name, !r.media[m].receives);
        }
        ROW(rows[i].name, text_equals(r.media[2].name, "application"));
        ROW(rows[i].name, text_equals(r.media[2].formats, "webrtc-datachannel"));
        ROW(rows[i].name, text_equals(r.media[3].mid, "3"));
        buf_release(&out);
    }
}

/* A section that no longer receives is answered inactive. */
static void test_answer_paused(void **state)
{
    const bool send[KIND_COUNT] = {true, false};
    struct remote r, own;
    struct choice c;
    struct buf out;
    (void)state;
    assert_int_equal(read_all(HEAD VIDEO("96") VP8 RECVONLY, &r, NULL), STATUS_OK);
    assert_int_equal(choice_make(&r, send, CODEC_VP8, &c, NULL), STATUS_OK);
    assert_int_equal(read_all(HEAD VIDEO("96") VP8 "a=inactive\r\n", &r, NULL), STATUS_OK);
    assert_int_equal(read_all(WEBRTCBIN, &own, NULL), STATUS_OK);
    struct rewrite_local local = {&own, text_of_str(WEBRTCBIN), sections, 42, 2};
    buf_init(&out, 10000);
    rewrite_answer(&r, &c, &local, &out);
    assert_non_null(strstr(buf_cstr(&out), "a=inactive\r\n"));
    assert_null(strstr(buf_cstr(&out), "a=sendonly"));
    assert_null(strstr(buf_cstr(&out), "a=mid:"));
    assert_null(strstr(buf_cstr(&out), "a=group:"));
    buf_release(&out);
}

/* H.264 is answered with the profile of the payload type that was taken. */
static void test_answer_h264(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 10000);
    answer(HEAD VIDEO("100 106") H264("100", MODE0("42e01f")) H264("106", MODE1("42e034")), false,
           &out);
    assert_non_null(strstr(buf_cstr(&out), "m=video 9 UDP/TLS/RTP/SAVPF 106\r\n"));
    assert_non_null(strstr(buf_cstr(&out),
                           "a=fmtp:106 level-asymmetry-allowed=1;packetization-mode=1;"
                           "profile-level-id=42e034\r\n"));
    buf_release(&out);
}

/* What goes to webrtcbin: only what is in use, each section with a mid, the rest left out. */
static void test_for_webrtc(void **state)
{
    static const char offer[] = HEAD DATA VIDEO("96 97 106") VP8 RTX H264("106", MODE1("42e01f"))
        RECVONLY "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
                 "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n";
    const bool send[KIND_COUNT] = {true, true};
    struct remote r, again;
    struct choice c;
    struct buf out;
    (void)state;
    buf_init(&out, 10000);
    assert_int_equal(read_all(offer, &r, NULL), STATUS_OK);
    assert_int_equal(choice_make(&r, send, CODEC_H264, &c, NULL), STATUS_OK);
    rewrite_for_webrtc(&r, &c, REWRITE_OFFER, &out);
    assert_int_equal(sdp_check(SDP_OFFER, buf_cstr(&out), out.len, NULL), STATUS_OK);
    assert_int_equal(remote_read(out.data, out.len, &again, NULL), STATUS_OK);
    assert_int_equal(again.count, 1);
    assert_true(text_equals(again.media[0].mid, "section1"));
    assert_true(text_equals(again.media[0].formats, "106"));
    assert_true(again.media[0].bundled && again.media[0].receives);
    assert_null(strstr(buf_cstr(&out), "extmap"));
    assert_null(strstr(buf_cstr(&out), "candidate"));

    /* an answer keeps its sections */
    buf_clear(&out);
    rewrite_for_webrtc(&r, &c, REWRITE_ANSWER, &out);
    assert_int_equal(remote_read(out.data, out.len, &again, NULL), STATUS_OK);
    assert_int_equal(again.count, 2);
    assert_true(again.media[0].rejected && !again.media[1].rejected);
    buf_release(&out);
}

/* Our own offer: all codecs that webrtcbin's has, in its order, nothing twice, no names of ours. */
static void test_offer(void **state)
{
    static const char webrtcbin[] = HEAD
        "a=group:BUNDLE video0 audio1\r\n"
        "m=video 9 UDP/TLS/RTP/SAVPF 102 96 97\r\n" ICE PRINT
        "a=setup:actpass\r\na=rtcp-mux\r\na=mid:video0\r\n" H264("102", MODE1("42e01f")) VP8 RTX
        "a=rtcp-fb:96 transport-cc\r\n"
        "a=ssrc-group:FID 1 2\r\na=ssrc:1 msid:user@host track\r\na=ssrc:1 cname:random\r\n"
        "a=ssrc:1 msid:user@host track\r\na=ssrc:1 cname:random\r\na=ssrc:2 cname:random\r\n"
        "m=audio 0 UDP/TLS/RTP/SAVPF 111\r\n" ICE PRINT
        "a=setup:actpass\r\na=rtcp-mux\r\na=bundle-only\r\na=mid:audio1\r\n"
        "a=rtpmap:111 OPUS/48000/2\r\n";
    struct remote own;
    struct buf out;
    (void)state;
    assert_int_equal(read_all(webrtcbin, &own, NULL), STATUS_OK);
    struct rewrite_local local = {&own, text_of_str(webrtcbin), NULL, 42, 1};
    buf_init(&out, 10000);
    rewrite_offer(&local, &out);
    assert_string_equal(
        buf_cstr(&out),
        "v=0\r\no=- 42 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-options:trickle\r\n"
        "a=group:BUNDLE video0 audio1\r\n"
        "m=video 9 UDP/TLS/RTP/SAVPF 102 96 97\r\nc=IN IP4 0.0.0.0\r\na=rtcp-mux\r\n" ICE PRINT
        "a=setup:actpass\r\na=mid:video0\r\na=sendonly\r\na=msid:camera video\r\n"
        "a=rtpmap:102 H264/90000\r\n"
        "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n"
        "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n"
        "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"
        "a=ssrc-group:FID 1 2\r\na=ssrc:1 cname:random\r\na=ssrc:2 cname:random\r\n"
        "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=rtcp-mux\r\n" ICE PRINT
        "a=setup:actpass\r\na=mid:audio1\r\na=sendonly\r\na=msid:camera audio\r\n"
        "a=rtpmap:111 opus/48000/2\r\n");
    assert_int_equal(sdp_check(SDP_OFFER, out.data, out.len, NULL), STATUS_OK);
    buf_release(&out);
}

/* ---- candidates inside a description ---- */

static void test_candidates_inside(void **state)
{
    struct remote_walk walk = {
        text_of_str(HEAD VIDEO("96") "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n"
                                     "a=candidate:2 1 udp 1 192.0.2.2 9 typ host\r\n" AUDIO
                                     "a=candidate:3 1 udp 1 192.0.2.3 9 typ host\r\n"
                                     "a=end-of-candidates\r\n"),
        -1};
    struct text line;
    (void)state;
    assert_true(remote_next_candidate(&walk, &line));
    assert_true(text_equals(line, "candidate:1 1 udp 1 192.0.2.1 9 typ host"));
    assert_int_equal(walk.mline, 0);
    assert_true(remote_next_candidate(&walk, &line));
    assert_int_equal(walk.mline, 0);
    assert_true(remote_next_candidate(&walk, &line));
    assert_true(text_equals(line, "candidate:3 1 udp 1 192.0.2.3 9 typ host"));
    assert_int_equal(walk.mline, 1);
    assert_true(remote_next_candidate(&walk, &line));
    assert_true(text_end(&line));
    assert_false(remote_next_candidate(&walk, &line));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_payloads),        cmocka_unit_test(test_feedback),
        cmocka_unit_test(test_refused),         cmocka_unit_test(test_too_many_sections),
        cmocka_unit_test(test_session_level),   cmocka_unit_test(test_choice),
        cmocka_unit_test(test_hopeless),        cmocka_unit_test(test_answer),
        cmocka_unit_test(test_answer_sections), cmocka_unit_test(test_answer_paused),
        cmocka_unit_test(test_answer_h264),     cmocka_unit_test(test_for_webrtc),
        cmocka_unit_test(test_offer),           cmocka_unit_test(test_candidates_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
