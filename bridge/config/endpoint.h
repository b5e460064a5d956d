/* Where the bridge listens and which broker it uses, read strictly from text.
 *
 *     endpoint  192.0.2.7:8080   0.0.0.0:0   [::1]:8080
 *     broker    embedded   mqtt://HOST[:PORT]   mqtts://HOST[:PORT]   unix:PATH
 *
 * Port 0 of an endpoint means any free one. A broker's HOST is a DNS name, an IPv4 address or an
 * IPv6 address in brackets; its port is 1883 or 8883 when absent, and never 0.
 *
 * Errors: false, and the reason as a sentence fragment in *why (a static string). A broker URL that
 * holds a user name or a password is refused, and its text must then not be shown to anyone:
 * broker_text_is_secret() tells. Threads: pure functions, no allocation. */
#ifndef SIGBRIDGE_CONFIG_ENDPOINT_H
#define SIGBRIDGE_CONFIG_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ENDPOINT_HOST_MAX = 46, /* INET6_ADDRSTRLEN */
    ENDPOINT_TEXT_MAX = ENDPOINT_HOST_MAX + 9,
    BROKER_HOST_MAX = 254, /* RFC 1035: a name has at most 253 characters as written */
    BROKER_PATH_MAX = 108, /* sun_path with its NUL, unix(7) */
    BROKER_TEXT_MAX = BROKER_HOST_MAX + 20
};

struct endpoint {
    bool ipv6;
    char host[ENDPOINT_HOST_MAX]; /* numeric, in its shortest form, without brackets */
    uint16_t port;                /* 0: any */
};

enum broker_kind { BROKER_EMBEDDED, BROKER_MQTT, BROKER_MQTTS, BROKER_UNIX };

struct broker {
    enum broker_kind kind;
    char host[BROKER_HOST_MAX]; /* MQTT, MQTTS: without brackets; else "" */
    bool ipv6;                  /* the host is an IPv6 address */
    uint16_t port;              /* MQTT, MQTTS */
    char path[BROKER_PATH_MAX]; /* UNIX: as written; else "" */
};

bool endpoint_parse(const char *str, struct endpoint *out, const char **why);
bool endpoint_is_loopback(const struct endpoint *a); /* 127.0.0.0/8, ::1 */
void endpoint_format(const struct endpoint *a, char out[ENDPOINT_TEXT_MAX]);

bool broker_parse(const char *str, struct broker *out, const char **why);
void broker_format(const struct broker *b, char out[BROKER_TEXT_MAX]);
bool broker_text_is_secret(const char *str);

/* RFC 7064 and 7065: stun: stuns: turn: turns:, host, optional port, and for turn(s) an optional
 * ?transport=udp or tcp. */
bool ice_url_ok(const char *str, const char **why);
bool ice_url_is_turn(const char *str);

#endif
