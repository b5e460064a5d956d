#include "models.h"

#define HEAD                                                                                       \
    "v=0\n"                                                                                        \
    "o=- 4611731400430051336 2 IN IP4 127.0.0.1\n"                                                 \
    "s=-\n"                                                                                        \
    "t=0 0\n"                                                                                      \
    "a=group:BUNDLE 0 1 2\n"                                                                       \
    "a=extmap-allow-mixed\n"                                                                       \
    "a=msid-semantic: WMS " MODEL_ID "\n"

#define FINGERPRINT                                                                                \
    "7B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:"   \
    "19:08"

#define TRANSPORT(setup)                                                                           \
    "c=IN IP4 0.0.0.0\n"                                                                           \
    "a=ice-ufrag:" MODEL_UFRAG "\n"                                                                \
    "a=ice-pwd:by5GZGG1lw+040DWA6hXM5Bz\n"                                                         \
    "a=ice-options:trickle\n"                                                                      \
    "a=fingerprint:sha-256 " FINGERPRINT "\n"                                                      \
    "a=setup:" setup "\n"

#define HDREXT "urn:ietf:params:rtp-hdrext:"
#define WEBRTC "http://www.webrtc.org/experiments/rtp-hdrext/"

#define EXTENSIONS                                                                                 \
    "a=extmap:2 " WEBRTC "abs-send-time\n"                                                         \
    "a=extmap:3 "                                                                                  \
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\n"                  \
    "a=extmap:4 " HDREXT "sdes:mid\n"

#define AUDIO(setup)                                                                               \
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\n" TRANSPORT(                             \
        setup) "a=mid:0\n"                                                                         \
               "a=extmap:1 " HDREXT "ssrc-audio-level\n" EXTENSIONS "a=sendrecv\n"                 \
               "a=rtcp-mux\n"                                                                      \
               "a=rtpmap:111 opus/48000/2\n"                                                       \
               "a=rtcp-fb:111 transport-cc\n"                                                      \
               "a=fmtp:111 minptime=10;useinbandfec=1\n"                                           \
               "a=rtpmap:63 red/48000/2\n"                                                         \
               "a=fmtp:63 111/111\n"                                                               \
               "a=rtpmap:9 G722/8000\n"                                                            \
               "a=rtpmap:0 PCMU/8000\n"                                                            \
               "a=rtpmap:8 PCMA/8000\n"                                                            \
               "a=rtpmap:13 CN/8000\n"                                                             \
               "a=rtpmap:110 telephone-event/48000\n"                                              \
               "a=rtpmap:126 telephone-event/8000\n"

#define VIDEO(types, setup)                                                                        \
    "m=video 9 UDP/TLS/RTP/SAVPF " types "\n" TRANSPORT(setup) "a=mid:1\n" EXTENSIONS              \
                                                               "a=rtcp-mux\n"                      \
                                                               "a=rtcp-rsize\n"

#define CODEC(type, codec, repair)                                                                 \
    "a=rtpmap:" type " " codec "/90000\n"                                                          \
    "a=rtcp-fb:" type " goog-remb\n"                                                               \
    "a=rtcp-fb:" type " transport-cc\n"                                                            \
    "a=rtcp-fb:" type " ccm fir\n"                                                                 \
    "a=rtcp-fb:" type " nack\n"                                                                    \
    "a=rtcp-fb:" type " nack pli\n"                                                                \
    "a=rtpmap:" repair " rtx/90000\n"                                                              \
    "a=fmtp:" repair " apt=" type "\n"

#define DATA_CHANNEL(setup)                                                                        \
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\n" TRANSPORT(                                \
        setup) "a=mid:2\n"                                                                         \
               "a=sctp-port:5000\n"                                                                \
               "a=max-message-size:262144\n"

#define AUDIO_TRACK                                                                                \
    "a=msid:" MODEL_ID " audio0\n"                                                                 \
    "a=ssrc:3570614608 cname:" MODEL_ID "\n"

#define VIDEO_EXTENSIONS                                                                           \
    "a=extmap:14 " HDREXT "toffset\n"                                                              \
    "a=extmap:13 urn:3gpp:video-orientation\n"                                                     \
    "a=extmap:5 " WEBRTC "playout-delay\n"                                                         \
    "a=extmap:6 " WEBRTC "video-content-type\n"

#define VIDEO_TRACK                                                                                \
    "a=sendrecv\n"                                                                                 \
    "a=msid:" MODEL_ID " video0\n"                                                                 \
    "a=ssrc-group:FID 2231627014 632943048\n"                                                      \
    "a=ssrc:2231627014 cname:" MODEL_ID "\n"                                                       \
    "a=ssrc:632943048 cname:" MODEL_ID "\n"

#define H264_FORMAT                                                                                \
    "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f\n"

const char model_offer[] = HEAD AUDIO("actpass") AUDIO_TRACK VIDEO("96 97 102 103", "actpass")
    VIDEO_EXTENSIONS CODEC("96", "VP8", "97") CODEC("102", "H264", "103")
        H264_FORMAT VIDEO_TRACK DATA_CHANNEL("actpass");

const char model_answer[] = HEAD AUDIO("active") VIDEO("96 97", "active")
    CODEC("96", "VP8", "97") "a=recvonly\n" DATA_CHANNEL("active");

const char model_candidate[] =
    "{\"candidate\":\"candidate:" MODEL_ID " 1 udp 2122197247 192.0.2.23 57058 typ host "
    "generation 0 ufrag " MODEL_UFRAG " network-id 2\",\"sdpMid\":\"0\",\"sdpMLineIndex\":0,"
    "\"usernameFragment\":\"" MODEL_UFRAG "\"}";

const char model_data[] =
    "{\"id\":\"" MODEL_ID "\",\"text\":\"As agreed, the second camera at the gate is now part of "
    "this room; who wants its picture asks for it by name.\",\"muted\":false,\"hand\":null}";
