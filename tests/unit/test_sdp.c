/* One row per rule of the SDP check at least: an edit of a sound offer or answer, and what comes of
 * it. */
#include "proto/candidate.h"
#include "proto/sdp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define UFRAG  "a=ice-ufrag:Qx3b\r\n"
#define PWD    "a=ice-pwd:kR2bM0sVq8LZ1yTt5WcNfEhA\r\n"
#define SHA1   "11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44"
#define SHA256 SHA1 ":55:66:77:88:99:AA:BB:CC:DD:EE:FF:00"
#define SHA384 SHA256 ":11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00"
#define SHA512 SHA384 ":11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00"
#define PRINT  "a=fingerprint:sha-256 " SHA256 "\r\n"
#define HEAD   "v=0\r\no=- 46117 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"

/* Lines are numbered in the comments; rows name them. */
static const char sound[] = "v=0\r\n"                                                      /* 1 */
                            "o=- 46117 2 IN IP4 127.0.0.1\r\n"                             /* 2 */
                            "s=-\r\n"                                                      /* 3 */
                            "t=0 0\r\n"                                                    /* 4 */
                            "a=group:BUNDLE 0 1\r\n"                                       /* 5 */
                            "a=msid-semantic: WMS\r\n"                                     /* 6 */
                            "m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\n"                        /* 7 */
                            "c=IN IP4 0.0.0.0\r\n"                                         /* 8 */
                            "b=AS:64\r\n"                                                  /* 9 */
                            "a=mid:0\r\n"                                                  /* 10 */
    UFRAG                                                                                  /* 11 */
        PWD                                                                                /* 12 */
            PRINT                                                                          /* 13 */
                            "a=setup:active\r\n"                                           /* 14 */
                            "a=sendrecv\r\n"                                               /* 15 */
                            "a=extmap:1/sendonly urn:x:level\r\n"                          /* 16 */
                            "a=rtpmap:111 opus/48000/2\r\n"                                /* 17 */
                            "a=fmtp:111 useinbandfec=1\r\n"                                /* 18 */
                            "a=ssrc:2231627014 cname:abc\r\n"                              /* 19 */
                            "a=ssrc-group:FID 2231627014 12\r\n"                           /* 20 */
                            "a=candidate:1 1 udp 2122260223 192.0.2.10 50000 typ host\r\n" /* 21 */
                            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"         /* 22 */
                            "c=IN IP4 0.0.0.0\r\n"                                         /* 23 */
                            "a=mid:1\r\n"                                                  /* 24 */
    UFRAG                                                                                  /* 25 */
        PWD                                                                                /* 26 */
            PRINT                                                                          /* 27 */
                            "a=setup:active\r\n"                                           /* 28 */
                            "a=sctp-port:5000\r\n"                                         /* 29 */
                            "a=max-message-size:262144\r\n";                               /* 30 */

/* The first `find` in `sound` becomes `put`; find NULL: `put` is all there is. */
struct row {
    const char *name;
    enum sdp_kind kind;
    const char *find, *put;
    enum status status;
    unsigned line;
    const char *rule;
};

#define GOOD(name, kind, find, put)                                                                \
    {                                                                                              \
        name, kind, find, put, STATUS_OK, 0, NULL                                                  \
    }
#define BAD(name, kind, find, put, line, rule)                                                     \
    {                                                                                              \
        name, kind, find, put, STATUS_INVALID_SDP, line, rule                                      \
    }

