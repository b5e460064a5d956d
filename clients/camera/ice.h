/* ICE servers in the form that webrtcbin takes, collected from options and from the bridge.
 *
 * Threads: the main loop's thread. */
#ifndef CAMERA_ICE_H
#define CAMERA_ICE_H

#include <stdbool.h>
#include <stddef.h>

enum { ICE_TURN_MAX = 8 };

struct ice {
    char *stun;                   /* "stun://host:port": libnice asks one; NULL: none */
    char *turn[ICE_TURN_MAX + 1]; /* "turn://user:password@host:port?transport=udp"; NULL ends */
    unsigned turn_count;
};

void ice_clear(struct ice *ice);

/* Takes one URL of RFC 7064 or RFC 7065 ("stun:host", "turns:host:port?transport=tcp"), with the
 * login of a TURN server beside it (NULL: none). False: not understood, or there are enough. */
bool ice_add(struct ice *ice, const char *url, const char *user, const char *password);

/* The same with the login inside: "turn:USER:PASSWORD@HOST...". */
bool ice_add_option(struct ice *ice, const char *url);

#endif
