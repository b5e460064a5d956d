/* A small offer and answer of a data channel, as members of a JSON message: "{" OFFER ",…}". */
#ifndef SIGBRIDGE_FAKE_SDP_H
#define SIGBRIDGE_FAKE_SDP_H

#define SDP(setup)                                                                                 \
    "v=0\\r\\no=- 1 2 IN IP4 127.0.0.1\\r\\ns=-\\r\\nt=0 0\\r\\n"                                  \
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\\r\\nc=IN IP4 0.0.0.0\\r\\n"                 \
    "a=ice-ufrag:abcd\\r\\na=ice-pwd:abcdefghijklmnopqrstuv\\r\\n"                                 \
    "a=fingerprint:sha-256 " FP "\\r\\na=setup:" setup "\\r\\na=mid:0\\r\\na=sctp-port:5000\\r\\n"
#define FP4    "AB:CD:EF:01:"
#define FP     FP4 FP4 FP4 FP4 FP4 FP4 FP4 "AB:CD:EF:01"
#define OFFER  "\"type\":\"offer\",\"sdp\":\"" SDP("actpass") "\""
#define ANSWER "\"type\":\"answer\",\"sdp\":\"" SDP("active") "\""

#endif