static const struct row rows[] = {
    GOOD("an offer", SDP_OFFER, "", ""),
    GOOD("an answer", SDP_ANSWER, "", ""),
    BAD("nothing", SDP_OFFER, NULL, "", 0, "sdp-empty"),

    /* line ends and bytes */
    GOOD("one bare LF", SDP_OFFER, "v=0\r\n", "v=0\n"),
    GOOD("no final line end", SDP_OFFER, "262144\r\n", "262144"),
    GOOD("CR without LF at the end", SDP_OFFER, "262144\r\n", "262144\r"),
    GOOD("empty line at the end", SDP_OFFER, "262144\r\n", "262144\r\n\r\n"),
    GOOD("empty line before m=", SDP_OFFER, "WMS\r\n", "WMS\r\n\r\n"),
    BAD("empty line before v=", SDP_OFFER, "v=0", "\r\nv=0", 1, "sdp-blank-line"),
    BAD("empty line before s=", SDP_OFFER, "s=-", "\r\ns=-", 3, "sdp-blank-line"),
    BAD("CR alone between lines", SDP_OFFER, "a=sendrecv\r\n", "a=sendrecv\r", 15,
        "sdp-control-character"),
    BAD("LF CR line end", SDP_OFFER, "v=0\r\n", "v=0\n\r", 2, "sdp-control-character"),
    BAD("vertical tab", SDP_OFFER, "a=sendrecv", "a=x:\v", 15, "sdp-control-character"),
    BAD("escape", SDP_OFFER, "a=sendrecv", "a=x:\033[2J is long enough", 15,
        "sdp-control-character"),
    BAD("DEL", SDP_OFFER, "a=sendrecv", "a=x:12345678\177", 15, "sdp-control-character"),
    BAD("next line, which some readers end a line at", SDP_OFFER, "s=-",
        "s=x\xc2\x85"
        "a=x",
        3, "sdp-control-character"),
    BAD("control sequence introducer of eight bits", SDP_OFFER, "s=-", "s=\xc2\x9b", 3,
        "sdp-control-character"),
    BAD("line separator", SDP_OFFER, "a=sendrecv", "a=x:\xe2\x80\xa8", 15, "sdp-control-character"),
    BAD("paragraph separator", SDP_OFFER, "a=sendrecv", "a=x:\xe2\x80\xa9", 15,
        "sdp-control-character"),
    GOOD("their neighbours", SDP_OFFER, "s=-", "s=\xc2\xa0\xe2\x80\xa7\xe2\x80\xaa"),
    BAD("half a control", SDP_OFFER, "s=-", "s=\xc2z", 3, "sdp-utf8"),
    GOOD("tab in free text", SDP_OFFER, "a=sendrecv", "a=x:a\tb"),
    GOOD("UTF-8 in the session name", SDP_OFFER, "s=-",
         "s=caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x93\xb7"),
    BAD("Latin-1", SDP_OFFER, "s=-", "s=caf\xe9", 3, "sdp-utf8"),
    BAD("overlong UTF-8", SDP_OFFER, "s=-", "s=\xc0\xaf", 3, "sdp-utf8"),
    BAD("overlong UTF-8, three bytes", SDP_OFFER, "s=-", "s=\xe0\x9f\xbf", 3, "sdp-utf8"),
    BAD("overlong UTF-8, four bytes", SDP_OFFER, "s=-", "s=\xf0\x8f\xbf\xbf", 3, "sdp-utf8"),
    BAD("surrogate in UTF-8", SDP_OFFER, "s=-", "s=\xed\xa0\x80", 3, "sdp-utf8"),
    BAD("UTF-8 above U+10FFFF", SDP_OFFER, "s=-", "s=\xf4\x90\x80\x80", 3, "sdp-utf8"),
    BAD("UTF-8 cut short", SDP_OFFER, "s=-", "s=\xe2\x82", 3, "sdp-utf8"),
    BAD("UTF-8 broken inside", SDP_OFFER, "s=-", "s=\xe2\x28\xa1", 3, "sdp-utf8"),

    /* lines */
    BAD("one letter", SDP_OFFER, "a=sendrecv", "a", 15, "sdp-line"),
    BAD("no =", SDP_OFFER, "a=sendrecv", "asendrecv", 15, "sdp-line"),
    BAD("= first", SDP_OFFER, "a=sendrecv", "=sendrecv", 15, "sdp-line"),
    BAD("two letters", SDP_OFFER, "a=sendrecv", "ab=sendrecv", 15, "sdp-line"),
    BAD("upper case type", SDP_OFFER, "a=sendrecv", "A=sendrecv", 15, "sdp-line"),
    BAD("indented", SDP_OFFER, "a=sendrecv", " a=sendrecv", 15, "sdp-line"),
    BAD("folded", SDP_OFFER, "a=sendrecv", "a=send\r\n recv", 16, "sdp-line"),

    /* order */
    BAD("v= missing", SDP_OFFER, "v=0\r\n", "", 1, "sdp-order"),
    BAD("v= twice", SDP_OFFER, "v=0\r\n", "v=0\r\nv=0\r\n", 2, "sdp-order"),
    BAD("o= missing", SDP_OFFER, "o=- 46117 2 IN IP4 127.0.0.1\r\n", "", 2, "sdp-order"),
    BAD("s= missing", SDP_OFFER, "s=-\r\n", "", 3, "sdp-order"),
    BAD("t= missing", SDP_OFFER, "t=0 0\r\n", "", 4, "sdp-order"),
    BAD("i= behind t=", SDP_OFFER, "t=0 0\r\n", "t=0 0\r\ni=x\r\n", 5, "sdp-order"),
    BAD("m= before t=", SDP_OFFER, NULL,
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nm=audio 0 RTP/AVP 0\r\n", 4, "sdp-order"),
    BAD("o= in a media section", SDP_OFFER, "a=sendrecv", "o=- 1 1 IN IP4 0.0.0.0", 15,
        "sdp-order"),
    BAD("v= in a media section", SDP_OFFER, "a=sendrecv", "v=0", 15, "sdp-order"),
    BAD("t= in a media section", SDP_OFFER, "a=sendrecv", "t=0 0", 15, "sdp-order"),
    BAD("unknown type", SDP_OFFER, "t=0 0", "x=1", 4, "sdp-order"),
    BAD("unknown type in a media section", SDP_OFFER, "a=sendrecv", "x=1", 15, "sdp-order"),
    GOOD("all of the session section", SDP_OFFER, "t=0 0\r\n",
         "i=info\r\nu=http://a/\r\ne=a@b\r\ne=c@d\r\np=+1 2\r\nc=IN IP6 ::\r\nb=CT:10\r\n"
         "t=0 0\r\nr=7d 1h 0\r\nz=0 0\r\nt=1 2\r\n"),
    GOOD("c= and b= behind t=", SDP_OFFER, "t=0 0\r\n",
         "t=0 0\r\nc=IN IP4 192.0.2.1\r\nb=AS:1\r\n"),
    GOOD("c= and b= behind a=", SDP_OFFER, "a=sendrecv", "c=IN IP4 192.0.2.1\r\nb=AS:1"),
    GOOD("i= in a media section", SDP_OFFER, "a=sendrecv", "i=front door"),
    BAD("k=", SDP_OFFER, "b=AS:64", "k=clear:secret", 9, "sdp-key"),
    BAD("only v=", SDP_OFFER, NULL, "v=0\r\n", 1, "sdp-incomplete"),
    BAD("ends before t=", SDP_OFFER, NULL, "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\n", 3,
        "sdp-incomplete"),

    /* v= o= s= t= c= b= */
    BAD("version 1", SDP_OFFER, "v=0", "v=1", 1, "sdp-version"),
    BAD("version 00", SDP_OFFER, "v=0", "v=00", 1, "sdp-version"),
    BAD("version empty", SDP_OFFER, "v=0", "v=", 1, "sdp-version"),
    GOOD("user name and host name in o=", SDP_OFFER, "o=- 46117", "o=mozilla...THIS 46117"),
    GOOD("session id of 64 bits", SDP_OFFER, "46117", "18446744073709551615"),
    BAD("session id of 21 digits", SDP_OFFER, "46117", "184467440737095516150", 2, "sdp-origin"),
    BAD("session id not a number", SDP_OFFER, "46117", "abc", 2, "sdp-origin"),
    BAD("o= too short", SDP_OFFER, " 127.0.0.1", "", 2, "sdp-origin"),
    BAD("o= of another network", SDP_OFFER, "IN IP4", "ATM NSAP", 2, "sdp-origin"),
    BAD("o= with a seventh field", SDP_OFFER, "127.0.0.1", "127.0.0.1 x", 2, "sdp-origin"),
    BAD("empty session name", SDP_OFFER, "s=-", "s=", 3, "sdp-session-name"),
    GOOD("session name of one space", SDP_OFFER, "s=-", "s= "),
    BAD("t= with one number", SDP_OFFER, "t=0 0", "t=0", 4, "sdp-time"),
    BAD("t= with words", SDP_OFFER, "t=0 0", "t=now never", 4, "sdp-time"),
    BAD("t= beyond 64 bits", SDP_OFFER, "t=0 0", "t=0 18446744073709551616", 4, "sdp-time"),
    GOOD("host name in c=", SDP_OFFER, "IN IP4 0.0.0.0", "IN IP4 camera.example"),
    BAD("multicast in c=", SDP_OFFER, "IN IP4 0.0.0.0", "IN IP4 224.2.1.1/127", 8,
        "sdp-connection"),
    BAD("c= without an address", SDP_OFFER, "IN IP4 0.0.0.0", "IN IP4", 8, "sdp-connection"),
    BAD("b= without a number", SDP_OFFER, "b=AS:64", "b=AS", 9, "sdp-bandwidth"),
    BAD("negative b=", SDP_OFFER, "b=AS:64", "b=AS:-1", 9, "sdp-bandwidth"),
    GOOD("unknown type of b=", SDP_OFFER, "b=AS:64", "b=X-YZ:1"),

    /* m= */
    BAD("port 65536", SDP_OFFER, "audio 9", "audio 65536", 7, "sdp-media"),
    BAD("negative port", SDP_OFFER, "audio 9", "audio -1", 7, "sdp-media"),
    BAD("hexadecimal port", SDP_OFFER, "audio 9", "audio 0x9", 7, "sdp-media"),
    BAD("port and count", SDP_OFFER, "audio 9", "audio 9/2", 7, "sdp-media"),
    BAD("no port", SDP_OFFER, "audio 9 ", "audio ", 7, "sdp-media"),
    BAD("no formats", SDP_OFFER, "SAVPF 111 0", "SAVPF", 7, "sdp-media"),
    BAD("no transport", SDP_OFFER, "UDP/TLS/RTP/SAVPF 111 0", "", 7, "sdp-media"),
    BAD("transport ends in a slash", SDP_OFFER, "SAVPF 111", "SAVPF/ 111", 7, "sdp-media"),
    BAD("transport ends in a parenthesis", SDP_OFFER, "SAVPF 111", "SAVPF( 111", 7, "sdp-media"),
    BAD("two spaces", SDP_OFFER, "audio 9", "audio  9", 7, "sdp-media"),
    BAD("tabs", SDP_OFFER, "audio 9", "audio\t9", 7, "sdp-media"),
    BAD("payload type 128", SDP_OFFER, "SAVPF 111 0", "SAVPF 111 128", 7, "sdp-format"),
    BAD("payload type in words", SDP_OFFER, "SAVPF 111 0", "SAVPF 111 PCMU", 7, "sdp-format"),
    BAD("format that is no word", SDP_OFFER, "webrtc-datachannel", "x\t", 22, "sdp-format"),
    GOOD("space at the end of m=", SDP_OFFER, "SAVPF 111 0", "SAVPF 111 0 "),
    GOOD("placeholder port", SDP_OFFER, "audio 9", "audio 1"),
    GOOD("unknown media", SDP_OFFER, "m=audio", "m=hologram"),
    GOOD("unknown transport", SDP_OFFER, "UDP/DTLS/SCTP", "UDP/QUIC/MOQ"),
    GOOD("SCTP over DTLS as of old", SDP_OFFER, "UDP/DTLS/SCTP webrtc-datachannel",
         "DTLS/SCTP 5000"),
    GOOD("BFCP over DTLS", SDP_OFFER, "UDP/DTLS/SCTP webrtc-datachannel", "UDP/TLS/BFCP *"),
    GOOD("image over UDPTL", SDP_OFFER, "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
         "m=image 9 UDP/TLS/UDPTL t38"),
    GOOD("plain RTP name", SDP_OFFER, "UDP/TLS/RTP/SAVPF", "RTP/AVPF"),
    GOOD("no media sections", SDP_OFFER, NULL, HEAD),
    GOOD("no media sections, in an answer", SDP_ANSWER, NULL, HEAD),

    /* attributes in general */
    BAD("attribute without a name", SDP_OFFER, "a=sendrecv", "a=:x", 15, "sdp-attribute"),
    BAD("empty attribute", SDP_OFFER, "a=sendrecv", "a=", 15, "sdp-attribute"),
    BAD("space before the name", SDP_OFFER, "a=sendrecv", "a= sendrecv", 15, "sdp-attribute"),
    GOOD("unknown attributes", SDP_OFFER, "a=sendrecv",
         "a=x-new:1 2 3\r\na=foo\r\na=goo\r\na=x\r\na=y:\r\na=tls-id:q"),
    GOOD(
        "names with a known beginning", SDP_OFFER, "a=sendrecv",
        "a=setup-x:1\r\na=ssrcs:x\r\na=middle:\r\na=ice-ufrags:a\r\na=rtpmaps:z\r\na=candidates:1"),
    GOOD("attribute name of another case", SDP_OFFER, "a=sendrecv", "a=MID:a b"),
    GOOD("SDES beside DTLS", SDP_OFFER, "a=sendrecv",
         "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x"),

    /* mid and groups */
    BAD("mid with a space", SDP_OFFER, "a=mid:0", "a=mid:a b", 10, "sdp-mid"),
    BAD("mid that is no token", SDP_OFFER, "a=mid:0", "a=mid:a/b", 10, "sdp-mid"),
    BAD("empty mid", SDP_OFFER, "a=mid:0", "a=mid:", 10, "sdp-mid"),
    BAD("mid of 65 bytes", SDP_OFFER, "a=mid:0",
        "a=mid:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 10, "sdp-mid"),
    GOOD("mid of 64 bytes", SDP_OFFER, "a=mid:0",
         "a=mid:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
    GOOD("mid with every kind of token character", SDP_OFFER, "a=mid:0",
         "a=mid:video!#$%&'*+-.^_`{|}~"),
    BAD("mid twice in a section", SDP_OFFER, "a=mid:0", "a=mid:0\r\na=mid:2", 11, "sdp-twice"),
    BAD("the same mid in two sections", SDP_OFFER, "a=mid:1", "a=mid:0", 24, "sdp-mid-twice"),
    GOOD("mid at session level names nothing", SDP_OFFER, "a=msid-semantic: WMS", "a=mid:"),
    GOOD("no mid, no group", SDP_OFFER, NULL,
         HEAD "m=audio 9 RTP/SAVPF 0\r\n" UFRAG PWD PRINT "a=setup:passive\r\n"),
    GOOD("mid of a refused section is empty", SDP_OFFER, NULL,
         HEAD "m=audio 0 RTP/SAVPF 0\r\na=mid:\r\nm=video 0 RTP/SAVPF 0\r\na=mid:\r\n"),
    GOOD("empty BUNDLE group", SDP_OFFER, "BUNDLE 0 1", "BUNDLE"),
    GOOD("empty BUNDLE group with a space", SDP_OFFER, "BUNDLE 0 1", "BUNDLE "),
    GOOD("BUNDLE names a section that is not there", SDP_OFFER, "BUNDLE 0 1", "BUNDLE 0 1 2"),
    GOOD("groups of another kind", SDP_OFFER, "BUNDLE 0 1", "LS 0 1\r\na=group:BUNDLE 0 1"),
    GOOD("group in a media section means nothing", SDP_OFFER, "a=sendrecv", "a=group:BUNDLE 0 0"),
    BAD("group without a meaning", SDP_OFFER, "BUNDLE 0 1", "", 5, "sdp-group"),
    BAD("group meaning is no token", SDP_OFFER, "BUNDLE 0 1", "BUNDLE/x 0", 5, "sdp-group"),
    BAD("two spaces in BUNDLE", SDP_OFFER, "BUNDLE 0 1", "BUNDLE 0  1", 5, "sdp-bundle"),
    BAD("markup in BUNDLE", SDP_OFFER, "BUNDLE 0 1", "BUNDLE <b>", 5, "sdp-bundle"),
    BAD("the same mid twice in BUNDLE", SDP_OFFER, "BUNDLE 0 1", "BUNDLE 0 1 0", 5,
        "sdp-bundle-twice"),
    BAD("a mid in two BUNDLE groups", SDP_OFFER, "BUNDLE 0 1", "BUNDLE 0\r\na=group:BUNDLE 1 0", 6,
        "sdp-bundle-twice"),

    /* ICE */
    BAD("ufrag of 3", SDP_OFFER, "Qx3b", "Qx3", 11, "sdp-ice-ufrag"),
    BAD("ufrag with a colon", SDP_OFFER, "Qx3b", "Qx:3b", 11, "sdp-ice-ufrag"),
    BAD("ufrag with a space", SDP_OFFER, "Qx3b", "Qx 3b", 11, "sdp-ice-ufrag"),
    BAD("ufrag twice", SDP_OFFER, UFRAG, UFRAG UFRAG, 12, "sdp-twice"),
    BAD("pwd of 21", SDP_OFFER, "kR2bM0sVq8LZ1yTt5WcNfEhA", "kR2bM0sVq8LZ1yTt5WcNf", 12,
        "sdp-ice-pwd"),
    GOOD("pwd of 22", SDP_OFFER, "kR2bM0sVq8LZ1yTt5WcNfEhA", "kR2bM0sVq8LZ1yTt5WcNf+"),
    BAD("empty pwd", SDP_OFFER, "kR2bM0sVq8LZ1yTt5WcNfEhA", "", 12, "sdp-ice-pwd"),
    BAD("pwd with a quote", SDP_OFFER, "kR2bM0sVq8LZ1yTt5WcNfEhA", "kR2bM0sVq8LZ1yTt5WcNfEh\"", 12,
        "sdp-ice-pwd"),
    BAD("pwd twice", SDP_OFFER, PWD, PWD PWD, 13, "sdp-twice"),
    BAD("no ufrag", SDP_OFFER, NULL,
        HEAD "m=audio 9 RTP/SAVPF 0\r\n" PWD PRINT "a=setup:active\r\n", 5, "sdp-ice-missing"),
    BAD("no pwd", SDP_ANSWER, NULL,
        HEAD "m=audio 9 RTP/SAVPF 0\r\n" UFRAG PRINT "a=setup:active\r\n", 5, "sdp-ice-missing"),
    GOOD("all at session level", SDP_ANSWER, NULL,
         HEAD UFRAG PWD PRINT
         "a=setup:active\r\nm=audio 9 RTP/SAVPF 0\r\nm=video 9 RTP/SAVPF 96\r\n"),
    GOOD("two levels", SDP_ANSWER, NULL,
         HEAD PRINT "a=setup:active\r\nm=audio 9 RTP/SAVPF 0\r\n" UFRAG PWD),
    GOOD("refused section has nothing", SDP_ANSWER, NULL, HEAD "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\n"),
    BAD("bundle-only section outside a group has nothing", SDP_OFFER, NULL,
        HEAD "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=bundle-only\r\n", 5, "sdp-ice-missing"),
    GOOD("bundled section inherits", SDP_OFFER, NULL,
         HEAD "a=group:BUNDLE a v\r\nm=audio 9 RTP/SAVPF 0\r\na=mid:a\r\n" UFRAG PWD PRINT
              "a=setup:actpass\r\nm=video 0 RTP/SAVPF 96\r\na=mid:v\r\na=bundle-only\r\n"),
    GOOD("bundled section inherits past a refused one", SDP_ANSWER, NULL,
         HEAD "a=group:BUNDLE r a v\r\nm=video 9 RTP/SAVPF 96\r\na=mid:v\r\n"
              "m=audio 9 RTP/SAVPF 0\r\na=mid:a\r\n" UFRAG PWD PRINT
              "a=setup:active\r\nm=audio 0 RTP/SAVPF 0\r\na=mid:r\r\n"),
    BAD("bundled section does not inherit from the others", SDP_ANSWER, NULL,
        HEAD "a=group:BUNDLE v a\r\nm=video 9 RTP/SAVPF 96\r\na=mid:v\r\n"
             "m=audio 9 RTP/SAVPF 0\r\na=mid:a\r\n" UFRAG PWD PRINT "a=setup:active\r\n",
        6, "sdp-ice-missing"),
    BAD("section outside the group does not inherit", SDP_OFFER, NULL,
        HEAD "a=group:BUNDLE a\r\nm=audio 9 RTP/SAVPF 0\r\na=mid:a\r\n" UFRAG PWD PRINT
             "a=setup:actpass\r\nm=video 9 RTP/SAVPF 96\r\na=mid:v\r\n",
        12, "sdp-ice-missing"),

    /* DTLS */
    GOOD("sha-1", SDP_OFFER, "sha-256 " SHA256, "sha-1 " SHA1),
    GOOD("sha-384", SDP_OFFER, "sha-256 " SHA256, "sha-384 " SHA384),
    GOOD("sha-512", SDP_OFFER, "sha-256 " SHA256, "sha-512 " SHA512),
    GOOD("sha-224", SDP_OFFER, "sha-256 " SHA256, "sha-224 " SHA1 ":55:66:77:88:99:AA:BB:CC"),
    GOOD("hash name in upper case", SDP_OFFER, "sha-256", "SHA-256"),
    GOOD("digits in lower case", SDP_OFFER, "AA:BB", "aa:bb"),
    GOOD("two fingerprints", SDP_OFFER, PRINT, PRINT "a=fingerprint:sha-512 " SHA512 "\r\n"),
    BAD("md5", SDP_OFFER, "sha-256", "md5", 13, "sdp-fingerprint-hash"),
    BAD("md5 beside a good one", SDP_OFFER, PRINT,
        PRINT "a=fingerprint:md5 11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00\r\n", 14,
        "sdp-fingerprint-hash"),
    BAD("unknown hash", SDP_OFFER, "sha-256", "sha-999", 13, "sdp-fingerprint-hash"),
    BAD("no hash", SDP_OFFER, "sha-256 ", "", 13, "sdp-fingerprint-hash"),
    BAD("31 octets", SDP_OFFER, "11:22:33", "11:22", 13, "sdp-fingerprint"),
    BAD("33 octets", SDP_OFFER, "11:22:33", "11:22:33:33", 13, "sdp-fingerprint"),
    BAD("20 octets as sha-256", SDP_OFFER, SHA256, SHA1, 13, "sdp-fingerprint"),
    BAD("not hexadecimal", SDP_OFFER, "11:22:33", "11:2G:33", 13, "sdp-fingerprint"),
    BAD("no colons", SDP_OFFER, "11:22:33", "11122233", 13, "sdp-fingerprint"),
    BAD("no value", SDP_OFFER, SHA256, "", 13, "sdp-fingerprint-hash"),
    BAD("no fingerprint", SDP_OFFER, NULL,
        HEAD "m=audio 9 RTP/SAVPF 0\r\n" UFRAG PWD "a=setup:active\r\n"
             "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n",
        5, "sdp-fingerprint-missing"),
    GOOD("actpass in an offer", SDP_OFFER, "a=setup:active", "a=setup:actpass"),
    GOOD("passive in an offer", SDP_OFFER, "a=setup:active", "a=setup:passive"),
    GOOD("passive in an answer", SDP_ANSWER, "a=setup:active", "a=setup:passive"),
    GOOD("role in upper case", SDP_ANSWER, "a=setup:active", "a=setup:ACTIVE"),
    BAD("actpass in an answer", SDP_ANSWER, "a=setup:active", "a=setup:actpass", 14, "sdp-setup"),
    BAD("holdconn", SDP_OFFER, "a=setup:active", "a=setup:holdconn", 14, "sdp-setup"),
    BAD("unknown role", SDP_OFFER, "a=setup:active", "a=setup:both", 14, "sdp-setup"),
    BAD("empty role", SDP_OFFER, "a=setup:active", "a=setup:", 14, "sdp-setup"),
    BAD("two roles", SDP_OFFER, "a=setup:active", "a=setup:active\r\na=setup:passive", 15,
        "sdp-twice"),
    GOOD("no role in an offer", SDP_OFFER, NULL, HEAD "m=audio 9 RTP/SAVPF 0\r\n" UFRAG PWD PRINT),
    BAD("no role in an answer", SDP_ANSWER, NULL, HEAD "m=audio 9 RTP/SAVPF 0\r\n" UFRAG PWD PRINT,
        5, "sdp-setup-missing"),

    /* attributes that become numbers */
    BAD("rtpmap of payload type 128", SDP_OFFER, "rtpmap:111", "rtpmap:128", 17, "sdp-rtpmap"),
    BAD("rtpmap without clock rate", SDP_OFFER, "opus/48000/2", "opus", 17, "sdp-rtpmap"),
    BAD("rtpmap clock rate beyond 32 bits", SDP_OFFER, "48000", "99999999999", 17, "sdp-rtpmap"),
    BAD("rtpmap clock rate with a letter", SDP_OFFER, "48000", "48k", 17, "sdp-rtpmap"),
    GOOD("extmap id above 4095", SDP_OFFER, "extmap:1/", "extmap:4096/"),
    BAD("extmap id 0", SDP_OFFER, "extmap:1/", "extmap:0/", 16, "sdp-extmap"),
    BAD("extmap id 256", SDP_OFFER, "extmap:1/", "extmap:256/", 16, "sdp-extmap"),
    BAD("extmap without a URI", SDP_OFFER, "sendonly urn:x:level", "sendonly", 16, "sdp-extmap"),
    BAD("ssrc in letters", SDP_OFFER, "ssrc:2231627014", "ssrc:abc", 19, "sdp-ssrc"),
    BAD("ssrc without an attribute", SDP_OFFER, " cname:abc", "", 19, "sdp-ssrc"),
    BAD("ssrc-group in letters", SDP_OFFER, "FID 2231627014 12", "FID x", 20, "sdp-ssrc"),
    BAD("SCTP port 65536", SDP_OFFER, "port:5000", "port:65536", 29, "sdp-sctp"),
    BAD("SCTP port in letters", SDP_OFFER, "port:5000", "port:abc", 29, "sdp-sctp"),
    GOOD("message size 0", SDP_OFFER, "size:262144", "size:0"),
    BAD("message size in letters", SDP_OFFER, "size:262144", "size:big", 30, "sdp-sctp"),

    /* candidates */
    BAD("candidate without a type", SDP_OFFER, " typ host", "", 21, "candidate-type"),
    BAD("candidate with the prefix twice", SDP_OFFER, "a=candidate:", "a=candidate:candidate:", 21,
        "candidate-foundation"),
    BAD("candidate at session level", SDP_OFFER, "a=msid-semantic: WMS",
        "a=candidate:1 1 udp 1 192.0.2.10 50000 typ host", 6, "sdp-candidate-level"),
    GOOD("mDNS candidate", SDP_OFFER, "192.0.2.10", "0f3fa7c4-57e5-4c1b-9f5e-0d2b7c6f8a11.local"),
    GOOD("candidate in a refused section", SDP_OFFER, NULL,
         HEAD "m=audio 0 RTP/SAVPF 0\r\na=candidate:1 1 udp 1 192.0.2.10 50000 typ host\r\n"),
};

/* Memory of exactly the length that counts, so that a sanitizer sees a read past the end. */
static char *edit(const struct row *row, size_t *len)
{
    const char *at = row->find ? strstr(sound, row->find) : sound;
    size_t before = row->find ? (size_t)(at - sound) : 0;
    const char *rest = row->find ? at + strlen(row->find) : "";
    *len = before + strlen(row->put) + strlen(rest);
    char *out = malloc(*len + 1);
    snprintf(out, *len + 1, "%.*s%s%s", (int)before, sound, row->put, rest);
    char *exact = malloc(*len ? *len : 1);
    memcpy(exact, out, *len);
    free(out);
    return exact;
}

static void check(const char *name, enum sdp_kind kind, const char *sdp, size_t len,
                  enum status status, unsigned line, const char *rule)
{
    struct problem why = {0};
    enum status got = sdp_check(kind, sdp, len, &why);
    if (got != status || (got != STATUS_OK && (why.status != got || why.line != line || !why.rule ||
                                               strcmp(why.rule, rule) != 0 || !why.text[0])))
        fail_msg("%s: got %s, line %u, %s (%s)", name, status_name(got), why.line,
                 why.rule ? why.rule : "no rule", why.text);
    assert_int_equal(sdp_check(kind, sdp, len, NULL), status);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len;
        if (rows[i].find && !strstr(sound, rows[i].find))
            fail_msg("%s: the row edits what is not there", rows[i].name);
        char *sdp = edit(&rows[i], &len);
        check(rows[i].name, rows[i].kind, sdp, len, rows[i].status, rows[i].line, rows[i].rule);
        free(sdp);
    }
    printf("%zu rows\n", sizeof rows / sizeof rows[0]);
}

static void test_nul(void **state)
{
    (void)state;
    char sdp[sizeof sound];
    memcpy(sdp, sound, sizeof sound);
    *strstr(sdp, "a=sendrecv") = '\0';
    check("NUL", SDP_OFFER, sdp, sizeof sound - 1, STATUS_INVALID_SDP, 15, "sdp-control-character");
}

/* Each bound: the largest that passes, and one more. The part, %u standing for its number, comes
 * `count` times between the head and the tail. */
struct bound {
    const char *name, *head, *part, *tail;
    unsigned most;
    const char *rule;
    unsigned line; /* where one more is refused */
};

#define CREDENTIALS UFRAG PWD PRINT "a=setup:active\r\n"

static const struct bound bounds[] = {
    {"line", HEAD "a=x:", "y", "\r\n", SDP_MAX_LINE - 4, "sdp-line-length", 5},
    {"session lines", HEAD, "a=x\r\n", "", SDP_MAX_SECTION_LINES - 1, "sdp-section-lines",
     4 + SDP_MAX_SECTION_LINES},
    {"section lines", HEAD "m=audio 0 RTP/AVP 0\r\n", "a=x\r\n", "", SDP_MAX_SECTION_LINES - 1,
     "sdp-section-lines", 5 + SDP_MAX_SECTION_LINES},
    {"sections", HEAD CREDENTIALS, "m=audio 9 RTP/AVP 0\r\na=mid:%u\r\n", "", SDP_MAX_SECTIONS,
     "sdp-sections", 9 + 2 * SDP_MAX_SECTIONS},
    {"lines", HEAD CREDENTIALS "m=audio 0 RTP/AVP 0\r\n", "\n", "", SDP_MAX_LINES - 9, "sdp-lines",
     SDP_MAX_LINES + 1},
    {"candidates", HEAD "m=audio 0 RTP/AVP 0\r\n",
     "a=candidate:%u 1 udp 1 192.0.2.1 9 typ host\r\n", "", SDP_MAX_CANDIDATES, "sdp-candidates",
     6 + SDP_MAX_CANDIDATES},
    {"formats", HEAD "m=audio 0 RTP/AVP", " 9", "\r\n", SDP_MAX_FORMATS, "sdp-formats", 5},
    {"BUNDLE groups", HEAD, "a=group:BUNDLE\r\n", "", SDP_MAX_BUNDLES, "sdp-bundles",
     5 + SDP_MAX_BUNDLES},
    {"tags", HEAD "a=group:BUNDLE", " %u", "\r\n", SDP_MAX_TAGS, "sdp-tags", 5},
    {"candidate", HEAD "m=audio 0 RTP/AVP 0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host a ", "b",
     "\r\n", CANDIDATE_MAX_BYTES - 33, "candidate-length", 6},
};

static char *repeat(const struct bound *b, unsigned count, size_t *len)
{
    size_t room = strlen(b->head) + count * (strlen(b->part) + 10) + strlen(b->tail) + 1;
    char *out = malloc(room);
    size_t at = (size_t)snprintf(out, room, "%s", b->head);
    for (unsigned i = 0; i < count; i++) {
        if (strstr(b->part, "%u"))
            at += (size_t)snprintf(out + at, room - at, "%.*s%u%s",
                                   (int)(strstr(b->part, "%u") - b->part), b->part, i,
                                   strstr(b->part, "%u") + 2);
        else
            at += (size_t)snprintf(out + at, room - at, "%s", b->part);
    }
    *len = at + (size_t)snprintf(out + at, room - at, "%s", b->tail);
    return out;
}

static void test_bounds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        const struct bound *b = &bounds[i];
        size_t len;
        char *sdp = repeat(b, b->most, &len);
        check(b->name, SDP_ANSWER, sdp, len, STATUS_OK, 0, NULL);
        free(sdp);
        sdp = repeat(b, b->most + 1, &len);
        check(b->name, SDP_ANSWER, sdp, len, STATUS_TOO_LARGE, b->line, b->rule);
        free(sdp);
    }
}

