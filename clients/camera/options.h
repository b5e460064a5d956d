/* The command line, checked.
 *
 * Threads: pure; the texts of a struct options live as long as argv. */
#ifndef CAMERA_OPTIONS_H
#define CAMERA_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "codec.h"

enum source_kind { SOURCE_TEST, SOURCE_V4L2, SOURCE_RTSP, SOURCE_FILE };

enum {
    OPTIONS_HOST_MAX = 255,
    OPTIONS_ICE_MAX = 8, /* --stun, --turn and --address, each */
    OPTIONS_VIEWERS_MAX = 256,
    OPTIONS_SIZE_MAX = 4096, /* pixels in a row or column */
};

struct options {
    /* the broker */
    char host[OPTIONS_HOST_MAX + 1]; /* "" with a Unix socket */
    uint16_t port;                   /* 0: the usual one */
    const char *unix_path;
    bool tls;
    bool mqtt311;
    const char *ca_file, *cert_file, *key_file;
    const char *user, *password_file;
    const char *prefix; /* NULL: the default */
    unsigned keepalive; /* [s] */
    unsigned ttl;       /* of the presence [s]; 0: none */
    /* the peer */
    const char *room, *name;
    /* media */
    enum source_kind source;
    const char *source_arg; /* device, URL or path; NULL for the test pattern */
    const char *pattern;
    unsigned width, height, fps;
    unsigned bitrate; /* [kbit/s] */
    enum codec prefer;
    bool audio;
    /* viewers */
    unsigned max_viewers;
    unsigned connect_timeout; /* [s] */
    const char *stun[OPTIONS_ICE_MAX], *turn[OPTIONS_ICE_MAX], *address[OPTIONS_ICE_MAX];
    unsigned stun_count, turn_count, address_count;
    enum log_level log_level;
};

enum options_result {
    OPTIONS_RUN,
    OPTIONS_HELP,    /* --help: print options_usage(), exit 0 */
    OPTIONS_VERSION, /* --version */
    OPTIONS_WRONG    /* why[] says which option and what to do; exit 2 */
};

enum options_result options_read(int argc, const char *const argv[], struct options *out, char *why,
                                 size_t why_size);
const char *options_usage(void);

/* The source for people and logs, as "rtsp:rtsp://10.0.0.7/stream": without the user name and
 * password that a URL may hold. */
void options_source_name(const struct options *options, char *out, size_t size);

#endif