/* As large as allowed, and one byte more. */
static void test_length(void **state)
{
    (void)state;
    const struct bound filler = {
        .head = HEAD, .part = "m=x 0 y z\r\na=y:0123456789\r\n", .tail = ""};
    size_t len;
    char *sdp = repeat(&filler, SDP_MAX_SECTIONS, &len);
    char *full = malloc(SDP_MAX_BYTES + 1);
    memcpy(full, sdp, len);
    while (len < SDP_MAX_BYTES) { /* long lines, so that no other bound is met first */
        size_t left = SDP_MAX_BYTES - len;
        size_t line = left < 4000 ? left : left < 5000 ? left - 2000 : 4000;
        memset(full + len, 'x', line);
        memcpy(full + len, "a=", 2);
        full[len + line - 1] = '\n';
        len += line;
    }
    full[SDP_MAX_BYTES] = '\n';
    check("200000 bytes", SDP_OFFER, full, SDP_MAX_BYTES, STATUS_OK, 0, NULL);
    check("200001 bytes", SDP_OFFER, full, SDP_MAX_BYTES + 1, STATUS_TOO_LARGE, 0, "sdp-length");
    free(full);
    free(sdp);
}

/* Nothing of the description, least of all a password, is in what we say about it. */
static void test_secret(void **state)
{
    (void)state;
    const struct row row = {.find = "kR2bM0sVq8LZ1yTt5WcNfEhA",
                            .put = "secret secret secret secret"};
    struct problem why;
    size_t len;
    char *sdp = edit(&row, &len);
    assert_int_equal(sdp_check(SDP_OFFER, sdp, len, &why), STATUS_INVALID_SDP);
    assert_null(strstr(why.text, "secret"));
    free(sdp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_nul),
                                       cmocka_unit_test(test_bounds), cmocka_unit_test(test_length),
                                       cmocka_unit_test(test_secret)};
    return cmocka_run_group_tests_name("sdp", tests, NULL, NULL);
}
